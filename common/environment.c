#include "common/environment.h"

#include <string.h>

const char *environment_get(const struct environment *environment, const char *name)
{
    for (size_t i = 0; i < environment->count; i++) {
        if (strcmp(environment->entries[i].name, name) == 0) {
            return environment->entries[i].value;
        }
    }
    return NULL;
}

/* The first value stays: a plan is compiled with one value per name. */
void environment_add(struct environment *environment, const char *name, const char *value)
{
    if (environment_get(environment, name) != NULL) {
        return;
    }
    if (environment->count == environment->capacity) {
        size_t capacity = environment->capacity == 0 ? 8 : environment->capacity * 2;
        struct environment_entry *entries =
            arena_must_alloc(environment->arena, capacity * sizeof(*entries));
        if (environment->count > 0) {
            memcpy(entries, environment->entries, environment->count * sizeof(*entries));
        }
        environment->entries = entries;
        environment->capacity = capacity;
    }
    environment->entries[environment->count++] =
        (struct environment_entry){.name = arena_must_strdup(environment->arena, name),
                                   .value = arena_must_strdup(environment->arena, value)};
}
