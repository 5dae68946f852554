#include "tests/support/catalog_builder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

static struct arena arena;
static struct catalog_builder builder;

static int setup(void **state)
{
    (void)state;
    arena_init(&arena, (size_t)1 << 20);
    catalog_builder_init(&builder, &arena, "7412345678901234567");
    struct catalog_table *table = build_table(&builder, "public", "\xc3\xa4 \"t");
    table->kind = 'p';
    table->partition_root = "public.root";
    table->row_security = table->can_select = table->can_delete = true;
    table->rows_estimate = 1234567890123.0;
    table->bytes = UINT64_C(1) << 50;
    build_column(&builder, table, "id", "int8")->identity = 'a';
    build_column(&builder, table, "n", "numeric(14,2)")->generated = 's';
    build_column(&builder, table, "tags", "app.mood[]")->has_default = true;
    build_primary(&builder, table, "id");
    build_index(&builder, table, "n,tags")->deferrable = true;
    build_index(&builder, table, "")->expressions = true;
    build_foreign_key(&builder, table, "fk", "parent");
    build_trigger(table, "touch")->enabled = false;
    build_table(&builder, "public", "empty");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_release(&arena);
    return 0;
}

static void a_catalog_comes_back_as_it_was(void **state)
{
    (void)state;
    struct catalog again;
    struct error err;
    json_t *json = catalog_to_json(&builder.catalog);
    assert_true(catalog_from_json(json, &arena, &again, &err));
    json_decref(json);

    assert_string_equal(again.system_identifier, "7412345678901234567");
    assert_string_equal(again.server_version, "15.8");
    assert_int_equal(again.server_version_num, 150008);
    assert_false(again.in_recovery);
    assert_int_equal(again.names_count, 0);
    assert_int_equal(again.tables_count, 2);
    const struct catalog_table *table = catalog_find(&again, "public", "\xc3\xa4 \"t");
    assert_non_null(table);
    assert_int_equal(table->kind, 'p');
    assert_string_equal(table->partition_root, "public.root");
    assert_true(table->row_security && table->can_select && table->can_delete);
    assert_false(table->row_security_applies || table->can_insert || table->can_update);
    assert_true(table->rows_estimate > 1234567890122.0 && table->rows_estimate < 1234567890124.0);
    assert_true(table->bytes == UINT64_C(1) << 50);
    assert_int_equal(table->columns_count, 3);
    assert_int_equal(table->columns[0].identity, 'a');
    assert_int_equal(table->columns[0].generated, 0);
    assert_true(table->columns[0].not_null);
    assert_int_equal(table->columns[0].modifier, -1);
    assert_null(table->columns[0].element_name);
    assert_int_equal(table->columns[1].generated, 's');
    assert_int_equal(table->columns[1].modifier, ((14 << 16) | 2) + 4);
    assert_string_equal(table->columns[2].element_schema, "app");
    assert_int_equal(table->columns[2].element_type, 'e');
    assert_int_equal(table->indexes_count, 3);
    assert_true(table->indexes[0].primary && table->indexes[0].unique && table->indexes[0].valid);
    assert_int_equal(table->indexes[1].columns_count, 2);
    assert_string_equal(table->indexes[1].columns[1], "tags");
    assert_int_equal(table->indexes[2].columns_count, 0);
    assert_int_equal(table->foreign_keys_count, 1);
    assert_string_equal(table->foreign_keys[0].table, "parent");
    assert_string_equal(table->foreign_keys[0].referenced[0], "id");
    assert_int_equal(table->foreign_keys[0].on_delete, 'a');
    assert_int_equal(table->triggers_count, 1);
    assert_false(table->triggers[0].enabled);
    assert_int_equal(again.tables[1].columns_count, 0);
}

static void reading_and_writing_again_gives_the_same_json(void **state)
{
    (void)state;
    struct catalog again;
    struct error err;
    json_t *json = catalog_to_json(&builder.catalog);
    assert_true(catalog_from_json(json, &arena, &again, &err));
    json_t *json_again = catalog_to_json(&again);
    assert_true(json_equal(json, json_again));
    json_decref(json);
    json_decref(json_again);
}

/* Spoils a member of the catalog (list NULL), of its first table (""), or of what is first in a
 * list of that table. */
static void refuses(const char *list, const char *member, json_t *value, const char *expected)
{
    struct catalog catalog = {.database = "untouched"};
    struct error err;
    json_t *json = catalog_to_json(&builder.catalog);
    json_t *object = json;
    if (list != NULL)
        object = json_array_get(json_object_get(json, "tables"), 0);
    if (list != NULL && list[0] != '\0')
        object = json_array_get(json_object_get(object, list), 0);
    if (value == NULL)
        json_object_del(object, member);
    else
        json_object_set_new(object, member, value);
    assert_false(catalog_from_json(json, &arena, &catalog, &err));
    assert_string_equal(err.text, expected);
    assert_int_equal(err.action, ERROR_STOP);
    assert_string_equal(catalog.database, "untouched");
    json_decref(json);
}

static void what_is_missing_or_of_another_kind_is_named(void **state)
{
    (void)state;
    refuses(NULL, "database", NULL, "stored catalog: catalog without a valid \"database\"");
    refuses(NULL, "tables", json_true(), "stored catalog: catalog without a valid \"tables\"");
    refuses(NULL, "server_version_num", json_integer(INT64_C(1) << 40),
            "stored catalog: catalog without a valid \"server_version_num\"");
    refuses(NULL, "in_recovery", json_integer(0),
            "stored catalog: catalog without a valid \"in_recovery\"");
    refuses("", "kind", json_string("rr"), "stored catalog: table without a valid \"kind\"");
    refuses("", "bytes", json_integer(-1), "stored catalog: table without a valid \"bytes\"");
    refuses("", "rows_estimate", json_string("1"),
            "stored catalog: table without a valid \"rows_estimate\"");
    refuses("columns", "name", json_integer(1), "stored catalog: column without a valid \"name\"");
    refuses("columns", "name", json_null(), "stored catalog: column without a valid \"name\"");
    refuses("indexes", "columns", json_pack("[i]", 1),
            "stored catalog: index without a valid \"columns\"");
    refuses("foreign_keys", "definition", NULL,
            "stored catalog: foreign key without a valid \"definition\"");
    refuses("foreign_keys", "referenced", json_pack("[s, s]", "id", "id"),
            "stored catalog: foreign key without a valid \"referenced\"");
    refuses("triggers", "before", json_null(),
            "stored catalog: trigger without a valid \"before\"");
}

static void a_primary_key_is_over_columns_of_its_table(void **state)
{
    (void)state;
    static const char text[] = "stored catalog: primary key \"id\" is not over columns of table "
                               "\"public.\xc3\xa4 \"t\"";
    refuses("indexes", "columns", json_array(), text);
    refuses("indexes", "columns", json_pack("[s]", "gone"), text);
    refuses("indexes", "columns", json_pack("[s, s]", "id", "id"), text);
}

static void no_object_is_no_catalog(void **state)
{
    (void)state;
    struct catalog catalog;
    struct error err;
    json_t *json = json_array();
    assert_false(catalog_from_json(json, &arena, &catalog, &err));
    assert_string_equal(err.text, "stored catalog: catalog without a valid \"system_identifier\"");
    json_decref(json);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_catalog_comes_back_as_it_was),
        TEST(reading_and_writing_again_gives_the_same_json),
        TEST(what_is_missing_or_of_another_kind_is_named),
        TEST(a_primary_key_is_over_columns_of_its_table),
        TEST(no_object_is_no_catalog),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
