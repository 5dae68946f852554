#include "cli/text_table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct text_column columns[] = {
    {"table", TEXT_LEFT}, {"rows", TEXT_RIGHT}, {"state", TEXT_LEFT}};

static void add_row(struct text_table *table, const char *a, const char *b, const char *c)
{
    text_table_cell(table, a);
    text_table_cell(table, b);
    text_table_cell(table, c);
}

static void assert_prints(struct text_table *table, const char *expected)
{
    char *text = NULL;
    size_t len = 0;
    FILE *stream = open_memstream(&text, &len);
    assert_non_null(stream);
    text_table_print(table, stream);
    assert_int_equal(fclose(stream), 0);
    assert_string_equal(text, expected);
    free(text);
}

static void columns_are_as_wide_as_their_widest_cell(void **state RH_UNUSED)
{
    RH_AUTO(text_table_release) struct text_table table;
    text_table_init(&table, columns, RH_COUNT(columns));
    add_row(&table, "users", "1,304", "done");
    add_row(&table, "order_items", "7", NULL);
    assert_prints(&table, "table         rows  state\n"
                          "users        1,304  done\n"
                          "order_items      7  -\n");
}

static void a_table_without_rows_has_titles(void **state RH_UNUSED)
{
    RH_AUTO(text_table_release) struct text_table table;
    text_table_init(&table, columns, RH_COUNT(columns));
    assert_prints(&table, "table  rows  state\n");
}

static void a_line_has_no_blanks_at_its_end(void **state RH_UNUSED)
{
    RH_AUTO(text_table_release) struct text_table table;
    text_table_init(&table, columns, RH_COUNT(columns));
    add_row(&table, "users", "1", "waiting");
    add_row(&table, "users", "1", "");
    assert_prints(&table, "table  rows  state\n"
                          "users     1  waiting\n"
                          "users     1  \n");
}

static void a_second_part_has_no_titles_and_keeps_the_widths(void **state RH_UNUSED)
{
    RH_AUTO(text_table_release) struct text_table table;
    text_table_init(&table, columns, RH_COUNT(columns));
    add_row(&table, "companies", "1", "done");
    assert_prints(&table, "table      rows  state\n"
                          "companies     1  done\n");
    add_row(&table, "users", "2", "done");
    assert_prints(&table, "users         2  done\n");
    assert_prints(&table, "");
}

static void a_cell_cannot_break_its_line_or_steer_a_terminal(void **state RH_UNUSED)
{
    RH_AUTO(text_table_release) struct text_table table;
    text_table_init(&table, columns, RH_COUNT(columns));
    add_row(&table, "a\nb\tc", "\x1b[31m", "d\x7f");
    assert_prints(&table, "table        rows  state\n"
                          "a\\nb\\tc  \\x1b[31m  d\\x7f\n");
}

static void the_second_set_of_controls_is_shown_and_other_characters_pass(void **state RH_UNUSED)
{
    RH_AUTO(arena_release) struct arena arena;
    arena_init(&arena, 4096);
    struct buffer out;
    buffer_init(&out, &arena, 256);
    text_write_shown(&out, "\xc2\x9b"
                           "31m \xc2\xa0 \xc3\xbc \xc2");
    assert_string_equal(buffer_text(&out), "\\x9b31m \xc2\xa0 \xc3\xbc \xc2");
}

static void characters_count_not_bytes(void **state RH_UNUSED)
{
    RH_AUTO(text_table_release) struct text_table table;
    text_table_init(&table, columns, RH_COUNT(columns));
    add_row(&table, "Zürich", "1", "a");
    add_row(&table, "Zurich", "1", "b");
    assert_prints(&table, "table   rows  state\n"
                          "Zürich     1  a\n"
                          "Zurich     1  b\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_are_as_wide_as_their_widest_cell),
        cmocka_unit_test(a_table_without_rows_has_titles),
        cmocka_unit_test(a_line_has_no_blanks_at_its_end),
        cmocka_unit_test(a_second_part_has_no_titles_and_keeps_the_widths),
        cmocka_unit_test(a_cell_cannot_break_its_line_or_steer_a_terminal),
        cmocka_unit_test(the_second_set_of_controls_is_shown_and_other_characters_pass),
        cmocka_unit_test(characters_count_not_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
