/*
 * replay -- `rowhaul replay`: asks the partitions' owners to apply their logs once more, and waits.
 *
 * Writes rows of rowhaul.requests only; the owners do the work (worker/replay.h). Where no worker
 * is alive, one is started for each partition in turn.
 */
#ifndef RH_CLI_REPLAY_H
#define RH_CLI_REPLAY_H

#include "common/command.h"

#include <stdbool.h>
#include <stddef.h>

struct replay_options {
    struct common_options common;
    const char *table;
    const char *partition;
    const char *from_offset;
    const char *from_time;
    bool failed;
    bool dry_run;
};

extern const struct option_spec replay_option_specs[];

int replay_command(void *options, size_t argc, char **argv);

#endif
