#include "common/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void setting_an_error_forgets_what_was_there(void **state)
{
    struct error err;

    (void)state;
    memset(&err, 0x5a, sizeof(err));
    assert_false(error_set(&err, ERROR_ROW, "could not parse \"%s\"", "x"));
    assert_int_equal(err.action, ERROR_ROW);
    assert_int_equal(err.exit_code, 0);
    assert_string_equal(err.text, "could not parse \"x\"");
    assert_string_equal(err.sqlstate, "");
    assert_int_equal(err.kafka_code, 0);
    assert_null(err.code);
    assert_null(err.hint);
    assert_string_equal(err.constraint, "");
    assert_string_equal(err.column, "");
    assert_string_equal(err.hint_text, "");
}

static void a_fatal_error_has_an_exit_code_and_a_code(void **state)
{
    struct error err;

    (void)state;
    assert_false(error_stop(&err, EXIT_STATE, "TOPIC_FOREIGN", "topic \"%s\" is not ours", "t"));
    assert_int_equal(err.action, ERROR_STOP);
    assert_int_equal(err.exit_code, EXIT_STATE);
    assert_string_equal(err.code, "TOPIC_FOREIGN");
    assert_string_equal(err.text, "topic \"t\" is not ours");
}

static void context_reads_from_the_outside_in_and_keeps_the_rest(void **state)
{
    struct error err;

    (void)state;
    error_stop(&err, EXIT_TARGET, "RH-1", "connection lost");
    memcpy(err.sqlstate, "08006", sizeof(err.sqlstate));
    assert_false(error_wrap(&err, "page %d", 7));
    assert_false(error_wrap(&err, "table \"%s\"", "users"));
    assert_string_equal(err.text, "table \"users\": page 7: connection lost");
    assert_string_equal(err.sqlstate, "08006");
    assert_string_equal(err.code, "RH-1");
    assert_int_equal(err.exit_code, EXIT_TARGET);
}

static void arguments_may_come_from_the_error_itself(void **state)
{
    struct error err;

    (void)state;
    error_set(&err, ERROR_RETRY, "inner");
    error_hint(&err, "wait");
    error_wrap(&err, "(%s)", err.text);
    assert_string_equal(err.text, "(inner): inner");
    error_hint(&err, "%s, then %s", err.hint, err.hint);
    assert_string_equal(err.hint, "wait, then wait");
    error_set(&err, ERROR_STOP, "%s: %s", err.hint, err.text);
    assert_string_equal(err.text, "wait, then wait: (inner): inner");
}

static void a_hint_lives_in_the_error(void **state)
{
    struct error err;

    (void)state;
    error_set(&err, ERROR_STOP, "x");
    assert_false(error_hint(&err, "run \"%s\"", "rowhaul check"));
    assert_ptr_equal(err.hint, err.hint_text);
    assert_string_equal(err.hint, "run \"rowhaul check\"");
}

static void a_long_text_is_cut_at_its_end(void **state)
{
    struct error err;
    char text[2000];

    (void)state;
    memset(text, 'x', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    error_set(&err, ERROR_STOP, "%s", text);
    assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
    error_wrap(&err, "outside");
    assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
    assert_memory_equal(err.text, "outside: xxx", 12);
    error_wrap(&err, "%s", text);
    assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
    error_hint(&err, "%s", text);
    assert_int_equal(strlen(err.hint), sizeof(err.hint_text) - 1);
}

/* 1023 bytes: the last of `count` bytes of a character fit, or the whole character goes. */
static void check_cut(const char *character, size_t before)
{
    struct error err;
    char text[2000];

    memset(text, 'x', before);
    snprintf(text + before, sizeof(text) - before, "%stail of the text", character);
    error_set(&err, ERROR_STOP, "%s", text);
    if (before + strlen(character) <= sizeof(err.text) - 1)
        assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
    else
        assert_int_equal(strlen(err.text), before);
}

static void a_cut_never_splits_a_character(void **state)
{
    static const char *const characters[] = {"a", "é", "€", "😀"};

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        for (size_t before = 1016; before <= 1023; before++)
            check_cut(characters[i], before);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(setting_an_error_forgets_what_was_there),
        cmocka_unit_test(a_fatal_error_has_an_exit_code_and_a_code),
        cmocka_unit_test(context_reads_from_the_outside_in_and_keeps_the_rest),
        cmocka_unit_test(arguments_may_come_from_the_error_itself),
        cmocka_unit_test(a_hint_lives_in_the_error),
        cmocka_unit_test(a_long_text_is_cut_at_its_end),
        cmocka_unit_test(a_cut_never_splits_a_character),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
