#include "worker/writer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct arena arena;

static int make_arena(void **state)
{
    (void)state;
    arena_init(&arena, (size_t)1 << 20);
    return 0;
}

static int drop_arena(void **state)
{
    (void)state;
    arena_release(&arena);
    return 0;
}

static const struct catalog_table target = {.schema = "public", .name = "users"};
static const struct catalog_column id = {
    .name = "id", .identity = 'a', .type_schema = "pg_catalog"};
static const struct catalog_column name = {.name = "the \"Name\"", .type_schema = "pg_catalog"};
static const struct catalog_column always = {
    .name = "n", .identity = 'a', .type_schema = "pg_catalog"};
static const struct catalog_column citext = {.name = "word", .type_schema = "public"};

static struct writer make(struct plan_column *columns, size_t count, bool overriding)
{
    static size_t key[] = {0};
    struct plan_output output = {.target = &target,
                                 .columns = columns,
                                 .columns_count = count,
                                 .key = key,
                                 .key_count = 1,
                                 .overriding = overriding};
    struct writer writer;
    writer_init(&writer, &output, 3, &arena);
    return writer;
}

static void names_are_quoted_everywhere(void **state)
{
    (void)state;
    struct plan_column columns[] = {{.target = &id}, {.target = &name}};
    struct writer writer = make(columns, 2, false);
    assert_string_equal(writer.copy_sql,
                        "COPY \"public\".\"users\" (\"id\", \"the \"\"Name\"\"\") FROM STDIN");
    assert_string_equal(writer.stage_make_sql,
                        "CREATE TEMP TABLE rowhaul_stage_3 ON COMMIT DELETE ROWS AS SELECT \"id\", "
                        "\"the \"\"Name\"\"\" FROM \"public\".\"users\" WITH NO DATA");
}

static void an_upsert_skips_rows_whose_image_is_equal(void **state)
{
    (void)state;
    struct plan_column columns[] = {{.target = &id}, {.target = &name}};
    struct writer writer = make(columns, 2, false);
    assert_string_equal(
        writer.upsert_sql,
        "INSERT INTO \"public\".\"users\" AS t (\"id\", \"the \"\"Name\"\"\") SELECT s.\"id\", "
        "s.\"the \"\"Name\"\"\" FROM pg_temp.rowhaul_stage_3 s WHERE (SELECT ROW(s.\"id\", "
        "s.\"the \"\"Name\"\"\")::pg_catalog.record OPERATOR(pg_catalog.*=) ROW(u.\"id\", "
        "u.\"the \"\"Name\"\"\")::pg_catalog.record FROM \"public\".\"users\" u WHERE u.\"id\" "
        "OPERATOR(pg_catalog.=) s.\"id\") IS NOT TRUE ORDER BY \"id\" ON CONFLICT "
        "(\"id\") DO "
        "UPDATE SET \"the \"\"Name\"\"\" = EXCLUDED.\"the \"\"Name\"\"\" WHERE "
        "ROW(EXCLUDED.\"id\", "
        "EXCLUDED.\"the \"\"Name\"\"\")::pg_catalog.record OPERATOR(pg_catalog.*<>) ROW(t.\"id\", "
        "t.\"the \"\"Name\"\"\")::pg_catalog.record");
}

static void rows_are_deleted_by_the_whole_key_of_staged_ones(void **state)
{
    (void)state;
    struct plan_column columns[] = {{.target = &id}, {.target = &always}, {.target = &name}};
    static size_t key[] = {2, 0};
    struct plan_output output = {
        .target = &target, .columns = columns, .columns_count = 3, .key = key, .key_count = 2};
    struct writer writer;
    writer_init(&writer, &output, 3, &arena);
    assert_string_equal(writer.delete_sql,
                        "DELETE FROM \"public\".\"users\" t USING pg_temp.rowhaul_stage_3 s WHERE "
                        "t.\"the \"\"Name\"\"\" = s.\"the \"\"Name\"\"\" AND t.\"id\" = s.\"id\"");
}

