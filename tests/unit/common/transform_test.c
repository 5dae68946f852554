#include "common/transform.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

/* One output column `status` made by a rule from source column `state`, the first of the row. */
static const struct catalog_column target_column = {.name = "status"};

static struct rule column_rule(void)
{
    return (struct rule){.kind = RULE_COLUMN, .id = "users.status", .source_name = "state"};
}

static struct map_entry entries[] = {
    {{"a", 1}, {VALUE_TEXT, {"first", 5}}},
    {{"b", 1}, {VALUE_NULL, {NULL, 0}}},
    {{"bb", 2}, {VALUE_TEXT, {"", 0}}},
    {{"c", 1}, {VALUE_TEXT, {"third", 5}}},
};

static struct rule map_rule(enum map_otherwise otherwise)
{
    struct rule rule = column_rule();
    rule.kind = RULE_MAP;
    rule.map = entries;
    rule.map_count = RH_COUNT(entries);
    rule.otherwise = otherwise;
    return rule;
}

static const struct value sql_null = {.kind = VALUE_NULL};

static struct value text(const char *value)
{
    return (struct value){VALUE_TEXT, bytes_of(value)};
}

static bool transform(struct rule rule, bool is_key, struct value in, struct value *ret_out,
                      const char **ret_rule, struct error *err)
{
    struct plan_column column = {.target = &target_column, .rule = rule};
    size_t key = 0;
    struct plan_output output = {
        .columns_count = 1, .columns = &column, .key_count = is_key ? 1 : 0, .key = &key};
    struct row row = {.values = &in, .count = 1};
    struct arena arena;
    arena_init(&arena, 4096);
    bool done = transform_output(&output, row, &arena, ret_out, ret_rule, err);
    arena_release(&arena);
    return done;
}

static void gives(struct rule rule, struct value in, const char *expected)
{
    struct value out;
    struct error err;
    assert_true(transform(rule, false, in, &out, NULL, &err));
    if (expected == NULL) {
        assert_int_equal(out.kind, VALUE_NULL);
        return;
    }
    assert_int_equal(out.kind, VALUE_TEXT);
    assert_true(bytes_is(out.bytes, expected));
}

static void refuses(struct rule rule, bool is_key, struct value in, const char *expected)
{
    struct value out;
    struct error err;
    const char *rule_id = NULL;
    assert_false(transform(rule, is_key, in, &out, &rule_id, &err));
    assert_string_equal(err.text, expected);
    assert_int_equal(err.action, ERROR_ROW);
    assert_string_equal(err.column, "status");
    assert_string_equal(rule_id, "users.status");
    assert_false(transform(rule, is_key, in, &out, NULL, &err));
}

static void a_column_goes_through_byte_by_byte(void **state)
{
    (void)state;
    gives(column_rule(), text("x "), "x ");
    gives(column_rule(), text(""), "");
    gives(column_rule(), sql_null, NULL);
    struct value out;
    struct error err;
    struct value nul = {VALUE_TEXT, {"a\0b", 3}};
    assert_true(transform(column_rule(), false, nul, &out, NULL, &err));
    assert_ptr_equal(out.bytes.ptr, nul.bytes.ptr);
    assert_int_equal(out.bytes.len, 3);
}

static void padding_is_blanks_at_the_end_only(void **state)
{
    (void)state;
    struct rule rule = column_rule();
    rule.strip_padding = true;
    gives(rule, text(" a b  "), " a b");
    gives(rule, text("   "), "");
    gives(rule, text("a\t "), "a\t");
    gives(rule, sql_null, NULL);
}

static void a_constant_does_not_look_at_the_row(void **state)
{
    (void)state;
    struct rule rule = {.kind = RULE_CONST, .id = "users.status", .constant = text("2.50")};
    gives(rule, sql_null, "2.50");
    rule.constant = sql_null;
    gives(rule, text("x"), NULL);
}

static void each_entry_of_a_map_is_found(void **state)
{
    (void)state;
    gives(map_rule(MAP_REJECT), text("a"), "first");
    gives(map_rule(MAP_REJECT), text("b"), NULL);
    gives(map_rule(MAP_REJECT), text("bb"), "");
    gives(map_rule(MAP_REJECT), text("c"), "third");
}

static void a_value_that_is_not_in_the_map_goes_its_way(void **state)
{
    (void)state;
    gives(map_rule(MAP_KEEP), text("ab"), "ab");
    refuses(map_rule(MAP_REJECT), false, text("ab"),
            "rule \"users.status\": value \"ab\" of column \"state\" is not in the map");
    refuses(map_rule(MAP_REJECT), false, text(""),
            "rule \"users.status\": value \"\" of column \"state\" is not in the map");
    struct rule otherwise = {.kind = RULE_CONST, .constant = text("other")};
    struct rule rule = map_rule(MAP_RULE);
    rule.otherwise_rule = &otherwise;
    gives(rule, text("d"), "other");
    gives(rule, sql_null, "other");
}

static void a_null_has_an_entry_of_its_own_or_goes_the_same_way(void **state)
{
    (void)state;
    struct rule rule = map_rule(MAP_REJECT);
    refuses(rule, false, sql_null,
            "rule \"users.status\": null of column \"state\" is not in the map");
    gives(map_rule(MAP_KEEP), sql_null, NULL);
    rule.has_null = true;
    rule.null_to = text("none");
    gives(rule, sql_null, "none");
}

static void a_padded_value_is_looked_up_without_its_padding(void **state)
{
    (void)state;
    struct rule rule = map_rule(MAP_REJECT);
    rule.strip_padding = true;
    gives(rule, text("a  "), "first");
}

static void an_error_shows_at_most_64_bytes_of_a_value(void **state)
{
    (void)state;
    refuses(map_rule(MAP_REJECT), false,
            text("0123456789012345678901234567890123456789012345678901234567890123"),
            "rule \"users.status\": value "
            "\"0123456789012345678901234567890123456789012345678901234567890123\" of column "
            "\"state\" is not in the map");
    refuses(map_rule(MAP_REJECT), false,
            text("01234567890123456789012345678901234567890123456789012345678901234"),
            "rule \"users.status\": value "
            "\"0123456789012345678901234567890123456789012345678901234567890123\"... of column "
            "\"state\" is not in the map");
    /* The character of two bytes that would cross the limit is left out whole. */
    refuses(map_rule(MAP_REJECT), false,
            text("012345678901234567890123456789012345678901234567890123456789012\xc3\xa9"),
            "rule \"users.status\": value "
            "\"012345678901234567890123456789012345678901234567890123456789012\"... of column "
            "\"state\" is not in the map");
}

static void a_key_of_the_output_cannot_be_null(void **state)
{
    (void)state;
    refuses(column_rule(), true, sql_null, "rule \"users.status\": key column \"status\" is null");
    struct value out;
    struct error err;
    assert_true(transform(column_rule(), true, text(""), &out, NULL, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_column_goes_through_byte_by_byte),
        cmocka_unit_test(padding_is_blanks_at_the_end_only),
        cmocka_unit_test(a_constant_does_not_look_at_the_row),
        cmocka_unit_test(each_entry_of_a_map_is_found),
        cmocka_unit_test(a_value_that_is_not_in_the_map_goes_its_way),
        cmocka_unit_test(a_null_has_an_entry_of_its_own_or_goes_the_same_way),
        cmocka_unit_test(a_padded_value_is_looked_up_without_its_padding),
        cmocka_unit_test(an_error_shows_at_most_64_bytes_of_a_value),
        cmocka_unit_test(a_key_of_the_output_cannot_be_null),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
