#include "common/sql_text.h"

#include <string.h>

#define NAME_BYTES_MAX 63 /* NAMEDATALEN - 1: PostgreSQL would cut a longer one */

/* Writes the value with each occurrence of `a` or `b` doubled. */
static void write_doubled(struct buffer *buffer, struct bytes value, char a, char b)
{
    size_t start = 0;

    for (size_t i = 0; i < value.len; i++) {
        if (value.ptr[i] != a && value.ptr[i] != b) {
            continue;
        }
        /* Up to and including the character; the next piece begins with it again. */
        write_bytes(buffer, (struct bytes){value.ptr + start, i + 1 - start});
        start = i;
    }
    write_bytes(buffer, (struct bytes){value.ptr + start, value.len - start});
}

void sql_name(struct buffer *buffer, const char *name)
{
    struct bytes bytes = bytes_of(name);

    REQUIRE(bytes.len > 0 && bytes.len <= NAME_BYTES_MAX);
    write_text(buffer, "\"");
    write_doubled(buffer, bytes, '"', '"');
    write_text(buffer, "\"");
}

void sql_qualified(struct buffer *buffer, const char *schema, const char *name)
{
    sql_name(buffer, schema);
    write_text(buffer, ".");
    sql_name(buffer, name);
}

static bool has(struct bytes value, char c)
{
    return value.len > 0 && memchr(value.ptr, c, value.len) != NULL;
}

void sql_literal(struct buffer *buffer, struct bytes value)
{
    REQUIRE(!has(value, '\0'));
    write_text(buffer, has(value, '\\') ? "E'" : "'");
    write_doubled(buffer, value, '\'', '\\');
    write_text(buffer, "'");
}
