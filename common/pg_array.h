/*
 * pg_array -- array literals for parameters: '{1,2}', '{"a","b\"c",NULL}'.
 *
 * One statement then moves many rows through unnest() instead of one round trip each.
 */
#ifndef RH_COMMON_PG_ARRAY_H
#define RH_COMMON_PG_ARRAY_H

#include "common/bytes.h"

#include <stdint.h>

/* A literal being written; the text is complete after pg_array_text. */
struct pg_array {
    struct buffer buffer;
    bool empty;
};

void pg_array_init(struct pg_array *array, struct arena *arena);
void pg_array_add_i64(struct pg_array *array, int64_t value);
void pg_array_add_text(struct pg_array *array, struct bytes value);
void pg_array_add_null(struct pg_array *array);
/* Closes the literal; NUL-terminated, in the arena. */
const char *pg_array_text(struct pg_array *array);

#endif
