#include "producer/rate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void without_a_rate_nobody_waits(void **state)
{
    struct rate rate;

    (void)state;
    rate_init(&rate, 0);
    assert_int_equal(rate_take_ms(&rate, 1000000, 5), 0);
    assert_int_equal(rate_page_rows(&rate, 200000), 200000);
}

static void readers_together_wait_as_long_as_their_rows_take(void **state)
{
    struct rate rate;

    (void)state;
    rate_init(&rate, 1000);
    assert_int_equal(rate_take_ms(&rate, 500, 10000), 500);
    assert_int_equal(rate_take_ms(&rate, 500, 10000), 1000);
    assert_int_equal(rate_take_ms(&rate, 500, 10600), 900);
}

static void unused_time_is_not_saved_up(void **state)
{
    struct rate rate;

    (void)state;
    rate_init(&rate, 1000);
    assert_int_equal(rate_take_ms(&rate, 100, 10000), 100);
    assert_int_equal(rate_take_ms(&rate, 100, 60000), 100);
}

static void a_page_is_at_most_half_a_second_of_the_rate(void **state)
{
    struct rate rate;

    (void)state;
    rate_init(&rate, 1000);
    assert_int_equal(rate_page_rows(&rate, 2000), 500);
    assert_int_equal(rate_page_rows(&rate, 500), 500);
    assert_int_equal(rate_page_rows(&rate, 499), 499);
    rate_init(&rate, 1);
    assert_int_equal(rate_page_rows(&rate, 2000), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_rate_nobody_waits),
        cmocka_unit_test(readers_together_wait_as_long_as_their_rows_take),
        cmocka_unit_test(unused_time_is_not_saved_up),
        cmocka_unit_test(a_page_is_at_most_half_a_second_of_the_rate),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
