/*
 * rejects -- `rowhaul rejects list` and `show`: the rows that are not on the target, and why.
 *
 * Reads the ledger only. Row contents are shown by `show`, to whoever asks for that one row.
 */
#ifndef RH_CLI_REJECTS_H
#define RH_CLI_REJECTS_H

#include "common/command.h"

#include <stddef.h>

struct rejects_list_options {
    struct common_options common;
    const char *table;
    const char *kind;
};

struct rejects_show_options {
    struct common_options common;
};

extern const struct option_spec rejects_list_option_specs[];

int rejects_list_command(void *options, size_t argc, char **argv);
int rejects_show_command(void *options, size_t argc, char **argv);

#endif
