/*
 * cleanup -- `rowhaul cleanup`: lists what a migration left behind, asks, and removes it.
 */
#ifndef RH_CLI_CLEANUP_H
#define RH_CLI_CLEANUP_H

#include "common/command.h"

#include <stdbool.h>
#include <stddef.h>

struct cleanup_options {
    struct common_options common;
    bool yes;
    bool keep_ledger;
    bool dry_run;
};

extern const struct option_spec cleanup_option_specs[];

int cleanup_command(void *options, size_t argc, char **argv);

#endif
