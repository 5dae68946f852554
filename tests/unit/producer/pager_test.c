#include "producer/pager.h"

#include "tests/unit/producer/fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct world {
    struct fixture fixture;
    struct arena arena;
    struct error err;
} w;

static int begin(void **state)
{
    (void)state;
    fixture_init(&w.fixture);
    arena_init(&w.arena, (size_t)1 << 20);
    return 0;
}

static int end(void **state)
{
    (void)state;
    arena_release(&w.arena);
    return 0;
}

static const char *query(size_t table, struct bytes after, uint32_t rows_max)
{
    struct buffer sql;

    buffer_init(&sql, &w.arena, 10000);
    assert_true(pager_write_query(&sql, &w.fixture.tables[table], after, rows_max, &w.err));
    return buffer_text(&sql);
}

static void the_first_page_of_a_plain_table_leaves_its_inheritance_children_out(void **state)
{
    (void)state;
    assert_string_equal(query(0, BYTES_EMPTY, 2000),
                        "SELECT \"id\", \"na\"\"me\" FROM ONLY \"public\".\"users\""
                        " ORDER BY \"id\" LIMIT 2000");
}

static void a_partitioned_table_is_read_with_its_partitions_and_its_condition(void **state)
{
    (void)state;
    assert_string_equal(query(1, BYTES_EMPTY, 1),
                        "SELECT \"tenant\", \"nr\", \"body\" FROM \"public\".\"events\""
                        " WHERE (\"body\" IS NOT NULL) ORDER BY \"tenant\", \"nr\" LIMIT 1");
}

static void a_later_page_compares_whole_keys_with_typed_literals(void **state)
{
    const struct bytes after = BYTES_LITERAL("\0\0\0\3o'k\0\0\0\3"
                                             "1.5");
    const char *sql = query(1, after, 7);

    (void)state;
    assert_non_null(strstr(sql, " WHERE (\"tenant\", \"nr\") > ('o''k'::"));
    assert_non_null(strstr(sql, ", '1.5'::"));
    assert_non_null(
        strstr(sql, ") AND (\"body\" IS NOT NULL) ORDER BY \"tenant\", \"nr\" LIMIT 7"));
}

static void a_cursor_of_another_key_is_refused(void **state)
{
    struct buffer sql;

    (void)state;
    buffer_init(&sql, &w.arena, 10000);
    assert_false(
        pager_write_query(&sql, &w.fixture.tables[1], BYTES_LITERAL("\0\0\0\1x"), 7, &w.err));
    assert_string_equal(w.err.text, "key of 5 bytes does not have 2 parts");
}

static void a_key_that_does_not_fit_is_an_error(void **state)
{
    struct buffer sql;

    (void)state;
    buffer_init(&sql, &w.arena, 20);
    assert_false(pager_write_query(&sql, &w.fixture.tables[0], BYTES_EMPTY, 7, &w.err));
    assert_string_equal(w.err.text, "table \"users\": a key is too long to page by");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_first_page_of_a_plain_table_leaves_its_inheritance_children_out),
        TEST(a_partitioned_table_is_read_with_its_partitions_and_its_condition),
        TEST(a_later_page_compares_whole_keys_with_typed_literals),
        TEST(a_cursor_of_another_key_is_refused),
        TEST(a_key_that_does_not_fit_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
