#include "common/key.h"

#include "tests/unit/common/vectors.h"

#define PARTS_MAX 4

static struct arena arena;

static int setup(void **state)
{
    (void)state;
    arena_init(&arena, 1 << 20);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_release(&arena);
    return 0;
}

static struct value text_value(struct bytes bytes)
{
    return (struct value){.kind = VALUE_TEXT, .bytes = bytes};
}

static enum key_kind kind_named(const char *name, size_t len)
{
    struct bytes kind = {name, len};
    if (bytes_is(kind, "numeric"))
        return KEY_NUMERIC;
    if (bytes_is(kind, "bpchar"))
        return KEY_BPCHAR;
    assert_true(bytes_is(kind, "verbatim"));
    return KEY_VERBATIM;
}

struct sample {
    struct value values[PARTS_MAX];
    enum key_kind kinds[PARTS_MAX];
    size_t count;
    struct bytes key;
};

static void read_sample(struct vectors *vectors, struct sample *ret_sample)
{
    struct sample sample = {0};
    const char *kinds = vectors_word(vectors), *parts = vectors_word(vectors), *kind, *part;
    for (size_t kind_len, part_len; (kind = vectors_element(&kinds, &kind_len)) != NULL;) {
        part = vectors_element(&parts, &part_len);
        assert_non_null(part);
        assert_true(sample.count < PARTS_MAX);
        sample.kinds[sample.count] = kind_named(kind, kind_len);
        sample.values[sample.count++] = text_value(vectors_hex(part, part_len, &arena));
    }
    sample.key = vectors_bytes(vectors, &arena);
    *ret_sample = sample;
}

static void check_written(const struct sample *sample)
{
    static const size_t columns[PARTS_MAX] = {0, 1, 2, 3};
    struct error err;
    struct buffer out;
    buffer_init(&out, &arena, 1000);
    assert_true(key_write(&out, sample->values, columns, sample->kinds, sample->count, &err));
    assert_true(bytes_equal(buffer_bytes(&out), sample->key));
}

/* The parts, written again verbatim, are the key: nothing was lost and nothing is left to strip. */
static void check_read(const struct sample *sample)
{
    struct error err;
    struct bytes parts[PARTS_MAX];
    struct sample again = {.count = sample->count, .key = sample->key};
    assert_true(key_parts(sample->key, parts, sample->count, &err));
    for (size_t i = 0; i < sample->count; i++) {
        again.values[i] = text_value(parts[i]);
        again.kinds[i] = sample->kinds[i];
    }
    check_written(&again);
}

static void check_truncations(const struct sample *sample)
{
    struct error err;
    struct bytes parts[PARTS_MAX] = {{"before", 6}};
    for (size_t len = 0; len < sample->key.len; len++) {
        struct bytes prefix = bytes_copy(&arena, (struct bytes){sample->key.ptr, len});
        assert_false(key_parts(prefix, parts, sample->count, &err));
        assert_int_equal(err.action, ERROR_STOP);
        assert_string_equal(err.code, "WIRE_MALFORMED");
        assert_true(bytes_is(parts[0], "before"));
    }
}

static void vectors_hold_in_both_directions_and_no_prefix_is_a_key(void **state)
{
    (void)state;
    struct vectors vectors;
    vectors_open(&vectors);
    int count = 0;
    for (const char *word; (word = vectors_next(&vectors)) != NULL;) {
        if (strcmp(word, "key_of") != 0)
            continue;
        struct sample sample;
        read_sample(&vectors, &sample);
        check_written(&sample);
        check_read(&sample);
        check_truncations(&sample);
        count++;
    }
    vectors_close(&vectors);
    assert_int_equal(count, 24);
}

static void the_key_columns_are_taken_in_key_order(void **state)
{
    (void)state;
    struct value row[] = {text_value(BYTES_LITERAL("a")), text_value(BYTES_LITERAL("b")),
                          text_value(BYTES_LITERAL("c"))};
    static const size_t columns[] = {2, 0};
    static const enum key_kind kinds[] = {KEY_VERBATIM, KEY_VERBATIM};
    struct error err;
    struct buffer out;
    buffer_init(&out, &arena, 100);
    assert_true(key_write(&out, row, columns, kinds, 2, &err));
    assert_true(bytes_equal(buffer_bytes(&out), BYTES_LITERAL("\0\0\0\1c\0\0\0\1a")));
}

static void a_part_that_is_not_there_fails_and_leaves_the_buffer_as_it_was(void **state)
{
    (void)state;
    static const size_t columns[] = {0, 1};
    static const enum key_kind kinds[] = {KEY_VERBATIM, KEY_VERBATIM};
    struct value row[] = {text_value(BYTES_LITERAL("a")), {.kind = VALUE_NULL}};
    struct error err;
    struct buffer out;
    buffer_init(&out, &arena, 100);
    write_text(&out, "before");

    assert_false(key_write(&out, row, columns, kinds, 2, &err));
    assert_int_equal(err.action, ERROR_ROW);
    assert_string_equal(err.text, "key column 2 is null");
    assert_true(bytes_is(buffer_bytes(&out), "before"));

    row[1].kind = VALUE_UNCHANGED;
    assert_false(key_write(&out, row, columns, kinds, 2, &err));
    assert_string_equal(err.text, "key column 2 was not sent by the source");
    assert_true(bytes_is(buffer_bytes(&out), "before"));
}

