/*
 * validate -- is the file right? Its form, and unless --offline its names, types and rules against
 * both catalogs. Nothing is touched, and no Kafka is needed.
 */
#ifndef RH_CLI_VALIDATE_H
#define RH_CLI_VALIDATE_H

#include "common/command.h"
#include "common/mapping.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct validate_options {
    struct common_options common;
    bool offline;
};

extern const struct option_spec validate_option_specs[];

int validate_command(void *options, size_t argc, char **argv);

/*
 * The line of one output: `users: public.users -> public.users, 5 columns, key id, level 0`. The
 * key is the source's.
 */
void validate_print_output(const struct plan_table *table, const struct plan_output *output,
                           FILE *stream);

#endif
