#include "producer/halt.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct halt halt;

static int begin(void **state)
{
    (void)state;
    halt_init(&halt);
    return 0;
}

static int end(void **state)
{
    (void)state;
    halt_release(&halt);
    return 0;
}

static void raise_with(enum error_action action, const char *text)
{
    struct error err;

    error_set(&err, action, "%s", text);
    error_hint(&err, "hint of %s", text);
    halt_raise(&halt, &err);
}

static void the_first_error_is_kept(void **state)
{
    struct error err;

    (void)state;
    assert_false(halt_raised(&halt));
    raise_with(ERROR_RETRY, "first");
    raise_with(ERROR_RETRY, "second");
    assert_true(halt_raised(&halt));
    assert_true(halt_error(&halt, &err));
    assert_string_equal(err.text, "first");
    assert_string_equal(err.hint, "hint of first");
}

static void an_error_that_stops_the_program_replaces_one_that_does_not(void **state)
{
    struct error err;

    (void)state;
    raise_with(ERROR_RETRY, "retry");
    raise_with(ERROR_STOP, "stop");
    raise_with(ERROR_STOP, "another stop");
    assert_true(halt_error(&halt, &err));
    assert_string_equal(err.text, "stop");
}

static void a_reset_forgets_all_but_an_error_that_stops_the_program(void **state)
{
    struct error err;

    (void)state;
    raise_with(ERROR_RETRY, "retry");
    halt_reset(&halt);
    assert_false(halt_raised(&halt));
    assert_false(halt_error(&halt, &err));
    raise_with(ERROR_STOP, "stop");
    halt_reset(&halt);
    assert_true(halt_raised(&halt));
    assert_true(halt_error(&halt, &err));
}

static void a_sleep_ends_early_when_the_flag_is_up(void **state)
{
    (void)state;
    assert_true(halt_sleep_ms(&halt, 1));
    halt_raise(&halt, NULL);
    assert_false(halt_sleep_ms(&halt, 600000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_first_error_is_kept, begin, end),
        cmocka_unit_test_setup_teardown(an_error_that_stops_the_program_replaces_one_that_does_not,
                                        begin, end),
        cmocka_unit_test_setup_teardown(a_reset_forgets_all_but_an_error_that_stops_the_program,
                                        begin, end),
        cmocka_unit_test_setup_teardown(a_sleep_ends_early_when_the_flag_is_up, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
