#include "tests/support/mapping_fixture.h"

static struct mapping_fixture fixture;

static int setup(void **state)
{
    (void)state;
    mapping_fixture_init(&fixture);
    struct catalog_builder *const sides[] = {&fixture.source, &fixture.target};
    for (size_t i = 0; i < RH_COUNT(sides); i++) {
        struct catalog_table *table = build_table(sides[i], "public", "t");
        build_column(sides[i], table, "id", "int8");
        build_column(sides[i], table, "a \"b", "text");
        build_column(sides[i], table, "n", "numeric(10,2)");
        build_column(sides[i], table, "active", "bool");
        build_column(sides[i], table, "mood", "app.mood");
        build_column(sides[i], table, "tags", "text[]");
        build_column(sides[i], table, "data", "json");
        build_column(sides[i], table, "mail", "ext.citext!");
        build_column(sides[i], table, "fixed", "bpchar(3)");
        build_primary(sides[i], table, "id");
    }
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    mapping_fixture_release(&fixture);
    return 0;
}

static const char *mapping_with(const char *where)
{
    return arena_must_printf(&fixture.arena,
                             "version: 1\n"
                             "vars: {limit: 7}\n"
                             "tables:\n"
                             "  - from: public.t\n"
                             "    to: [{table: public.t}]\n"
                             "    where: %s\n",
                             where);
}

static void where_is(const char *where, const char *expected)
{
    assert_string_equal(must_compile(&fixture, mapping_with(where))->tables[0].where_sql, expected);
}

static void complains(const char *where, const char *expected)
{
    const char *text = mapping_with(where);
    assert_string_equal(compile_mapping(&fixture, text), expected);
    assert_false(fixture.compiled);
}

static void a_value_is_a_literal_of_the_columns_type(void **state)
{
    (void)state;
    where_is("{id: 5}", "(\"id\" OPERATOR(pg_catalog.=) '5'::\"pg_catalog\".\"int8\")");
    where_is("{n: 1.50}", "(\"n\" OPERATOR(pg_catalog.=) '1.50'::\"pg_catalog\".\"numeric\")");
    where_is("{active: true}",
             "(\"active\" OPERATOR(pg_catalog.=) 'true'::\"pg_catalog\".\"bool\")");
    where_is("{mood: sad}", "(\"mood\" OPERATOR(pg_catalog.=) 'sad'::\"app\".\"mood\")");
    where_is("{tags: '{a,b}'}",
             "(\"tags\" OPERATOR(pg_catalog.=) '{a,b}'::\"pg_catalog\".\"_text\")");
    where_is("{fixed: ab}", "(\"fixed\" OPERATOR(pg_catalog.=) 'ab'::\"pg_catalog\".\"bpchar\")");
    where_is("{id: \"${limit}\"}", "(\"id\" OPERATOR(pg_catalog.=) '7'::\"pg_catalog\".\"int8\")");
}

static void a_domain_is_compared_as_its_base(void **state)
{
    (void)state;
    struct catalog_column *column = &fixture.source.catalog.tables[0].columns[2];
    column->type = "public.price";
    column->type_type = 'd';
    column->type_schema = "public";
    column->domain_base_schema = "pg_catalog";
    column->domain_base_type = 'b';
    where_is("{n: 1}", "(\"n\" OPERATOR(pg_catalog.=) '1'::\"pg_catalog\".\"numeric\")");
}

static void an_enum_is_compared_through_its_domain(void **state)
{
    (void)state;
    struct catalog_column *column = &fixture.source.catalog.tables[0].columns[4];
    column->type = "public.humour";
    column->type_type = 'd';
    column->type_schema = "public";
    column->domain_base_schema = "app";
    column->domain_base_type = 'e';
    where_is("{mood: sad}",
             "(\"mood\"::\"app\".\"mood\" OPERATOR(pg_catalog.=) 'sad'::\"app\".\"mood\")");
}

static void names_and_values_cannot_break_out(void **state)
{
    (void)state;
    where_is("{'a \"b': \"x' OR 'y\"}", "(\"a \"\"b\" OPERATOR(pg_catalog.=) 'x'' OR "
                                        "''y'::\"pg_catalog\".\"text\")");
}

static void null_is_asked_for_by_name(void **state)
{
    (void)state;
    where_is("{n: null}", "(\"n\" IS NULL)");
    where_is("{data: null}", "(\"data\" IS NULL)");
    where_is("{data: {not: null}}", "((\"data\" IS NOT NULL))");
}

static void a_list_is_any_of_its_values(void **state)
{
    (void)state;
    where_is("{id: [1, null]}", "((\"id\" OPERATOR(pg_catalog.=) '1'::\"pg_catalog\".\"int8\" OR "
                                "\"id\" IS NULL))");
}

static void not_counts_null_as_different(void **state)
{
    (void)state;
    where_is("{id: {not: 5}}", "(((\"id\" OPERATOR(pg_catalog.=) '5'::\"pg_catalog\".\"int8\") IS "
                               "NOT TRUE))");
    where_is("{id: {not: [5, 6]}}",
             "((((\"id\" OPERATOR(pg_catalog.=) '5'::\"pg_catalog\".\"int8\" OR \"id\" "
             "OPERATOR(pg_catalog.=) '6'::\"pg_catalog\".\"int8\")) IS NOT TRUE))");
    where_is("{not: {id: 5}}", "(((\"id\" OPERATOR(pg_catalog.=) '5'::\"pg_catalog\".\"int8\")) IS "
                               "NOT TRUE)");
}

