#include "reconciler/hash_sql.h"

#include "fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct arena arena;
static struct fixture f;
static struct buffer sql;

static int setup(void **state RH_UNUSED)
{
    arena_init(&arena, 1 << 20);
    buffer_init(&sql, &arena, 1 << 16);
    fixture_init(&f);
    return 0;
}

static int teardown(void **state RH_UNUSED)
{
    arena_release(&arena);
    return 0;
}

static struct hash_plan plan_of(bool as_utf8)
{
    struct hash_plan hash;
    hash_plan_init(&hash, &f.table, &f.output, as_utf8, &arena);
    return hash;
}

static void assert_row_hash(bool as_utf8, enum pg_role side, const char *expected)
{
    struct hash_plan hash = plan_of(as_utf8);
    buffer_clear(&sql);
    write_row_hash(&sql, &hash, side);
    assert_string_equal(buffer_text(&sql), expected);
}

static void assert_type_hash(const char *type, const char *expected)
{
    fixture_init(&f);
    fixture_add(&f, "c", "c", type);
    assert_row_hash(false, PG_SOURCE,
                    arena_must_printf(&arena, "pg_catalog.hashint4extended(0, %s)", expected));
}

static void types_whose_equality_is_identity_are_hashed_as_they_are(void **state RH_UNUSED)
{
    static const char integer[] =
        "coalesce(pg_catalog.hashint4extended(1, \"c\"::pg_catalog.int8), 0)";
    assert_type_hash("int2", integer);
    assert_type_hash("int4", integer);
    assert_type_hash("int8", integer);
    assert_type_hash("bool", "coalesce(pg_catalog.hashint4extended(\"c\"::pg_catalog.int4, 1), 0)");
    assert_type_hash("uuid", "coalesce(pg_catalog.uuid_hash_extended(\"c\", 1), 0)");
    assert_type_hash("date", "pg_catalog.hash_record_extended(ROW(\"c\"), 1)");
    assert_type_hash("bytea", "pg_catalog.hash_record_extended(ROW(\"c\"), 1)");
    assert_type_hash("timestamp", "pg_catalog.hash_record_extended(ROW("
                                  "pg_catalog.timestamp_send(\"c\")), 1)");
    assert_type_hash("timestamptz", "pg_catalog.hash_record_extended(ROW("
                                    "pg_catalog.timestamptz_send(\"c\")), 1)");
}

static void other_types_are_hashed_by_their_output_text(void **state RH_UNUSED)
{
    static const char cast[] = "coalesce(pg_catalog.hashtextextended((\"c\"::pg_catalog.text)"
                               " COLLATE pg_catalog.\"C\", 1), 0)";
    static const char output[] =
        "coalesce(pg_catalog.hashtextextended((CASE WHEN \"c\" IS DISTINCT FROM NULL THEN"
        " pg_catalog.concat(\"c\") END) COLLATE pg_catalog.\"C\", 1), 0)";
    assert_type_hash("text", cast);
    assert_type_hash("varchar", cast);
    assert_type_hash("numeric", cast);
    assert_type_hash("jsonb", cast);
    assert_type_hash("bpchar", output);
    assert_type_hash("inet", output);
    assert_type_hash("_int4", output);
}

static void a_type_outside_pg_catalog_is_never_taken_for_a_built_in_one(void **state RH_UNUSED)
{
    fixture_add(&f, "c", "c", "int4");
    f.source_columns[0].type_schema = f.target_columns[0].type_schema = "public";
    assert_row_hash(false, PG_SOURCE,
                    "pg_catalog.hashint4extended(0, coalesce(pg_catalog.hashtextextended((CASE WHEN"
                    " \"c\" IS DISTINCT FROM NULL THEN pg_catalog.concat(\"c\") END) COLLATE"
                    " pg_catalog.\"C\", 1), 0))");
}

static void a_domain_is_hashed_as_what_it_is_over(void **state RH_UNUSED)
{
    fixture_add(&f, "c", "c", "uuid");
    f.source_columns[0].type_schema = "public";
    f.source_columns[0].domain_base_schema = "pg_catalog";
    assert_row_hash(false, PG_SOURCE,
                    "pg_catalog.hashint4extended(0,"
                    " coalesce(pg_catalog.uuid_hash_extended(\"c\", 1), 0))");
}

static void different_encodings_are_compared_as_utf8(void **state RH_UNUSED)
{
    fixture_add(&f, "c", "c", "text");
    assert_row_hash(true, PG_SOURCE,
                    "pg_catalog.hashint4extended(0, pg_catalog.hash_record_extended(ROW("
                    "pg_catalog.convert_to((\"c\"::pg_catalog.text), 'UTF8')), 1))");
}

