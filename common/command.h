/*
 * command -- the command line: tables of verbs and options, usage printed from them.
 *
 * Every program uses it; a program without verbs has one command with name NULL.
 */
#ifndef RH_COMMON_COMMAND_H
#define RH_COMMON_COMMAND_H

#include "common/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum option_kind { OPTION_FLAG, OPTION_TEXT, OPTION_COUNT };

struct option_spec {
    const char *name; /* "config": --config VALUE, --config=VALUE */
    char letter;      /* 'c' or 0 */
    enum option_kind kind;
    const char *value_name; /* "FILE" in usage */
    const char *help;
    size_t offset;   /* into the command's options struct: bool, const char *, or uint64_t */
    bool repeatable; /* given twice, the last one wins; otherwise twice is refused (but a FLAG's) */
};

/* A table of them ends with run NULL; a program without verbs has one, with name NULL. */
struct command {
    const char *name; /* "run"; "rejects list" for two words; NULL for a program without verbs */
    const char *arguments; /* "TABLE KEY…", "" or NULL */
    const char *summary;
    const struct option_spec *options; /* ends with name NULL; may be NULL; common ones are added */
    size_t arguments_max;
    /* argv: the words behind the verb, without options. Returns the exit code. */
    int (*run)(void *options, size_t argc, char **argv);
};

/* Common to every command of every program; first member of each options struct. */
struct common_options {
    const char *config;     /* -c/--config FILE */
    const char *format;     /* --format text|json */
    const char *log_format; /* --log-format text|json */
    const char *log_level;  /* --log-level */
    bool quiet;             /* -q */
    bool verbose;           /* -v */
    bool no_color;          /* --no-color, NO_COLOR */
};

/*
 * Parses, prints help (--help) and version (--version, with library versions), runs the command.
 * A usage error is one line on stderr, "did you mean", and EXIT_USAGE. `options` is zeroed memory
 * of options_size for the chosen command's struct (a union of all, say). Options stand before or
 * after words; before the verb only the common ones. argv is reordered.
 */
int command_main(const char *program, const struct command *commands, void *options,
                 size_t options_size, int argc, char **argv);
/*
 * Applies the log options over what log_init was told last (the settings'; flags win) and calls
 * log_init. False: EXIT_USAGE.
 */
bool command_log_init(const char *program, const struct common_options *options,
                      struct error *err) RH_MUST_CHECK;

#endif
