/* COPY's text format. The input's first byte is the number of columns, the rest a line: its values,
 * written again, read the same. The rest is also taken as one value, which must cross unharmed. */
#include "tests/fuzz/fuzz.h"

#include "common/pg.h"
#include "common/row.h"

#define ARENA_BYTES ((size_t)16 << 20)
#define COLUMNS_MAX 8

static bool same(const struct value *a, const struct value *b)
{
    return a->kind == b->kind && bytes_equal(a->bytes, b->bytes);
}

static void check_again(const struct value *values, size_t count, struct arena *arena)
{
    struct value again[COLUMNS_MAX];
    struct buffer out;
    struct error err = {0};
    buffer_init(&out, arena, ARENA_BYTES);
    for (size_t i = 0; i < count; i++) {
        if (i > 0) {
            write_u8(&out, '\t');
        }
        pg_copy_write_value(&out, values[i]);
    }
    REQUIRE(!out.failed);
    struct bytes line = buffer_bytes(&out);
    REQUIRE(line.len == 0 || memchr(line.ptr, '\n', line.len) == NULL); /* ends the line */
    REQUIRE(pg_copy_line_parse(line, count, arena, again, &err));
    for (size_t i = 0; i < count; i++) {
        REQUIRE(same(&values[i], &again[i]));
    }
    /* One more or one fewer is another query's line. */
    REQUIRE(!pg_copy_line_parse(line, count + 1, arena, again, &err));
    REQUIRE(err.action == ERROR_STOP);
    REQUIRE(count == 1 || !pg_copy_line_parse(line, count - 1, arena, again, &err));
}

static void check_small_arena(struct bytes line, size_t count)
{
    RH_AUTO(arena_release) struct arena small;
    struct value values[COLUMNS_MAX];
    struct error err = {0};
    arena_init(&small, line.len / 2);
    if (!pg_copy_line_parse(line, count, &small, values, &err)) {
        REQUIRE(err.action == ERROR_STOP || err.action == ERROR_ROW);
    }
    REQUIRE(small.total_bytes <= small.limit_bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    RH_AUTO(arena_release) struct arena arena;
    struct value values[COLUMNS_MAX];
    struct error err = {0};
    arena_init(&arena, ARENA_BYTES);
    if (size == 0) {
        return 0;
    }
    size_t count = (size_t)(data[0] % (COLUMNS_MAX - 1)) + 1;
    struct bytes line = fuzz_bytes(data + 1, size - 1);
    if (pg_copy_line_parse(line, count, &arena, values, &err)) {
        check_again(values, count, &arena);
    } else {
        REQUIRE(err.action == ERROR_STOP);
    }
    check_small_arena(line, count);
    check_again(&(struct value){VALUE_TEXT, line}, 1, &arena);
    return 0;
}