static void comparisons_and_several_keys_all_hold(void **state)
{
    (void)state;
    where_is("{id: {gte: 1, lt: 9}, n: {lte: 5, gt: 0}}",
             "((\"id\" OPERATOR(pg_catalog.>=) '1'::\"pg_catalog\".\"int8\" AND \"id\" "
             "OPERATOR(pg_catalog.<) '9'::\"pg_catalog\".\"int8\") AND (\"n\" "
             "OPERATOR(pg_catalog.<=) '5'::\"pg_catalog\".\"numeric\" AND \"n\" "
             "OPERATOR(pg_catalog.>) '0'::\"pg_catalog\".\"numeric\"))");
}

static void any_and_all_connect_conditions(void **state)
{
    (void)state;
    where_is("{any: [{id: 1}, {all: [{n: 2}, {active: false}]}]}",
             "(((\"id\" OPERATOR(pg_catalog.=) '1'::\"pg_catalog\".\"int8\") OR (((\"n\" "
             "OPERATOR(pg_catalog.=) '2'::\"pg_catalog\".\"numeric\") AND (\"active\" "
             "OPERATOR(pg_catalog.=) 'false'::\"pg_catalog\".\"bool\")))))");
}

static void a_condition_that_says_nothing_is_refused(void **state)
{
    (void)state;
    complains(
        "{}",
        "m.yaml:6:12: error RH-3260: a condition must be a mapping (write {column: value})\n");
    complains(
        "[]",
        "m.yaml:6:12: error RH-3260: a condition must be a mapping (write {column: value})\n");
    complains(
        "x", "m.yaml:6:12: error RH-3260: a condition must be a mapping (write {column: value})\n");
    complains("{id: []}", "m.yaml:6:17: error RH-3260: an empty list is equal to nothing\n");
    complains("{id: {}}", "m.yaml:6:17: error RH-3260: a condition says nothing\n");
    complains("{id: [[1]]}", "m.yaml:6:18: error RH-3260: a list of values holds only values\n");
    complains("{id: {lt: null}}", "m.yaml:6:22: error RH-3260: \"lt\" needs a value\n");
    complains("{id: {gt: [1]}}", "m.yaml:6:22: error RH-3260: \"gt\" needs a value\n");
    complains("{any: {id: 1}}", "m.yaml:6:18: error RH-3260: \"any\" and \"all\" take a list of "
                                "conditions (write any: [{column: value}, ...])\n");
    complains("{all: []}", "m.yaml:6:18: error RH-3260: \"any\" and \"all\" take a list of "
                           "conditions (write any: [{column: value}, ...])\n");
    complains(
        "{not: 5}",
        "m.yaml:6:18: error RH-3260: a condition must be a mapping (write {column: value})\n");
}

static void columns_and_operators_are_known_ones(void **state)
{
    (void)state;
    complains("{idd: 5}", "m.yaml:6:13: error RH-3220: column \"idd\" does not exist in source "
                          "table \"public.t\" (did you mean \"id\"?)\n");
    complains(
        "{id: {ltt: 5}}",
        "m.yaml:6:18: error RH-3201: unknown key \"ltt\" in a condition (did you mean \"lt\"?)\n");
    complains("{id: {matches: x, path: [a]}}",
              "m.yaml:6:18: error RH-3202: \"matches\" is not in this version\n"
              "m.yaml:6:30: error RH-3202: \"path\" is not in this version\n");
}

static void values_fit_and_types_can_be_compared(void **state)
{
    (void)state;
    complains(
        "{id: five, active: maybe}",
        "m.yaml:6:17: error RH-3260: \"five\" is not an integer: column \"id\" has type int8\n"
        "m.yaml:6:31: error RH-3260: \"maybe\" is neither true nor false: column \"active\" has "
        "type bool\n");
    complains("{data: '{}', mail: a@b}",
              "m.yaml:6:19: error RH-3260: column \"data\" of type json cannot be compared (only "
              "null can be asked for)\n"
              "m.yaml:6:31: error RH-3260: column \"mail\" of type ext.citext! cannot be compared "
              "(only null can be asked for)\n");
    complains(
        "{id: \"${nothing_of_that_name}\"}",
        "m.yaml:6:17: error RH-3121: \"${nothing_of_that_name}\" is neither in vars nor in the "
        "environment (set it in the environment or in vars; a literal ${ is written $${)\n");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_value_is_a_literal_of_the_columns_type),
        TEST(a_domain_is_compared_as_its_base),
        TEST(an_enum_is_compared_through_its_domain),
        TEST(names_and_values_cannot_break_out),
        TEST(null_is_asked_for_by_name),
        TEST(a_list_is_any_of_its_values),
        TEST(not_counts_null_as_different),
        TEST(comparisons_and_several_keys_all_hold),
        TEST(any_and_all_connect_conditions),
        TEST(a_condition_that_says_nothing_is_refused),
        TEST(columns_and_operators_are_known_ones),
        TEST(values_fit_and_types_can_be_compared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
