#include "common/mapping.h"
#include "common/settings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ARENA_BYTES = 32 * 1024 * 1024 };

struct fixture {
    struct arena arena;
    struct document document;
    struct complaints complaints;
};

static int set_up(void **state)
{
    static struct fixture fixture;
    memset(&fixture, 0, sizeof(fixture));
    arena_init(&fixture.arena, ARENA_BYTES);
    complaints_init(&fixture.complaints, &fixture.arena, "f.yaml");
    assert_int_equal(setenv("RH_TEST_ONE", "first", 1), 0);
    assert_int_equal(setenv("RH_TEST_EMPTY", "", 1), 0);
    assert_int_equal(unsetenv("RH_TEST_NONE"), 0);
    *state = &fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    arena_release(&fixture->arena);
    return 0;
}

static const char vars[] = "vars:\n"
                           "  admin: root\n"
                           "  number: 5\n"
                           "  empty: \"\"\n"
                           "  nothing:\n"
                           "  company: {name: Bestays Realty, address: {city: Phuket}}\n"
                           "  list: [a]\n"
                           "  home: \"in ${RH_TEST_ONE}\"\n"
                           "  RH_TEST_ONE: \"own ${RH_TEST_ONE}\"\n"
                           "  uses: \"${admin}\"\n";

/* The value of `text: …` with its variables written out; NULL after a complaint. */
static const char *expanded(struct fixture *fixture, const char *text, struct environment *used)
{
    const char *yaml = arena_must_printf(&fixture->arena, "%stext: '%s'\n", vars, text);
    struct error err = {0};
    complaints_init(&fixture->complaints, &fixture->arena, "f.yaml");
    if (!document_parse("f.yaml", bytes_of(yaml), &fixture->arena, &fixture->document, &err)) {
        fail_msg("%s", err.text);
    }
    return interpolate(&fixture->document, node_get(fixture->document.root, "text"),
                       &fixture->arena, &fixture->complaints, used);
}

static void gives(struct fixture *fixture, const char *text, const char *expected)
{
    const char *got = expanded(fixture, text, NULL);
    assert_non_null(got);
    assert_string_equal(got, expected);
    assert_int_equal(fixture->complaints.errors_count, 0);
}

static void refused(struct fixture *fixture, const char *text, const char *code,
                    const char *complaint, const char *hint)
{
    assert_null(expanded(fixture, text, NULL));
    assert_int_equal(fixture->complaints.errors_count, 1);
    const struct complaint *first = fixture->complaints.first;
    assert_string_equal(first->text, complaint);
    assert_string_equal(first->code, code);
    assert_int_equal(first->line, 11);
    assert_int_equal(first->column, 7);
    if (hint == NULL) {
        assert_null(first->hint);
    } else {
        assert_string_equal(first->hint, hint);
    }
}

static void text_without_variables_stays(void **state)
{
    gives(*state, "", "");
    gives(*state, "plain } {x} text", "plain } {x} text");
    gives(*state, "costs 5$", "costs 5$");
    gives(*state, "$x $$ $", "$x $$ $");
}

static void names_are_replaced_by_vars(void **state)
{
    gives(*state, "${admin}", "root");
    gives(*state, "a${admin}b${number}c", "arootb5c");
    gives(*state, "${company.name} in ${company.address.city}", "Bestays Realty in Phuket");
    gives(*state, "[${empty}]", "[]");
}

static void the_environment_comes_after_vars(void **state)
{
    assert_int_equal(setenv("admin", "not this one", 1), 0);
    assert_int_equal(setenv("RH_TEST_TWO", "second", 1), 0);
    gives(*state, "${admin}", "root");
    gives(*state, "${RH_TEST_TWO}", "second");
    gives(*state, "[${RH_TEST_EMPTY}]", "[]");
    assert_int_equal(unsetenv("admin"), 0);
    assert_int_equal(unsetenv("RH_TEST_TWO"), 0);
}

static void values_of_vars_may_use_the_environment(void **state)
{
    gives(*state, "${home}", "in first");
    gives(*state, "${RH_TEST_ONE}", "own first");
}

static void values_of_the_environment_are_not_looked_into(void **state)
{
    assert_int_equal(setenv("RH_TEST_TWO", "${admin}", 1), 0);
    gives(*state, "${RH_TEST_TWO}", "${admin}");
    assert_int_equal(unsetenv("RH_TEST_TWO"), 0);
}

static void vars_cannot_use_vars(void **state)
{
    refused(*state, "${uses}", "RH-3124", "\"${admin}\" is itself a value of vars",
            "values of vars can only use the environment");
}

static void two_dollars_make_a_literal(void **state)
{
    gives(*state, "$${admin}", "${admin}");
    gives(*state, "$$${admin}", "$${admin}");
    gives(*state, "$${ ${admin}", "${ root");
    gives(*state, "$${", "${");
}

static void an_unfinished_name_is_refused(void **state)
{
    refused(*state, "a ${admin", "RH-3120", "\"${\" has no closing \"}\"",
            "write ${NAME}; a literal ${ is written $${");
    refused(*state, "${", "RH-3120", "\"${\" has no closing \"}\"",
            "write ${NAME}; a literal ${ is written $${");
}

