#include "cli/validate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct catalog_column id = {.name = "id"};
static const struct catalog_column lang = {.name = "lang"};
static const struct catalog_column *columns[] = {&id, &lang};
static const struct catalog_table source = {.schema = "public", .name = "users"};
static const struct catalog_table target = {.schema = "app", .name = "people"};

static void assert_line(size_t columns_count, size_t key_count, const char *expected)
{
    size_t key[] = {1, 0};
    const struct plan_table table = {.id = "users",
                                     .source = &source,
                                     .columns = columns,
                                     .columns_count = RH_COUNT(columns),
                                     .key = key,
                                     .key_count = key_count,
                                     .level = 2};
    const struct plan_output output = {.target = &target, .columns_count = columns_count};
    char *text = NULL;
    size_t len = 0;
    FILE *stream = open_memstream(&text, &len);
    assert_non_null(stream);
    validate_print_output(&table, &output, stream);
    assert_int_equal(fclose(stream), 0);
    assert_string_equal(text, expected);
    free(text);
}

static void an_output_is_one_line(void **state RH_UNUSED)
{
    assert_line(5, 1, "users: public.users -> app.people, 5 columns, key lang, level 2\n");
    assert_line(1, 2, "users: public.users -> app.people, 1 column, key lang, id, level 2\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(an_output_is_one_line)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
