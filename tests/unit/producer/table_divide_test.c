#include "producer/table_divide.h"

#include "tests/unit/producer/fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct fixture fixture;

static int begin(void **state)
{
    (void)state;
    fixture_init(&fixture);
    fixture.settings.backfill_threads = 4;
    fixture.settings.backfill_range_rows = 1000;
    return 0;
}

static size_t ranges(double rows, uint64_t bytes)
{
    fixture.sources[0].rows_estimate = rows;
    fixture.sources[0].bytes = bytes;
    return table_ranges_wanted(&fixture.tables[0], &fixture.settings);
}

static double percent(double rows, uint64_t bytes, size_t ranges_count)
{
    fixture.sources[0].rows_estimate = rows;
    fixture.sources[0].bytes = bytes;
    return table_sample_percent(&fixture.tables[0], ranges_count);
}

static void a_table_of_less_than_two_ranges_is_not_divided(void **state)
{
    (void)state;
    assert_int_equal(ranges(0, 0), 1);
    assert_int_equal(ranges(1999, 100), 1);
    assert_int_equal(ranges(2000, 100), 2);
}

static void wide_rows_count_by_their_bytes(void **state)
{
    (void)state;
    assert_int_equal(ranges(10, 2000 * 1024 - 1), 1);
    assert_int_equal(ranges(10, 2000 * 1024), 2);
    assert_int_equal(ranges(3000, 2000 * 1024), 3);
}

static void there_are_four_ranges_a_thread_at_most(void **state)
{
    (void)state;
    assert_int_equal(ranges(15999, 0), 15);
    assert_int_equal(ranges(1e12, 0), 16);
    fixture.settings.backfill_threads = 64;
    assert_int_equal(ranges(1e12, 0), RANGES_MAX);
}

static void one_thread_has_nothing_to_share(void **state)
{
    (void)state;
    fixture.settings.backfill_threads = 1;
    assert_int_equal(ranges(1e12, UINT64_MAX), 1);
}

static void only_what_has_blocks_is_sampled(void **state)
{
    (void)state;
    for (const char *kind = "rpmvf"; *kind != '\0'; kind++) {
        fixture.sources[0].kind = *kind;
        assert_int_equal(ranges(2000, 0), *kind == 'v' || *kind == 'f' ? 1 : 2);
    }
}

static void a_sample_has_a_thousand_rows_for_each_range(void **state)
{
    (void)state;
    assert_true(percent(1e6, 1 << 20, 10) == 1.0);
    assert_true(percent(5000, 1 << 20, 10) == 100.0);
    assert_true(percent(0, 1 << 20, 10) == 100.0);
}

static void an_estimate_that_is_too_low_does_not_make_it_read_the_whole_table(void **state)
{
    (void)state;
    assert_true(percent(10, UINT64_C(128) << 20, 2) == 100.0);
    assert_true(percent(10, UINT64_C(512) << 20, 2) == 25.0);
}

#define TEST(name) cmocka_unit_test_setup(name, begin)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_table_of_less_than_two_ranges_is_not_divided),
        TEST(wide_rows_count_by_their_bytes),
        TEST(there_are_four_ranges_a_thread_at_most),
        TEST(one_thread_has_nothing_to_share),
        TEST(only_what_has_blocks_is_sampled),
        TEST(a_sample_has_a_thousand_rows_for_each_range),
        TEST(an_estimate_that_is_too_low_does_not_make_it_read_the_whole_table),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
