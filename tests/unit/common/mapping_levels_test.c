#include "tests/support/mapping_fixture.h"

static struct mapping_fixture fixture;

static int setup(void **state)
{
    (void)state;
    mapping_fixture_init(&fixture);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    mapping_fixture_release(&fixture);
    return 0;
}

/* One letter is one table on both sides: (id, parent_id). */
static struct catalog_table *build_letter(struct catalog_builder *builder, const char *name)
{
    struct catalog_table *table = build_table(builder, "public", name);
    build_column(builder, table, "id", "int8");
    build_column(builder, table, "parent_id", "int8");
    build_primary(builder, table, "id");
    return table;
}

static void build_letters(const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        build_letter(&fixture.source, names[i]);
        build_letter(&fixture.target, names[i]);
    }
}

static void refer(const char *child, const char *parent)
{
    const struct catalog *catalog = &fixture.target.catalog;
    for (size_t i = 0; i < catalog->tables_count; i++) {
        if (strcmp(catalog->tables[i].name, child) == 0)
            build_foreign_key(&fixture.target, &catalog->tables[i],
                              arena_must_printf(&fixture.arena, "%s_to_%s", child, parent), parent);
    }
}

/* "a b:c" maps a to a, and b to b and c, in this order. */
static const struct plan *plan_of(const char *entries)
{
    const char *text = "version: 1\ntables:\n";
    for (const char *p = entries; *p != '\0'; p++) {
        if (*p == ' ')
            continue;
        text = *p == ':'
                   ? arena_must_printf(&fixture.arena, "%s      - table: public.%c\n", text, *++p)
                   : arena_must_printf(&fixture.arena,
                                       "%s  - from: public.%c\n    to:\n"
                                       "      - table: public.%c\n",
                                       text, *p, *p);
    }
    return must_compile(&fixture, text);
}

static uint32_t level_of(const struct plan *plan, const char *id)
{
    return plan_table_find(plan, id)->level;
}

static void deferred_are(const struct plan *plan, const char *expected)
{
    const char *list = "";
    for (size_t i = 0; i < plan->deferred_count; i++) {
        assert_string_equal(plan->deferred[i].schema, "public");
        list = arena_must_printf(&fixture.arena, "%s%s.%s ", list, plan->deferred[i].table,
                                 plan->deferred[i].foreign_key->name);
    }
    assert_string_equal(list, expected);
}

static const char *const letters[] = {"a", "b", "c", "d", "e"};

static void tables_without_foreign_keys_share_level_0(void **state)
{
    (void)state;
    build_letters(letters, 3);
    const struct plan *plan = plan_of("a b c");
    assert_int_equal(plan->levels_count, 1);
    assert_int_equal(level_of(plan, "c"), 0);
    deferred_are(plan, "");
}

static void a_child_is_above_its_highest_parent_whatever_the_files_order(void **state)
{
    (void)state;
    build_letters(letters, 5);
    refer("a", "b");
    refer("b", "c");
    refer("a", "d");
    refer("e", "d");
    const struct plan *plan = plan_of("a b c d e");
    assert_int_equal(level_of(plan, "c"), 0);
    assert_int_equal(level_of(plan, "d"), 0);
    assert_int_equal(level_of(plan, "b"), 1);
    assert_int_equal(level_of(plan, "e"), 1);
    assert_int_equal(level_of(plan, "a"), 2);
    assert_int_equal(plan->levels_count, 3);
    deferred_are(plan, "");
}

static void a_foreign_key_to_a_table_that_is_not_mapped_stays(void **state)
{
    (void)state;
    build_letters(letters, 3);
    refer("a", "b");
    refer("a", "a_table_elsewhere");
    const struct plan *plan = plan_of("a c");
    assert_int_equal(plan->levels_count, 1);
    deferred_are(plan, "");
}

static void a_self_reference_is_deferred_and_gives_no_level(void **state)
{
    (void)state;
    build_letters(letters, 2);
    refer("a", "a");
    refer("b", "a");
    const struct plan *plan = plan_of("a b");
    assert_int_equal(level_of(plan, "a"), 0);
    assert_int_equal(level_of(plan, "b"), 1);
    deferred_are(plan, "a.a_to_a ");
}

static void all_foreign_keys_within_a_cycle_are_deferred_and_only_those(void **state)
{
    (void)state;
    build_letters(letters, 5);
    refer("a", "b");
    refer("b", "c");
    refer("c", "a");
    refer("b", "d"); /* out of the cycle */
    refer("e", "c"); /* into it */
    const struct plan *plan = plan_of("e c b a d");
    deferred_are(plan, "c.c_to_a b.b_to_c a.a_to_b ");
    assert_int_equal(level_of(plan, "d"), 0);
    assert_int_equal(level_of(plan, "a"), 1);
    assert_int_equal(level_of(plan, "b"), 1);
    assert_int_equal(level_of(plan, "c"), 1);
    assert_int_equal(level_of(plan, "e"), 2);
    assert_int_equal(plan->levels_count, 3);
}

static void outputs_of_one_table_come_parents_first(void **state)
{
    (void)state;
    build_letter(&fixture.source, "a");
    build_letters(letters + 1, 1);
    build_letter(&fixture.target, "a");
    build_letter(&fixture.target, "c");
    build_letter(&fixture.target, "d");
    refer("a", "c");
    refer("c", "d");
    const struct plan *plan = plan_of("a:c:d b");
    const struct plan_output *outputs = plan_table_find(plan, "a")->outputs;
    assert_string_equal(outputs[0].target->name, "d");
    assert_string_equal(outputs[1].target->name, "c");
    assert_string_equal(outputs[2].target->name, "a");
    assert_int_equal(plan->levels_count, 1);
    deferred_are(plan, "");
}

static void outputs_that_need_one_another_are_deferred(void **state)
{
    (void)state;
    build_letter(&fixture.source, "a");
    build_letter(&fixture.target, "a");
    build_letter(&fixture.target, "c");
    refer("a", "c");
    refer("c", "a");
    const struct plan *plan = plan_of("a:c");
    assert_string_equal(plan->tables[0].outputs[0].target->name, "a");
    deferred_are(plan, "a.a_to_c c.c_to_a ");
}

/* a writes x and c, b writes b; b needs x and c needs b: no order of a and b serves both. */
static void a_cycle_between_tables_through_different_outputs_is_deferred(void **state)
{
    (void)state;
    build_letter(&fixture.source, "a");
    build_letters(letters + 1, 1);
    build_letter(&fixture.target, "a");
    build_letter(&fixture.target, "c");
    refer("b", "a");
    refer("c", "b");
    const struct plan *plan = plan_of("a:c b");
    assert_int_equal(plan->levels_count, 1);
    deferred_are(plan, "c.c_to_b b.b_to_a ");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(tables_without_foreign_keys_share_level_0),
        TEST(a_child_is_above_its_highest_parent_whatever_the_files_order),
        TEST(a_foreign_key_to_a_table_that_is_not_mapped_stays),
        TEST(a_self_reference_is_deferred_and_gives_no_level),
        TEST(all_foreign_keys_within_a_cycle_are_deferred_and_only_those),
        TEST(outputs_of_one_table_come_parents_first),
        TEST(outputs_that_need_one_another_are_deferred),
        TEST(a_cycle_between_tables_through_different_outputs_is_deferred),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
