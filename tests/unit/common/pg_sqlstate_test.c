#include "common/pg.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void assert_action(const char *sqlstate, enum error_action expected)
{
    if (pg_sqlstate_action(sqlstate) != expected) {
        fail_msg("%s: action %d instead of %d", sqlstate, (int)pg_sqlstate_action(sqlstate),
                 (int)expected);
    }
}

static void values_that_cannot_be_stored_reject_their_row(void **state RH_UNUSED)
{
    const char *const states[] = {"22P02", "22001", "22003", "22021", "23502",
                                  "23514", "44000", "54000", "P0001", "P0004"};
    for (size_t i = 0; i < RH_COUNT(states); i++) {
        assert_action(states[i], ERROR_ROW);
    }
}

static void violations_that_only_the_order_causes_park(void **state RH_UNUSED)
{
    const char *const states[] = {"23503", "23001", "23P01", "23505"};
    for (size_t i = 0; i < RH_COUNT(states); i++) {
        assert_action(states[i], ERROR_PARK);
    }
}

static void contention_and_sick_servers_are_retried(void **state RH_UNUSED)
{
    const char *const states[] = {"40001", "40P01", "55P03", "57014", "08006", "57P01", "57P03",
                                  "53100", "53300", "58030", "XX000", "25006", "25P03"};
    for (size_t i = 0; i < RH_COUNT(states); i++) {
        assert_action(states[i], ERROR_RETRY);
    }
}

static void schema_privileges_login_and_our_bugs_stop(void **state RH_UNUSED)
{
    const char *const states[] = {"42P01", "42501", "42703", "3F000", "3D000",
                                  "0A000", "28P01", "28000", "21000", "22P04"};
    for (size_t i = 0; i < RH_COUNT(states); i++) {
        assert_action(states[i], ERROR_STOP);
    }
}

static void what_is_not_listed_stops(void **state RH_UNUSED)
{
    const char *const states[] = {"54001", "55000", "23000", "XX001", "25P02", "99999"};
    for (size_t i = 0; i < RH_COUNT(states); i++) {
        assert_action(states[i], ERROR_STOP);
    }
}

static void a_failure_without_a_state_is_a_lost_connection(void **state RH_UNUSED)
{
    assert_action("", ERROR_RETRY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_that_cannot_be_stored_reject_their_row),
        cmocka_unit_test(violations_that_only_the_order_causes_park),
        cmocka_unit_test(contention_and_sick_servers_are_retried),
        cmocka_unit_test(schema_privileges_login_and_our_bugs_stop),
        cmocka_unit_test(what_is_not_listed_stops),
        cmocka_unit_test(a_failure_without_a_state_is_a_lost_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
