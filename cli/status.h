/*
 * status -- `rowhaul status`: where a run stands, read from the ledger and Kafka. Reads only.
 */
#ifndef RH_CLI_STATUS_H
#define RH_CLI_STATUS_H

#include "common/command.h"

#include <stdbool.h>
#include <stddef.h>

struct status_options {
    struct common_options common;
    bool json;
    bool watch;
};

extern const struct option_spec status_option_specs[];

int status_command(void *options, size_t argc, char **argv);

#endif
