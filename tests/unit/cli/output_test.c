#include "cli/output.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static void assert_dumps(json_t *json, const char *expected)
{
    char *text = json_dumps(json, JSON_ENCODE_ANY | JSON_COMPACT);
    assert_non_null(text);
    assert_string_equal(text, expected);
    free(text);
    json_decref(json);
}

static void a_text_is_a_json_string(void **state RH_UNUSED)
{
    assert_dumps(output_text(BYTES_EMPTY), "\"\"");
    assert_dumps(output_text(BYTES_LITERAL("Zürich \"\n")), "\"Zürich \\\"\\n\"");
    assert_dumps(output_text(BYTES_LITERAL("a\0b")), "\"a\\u0000b\"");
}

static void bytes_that_are_not_utf8_are_shown_and_the_rest_is_kept(void **state RH_UNUSED)
{
    assert_dumps(output_text(BYTES_LITERAL("a\xff"
                                           "bü")),
                 "\"a\\\\xffbü\"");
    assert_dumps(output_text(BYTES_LITERAL("\xc3")), "\"\\\\xc3\"");
    assert_dumps(output_text(BYTES_LITERAL("\xed\xa0\x80")), "\"\\\\xed\\\\xa0\\\\x80\"");
    assert_dumps(output_text(BYTES_LITERAL("\xf0\x9f\x98\x80\xf0\x9f\x98")),
                 "\"\xf0\x9f\x98\x80\\\\xf0\\\\x9f\\\\x98\"");
}

static void null_is_not_the_empty_text(void **state RH_UNUSED)
{
    assert_dumps(output_text_or_null(NULL), "null");
    assert_dumps(output_text_or_null(""), "\"\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_is_a_json_string),
        cmocka_unit_test(bytes_that_are_not_utf8_are_shown_and_the_rest_is_kept),
        cmocka_unit_test(null_is_not_the_empty_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
