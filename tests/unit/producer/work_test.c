#include "producer/work.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct world {
    struct arena arena;
    struct catalog_table sources[3];
    struct plan_table tables[3];
    struct work work;
} w;

/* Of 10, 30 and 20 bytes. */
static int begin(void **state)
{
    (void)state;
    arena_init(&w.arena, (size_t)1 << 20);
    work_init(&w.work, 3, &w.arena);
    for (size_t i = 0; i < 3; i++) {
        w.sources[i].bytes = (uint64_t[]){10, 30, 20}[i];
        w.tables[i].source = &w.sources[i];
        work_add(&w.work, &w.tables[i]);
    }
    return 0;
}

static int end(void **state)
{
    (void)state;
    arena_release(&w.arena);
    return 0;
}

static struct table_work *expect_divide(size_t table)
{
    struct work_item item = work_take(&w.work);

    assert_int_equal(item.kind, WORK_DIVIDE);
    assert_ptr_equal(item.table->table, &w.tables[table]);
    return item.table;
}

static void expect_range(size_t table, size_t range)
{
    struct work_item item = work_take(&w.work);

    assert_int_equal(item.kind, WORK_RANGE);
    assert_ptr_equal(item.table->table, &w.tables[table]);
    assert_int_equal(item.range, range);
}

static void the_largest_table_comes_first(void **state)
{
    (void)state;
    expect_divide(1);
    expect_divide(2);
    expect_divide(0);
}

static void a_divided_table_is_paged_before_smaller_ones_are_looked_at(void **state)
{
    (void)state;
    work_divided(expect_divide(1), 3);
    expect_range(1, 0);
    expect_range(1, 1);
    expect_range(1, 2);
    expect_divide(2);
}

static void others_go_on_with_other_tables_while_one_is_at_division(void **state)
{
    struct table_work *largest = expect_divide(1);

    (void)state;
    work_divided(expect_divide(2), 1);
    expect_range(2, 0);
    work_divided(expect_divide(0), 1);
    work_divided(largest, 2);
    expect_range(1, 0);
    expect_range(1, 1);
    expect_range(0, 0);
    assert_int_equal(work_take(&w.work).kind, WORK_ENDED);
}

static void nobody_leaves_while_there_may_be_ranges_to_take(void **state)
{
    struct table_work *largest = expect_divide(1);

    (void)state;
    work_divided(expect_divide(2), 1);
    expect_range(2, 0);
    work_divided(expect_divide(0), 1);
    expect_range(0, 0);
    assert_int_equal(work_take(&w.work).kind, WORK_WAIT);
    work_divided(largest, 1);
    expect_range(1, 0);
    assert_int_equal(work_take(&w.work).kind, WORK_ENDED);
}

static void a_level_without_tables_has_ended(void **state)
{
    (void)state;
    work_reset(&w.work);
    assert_int_equal(work_take(&w.work).kind, WORK_ENDED);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_largest_table_comes_first),
        TEST(a_divided_table_is_paged_before_smaller_ones_are_looked_at),
        TEST(others_go_on_with_other_tables_while_one_is_at_division),
        TEST(nobody_leaves_while_there_may_be_ranges_to_take),
        TEST(a_level_without_tables_has_ended),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
