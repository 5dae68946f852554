/* Canonical keys. The input is taken as a key, which reads back into itself or not at all; and as a
 * list of values of every kind of key, whose key is the same for every way to write the values. */
#include "tests/fuzz/fuzz.h"

#include "common/key.h"

#define ARENA_BYTES ((size_t)16 << 20)
#define PARTS_MAX   4
#define ROOM        8 /* bytes by which a written-out value may be longer */

static const size_t columns[PARTS_MAX] = {0, 1, 2, 3};

static struct bytes must_write(const struct value *values, const enum key_kind *kinds, size_t count,
                               struct arena *arena)
{
    struct buffer out;
    struct error err = {0};
    buffer_init(&out, arena, ARENA_BYTES);
    REQUIRE(key_write(&out, values, columns, kinds, count, &err));
    return buffer_bytes(&out);
}

static void check_key(struct bytes key, struct arena *arena)
{
    static const enum key_kind verbatim[PARTS_MAX] = {KEY_VERBATIM, KEY_VERBATIM, KEY_VERBATIM,
                                                      KEY_VERBATIM};
    for (size_t count = 1; count <= PARTS_MAX; count++) {
        struct bytes parts[PARTS_MAX] = {{NULL, 0}};
        struct value values[PARTS_MAX];
        struct error err = {0};
        if (!key_parts(key, parts, count, &err)) {
            REQUIRE(parts[0].ptr == NULL && err.action == ERROR_STOP);
            continue;
        }
        for (size_t i = 0; i < count; i++) {
            values[i] = (struct value){VALUE_TEXT, parts[i]};
        }
        REQUIRE(bytes_equal(must_write(values, verbatim, count, arena), key));
        for (size_t len = 0; len < key.len; len++) {
            REQUIRE(!key_parts((struct bytes){key.ptr, len}, parts, count, &err));
        }
    }
}

/* No numeric has two points; PostgreSQL prints none such. */
static struct bytes as_printed(struct bytes text, enum key_kind kind)
{
    struct bytes rest = text;
    (void)fuzz_until(&rest, '.');
    bool two_points = rest.len > 0 && memchr(rest.ptr, '.', rest.len) != NULL;
    return kind == KEY_NUMERIC && two_points ? BYTES_LITERAL("NaN") : text;
}

/* The same value as SQL sees it, in more letters. */
static struct bytes written_out(struct bytes text, enum key_kind kind, struct arena *arena)
{
    char *longer = arena_must_alloc(arena, text.len + ROOM);
    memcpy(longer, text.ptr, text.len);
    size_t len = text.len;
    bool has_point = memchr(longer, '.', len) != NULL;
    bool is_digits = len > 0 && strspn(longer, "0123456789") == len;
    if (kind == KEY_BPCHAR) {
        memcpy(longer + len, "  ", 2);
        len += 2;
    } else if (kind == KEY_NUMERIC && (has_point || is_digits)) {
        const char *zeros = has_point ? "00" : ".00";
        memcpy(longer + len, zeros, strlen(zeros));
        len += strlen(zeros);
    }
    return (struct bytes){longer, len};
}

static void check_values(struct bytes input, struct arena *arena)
{
    static const enum key_kind kinds[PARTS_MAX] = {KEY_VERBATIM, KEY_NUMERIC, KEY_BPCHAR,
                                                   KEY_NUMERIC};
    struct value values[PARTS_MAX];
    struct value longer[PARTS_MAX];
    struct value canonical[PARTS_MAX];
    struct bytes parts[PARTS_MAX];
    struct reader reader;
    struct error err = {0};
    reader_init(&reader, input);
    for (size_t i = 0; i < PARTS_MAX; i++) {
        values[i] = (struct value){VALUE_TEXT, as_printed(fuzz_part(&reader), kinds[i])};
        longer[i] = (struct value){VALUE_TEXT, written_out(values[i].bytes, kinds[i], arena)};
    }
    struct bytes key = must_write(values, kinds, PARTS_MAX, arena);
    REQUIRE(bytes_equal(must_write(longer, kinds, PARTS_MAX, arena), key));
    REQUIRE(key_parts(key, parts, PARTS_MAX, &err));
    REQUIRE(bytes_equal(parts[0], values[0].bytes));
    for (size_t i = 0; i < PARTS_MAX; i++) {
        canonical[i] = (struct value){VALUE_TEXT, parts[i]};
    }
    REQUIRE(bytes_equal(must_write(canonical, kinds, PARTS_MAX, arena), key));
    values[PARTS_MAX - 1].kind = VALUE_NULL;
    struct buffer out;
    buffer_init(&out, arena, ARENA_BYTES);
    REQUIRE(!key_write(&out, values, columns, kinds, PARTS_MAX, &err));
    REQUIRE(out.len == 0 && err.action == ERROR_ROW);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    RH_AUTO(arena_release) struct arena arena;
    struct bytes input = fuzz_bytes(data, size);
    arena_init(&arena, ARENA_BYTES);
    check_key(input, &arena);
    check_values(input, &arena);
    return 0;
}
