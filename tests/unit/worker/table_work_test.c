#include "worker/table_work.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct arena arena;

static const struct catalog_column id_column = {.name = "id", .base_type = "bigint"};
static const struct catalog_column tier_column = {.name = "tier", .base_type = "text"};

/* One source table (id, tier) into two outputs: a copy, and one whose map knows only "a". */
static struct map_entry only_a[] = {
    {{"a", 1}, {VALUE_TEXT, {"first", 5}}},
};
static struct plan_column copied[] = {
    {.target = &id_column, .rule = {.kind = RULE_COLUMN, .source_column = 0}},
    {.target = &tier_column, .rule = {.kind = RULE_COLUMN, .source_column = 1}},
};
static struct plan_column mapped[] = {
    {.target = &id_column, .rule = {.kind = RULE_COLUMN, .source_column = 0}},
    {.target = &tier_column,
     .rule = {.kind = RULE_MAP,
              .id = "t.tier",
              .source_column = 1,
              .map = only_a,
              .map_count = 1,
              .otherwise = MAP_REJECT}},
};
static const struct catalog_table target_table = {.schema = "public", .name = "t"};
static struct plan_output outputs[] = {
    {.target = &target_table, .columns = copied, .columns_count = 2},
    {.target = &target_table, .columns = mapped, .columns_count = 2},
};
static const struct catalog_column *const source_columns[] = {&id_column, &tier_column};
static struct plan_table table = {
    .id = "t", .columns_count = 2, .outputs = outputs, .outputs_count = 2};

static int set_up(void **state)
{
    (void)state;
    table.columns = arena_must_alloc(&arena, sizeof source_columns);
    memcpy(table.columns, source_columns, sizeof source_columns);
    table.on_error = ON_ERROR_REJECT;
    return 0;
}

static struct batch_entry *row(const char *id, const char *tier)
{
    struct batch_entry *entry = arena_must_alloc(&arena, sizeof *entry);
    struct value *values = arena_must_alloc(&arena, 2 * sizeof *values);
    values[0] = (struct value){VALUE_TEXT, bytes_of(id)};
    values[1] = tier == NULL ? (struct value){VALUE_NULL, BYTES_EMPTY}
                             : (struct value){VALUE_TEXT, bytes_of(tier)};
    entry->kind = WIRE_ROW;
    entry->row = (struct row){values, 2};
    return entry;
}

static void assert_lines(const struct table_work *work, size_t output, size_t from, size_t to,
                         const char *expected)
{
    struct bytes lines = table_work_lines(work, output, from, to);
    assert_int_equal(lines.len, strlen(expected));
    assert_memory_equal(lines.ptr, expected, lines.len);
}

static void each_entry_has_its_line_in_every_output(void **state)
{
    (void)state;
    struct batch_entry *entries[] = {row("1", "a"), row("2", "a"), row("3", "a")};
    struct table_work work;
    struct error err;
    assert_true(table_work_make(&work, &table, entries, 3, &arena, &err));
    assert_lines(&work, 0, 0, 3, "1\ta\n2\ta\n3\ta\n");
    assert_lines(&work, 1, 1, 2, "2\tfirst\n");
    assert_lines(&work, 0, 2, 2, "");
    assert_int_equal(work.refused_count, 0);
}

static void a_row_that_one_rule_refuses_is_in_no_output(void **state)
{
    (void)state;
    struct batch_entry *entries[] = {row("1", "a"), row("2", "zzz"), row("3", "a")};
    struct table_work work;
    struct error err;
    assert_true(table_work_make(&work, &table, entries, 3, &arena, &err));
    assert_lines(&work, 0, 0, 3, "1\ta\n3\ta\n");
    assert_lines(&work, 1, 0, 3, "1\tfirst\n3\tfirst\n");
    assert_lines(&work, 0, 1, 2, "");
    assert_int_equal(work.refused_count, 1);
    assert_ptr_equal(work.refused[0].entry, entries[1]);
    assert_true(work.refused[0].dead);
    assert_string_equal(work.refused[0].rule, "t.tier");
    assert_int_equal(work.verdicts[0], VERDICT_WRITE);
    assert_int_equal(work.verdicts[1], VERDICT_REFUSED_BY_RULE);
}

static void on_error_park_parks_what_would_be_dead(void **state)
{
    (void)state;
    struct batch_entry *entries[] = {row("1", "zzz")};
    struct table_work work;
    struct error err;
    table.on_error = ON_ERROR_PARK;
    assert_true(table_work_make(&work, &table, entries, 1, &arena, &err));
    assert_false(work.refused[0].dead);
}

static void on_error_stop_stops_at_the_first_refusal(void **state)
{
    (void)state;
    struct batch_entry *entries[] = {row("1", "zzz")};
    struct table_work work;
    struct error err;
    table.on_error = ON_ERROR_STOP;
    assert_false(table_work_make(&work, &table, entries, 1, &arena, &err));
    assert_int_equal(err.action, ERROR_STOP);
    assert_int_equal(err.exit_code, EXIT_TARGET);
    assert_string_equal(err.code, "ROW_REFUSED");
}

static void a_row_above_the_message_limit_is_dead_with_its_size(void **state)
{
    (void)state;
    struct batch_entry *entries[] = {row("1", "a")};
    struct table_work work;
    struct error err;
    entries[0]->kind = WIRE_OVERSIZE;
    entries[0]->oversize_bytes = 9000000;
    assert_true(table_work_make(&work, &table, entries, 1, &arena, &err));
    assert_lines(&work, 0, 0, 1, "");
    assert_string_equal(work.refused[0].rule, "oversize");
    assert_string_equal(work.refused[0].message,
                        "the row takes 9000000 bytes, more than topics.max_message_bytes");
}

static void values_are_escaped_for_copy(void **state)
{
    (void)state;
    struct batch_entry *entries[] = {row("1", "a\tb\nc\\"), row("2", NULL), row("3", "")};
    struct table_work work;
    struct error err;
    table.outputs_count = 1;
    assert_true(table_work_make(&work, &table, entries, 3, &arena, &err));
    table.outputs_count = 2;
    assert_lines(&work, 0, 0, 3, "1\ta\\tb\\nc\\\\\n2\t\\N\n3\t\n");
}

static void a_batch_beyond_its_memory_is_an_error(void **state)
{
    (void)state;
    struct arena small;
    struct table_work work;
    struct error err;
    struct batch_entry *entries[] = {row("1", "a")};
    arena_init(&small, 16);
    assert_false(table_work_make(&work, &table, entries, 1, &small, &err));
    assert_int_equal(err.action, ERROR_STOP);
    assert_string_equal(err.text, "a batch does not fit into its memory limit");
    arena_release(&small);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(each_entry_has_its_line_in_every_output, set_up),
        cmocka_unit_test_setup(a_row_that_one_rule_refuses_is_in_no_output, set_up),
        cmocka_unit_test_setup(on_error_park_parks_what_would_be_dead, set_up),
        cmocka_unit_test_setup(on_error_stop_stops_at_the_first_refusal, set_up),
        cmocka_unit_test_setup(a_row_above_the_message_limit_is_dead_with_its_size, set_up),
        cmocka_unit_test_setup(values_are_escaped_for_copy, set_up),
        cmocka_unit_test_setup(a_batch_beyond_its_memory_is_an_error, set_up),
    };
    arena_init(&arena, (size_t)1 << 20);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    arena_release(&arena);
    return failed;
}