static void each_side_uses_its_own_names_and_the_same_seeds(void **state RH_UNUSED)
{
    fixture_add(&f, "a", "x\"y", "int8");
    fixture_add(&f, "b", "z", "uuid");
    assert_row_hash(false, PG_SOURCE,
                    "pg_catalog.hashint4extended(0,"
                    " coalesce(pg_catalog.hashint4extended(1, \"a\"::pg_catalog.int8), 0) #"
                    " coalesce(pg_catalog.uuid_hash_extended(\"b\", 2), 0))");
    assert_row_hash(false, PG_TARGET,
                    "pg_catalog.hashint4extended(0,"
                    " coalesce(pg_catalog.hashint4extended(1, \"x\"\"y\"::pg_catalog.int8), 0) #"
                    " coalesce(pg_catalog.uuid_hash_extended(\"z\", 2), 0))");
}

static void columns_that_triggers_change_are_left_out(void **state RH_UNUSED)
{
    static const char *fired[] = {"at"};
    fixture_add(&f, "a", "a", "int8");
    fixture_key(&f, KEY_VERBATIM);
    fixture_add(&f, "at", "at", "text");
    f.columns[1].passes_through = false;
    assert_false(hash_plan_possible(&f.table, &f.output));
    f.output.fire_columns_count = 1;
    f.output.fire_columns = fired;
    assert_true(hash_plan_possible(&f.table, &f.output));
    assert_row_hash(false, PG_TARGET,
                    "pg_catalog.hashint4extended(0,"
                    " coalesce(pg_catalog.hashint4extended(1, \"a\"::pg_catalog.int8), 0))");
}

static void a_key_that_does_not_pass_through_rules_checksums_out(void **state RH_UNUSED)
{
    fixture_add(&f, "a", "a", "int8");
    fixture_key(&f, KEY_VERBATIM);
    assert_true(hash_plan_possible(&f.table, &f.output));
    f.columns[0].rule.kind = RULE_CONST;
    assert_false(hash_plan_possible(&f.table, &f.output));
    assert_null(key_carrier(&f.output, 0));
}

static void assert_key(enum key_kind kind, const char *type, const char *text, const char *hash)
{
    fixture_init(&f);
    fixture_add(&f, "k", "k", type);
    fixture_key(&f, kind);
    struct hash_plan plan = plan_of(false);
    buffer_clear(&sql);
    write_key_text(&sql, &plan, 0, PG_SOURCE);
    assert_string_equal(buffer_text(&sql), text);
    buffer_clear(&sql);
    write_key_hash(&sql, &plan, PG_SOURCE);
    assert_string_equal(buffer_text(&sql), hash);
}

static void keys_are_hashed_in_their_canonical_form(void **state RH_UNUSED)
{
    assert_key(KEY_VERBATIM, "int4", "\"k\"::pg_catalog.text",
               "(coalesce(pg_catalog.hashint4extended(1, \"k\"::pg_catalog.int8), 0))");
    assert_key(KEY_NUMERIC, "numeric", "pg_catalog.trim_scale(\"k\")::pg_catalog.text",
               "(coalesce(pg_catalog.hashtextextended((pg_catalog.trim_scale(\"k\")"
               "::pg_catalog.text) COLLATE pg_catalog.\"C\", 1), 0))");
    assert_key(KEY_BPCHAR, "bpchar", "\"k\"::pg_catalog.text",
               "(coalesce(pg_catalog.hashtextextended((\"k\"::pg_catalog.text) COLLATE"
               " pg_catalog.\"C\", 1), 0))");
}

static void the_condition_is_the_sources_alone(void **state RH_UNUSED)
{
    f.table.where_sql = "\"a\" > 1";
    write_from(&sql, &f.table, &f.output, PG_SOURCE);
    assert_string_equal(buffer_text(&sql), " FROM ONLY \"public\".\"old\" WHERE (\"a\" > 1)");
    buffer_clear(&sql);
    f.target.kind = 'p';
    write_from(&sql, &f.table, &f.output, PG_TARGET);
    assert_string_equal(buffer_text(&sql), " FROM \"app\".\"new\" WHERE (true)");
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(types_whose_equality_is_identity_are_hashed_as_they_are),
        TEST(other_types_are_hashed_by_their_output_text),
        TEST(a_type_outside_pg_catalog_is_never_taken_for_a_built_in_one),
        TEST(a_domain_is_hashed_as_what_it_is_over),
        TEST(different_encodings_are_compared_as_utf8),
        TEST(each_side_uses_its_own_names_and_the_same_seeds),
        TEST(columns_that_triggers_change_are_left_out),
        TEST(a_key_that_does_not_pass_through_rules_checksums_out),
        TEST(keys_are_hashed_in_their_canonical_form),
        TEST(the_condition_is_the_sources_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
