#include "producer/table_position.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct world {
    struct arena arena;
    struct table_position position;
} w;

static int begin(void **state)
{
    (void)state;
    arena_init(&w.arena, (size_t)16 << 20);
    table_position_init(&w.position, 7, &w.arena);
    return 0;
}

static int end(void **state)
{
    (void)state;
    arena_release(&w.arena);
    return 0;
}

static void divide(void)
{
    const struct bytes bounds[] = {bytes_of("g"), bytes_of("p")};

    table_position_divide(&w.position, bounds, 2);
}

static void move(size_t range, const char *key, bool ended)
{
    assert_true(table_position_move(&w.position, range, bytes_of(key), ended));
}

static void expect_key(const char *key)
{
    assert_true(bytes_is(table_position_key(&w.position), key));
}

static void a_table_is_one_range_without_bounds_at_first(void **state)
{
    (void)state;
    assert_int_equal(w.position.ranges_count, 1);
    assert_int_equal(w.position.ranges[0].key.len, 0);
    assert_int_equal(w.position.ranges[0].upto.len, 0);
    assert_int_equal(w.position.progress.rows_estimate, 7);
    assert_false(table_position_is_begun(&w.position));
    assert_false(table_position_is_ended(&w.position));
}

static void each_range_begins_where_the_one_before_ends(void **state)
{
    (void)state;
    divide();
    assert_int_equal(w.position.ranges_count, 3);
    assert_int_equal(w.position.ranges[0].key.len, 0);
    assert_true(bytes_is(buffer_bytes(&w.position.ranges[0].upto), "g"));
    assert_true(bytes_is(buffer_bytes(&w.position.ranges[1].key), "g"));
    assert_true(bytes_is(buffer_bytes(&w.position.ranges[1].upto), "p"));
    assert_true(bytes_is(buffer_bytes(&w.position.ranges[2].key), "p"));
    assert_int_equal(w.position.ranges[2].upto.len, 0);
    assert_true(table_position_is_begun(&w.position));
}

static void what_was_read_or_has_ended_is_begun(void **state)
{
    (void)state;
    move(0, "", true);
    assert_true(table_position_is_begun(&w.position));
    assert_true(table_position_is_ended(&w.position));
    move(0, "a", false);
    assert_true(table_position_is_begun(&w.position));
    assert_false(table_position_is_ended(&w.position));
}

static void the_key_is_the_one_up_to_which_everything_was_read(void **state)
{
    (void)state;
    divide();
    expect_key("");
    move(1, "k", false);
    expect_key("");
    move(0, "c", false);
    expect_key("c");
    move(0, "f", true); /* nothing is between it and g */
    expect_key("k");
    move(2, "z", true);
    expect_key("k");
    assert_false(table_position_is_ended(&w.position));
    move(1, "p", true);
    expect_key("z");
    assert_true(table_position_is_ended(&w.position));
}

static void a_key_beyond_any_index_changes_nothing(void **state)
{
    char *long_key = arena_must_alloc(&w.arena, POSITION_KEY_BYTES_MAX + 1);
    struct bytes key = {long_key, POSITION_KEY_BYTES_MAX};

    (void)state;
    assert_true(table_position_move(&w.position, 0, key, false));
    key.len++;
    assert_false(table_position_move(&w.position, 0, key, true));
    assert_int_equal(w.position.ranges[0].key.len, POSITION_KEY_BYTES_MAX);
    assert_false(w.position.ranges[0].ended);
}

static void a_copy_stands_by_itself(void **state)
{
    struct table_position copy;

    (void)state;
    table_position_init(&copy, 0, &w.arena);
    divide();
    move(1, "h", true);
    w.position.progress.rows_read = 5;
    table_position_copy(&copy, &w.position);
    move(1, "i", false);
    move(0, "b", true);
    assert_int_equal(copy.ranges_count, 3);
    assert_int_equal(copy.progress.rows_read, 5);
    assert_true(bytes_is(buffer_bytes(&copy.ranges[1].key), "h"));
    assert_true(bytes_is(buffer_bytes(&copy.ranges[1].upto), "p"));
    assert_true(copy.ranges[1].ended);
    assert_false(copy.ranges[0].ended);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_table_is_one_range_without_bounds_at_first),
        TEST(each_range_begins_where_the_one_before_ends),
        TEST(what_was_read_or_has_ended_is_begun),
        TEST(the_key_is_the_one_up_to_which_everything_was_read),
        TEST(a_key_beyond_any_index_changes_nothing),
        TEST(a_copy_stands_by_itself),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
