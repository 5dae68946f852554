/*
 * run -- `rowhaul run`: the whole job on one machine, with one command that can be repeated.
 *
 * Creates the run or finds it, starts producer and workers as children, shows progress from the
 * ledger, ends when every partition has applied the end barrier, and says what came of it. Killed
 * or interrupted, the same command goes on; on a finished run it shows the result again.
 */
#ifndef RH_CLI_RUN_H
#define RH_CLI_RUN_H

#include "common/command.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct run_options {
    struct common_options common;
    const char *until; /* backfilled | verified; NULL: backfilled */
    uint64_t workers;  /* 0: as the configuration says */
    bool allow_unsafe_kafka;
};

extern const struct option_spec run_option_specs[];

int run_command(void *options, size_t argc, char **argv);

#endif