static void a_table_of_keys_only_has_nothing_to_update(void **state)
{
    (void)state;
    struct plan_column columns[] = {{.target = &id}};
    struct writer writer = make(columns, 1, true);
    assert_string_equal(
        writer.upsert_sql,
        "INSERT INTO \"public\".\"users\" AS t (\"id\") OVERRIDING SYSTEM VALUE SELECT "
        "s.\"id\" FROM pg_temp.rowhaul_stage_3 s WHERE (SELECT "
        "ROW(s.\"id\")::pg_catalog.record OPERATOR(pg_catalog.*=) "
        "ROW(u.\"id\")::pg_catalog.record FROM \"public\".\"users\" u WHERE u.\"id\" "
        "OPERATOR(pg_catalog.=) s.\"id\") IS NOT TRUE ORDER BY \"id\" ON CONFLICT (\"id\") DO "
        "NOTHING");
}

static void a_key_of_an_extensions_type_is_left_to_its_index(void **state)
{
    (void)state;
    struct plan_column columns[] = {{.target = &citext}, {.target = &name}};
    struct writer writer = make(columns, 2, false);
    assert_non_null(strstr(writer.upsert_sql, "FROM pg_temp.rowhaul_stage_3 s ORDER BY \"word\""));
}

static void identity_always_is_inserted_but_never_set(void **state)
{
    (void)state;
    struct plan_column columns[] = {{.target = &name}, {.target = &always}};
    struct writer writer = make(columns, 2, true);
    assert_null(strstr(writer.upsert_sql, "SET \"n\""));
    assert_non_null(strstr(writer.upsert_sql, "OVERRIDING SYSTEM VALUE"));
    assert_non_null(strstr(writer.upsert_sql, "DO NOTHING"));
}

static void a_refused_copy_is_tried_again_ever_later(void **state)
{
    (void)state;
    struct writer writer = {0};
    assert_true(writer_expects_new(&writer));
    writer_copy_refused(&writer);
    assert_false(writer_expects_new(&writer));
    writer_upserted(&writer, false);
    assert_true(writer_expects_new(&writer));
    writer_copy_refused(&writer);
    for (int i = 0; i < 3; i++) {
        assert_false(writer_expects_new(&writer));
        writer_upserted(&writer, false);
    }
    assert_true(writer_expects_new(&writer));
    writer_copied(&writer);
    writer_copy_refused(&writer);
    writer_upserted(&writer, false);
    assert_true(writer_expects_new(&writer));
}

static void a_replay_of_unchanged_rows_never_tries_a_copy(void **state)
{
    (void)state;
    struct writer writer = {0};
    writer_copy_refused(&writer);
    for (int i = 0; i < 1000; i++) {
        writer_upserted(&writer, true);
        assert_false(writer_expects_new(&writer));
    }
}

static void a_staging_table_goes_with_its_transaction(void **state)
{
    (void)state;
    struct writer writer = {.staging = STAGING_UNCOMMITTED, .staged_bytes = 5};
    writer_rolled_back(&writer);
    assert_int_equal(writer.staging, STAGING_NONE);
    writer.staging = STAGING_UNCOMMITTED;
    writer_committed(&writer);
    assert_int_equal(writer.staging, STAGING_READY);
    writer_rolled_back(&writer);
    assert_int_equal(writer.staging, STAGING_READY);
    writer_disconnected(&writer);
    assert_int_equal(writer.staging, STAGING_NONE);
    assert_true(writer.staged_bytes == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_quoted_everywhere),
        cmocka_unit_test(an_upsert_skips_rows_whose_image_is_equal),
        cmocka_unit_test(rows_are_deleted_by_the_whole_key_of_staged_ones),
        cmocka_unit_test(a_table_of_keys_only_has_nothing_to_update),
        cmocka_unit_test(a_key_of_an_extensions_type_is_left_to_its_index),
        cmocka_unit_test(identity_always_is_inserted_but_never_set),
        cmocka_unit_test(a_refused_copy_is_tried_again_ever_later),
        cmocka_unit_test(a_replay_of_unchanged_rows_never_tries_a_copy),
        cmocka_unit_test(a_staging_table_goes_with_its_transaction),
    };
    return cmocka_run_group_tests(tests, make_arena, drop_arena);
}
