/*
 * environment -- the environment variables that a mapping used, with their values: part of its
 * plan, so that every worker compiles the same text into the same plan whatever its own environment
 * says.
 */
#ifndef RH_COMMON_ENVIRONMENT_H
#define RH_COMMON_ENVIRONMENT_H

#include "common/arena.h"

#include <stddef.h>

struct environment {
    struct arena *arena;
    size_t count, capacity;
    struct environment_entry {
        const char *name, *value;
    } * entries;
};
const char *environment_get(const struct environment *environment, const char *name);
void environment_add(struct environment *environment, const char *name, const char *value);

#endif
