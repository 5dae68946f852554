/*
 * nearest -- "did you mean": the name that somebody who mistyped one probably meant.
 */
#ifndef RH_COMMON_NEAREST_H
#define RH_COMMON_NEAREST_H

#include <stddef.h>

/* The nearest of `count` names within a third of its length (Damerau-Levenshtein), or NULL. */
const char *nearest_name(const char *name, const char *const *names, size_t count);

#endif
