/*
 * cat -- `rowhaul cat TOPIC`: the messages of a topic as JSON lines, from an offset to the end.
 *
 * Reads only, without the consumer group. Ends at the end the log had when each partition was
 * begun.
 */
#ifndef RH_CLI_CAT_H
#define RH_CLI_CAT_H

#include "common/command.h"

#include <stddef.h>
#include <stdint.h>

struct cat_options {
    struct common_options common;
    const char *partition; /* NULL: all */
    const char *from;      /* an offset; NULL: the first there is */
    uint64_t limit;        /* 0: none */
};

extern const struct option_spec cat_option_specs[];

int cat_command(void *options, size_t argc, char **argv);

#endif
