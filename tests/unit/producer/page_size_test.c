#include "producer/page_size.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define WANTED_MS    300
#define WANTED_BYTES 1000000

static struct page_size adapted(void)
{
    struct page_size size;

    page_size_init(&size, 0, WANTED_MS, WANTED_BYTES);
    return size;
}

static void a_fast_page_is_followed_by_one_of_at_most_twice_its_rows(void **state)
{
    struct page_size size = adapted();

    (void)state;
    assert_int_equal(size.rows, 2000);
    page_size_adapt(&size, 2000, 2000, 1);
    assert_int_equal(size.rows, 4000);
}

static void a_page_that_took_the_wanted_time_keeps_its_size(void **state)
{
    struct page_size size = adapted();

    (void)state;
    page_size_adapt(&size, 2000, 2000, WANTED_MS);
    assert_int_equal(size.rows, 2000);
    page_size_adapt(&size, 2000, 2000, WANTED_MS + 100);
    assert_int_equal(size.rows, 1500);
}

static void a_slow_page_shrinks_the_next_to_no_less_than_half(void **state)
{
    struct page_size size = adapted();

    (void)state;
    page_size_adapt(&size, 2000, 2000, 100 * WANTED_MS);
    assert_int_equal(size.rows, 1000);
}

static void wide_rows_are_counted_by_bytes_not_by_time(void **state)
{
    struct page_size size = adapted();

    (void)state;
    page_size_adapt(&size, 2000, 2000 * 800, 10);
    assert_int_equal(size.rows, 1250);
}

static void a_short_page_halves_the_next_at_most(void **state)
{
    struct page_size size = adapted();

    (void)state;
    /* Three rows in a millisecond: too few to tell what more would take. */
    page_size_adapt(&size, 3, 30, 1);
    assert_int_equal(size.rows, 1000);
}

static void a_page_never_asks_for_more_than_the_bound_or_less_than_a_row(void **state)
{
    struct page_size size = adapted();

    (void)state;
    for (int i = 0; i < 20; i++)
        page_size_adapt(&size, size.rows, 1, 0);
    assert_int_equal(size.rows, 200000);
    for (int i = 0; i < 30; i++)
        page_size_adapt(&size, size.rows, 1, 1000000);
    assert_int_equal(size.rows, 1);
}

static void a_timeout_halves_down_to_one_row_and_then_fails(void **state)
{
    struct page_size size = adapted();

    (void)state;
    size.rows = 3;
    assert_true(page_size_halve(&size));
    assert_int_equal(size.rows, 1);
    assert_false(page_size_halve(&size));
    assert_int_equal(size.rows, 1);
}

static void a_fixed_size_is_halved_by_a_timeout_and_comes_back(void **state)
{
    struct page_size size;

    (void)state;
    page_size_init(&size, 500, WANTED_MS, WANTED_BYTES);
    page_size_adapt(&size, 500, 1, 1);
    assert_int_equal(size.rows, 500);
    assert_true(page_size_halve(&size));
    assert_int_equal(size.rows, 250);
    page_size_adapt(&size, 250, 1, 100000);
    assert_int_equal(size.rows, 500);
}

static void a_range_begins_with_the_pages_of_the_one_before(void **state)
{
    struct page_size size = adapted();

    (void)state;
    page_size_resume(&size, 0);
    assert_int_equal(size.rows, 2000);
    page_size_resume(&size, 64000);
    assert_int_equal(size.rows, 64000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fast_page_is_followed_by_one_of_at_most_twice_its_rows),
        cmocka_unit_test(a_page_that_took_the_wanted_time_keeps_its_size),
        cmocka_unit_test(a_slow_page_shrinks_the_next_to_no_less_than_half),
        cmocka_unit_test(wide_rows_are_counted_by_bytes_not_by_time),
        cmocka_unit_test(a_short_page_halves_the_next_at_most),
        cmocka_unit_test(a_page_never_asks_for_more_than_the_bound_or_less_than_a_row),
        cmocka_unit_test(a_timeout_halves_down_to_one_row_and_then_fails),
        cmocka_unit_test(a_fixed_size_is_halved_by_a_timeout_and_comes_back),
        cmocka_unit_test(a_range_begins_with_the_pages_of_the_one_before),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
