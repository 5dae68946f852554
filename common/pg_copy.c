/*
 * pg_copy -- COPY's text format, both ways. No I/O.
 *
 * Both functions run once per value of every row of a migration, so they touch each byte as few
 * times as possible: one memchr pass for tabs and one for backslashes when reading, eight bytes at
 * a time when writing.
 *
 * Source: PostgreSQL manual, "COPY", "Text Format".
 */
#include "common/pg.h"
#include "common/row.h"

#include <string.h>

/* What follows the backslash, for the bytes that are escaped; the server writes no other escapes.
 */
static const char escape_letters[256] = {
    ['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n',  ['\r'] = 'r',
    ['\t'] = 't', ['\v'] = 'v', ['\\'] = '\\',
};

static char unescape(char letter)
{
    switch (letter) {
    case 'b':
        return '\b';
    case 'f':
        return '\f';
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    case 'v':
        return '\v';
    default:
        return letter;
    }
}

static const char *find_byte(const char *from, const char *end, char byte)
{
    const char *found = from == end ? NULL : memchr(from, byte, (size_t)(end - from));
    return found == NULL ? end : found;
}

static bool field_unescape(struct bytes field, struct arena *arena, struct bytes *ret,
                           struct error *err)
{
    char *out = arena_alloc_bytes(arena, field.len);
    if (out == NULL) {
        return error_set(err, ERROR_ROW, "row does not fit into the memory limit");
    }
    const char *from = field.ptr;
    const char *end = field.ptr + field.len;
    size_t len = 0;
    for (;;) {
        const char *backslash = find_byte(from, end, '\\');
        memcpy(out + len, from, (size_t)(backslash - from));
        len += (size_t)(backslash - from);
        if (backslash == end) {
            break;
        }
        if (backslash + 1 == end) {
            return error_set(err, ERROR_STOP, "COPY field ends in a backslash");
        }
        out[len++] = unescape(backslash[1]);
        from = backslash + 2;
    }
    *ret = (struct bytes){out, len};
    return true;
}

static bool column_count_error(struct bytes line, size_t expected, struct error *err)
{
    size_t count = 1;
    for (size_t i = 0; i < line.len; i++) {
        count += line.ptr[i] == '\t';
    }
    return error_set(err, ERROR_STOP, "COPY line has %zu columns instead of %zu", count, expected);
}

bool pg_copy_line_parse(struct bytes line, size_t columns_count, struct arena *arena,
                        struct value *ret_values, struct error *err)
{
    REQUIRE(columns_count > 0);
    const char *end = line.ptr + line.len;
    const char *from = line.ptr;
    const char *backslash = find_byte(from, end, '\\');
    for (size_t i = 0; i < columns_count; i++) {
        const char *tab = find_byte(from, end, '\t');
        bool last = i + 1 == columns_count;
        if (last != (tab == end)) {
            return column_count_error(line, columns_count, err);
        }
        struct value *value = &ret_values[i];
        *value = (struct value){VALUE_TEXT, {from, (size_t)(tab - from)}};
        if (backslash < tab) {
            if (bytes_is(value->bytes, "\\N")) {
                *value = (struct value){VALUE_NULL, BYTES_EMPTY};
            } else if (!field_unescape(value->bytes, arena, &value->bytes, err)) {
                return false;
            }
            backslash = find_byte(tab, end, '\\');
        }
        from = last ? end : tab + 1;
    }
    return true;
}

#define BLOCK_BYTES 32

/* True when a byte of the block may need an escape: a control byte below 0x0e or a backslash. Of
 * fixed length and without a branch, so that compilers make vector instructions of it. */
static bool block_needs_care(const char *ptr)
{
    unsigned char care = 0;
    for (size_t i = 0; i < BLOCK_BYTES; i++) {
        unsigned char byte = (unsigned char)ptr[i];
        care |= (unsigned char)((byte < 0x0e) | (byte == '\\'));
    }
    return care != 0;
}

/* Length of the longest start of a value that can be copied as it is. */
static size_t plain_run(const char *ptr, size_t len)
{
    size_t i = 0;
    while (i < len) {
        size_t stop = len - i < BLOCK_BYTES ? len : i + BLOCK_BYTES;
        if (stop - i == BLOCK_BYTES && !block_needs_care(ptr + i)) {
            i = stop;
            continue;
        }
        for (; i < stop; i++) {
            if (escape_letters[(unsigned char)ptr[i]] != '\0') {
                return i;
            }
        }
    }
    return i;
}

void pg_copy_write_value(struct buffer *buffer, struct value value)
{
    REQUIRE(value.kind != VALUE_UNCHANGED);
    if (value.kind == VALUE_NULL) {
        write_bytes(buffer, BYTES_LITERAL("\\N"));
        return;
    }
    struct bytes rest = value.bytes;
    while (rest.len > 0) {
        size_t run = plain_run(rest.ptr, rest.len);
        write_bytes(buffer, (struct bytes){rest.ptr, run});
        if (run == rest.len) {
            return;
        }
        const char escaped[2] = {'\\', escape_letters[(unsigned char)rest.ptr[run]]};
        write_bytes(buffer, (struct bytes){escaped, sizeof(escaped)});
        rest = (struct bytes){rest.ptr + run + 1, rest.len - run - 1};
    }
}
