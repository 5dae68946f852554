#include "reconciler/source_page.h"

#include "reconciler/extras.h"
#include "reconciler/stage.h"

#include "fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct arena arena;
static struct fixture f;
static struct buffer sql;

static int setup(void **state RH_UNUSED)
{
    arena_init(&arena, 1 << 20);
    buffer_init(&sql, &arena, 1 << 16);
    fixture_init(&f);
    fixture_add(&f, "a", "x", "int4");
    fixture_key(&f, KEY_VERBATIM);
    fixture_add(&f, "note", "note", "text");
    fixture_add(&f, "b", "y", "text");
    fixture_key(&f, KEY_VERBATIM);
    return 0;
}

static int teardown(void **state RH_UNUSED)
{
    arena_release(&arena);
    return 0;
}

static struct bytes key_of(const char *a, const char *b)
{
    const struct value values[] = {{VALUE_TEXT, bytes_of(a)}, {VALUE_TEXT, bytes_of(b)}};
    const size_t columns[] = {0, 1};
    struct buffer key;
    struct error err;
    buffer_init(&key, &arena, 1000);
    assert_true(key_write(&key, values, columns, f.kinds, 2, &err));
    return buffer_bytes(&key);
}

static void assert_page(const bool *wanted, struct bytes after, struct bytes last,
                        const char *expected)
{
    struct error err;
    buffer_clear(&sql);
    assert_true(write_source_page(&sql, &f.table, wanted, after, last, &err));
    assert_string_equal(buffer_text(&sql), expected);
}

static void a_page_begins_behind_a_key_and_ends_at_another(void **state RH_UNUSED)
{
    assert_page(NULL, BYTES_EMPTY, BYTES_EMPTY,
                "SELECT \"a\", \"note\", \"b\" FROM ONLY \"public\".\"old\" WHERE (true)"
                " ORDER BY \"a\", \"b\" LIMIT 5000");
    f.table.where_sql = "\"a\" = 1 OR \"a\" = 2";
    assert_page(NULL, key_of("1", "it's"), key_of("2", ""),
                "SELECT \"a\", \"note\", \"b\" FROM ONLY \"public\".\"old\""
                " WHERE (\"a\" = 1 OR \"a\" = 2)"
                " AND (\"a\", \"b\") > ('1'::\"pg_catalog\".\"int4\","
                " 'it''s'::\"pg_catalog\".\"text\")"
                " AND (\"a\", \"b\") <= ('2'::\"pg_catalog\".\"int4\", ''::\"pg_catalog\".\"text\")"
                " ORDER BY \"a\", \"b\" LIMIT 5000");
}

static void columns_that_nobody_wants_are_not_read_but_keys_are(void **state RH_UNUSED)
{
    static const bool none[3] = {false, false, false};
    assert_page(none, BYTES_EMPTY, BYTES_EMPTY,
                "SELECT \"a\", NULL, \"b\" FROM ONLY \"public\".\"old\" WHERE (true)"
                " ORDER BY \"a\", \"b\" LIMIT 5000");
}

static void a_key_of_another_shape_is_refused(void **state RH_UNUSED)
{
    struct error err;
    assert_false(write_source_page(&sql, &f.table, NULL, BYTES_LITERAL("abc"), BYTES_EMPTY, &err));
    assert_string_equal(err.text, "key of 3 bytes does not have 2 parts");
}

static void an_output_is_reduced_to_its_key_in_the_arbiters_order(void **state RH_UNUSED)
{
    size_t arbiter[] = {2, 0};
    f.output.key = arbiter;
    struct plan_output key = key_output(&f.output, &arena);
    assert_int_equal(key.columns_count, 2);
    assert_string_equal(key.columns[0].target->name, "y");
    assert_string_equal(key.columns[1].target->name, "x");
    write_stage_join(&sql, &key);
    assert_string_equal(buffer_text(&sql), "s.c0 OPERATOR(pg_catalog.=) t.\"y\" AND"
                                           " s.c1 OPERATOR(pg_catalog.=) t.\"x\"");
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_page_begins_behind_a_key_and_ends_at_another),
        TEST(columns_that_nobody_wants_are_not_read_but_keys_are),
        TEST(a_key_of_another_shape_is_refused),
        TEST(an_output_is_reduced_to_its_key_in_the_arbiters_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
