/*
 * passthrough -- `produce`, `work` and `verify`: the programs beside this one, under a verb.
 *
 * The process becomes that program, so signals, output and exit code are its own.
 */
#ifndef RH_CLI_PASSTHROUGH_H
#define RH_CLI_PASSTHROUGH_H

#include "common/command.h"

#include <stddef.h>
#include <stdint.h>

struct produce_options {
    struct common_options common;
};

struct work_options {
    struct common_options common;
    const char *name;
    const char *assign;
};

struct verify_options {
    struct common_options common;
    const char *mode;
    const char *table;
    const char *max_differences; /* a number or "all": the program checks it */
};

extern const struct option_spec work_option_specs[];
extern const struct option_spec verify_option_specs[];

int produce_command(void *options, size_t argc, char **argv);
int work_command(void *options, size_t argc, char **argv);
int verify_command(void *options, size_t argc, char **argv);

#endif
