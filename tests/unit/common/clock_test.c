#include "common/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void wall_time_is_shown_in_utc_with_milliseconds(void **state)
{
    static const struct {
        int64_t wall_us;
        const char *text;
    } cases[] = {
        {0, "1970-01-01T00:00:00.000Z"},
        {999, "1970-01-01T00:00:00.000Z"},
        {1000, "1970-01-01T00:00:00.001Z"},
        {-1, "1969-12-31T23:59:59.999Z"},
        {-1000000, "1969-12-31T23:59:59.000Z"},
        {INT64_C(1795169472123999), "2026-11-20T10:11:12.123Z"},
        {INT64_C(1709164799999999), "2024-02-28T23:59:59.999Z"},
        {INT64_C(1709164800000000), "2024-02-29T00:00:00.000Z"},
    };
    char text[32];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        clock_format(cases[i].wall_us, text, sizeof(text));
        assert_string_equal(text, cases[i].text);
    }
}

static void sleeping_takes_at_least_its_time(void **state)
{
    int64_t before = clock_ms();

    (void)state;
    clock_sleep_ms(30);
    assert_in_range(clock_ms() - before, 29, 5000);
    before = clock_ms();
    clock_sleep_ms(0);
    clock_sleep_ms(-5);
    assert_in_range(clock_ms() - before, 0, 20);
}

static void the_wall_clock_is_in_this_century(void **state)
{
    (void)state;
    assert_in_range(clock_wall_us(), INT64_C(1700000000000000), INT64_C(4102444800000000));
}

static void a_backoff_doubles_up_to_its_maximum_and_starts_again(void **state)
{
    static const int64_t most_ms[] = {100, 200, 400, 800, 1000, 1000, 1000};
    struct backoff backoff;

    (void)state;
    backoff_init(&backoff, 100, 1000);
    for (int round = 0; round < 20; round++) {
        for (size_t i = 0; i < sizeof(most_ms) / sizeof(most_ms[0]); i++)
            assert_in_range(backoff_next_ms(&backoff), most_ms[i] / 2, most_ms[i]);
        backoff_reset(&backoff);
    }
}

static void waits_are_jittered(void **state)
{
    struct backoff backoff;
    int64_t least = INT64_MAX, most = 0;

    (void)state;
    backoff_init(&backoff, 1000, 1000);
    for (int i = 0; i < 200; i++) {
        int64_t ms = backoff_next_ms(&backoff);

        least = ms < least ? ms : least;
        most = ms > most ? ms : most;
    }
    assert_in_range(least, 500, 550);
    assert_in_range(most, 950, 1000);
}

static void a_backoff_of_one_millisecond_waits_it(void **state)
{
    struct backoff backoff;

    (void)state;
    backoff_init(&backoff, 1, 1);
    assert_int_equal(backoff_next_ms(&backoff), 1);
    assert_int_equal(backoff_next_ms(&backoff), 1);
    backoff_init(&backoff, INT64_MAX, INT64_MAX);
    assert_true(backoff_next_ms(&backoff) >= INT64_MAX / 2);
    assert_true(backoff_next_ms(&backoff) >= INT64_MAX / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wall_time_is_shown_in_utc_with_milliseconds),
        cmocka_unit_test(sleeping_takes_at_least_its_time),
        cmocka_unit_test(the_wall_clock_is_in_this_century),
        cmocka_unit_test(a_backoff_doubles_up_to_its_maximum_and_starts_again),
        cmocka_unit_test(waits_are_jittered),
        cmocka_unit_test(a_backoff_of_one_millisecond_waits_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
