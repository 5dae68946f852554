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

static const char *query_range(size_t table, struct key_range range, uint32_t rows_max)
{
    struct buffer sql;

    buffer_init(&sql, &w.arena, 10000);
    assert_true(pager_write_query(&sql, &w.fixture.tables[table], range, rows_max, &w.err));
    return buffer_text(&sql);
}

static const char *query(size_t table, struct bytes after, uint32_t rows_max)
{
    return query_range(table, (struct key_range){after, BYTES_EMPTY}, rows_max);
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

static void a_range_ends_with_its_last_key(void **state)
{
    const struct key_range first = {BYTES_EMPTY, BYTES_LITERAL("\0\0\0\1"
                                                               "7")};
    const struct key_range inner = {BYTES_LITERAL("\0\0\0\1"
                                                  "7"),
                                    BYTES_LITERAL("\0\0\0\1"
                                                  "9")};
    const struct key_range pairs = {BYTES_LITERAL("\0\0\0\1"
                                                  "a"
                                                  "\0\0\0\1"
                                                  "1"),
                                    BYTES_LITERAL("\0\0\0\1"
                                                  "b"
                                                  "\0\0\0\1"
                                                  "2")};
    const char *sql;

    (void)state;
    assert_non_null(strstr(query_range(0, first, 5), " WHERE (\"id\") <= ('7'::"));
    sql = query_range(0, inner, 5);
    assert_non_null(strstr(sql, " WHERE (\"id\") > ('7'::"));
    assert_non_null(strstr(sql, ") AND (\"id\") <= ('9'::"));
    sql = query_range(1, pairs, 5);
    assert_non_null(strstr(sql, " WHERE (\"tenant\", \"nr\") > ('a'::"));
    assert_non_null(strstr(sql, ") AND (\"tenant\", \"nr\") <= ('b'::"));
    assert_non_null(strstr(sql, ") AND (\"body\" IS NOT NULL) ORDER BY "));
}

static void a_cursor_of_another_key_is_refused(void **state)
{
    struct buffer sql;

    (void)state;
    buffer_init(&sql, &w.arena, 10000);
    const struct key_range after = {BYTES_LITERAL("\0\0\0\1x"), BYTES_EMPTY};
    const struct key_range upto = {BYTES_EMPTY, BYTES_LITERAL("\0\0\0\1xx")};

    assert_false(pager_write_query(&sql, &w.fixture.tables[1], after, 7, &w.err));
    assert_string_equal(w.err.text, "key of 5 bytes does not have 2 parts");
    assert_false(pager_write_query(&sql, &w.fixture.tables[1], upto, 7, &w.err));
    assert_string_equal(w.err.text, "key of 6 bytes does not have 2 parts");
}

static void a_key_that_does_not_fit_is_an_error(void **state)
{
    struct buffer sql;

    (void)state;
    buffer_init(&sql, &w.arena, 20);
    assert_false(pager_write_query(&sql, &w.fixture.tables[0],
                                   (struct key_range){BYTES_EMPTY, BYTES_EMPTY}, 7, &w.err));
    assert_string_equal(w.err.text, "table \"users\": a key is too long to page by");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_first_page_of_a_plain_table_leaves_its_inheritance_children_out),
        TEST(a_partitioned_table_is_read_with_its_partitions_and_its_condition),
        TEST(a_later_page_compares_whole_keys_with_typed_literals),
        TEST(a_range_ends_with_its_last_key),
        TEST(a_cursor_of_another_key_is_refused),
        TEST(a_key_that_does_not_fit_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
