/* Array literals: the input's parts as elements, written and then read by the rules of PostgreSQL's
 * manual (8.15.6, "Array Input and Output Syntax"), are the same elements. */
#include "tests/fuzz/fuzz.h"

#include "common/pg_array.h"
#include "common/row.h"

#define ARENA_BYTES ((size_t)16 << 20)
#define NULL_MARK   "\x01" /* a part of this byte alone is NULL */

/* Takes one quoted element or the word NULL. */
static struct value read_element(struct bytes *rest, struct arena *arena)
{
    struct buffer out;
    if (rest->len >= 4 && memcmp(rest->ptr, "NULL", 4) == 0) {
        *rest = (struct bytes){rest->ptr + 4, rest->len - 4};
        return (struct value){VALUE_NULL, BYTES_EMPTY};
    }
    buffer_init(&out, arena, ARENA_BYTES);
    size_t i = 1;
    REQUIRE(rest->len > 1 && rest->ptr[0] == '"');
    for (; rest->ptr[i] != '"'; i++) {
        i += rest->ptr[i] == '\\';
        REQUIRE(i < rest->len);
        write_u8(&out, (uint8_t)rest->ptr[i]);
    }
    *rest = (struct bytes){rest->ptr + i + 1, rest->len - i - 1};
    return (struct value){VALUE_TEXT, buffer_bytes(&out)};
}

static char take(struct bytes *rest)
{
    REQUIRE(rest->len > 0);
    char byte = rest->ptr[0];
    *rest = (struct bytes){rest->ptr + 1, rest->len - 1};
    return byte;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    RH_AUTO(arena_release) struct arena arena;
    struct pg_array array;
    struct reader reader;
    arena_init(&arena, ARENA_BYTES);
    pg_array_init(&array, &arena);
    reader_init(&reader, fuzz_bytes(data, size));
    while (reader.left > 0) {
        struct bytes part = fuzz_part(&reader);
        if (bytes_is(part, NULL_MARK)) {
            pg_array_add_null(&array);
        } else {
            pg_array_add_text(&array, part);
        }
    }
    (void)pg_array_text(&array);
    struct bytes rest = buffer_bytes(&array.buffer);

    reader_init(&reader, fuzz_bytes(data, size));
    REQUIRE(take(&rest) == '{');
    for (bool first = true; reader.left > 0; first = false) {
        struct bytes part = fuzz_part(&reader);
        REQUIRE(first || take(&rest) == ',');
        struct value value = read_element(&rest, &arena);
        REQUIRE((value.kind == VALUE_NULL) == bytes_is(part, NULL_MARK));
        REQUIRE(value.kind == VALUE_NULL || bytes_equal(value.bytes, part));
    }
    REQUIRE(take(&rest) == '}' && rest.len == 0);
    return 0;
}
