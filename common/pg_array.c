#include "common/pg_array.h"

#include <inttypes.h>

/* A parameter may hold 1 GB; what a batch can put here is bounded by the arena long before. */
#define LITERAL_BYTES_MAX ((size_t)256 << 20)

void pg_array_init(struct pg_array *array, struct arena *arena)
{
    buffer_init(&array->buffer, arena, LITERAL_BYTES_MAX);
    array->empty = true;
    write_u8(&array->buffer, '{');
}

static void separate(struct pg_array *array)
{
    if (!array->empty) {
        write_u8(&array->buffer, ',');
    }
    array->empty = false;
}

void pg_array_add_i64(struct pg_array *array, int64_t value)
{
    separate(array);
    write_format(&array->buffer, "%" PRId64, value);
}

/* Always quoted, so that an empty text, NULL as a word, braces and blanks need no thought. */
void pg_array_add_text(struct pg_array *array, struct bytes value)
{
    separate(array);
    write_u8(&array->buffer, '"');
    for (size_t i = 0; i < value.len; i++) {
        if (value.ptr[i] == '"' || value.ptr[i] == '\\') {
            write_u8(&array->buffer, '\\');
        }
        write_u8(&array->buffer, (uint8_t)value.ptr[i]);
    }
    write_u8(&array->buffer, '"');
}

void pg_array_add_null(struct pg_array *array)
{
    separate(array);
    write_text(&array->buffer, "NULL");
}

const char *pg_array_text(struct pg_array *array)
{
    write_u8(&array->buffer, '}');
    return buffer_text(&array->buffer);
}
