#include "cli/human.h"

#include "common/compiler.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static char text[HUMAN_BYTES];

static void a_count_has_three_digits_and_rounds_into_the_next_unit(void **state RH_UNUSED)
{
    assert_string_equal(human_count(text, 0), "0");
    assert_string_equal(human_count(text, 999), "999");
    assert_string_equal(human_count(text, 1000), "1.00k");
    assert_string_equal(human_count(text, 4610000), "4.61M");
    assert_string_equal(human_count(text, 9994), "9.99k");
    assert_string_equal(human_count(text, 9995), "10.0k");
    assert_string_equal(human_count(text, 99940), "99.9k");
    assert_string_equal(human_count(text, 99950), "100k");
    assert_string_equal(human_count(text, 999499), "999k");
    assert_string_equal(human_count(text, 999500), "1.00M");
    assert_string_equal(human_count(text, UINT64_MAX), "18.4E");
}

static void a_rate_has_two_digits(void **state RH_UNUSED)
{
    assert_string_equal(human_rate(text, 42000), "42k/s");
    assert_string_equal(human_rate(text, 850.4), "850/s");
    assert_string_equal(human_rate(text, 4249), "4.2k/s");
    assert_string_equal(human_rate(text, 9949), "9.9k/s");
    assert_string_equal(human_rate(text, 9951), "10k/s");
    assert_string_equal(human_rate(text, 1300000), "1.3M/s");
    assert_string_equal(human_rate(text, 0), "0/s");
    assert_string_equal(human_rate(text, -5), "0/s");
}

static void thousands_are_separated(void **state RH_UNUSED)
{
    assert_string_equal(human_thousands(text, 0), "0");
    assert_string_equal(human_thousands(text, 999), "999");
    assert_string_equal(human_thousands(text, 1000), "1,000");
    assert_string_equal(human_thousands(text, 1304), "1,304");
    assert_string_equal(human_thousands(text, 123456), "123,456");
    assert_string_equal(human_thousands(text, UINT64_MAX), "18,446,744,073,709,551,615");
}

static void bytes_have_binary_units(void **state RH_UNUSED)
{
    assert_string_equal(human_bytes(text, 0), "0 B");
    assert_string_equal(human_bytes(text, 1023), "1023 B");
    assert_string_equal(human_bytes(text, 1024), "1.00 KiB");
    assert_string_equal(human_bytes(text, 3 << 19), "1.50 MiB");
    assert_string_equal(human_bytes(text, UINT64_MAX), "16.0 EiB");
}

static void a_duration_has_two_units(void **state RH_UNUSED)
{
    assert_string_equal(human_duration(text, -1), "0.0s");
    assert_string_equal(human_duration(text, 800), "0.8s");
    assert_string_equal(human_duration(text, 9949), "9.9s");
    assert_string_equal(human_duration(text, 9950), "10s");
    assert_string_equal(human_duration(text, 59499), "59s");
    assert_string_equal(human_duration(text, 59500), "1m00s");
    assert_string_equal(human_duration(text, 79000), "1m19s");
    assert_string_equal(human_duration(text, 3599000), "59m59s");
    assert_string_equal(human_duration(text, 3600000), "1h00m");
    assert_string_equal(human_duration(text, 86399000), "23h59m");
    assert_string_equal(human_duration(text, 187200000), "2d04h");
}

static void only_all_of_it_is_a_hundred_percent(void **state RH_UNUSED)
{
    assert_string_equal(human_percent(text, 0, 10), "0.0%");
    assert_string_equal(human_percent(text, 612, 1000), "61.2%");
    assert_string_equal(human_percent(text, 9999999, 10000000), "99.9%");
    assert_string_equal(human_percent(text, UINT64_MAX - 1, UINT64_MAX), "99.9%");
    assert_string_equal(human_percent(text, 10, 10), "100.0%");
    assert_string_equal(human_percent(text, 12, 10), "100.0%");
    assert_string_equal(human_percent(text, 0, 0), "100.0%");
}

static void an_estimate_is_given_from_one_percent_on(void **state RH_UNUSED)
{
    assert_string_equal(human_eta(text, 9, 1000, 10), "TBD");
    assert_string_equal(human_eta(text, 10, 1000, 10), "1m39s");
    assert_string_equal(human_eta(text, 0, 50, 10), "TBD");
    assert_string_equal(human_eta(text, 500, 1000, 0), "TBD");
    assert_string_equal(human_eta(text, 500, 1000, 1e-9), "TBD");
    assert_string_equal(human_eta(text, 1000, 1000, 0), "0s");
    assert_string_equal(human_eta(text, 1001, 1000, 5), "0s");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_count_has_three_digits_and_rounds_into_the_next_unit),
        cmocka_unit_test(a_rate_has_two_digits),
        cmocka_unit_test(thousands_are_separated),
        cmocka_unit_test(bytes_have_binary_units),
        cmocka_unit_test(a_duration_has_two_units),
        cmocka_unit_test(only_all_of_it_is_a_hundred_percent),
        cmocka_unit_test(an_estimate_is_given_from_one_percent_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
