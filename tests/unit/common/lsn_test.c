#include "common/lsn.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void positions_read_as_they_are_written(void **state)
{
    (void)state;
    static const struct {
        uint64_t lsn;
        const char *text;
    } cases[] = {
        {0, "0/0"},
        {UINT64_C(0x16b374d848), "16/B374D848"},
        {UINT64_C(0x100000000), "1/0"},
        {UINT64_MAX, "FFFFFFFF/FFFFFFFF"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[LSN_TEXT_BYTES];
        assert_string_equal(lsn_format(text, cases[i].lsn), cases[i].text);
        assert_true(lsn_parse(cases[i].text) == cases[i].lsn);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(positions_read_as_they_are_written)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