static void what_is_no_name_is_refused(void **state)
{
    const char *hint =
        "a name has letters, digits, \"_\", \"-\" and dots; there are no default values";
    refused(*state, "${}", "RH-3122", "\"${}\" is not a name", hint);
    refused(*state, "${a b}", "RH-3122", "\"${a b}\" is not a name", hint);
    refused(*state, "${admin:-x}", "RH-3122", "\"${admin:-x}\" is not a name", hint);
    refused(*state, "${${admin}}", "RH-3122", "\"${${admin}\" is not a name", hint);
}

static void an_unknown_name_finds_the_one_that_was_meant(void **state)
{
    refused(*state, "${RH_TEST_NONE}", "RH-3121",
            "\"${RH_TEST_NONE}\" is neither in vars nor in the environment",
            "did you mean \"${RH_TEST_ONE}\"?");
    refused(*state, "${Admin}", "RH-3121", "\"${Admin}\" is neither in vars nor in the environment",
            "did you mean \"${admin}\"?");
    refused(*state, "${company.nmae}", "RH-3121",
            "\"${company.nmae}\" is neither in vars nor in the environment",
            "did you mean \"${company.name}\"?");
    refused(*state, "${something_else}", "RH-3121",
            "\"${something_else}\" is neither in vars nor in the environment",
            "set it in the environment or in vars; a literal ${ is written $${");
    refused(*state, "${admin.}", "RH-3121",
            "\"${admin.}\" is neither in vars nor in the environment",
            "did you mean \"${admin}\"?");
}

static void only_single_values_can_be_used(void **state)
{
    refused(*state, "${company}", "RH-3123", "\"${company}\" is a mapping, not a single value",
            "name one of its values, like ${a.b}");
    refused(*state, "${list}", "RH-3123", "\"${list}\" is a list, not a single value", NULL);
    refused(*state, "${nothing}", "RH-3123", "\"${nothing}\" has no value in vars",
            "write \"\" for an empty text");
}

static void what_was_read_from_the_environment_is_recorded(void **state)
{
    struct fixture *fixture = *state;
    struct environment used = {.arena = &fixture->arena};
    assert_string_equal(expanded(fixture, "${home} ${RH_TEST_EMPTY} ${admin}", &used),
                        "in first  root");
    assert_int_equal(used.count, 2);
    assert_string_equal(environment_get(&used, "RH_TEST_ONE"), "first");
    assert_string_equal(environment_get(&used, "RH_TEST_EMPTY"), "");
    assert_null(environment_get(&used, "admin"));
}

static void a_recorded_value_comes_before_the_environment(void **state)
{
    struct fixture *fixture = *state;
    struct environment used = {.arena = &fixture->arena};
    environment_add(&used, "RH_TEST_ONE", "stored");
    environment_add(&used, "RH_TEST_NONE", "gone since");
    assert_string_equal(expanded(fixture, "${home}, ${RH_TEST_NONE}", &used),
                        "in stored, gone since");
    assert_int_equal(used.count, 2);
}

static void the_first_recorded_value_stays(void **state)
{
    struct fixture *fixture = *state;
    struct environment used = {.arena = &fixture->arena};
    for (int i = 0; i < 100; i++) {
        environment_add(&used, arena_must_printf(&fixture->arena, "N%d", i % 50),
                        arena_must_printf(&fixture->arena, "%d", i));
    }
    assert_int_equal(used.count, 50);
    assert_string_equal(environment_get(&used, "N0"), "0");
    assert_string_equal(environment_get(&used, "N49"), "49");
    assert_null(environment_get(&used, "N50"));
}

static void a_text_over_1_mib_is_refused(void **state)
{
    struct fixture *fixture = *state;
    const size_t limit = 1024 * 1024;
    char *big = arena_must_alloc(&fixture->arena, limit + 2);
    memset(big, 'x', limit);
    assert_int_equal(setenv("RH_TEST_TWO", big, 1), 0);
    gives(fixture, "${RH_TEST_TWO}", big);
    big[limit] = 'x';
    assert_int_equal(setenv("RH_TEST_TWO", big, 1), 0);
    refused(fixture, "${RH_TEST_TWO}", "RH-3125",
            "text is longer than 1 MiB with its variables written out", NULL);
    assert_int_equal(unsetenv("RH_TEST_TWO"), 0);
}

static void very_many_unknown_names_need_bounded_memory(void **state)
{
    struct fixture *fixture = *state;
    assert_null(expanded(fixture, "${something_else}", NULL));
    const struct node *node = node_get(fixture->document.root, "text");
    size_t before = fixture->arena.used_bytes;
    for (int i = 0; i < 10000; i++) {
        assert_null(
            interpolate(&fixture->document, node, &fixture->arena, &fixture->complaints, NULL));
    }
    assert_true(fixture->arena.used_bytes - before < 10000 * 1024);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(text_without_variables_stays),
        TEST(names_are_replaced_by_vars),
        TEST(the_environment_comes_after_vars),
        TEST(values_of_vars_may_use_the_environment),
        TEST(values_of_the_environment_are_not_looked_into),
        TEST(vars_cannot_use_vars),
        TEST(two_dollars_make_a_literal),
        TEST(an_unfinished_name_is_refused),
        TEST(what_is_no_name_is_refused),
        TEST(an_unknown_name_finds_the_one_that_was_meant),
        TEST(only_single_values_can_be_used),
        TEST(what_was_read_from_the_environment_is_recorded),
        TEST(a_recorded_value_comes_before_the_environment),
        TEST(the_first_recorded_value_stays),
        TEST(a_text_over_1_mib_is_refused),
        TEST(very_many_unknown_names_need_bounded_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
