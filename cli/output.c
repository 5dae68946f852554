#include "cli/output.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define TEXT_BYTES_MAX ((size_t)1 << 30) /* a value's 256 MiB, each byte as four */

static bool closed;

/* How many bytes from here on are whole UTF-8 characters, as jansson sees it: one at a time. */
static size_t character_bytes(struct bytes text)
{
    unsigned char first = (unsigned char)text.ptr[0];
    size_t len = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    if (len > text.len) {
        return 0;
    }
    json_t *probe = json_stringn(text.ptr, len);
    json_decref(probe);
    return probe != NULL ? len : 0;
}

static json_t *escaped(struct bytes text)
{
    RH_AUTO(arena_release) struct arena arena;
    arena_init(&arena, TEXT_BYTES_MAX);
    struct buffer out;
    buffer_init(&out, &arena, TEXT_BYTES_MAX);
    while (text.len > 0) {
        size_t len = character_bytes(text);
        if (len == 0) {
            len = 1;
            write_format(&out, "\\x%02x", (unsigned)(unsigned char)text.ptr[0]);
        } else {
            write_bytes(&out, (struct bytes){text.ptr, len});
        }
        text = (struct bytes){text.ptr + len, text.len - len};
    }
    REQUIRE(!out.failed);
    struct bytes all = buffer_bytes(&out);
    return json_stringn(all.ptr, all.len);
}

json_t *output_text(struct bytes text)
{
    json_t *json = json_stringn(text.ptr, text.len);
    if (json == NULL) {
        json = escaped(text);
    }
    REQUIRE(json != NULL);
    return json;
}

json_t *output_text_or_null(const char *text)
{
    return text == NULL ? json_null() : output_text(bytes_of(text));
}

void output_set(json_t *object, const char *name, json_t *value)
{
    int failed = json_object_set_new(object, name, value);
    REQUIRE(failed == 0);
}

bool output_flush(struct error *err)
{
    if (fflush(stdout) == 0 && !ferror(stdout)) {
        return true;
    }
    closed = closed || errno == EPIPE;
    return error_stop(err, EXIT_INTERNAL, "RH-7010", "could not write the result: %s",
                      strerror(errno));
}

bool output_closed(void)
{
    return closed;
}

bool output_json(json_t *json, struct error *err)
{
    errno = 0;
    int failed = json_dumpf(json, stdout, JSON_COMPACT);
    json_decref(json);
    if (failed == 0 && putchar('\n') != EOF) {
        return true;
    }
    return output_flush(err);
}