static void a_key_beyond_the_buffer_is_an_error(void **state)
{
    (void)state;
    static const size_t columns[] = {0};
    static const enum key_kind kinds[] = {KEY_VERBATIM};
    struct value row[] = {text_value(BYTES_LITERAL("12345"))};
    struct error err;
    struct buffer out;
    buffer_init(&out, &arena, 9);
    assert_true(key_write(&out, row, columns, kinds, 1, &err));

    buffer_init(&out, &arena, 8);
    assert_false(key_write(&out, row, columns, kinds, 1, &err));
    assert_int_equal(err.action, ERROR_ROW);
    assert_string_equal(err.text, "key does not fit into 8 bytes");
}

static void a_length_part_of_the_wrong_size_is_refused(void **state)
{
    (void)state;
    struct bytes parts[2];
    struct error err;
    assert_false(key_parts(BYTES_LITERAL("\xff\xff\xff\xff"
                                         "1"),
                           parts, 1, &err));
    assert_string_equal(err.text, "key of 5 bytes does not have 1 parts");
    assert_int_equal(err.exit_code, EXIT_STATE);
    assert_false(key_parts(BYTES_LITERAL("\0\0\0\1ab"), parts, 1, &err));       /* trailing */
    assert_false(key_parts(BYTES_LITERAL("\0\0\0\1a"), parts, 2, &err));        /* too few */
    assert_false(key_parts(BYTES_LITERAL("\0\0\0\0\0\0\0\0"), parts, 1, &err)); /* too many */
    assert_true(key_parts(BYTES_LITERAL("\0\0\0\0\0\0\0\0"), parts, 2, &err));
}

static void only_types_with_one_text_for_each_value_can_be_keys(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        char type;
        bool deterministic;
        enum key_kind kind;
    } cases[] = {
        {"int2", 'b', true, KEY_VERBATIM},
        {"int4", 'b', true, KEY_VERBATIM},
        {"int8", 'b', true, KEY_VERBATIM},
        {"int8", 'b', false, KEY_VERBATIM}, /* has no collation */
        {"oid", 'b', true, KEY_VERBATIM},
        {"uuid", 'b', true, KEY_VERBATIM},
        {"bool", 'b', true, KEY_VERBATIM},
        {"text", 'b', true, KEY_VERBATIM},
        {"text", 'b', false, KEY_REFUSED},
        {"varchar", 'b', true, KEY_VERBATIM},
        {"varchar", 'b', false, KEY_REFUSED},
        {"name", 'b', true, KEY_VERBATIM},
        {"name", 'b', false, KEY_REFUSED},
        {"char", 'b', true, KEY_VERBATIM},
        {"bytea", 'b', true, KEY_VERBATIM},
        {"date", 'b', true, KEY_VERBATIM},
        {"time", 'b', true, KEY_VERBATIM},
        {"timestamp", 'b', true, KEY_VERBATIM},
        {"timestamptz", 'b', true, KEY_VERBATIM},
        {"inet", 'b', true, KEY_VERBATIM},
        {"cidr", 'b', true, KEY_VERBATIM},
        {"macaddr", 'b', true, KEY_VERBATIM},
        {"macaddr8", 'b', true, KEY_VERBATIM},
        {"pg_lsn", 'b', true, KEY_VERBATIM},
        {"xid8", 'b', true, KEY_VERBATIM},
        {"bit", 'b', true, KEY_VERBATIM},
        {"varbit", 'b', true, KEY_VERBATIM},
        {"numeric", 'b', true, KEY_NUMERIC},
        {"bpchar", 'b', true, KEY_BPCHAR},
        {"bpchar", 'b', false, KEY_REFUSED},
        {"order_state", 'e', true, KEY_VERBATIM},
        {"int8", 'd', true, KEY_VERBATIM}, /* a domain, by its base type */
        {"text", 'd', false, KEY_REFUSED},
        {"int8", 'c', true, KEY_REFUSED}, /* a composite that somebody called int8 */
        {"int4range", 'r', true, KEY_REFUSED},
        {"int4multirange", 'm', true, KEY_REFUSED},
        {"citext", 'b', true, KEY_REFUSED},
        {"interval", 'b', true, KEY_REFUSED},
        {"float4", 'b', true, KEY_REFUSED},
        {"float8", 'b', true, KEY_REFUSED},
        {"json", 'b', true, KEY_REFUSED},
        {"jsonb", 'b', true, KEY_REFUSED},
        {"xml", 'b', true, KEY_REFUSED},
        {"timetz", 'b', true, KEY_REFUSED},
        {"money", 'b', true, KEY_REFUSED},
        {"_int8", 'b', true, KEY_REFUSED},
        {"point", 'b', true, KEY_REFUSED},
        {"", 'b', true, KEY_REFUSED},
    };
    for (size_t i = 0; i < RH_COUNT(cases); i++)
        assert_int_equal(key_kind_of(cases[i].name, cases[i].type, cases[i].deterministic),
                         cases[i].kind);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors_hold_in_both_directions_and_no_prefix_is_a_key),
        cmocka_unit_test(the_key_columns_are_taken_in_key_order),
        cmocka_unit_test(a_part_that_is_not_there_fails_and_leaves_the_buffer_as_it_was),
        cmocka_unit_test(a_key_beyond_the_buffer_is_an_error),
        cmocka_unit_test(a_length_part_of_the_wrong_size_is_refused),
        cmocka_unit_test(only_types_with_one_text_for_each_value_can_be_keys),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
