#include "tests/support/mapping_fixture.h"

/* public.users on both sides: the same columns, the key `id`, unique `email` on the source. */
static struct mapping_fixture fixture;
static struct catalog_table *source_users, *target_users;

static const struct {
    const char *name, *type;
} user_columns[] = {{"id", "int8"},
                    {"email", "text"},
                    {"name", "text"},
                    {"code", "bpchar(3)"},
                    {"balance", "numeric(12,2)"},
                    {"data", "jsonb"},
                    {"tags", "text[]"},
                    {"active", "bool"}};

static struct catalog_table *build_users(struct catalog_builder *builder)
{
    struct catalog_table *table = build_table(builder, "public", "users");
    for (size_t i = 0; i < RH_COUNT(user_columns); i++)
        build_column(builder, table, user_columns[i].name, user_columns[i].type);
    build_primary(builder, table, "id");
    return table;
}

static int setup(void **state)
{
    (void)state;
    mapping_fixture_init(&fixture);
    source_users = build_users(&fixture.source);
    target_users = build_users(&fixture.target);
    build_index(&fixture.source, source_users, "email");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    mapping_fixture_release(&fixture);
    return 0;
}

static struct catalog_column *column_of(struct catalog_table *table, const char *name)
{
    size_t column = catalog_column_find(table, name);
    assert_int_not_equal(column, SIZE_MAX);
    return &table->columns[column];
}

static struct catalog_column *add_source(const char *name, const char *type)
{
    return build_column(&fixture.source, source_users, name, type);
}

static struct catalog_column *add_target(const char *name, const char *type)
{
    return build_column(&fixture.target, target_users, name, type);
}

#define HEAD                                                                                       \
    "version: 1\n"                                                                                 \
    "name: test\n"                                                                                 \
    "tables:\n"
/* One entry of public.users into public.users; what follows stands at the output's indentation. */
#define USERS                                                                                      \
    HEAD "  - from: public.users\n"                                                                \
         "    to:\n"                                                                               \
         "      - table: public.users\n"
#define KEY(line) "        " line "\n"

static void complains(const char *text, const char *expected)
{
    assert_string_equal(compile_mapping(&fixture, text), expected);
    assert_false(fixture.compiled);
}

static void warns(const char *text, const char *expected)
{
    assert_string_equal(compile_mapping(&fixture, text), expected);
    assert_true(fixture.compiled);
}

static const struct plan_column *planned(const char *name)
{
    const struct plan_output *output = &fixture.plan.tables[0].outputs[0];
    for (size_t i = 0; i < output->columns_count; i++) {
        if (strcmp(output->columns[i].target->name, name) == 0)
            return &output->columns[i];
    }
    return NULL;
}

static void constant_is(const char *column, const char *expected)
{
    const struct plan_column *planned_column = planned(column);
    assert_non_null(planned_column);
    assert_int_equal(planned_column->rule.kind, RULE_CONST);
    assert_int_equal(planned_column->rule.constant.kind, VALUE_TEXT);
    assert_string_equal(bytes_to_text(&fixture.arena, planned_column->rule.constant.bytes),
                        expected);
}

/* ---- what compiles ----------------------------------------------------------------------- */

static void the_same_table_copies_all_and_passes_through(void **state)
{
    (void)state;
    const struct plan *plan = must_compile(&fixture, USERS);
    assert_string_equal(plan->name, "test");
    assert_int_equal(plan->tables_count, 1);
    assert_int_equal(plan->levels_count, 1);
    const struct plan_table *table = &plan->tables[0];
    assert_string_equal(table->id, "users");
    assert_ptr_equal(plan_table_find(plan, "users"), table);
    assert_null(plan_table_find(plan, "user"));
    assert_int_equal(table->columns_count, RH_COUNT(user_columns));
    assert_int_equal(table->key_count, 1);
    assert_int_equal(table->key[0], 0);
    assert_int_equal(table->key_kinds[0], KEY_VERBATIM);
    assert_string_equal(table->where_sql, "");
    const struct plan_output *output = &table->outputs[0];
    assert_int_equal(output->columns_count, RH_COUNT(user_columns));
    assert_int_equal(output->key_count, 1);
    assert_int_equal(output->key[0], 0);
    assert_true(output->checksum);
    assert_false(output->overriding);
    assert_string_equal(output->columns[1].rule.id, "users.email");
}

static void the_wire_carries_the_key_and_what_rules_read_in_table_order(void **state)
{
    (void)state;
    const struct plan *plan =
        must_compile(&fixture, USERS KEY("copy: none")
                                   KEY("columns: {id: id, name: {from: email}, tags: tags}"));
    const struct plan_table *table = &plan->tables[0];
    assert_int_equal(table->columns_count, 3);
    assert_string_equal(table->columns[0]->name, "id");
    assert_string_equal(table->columns[1]->name, "email");
    assert_string_equal(table->columns[2]->name, "tags");
    assert_int_equal(planned("name")->rule.source_column, 1);
    assert_int_equal(planned("tags")->rule.source_column, 2);
    assert_int_equal(table->outputs[0].columns_count, 3);
}

static void a_key_column_that_nobody_writes_travels_too(void **state)
{
    (void)state;
    column_of(source_users, "email")->not_null = true;
    build_index(&fixture.target, target_users, "email");
    column_of(target_users, "id")->has_default = true;
    const struct plan *plan =
        must_compile(&fixture, HEAD "  - from: public.users\n"
                                    "    key: [email]\n"
                                    "    to:\n"
                                    "      - table: public.users\n" KEY("key: [email]")
                                        KEY("copy: [email, name]"));
    assert_int_equal(plan->tables[0].columns_count, 2);
    assert_int_equal(plan->tables[0].key[0], 0);
    assert_true(plan->tables[0].outputs[0].checksum);
}

static void copy_all_leaves_out_what_is_dropped_and_what_a_rule_writes(void **state)
{
    (void)state;
    add_source("old", "text");
    add_source("gone", "text");
    add_target("new", "text");
    must_compile(&fixture, USERS KEY("drop: [gone]") KEY("columns: {new: old, name: {const: x}}"));
    assert_string_equal(planned("new")->rule.source_name, "old");
    constant_is("name", "x");
    assert_null(planned("gone"));
    assert_non_null(planned("email"));
}

static void copy_all_skips_generated_columns_of_the_target(void **state)
{
    (void)state;
    column_of(target_users, "name")->generated = 's';
    must_compile(&fixture, USERS);
    assert_null(planned("name"));
}

static void an_identity_column_is_overridden(void **state)
{
    (void)state;
    column_of(target_users, "id")->identity = 'a';
    assert_true(must_compile(&fixture, USERS)->tables[0].outputs[0].overriding);
}

static void a_target_column_with_a_default_needs_no_rule(void **state)
{
    (void)state;
    add_target("extra", "text");
    struct catalog_column *column = add_target("version", "int4");
    column->not_null = true;
    column->has_default = true;
    must_compile(&fixture, USERS);
    assert_null(planned("version"));
}

static void table_settings_may_stand_at_the_table_or_at_the_output(void **state)
{
    (void)state;
    assert_int_equal(must_compile(&fixture, USERS KEY("on_error: stop") KEY("on_new_column: ignore")
                                                KEY("delete: restrict"))
                         ->tables[0]
                         .on_error,
                     ON_ERROR_STOP);
    assert_int_equal(must_compile(&fixture, HEAD "  - id: people\n"
                                                 "    from: [public, users]\n"
                                                 "    on_error: park\n"
                                                 "    to:\n"
                                                 "      - table: [public, users]\n")
                         ->tables[0]
                         .on_error,
                     ON_ERROR_PARK);
    assert_non_null(plan_table_find(&fixture.plan, "people"));
}

static void constants_become_text_json_and_array_literals(void **state)
{
    (void)state;
    add_target("list", "jsonb");
    add_target("numbers", "int4[]");
    add_target("documents", "jsonb[]");
    setenv("MAPPING_TEST_NAME", "O\"Hara", 1);
    must_compile(
        &fixture,
        USERS KEY("columns:") KEY("  name: {const: \"${MAPPING_TEST_NAME}\"}")
            KEY("  balance: {const: 2.50}")
                KEY("  data: {const: {a: 1.50, b: [true, null, yes], c: \"5\", d: x\\y}}")
                    KEY("  list: {const: [\"${MAPPING_TEST_NAME}\", 12345678901234567890]}")
                        KEY("  tags: {const: [plain, 'a \"b\" \\', null, '', \"null\"]}")
                            KEY("  numbers: {const: [[1, 2], [3, 4]]}")
                                KEY("  documents: {const: [{a: x}, [1]]}")
                                    KEY("  code: {const: null}") KEY("  email: {const: \"\"}"));
    constant_is("name", "O\"Hara");
    constant_is("balance", "2.50");
    constant_is("data", "{\"a\": 1.50, \"b\": [true, null, \"yes\"], \"c\": \"5\", \"d\": "
                        "\"x\\\\y\"}");
    constant_is("list", "[\"O\\\"Hara\", 12345678901234567890]");
    constant_is("tags", "{\"plain\",\"a \\\"b\\\" \\\\\",NULL,\"\",\"null\"}");
    constant_is("numbers", "{{\"1\",\"2\"},{\"3\",\"4\"}}");
    constant_is("documents", "{\"{\\\"a\\\": \\\"x\\\"}\",\"[1]\"}");
    constant_is("email", "");
    assert_int_equal(planned("code")->rule.constant.kind, VALUE_NULL);
    assert_string_equal(environment_get(&fixture.environment, "MAPPING_TEST_NAME"), "O\"Hara");
}

static void a_map_is_sorted_and_knows_its_way_out(void **state)
{
    (void)state;
    must_compile(
        &fixture,
        USERS KEY("columns:") KEY("  email: {map: {from: email, values: {b: 2, a: 1, null: 0}}}")
            KEY("  name: {map: {from: active, values: {yes: A, false: B}, otherwise: "
                "{const: C}}}")
                KEY("  code: {map: {from: code, values: {'x  ': y}, otherwise: keep}}"));
    const struct rule *email = &planned("email")->rule;
    assert_int_equal(email->kind, RULE_MAP);
    assert_int_equal(email->map_count, 2);
    assert_true(bytes_is(email->map[0].from, "a") && bytes_is(email->map[0].to.bytes, "1"));
    assert_true(email->has_null && bytes_is(email->null_to.bytes, "0"));
    assert_int_equal(email->otherwise, MAP_REJECT);
    const struct rule *name = &planned("name")->rule;
    assert_true(bytes_is(name->map[0].from, "f") && bytes_is(name->map[1].from, "t"));
    assert_int_equal(name->otherwise, MAP_RULE);
    assert_int_equal(name->otherwise_rule->kind, RULE_CONST);
    const struct rule *code = &planned("code")->rule;
    assert_true(bytes_is(code->map[0].from, "x") && code->strip_padding);
    assert_int_equal(code->otherwise, MAP_KEEP);
    assert_false(fixture.plan.tables[0].outputs[0].checksum);
}

/* ---- form -------------------------------------------------------------------------------- */

static void the_shape_of_the_file_is_checked(void **state)
{
    (void)state;
    complains("tables: []\n",
              "m.yaml:1:1: error RH-3208: the mapping does not say its version (write version: 1)\n"
              "m.yaml:1:9: error RH-3203: the mapping has no list of \"tables\" (write - from: "
              "schema.table below tables:)\n");
    complains("version: 2\ntables:\n  - {}\n  - users\nassertions: []\n",
              "m.yaml:1:10: error RH-3208: this version of the mapping is not known (write "
              "version: 1)\n"
              "m.yaml:3:5: error RH-3203: a table has no \"from\"\n"
              "m.yaml:3:5: error RH-3203: a table has no \"to\"\n"
              "m.yaml:4:5: error RH-3200: a table must be a mapping (write - from: "
              "schema.table)\n"
              "m.yaml:5:13: error RH-3202: \"assertions\" is not in this version\n");
}

static void unknown_keys_are_told_with_the_nearest_known_one(void **state)
{
    (void)state;
    complains(HEAD "  - from: public.users\n"
                   "    were: {}\n"
                   "    to:\n"
                   "      - tabel: public.users\n"
                   "        colums: {}\n",
              "m.yaml:5:5: error RH-3201: unknown key \"were\" in a table (did you mean "
              "\"where\"?)\n"
              "m.yaml:7:9: error RH-3201: unknown key \"tabel\" in an output (did you mean "
              "\"table\"?)\n"
              "m.yaml:7:9: error RH-3203: an output has no \"table\"\n"
              "m.yaml:8:9: error RH-3201: unknown key \"colums\" in an output (did you mean "
              "\"columns\"?)\n");
}

static void what_comes_with_later_versions_is_refused_by_name(void **state)
{
    (void)state;
    complains(
        USERS KEY("when: {}") KEY("children_of: [id]") KEY("validate: {}")
            KEY("on_conflict: {newest: id}") KEY("delete: cascade") KEY("columns:")
                KEY("  name: {case: []}") KEY("  email: {from: email, default: x}")
                    KEY("  code: {sql: x}") KEY("  balance: {map: {from: balance, path: [a]}}"),
        "m.yaml:7:9: error RH-3202: \"when\" is not in this version\n"
        "m.yaml:8:9: error RH-3202: \"children_of\" is not in this version\n"
        "m.yaml:9:9: error RH-3202: \"validate\" is not in this version\n"
        "m.yaml:10:22: error RH-3202: \"on_conflict: newest\" is not in this version\n"
        "m.yaml:11:17: error RH-3202: \"delete: cascade\" is not in this version\n"
        "m.yaml:13:18: error RH-3202: \"case\" is not in this version\n"
        "m.yaml:14:32: error RH-3202: \"default\" is not in this version\n"
        "m.yaml:15:18: error RH-3202: \"sql\" is not in this version\n"
        "m.yaml:16:33: error RH-3243: values of column \"balance\" of type numeric(12,2) cannot be "
        "looked up in a map (a map needs a text, enum, integer, boolean, uuid or date column)\n"
        "m.yaml:16:42: error RH-3202: \"path\" is not in this version\n");
}

static void every_later_rule_is_refused(void **state)
{
    (void)state;
    static const char *const rules[] = {
        "column",  "case",  "object", "array", "coalesce", "concat", "lower", "upper",   "trim",
        "replace", "uuid5", "lookup", "item",  "ordinal",  "sql",    "merge", "default", "path"};
    for (size_t i = 0; i < RH_COUNT(rules); i++) {
        const char *text =
            arena_must_printf(&fixture.arena, USERS KEY("columns: {name: {%s: x}}"), rules[i]);
        const char *expected = arena_must_printf(
            &fixture.arena, "m.yaml:7:26: error RH-3202: \"%s\" is not in this version\n",
            rules[i]);
        complains(text, expected);
    }
}

static void table_names_have_two_parts(void **state)
{
    (void)state;
    complains(
        HEAD "  - from: users\n"
             "    to: [{table: a.b.c}, {table: [x]}, {table: .x}]\n",
        "m.yaml:4:11: error RH-3204: table name \"users\" has no schema (write schema.table)\n"
        "m.yaml:5:18: error RH-3204: table name \"a.b.c\" has more than one dot (write [schema, "
        "table])\n"
        "m.yaml:5:34: error RH-3204: a table's name has two parts (write [schema, table])\n"
        "m.yaml:5:48: error RH-3204: table name \".x\" has no schema (write schema.table)\n");
}

static void ids_are_names_of_topics(void **state)
{
    (void)state;
    complains(HEAD "  - {id: 'a b', from: public.users, to: [{table: public.users}]}\n",
              "m.yaml:4:10: error RH-3205: \"a b\" cannot be a table's id (write an \"id\" of "
              "letters, digits, dot, underscore and hyphen)\n");
    complains(HEAD "  - {id: control, from: public.users, to: [{table: public.users}]}\n",
              "m.yaml:4:10: error RH-3205: the id \"control\" is taken by the run itself (write "
              "another \"id\")\n");
    complains(
        HEAD "  - {id: a, from: public.users, to: [{table: public.users}]}\n"
             "  - {id: a, from: public.x, to: [{table: public.y}]}\n",
        "m.yaml:5:5: error RH-3205: two tables have the id \"a\" (write an \"id\" of its own)\n"
        "m.yaml:5:19: error RH-3210: table \"public.x\" does not exist in the source database\n"
        "m.yaml:5:42: error RH-3213: table \"public.y\" does not exist in the target database\n");
}

static void a_source_or_target_stands_once(void **state)
{
    (void)state;
    complains(HEAD "  - {id: a, from: public.users, to: [{table: public.users}]}\n"
                   "  - {id: b, from: public.users, to: [{table: public.users}]}\n",
              "m.yaml:5:19: error RH-3206: table \"public.users\" is read by two entries (put all "
              "outputs under one entry's \"to\")\n"
              "m.yaml:5:46: error RH-3207: table \"public.users\" is written by two outputs (rows "
              "that several sources share need \"merge\", which is not in this version)\n");
}

static void words_are_one_of_their_set(void **state)
{
    (void)state;
    complains(
        HEAD "  - from: public.users\n"
             "    on_error: stop\n"
             "    key: id\n"
             "    to:\n"
             "      - table: public.users\n" KEY("on_error: park") KEY("on_new_column: igno")
                 KEY("delete: [x]") KEY("copy: some") KEY("triggers: on") KEY("drop: x")
                     KEY("columns: []") KEY("key: []"),
        "m.yaml:6:10: error RH-3200: \"key\" must be a list of columns (write key: [name, name])\n"
        "m.yaml:9:19: error RH-3200: \"on_error\" is said twice and differs: it belongs to the "
        "source table (say it once, at the table)\n"
        "m.yaml:10:24: error RH-3200: \"on_new_column\" cannot be \"igno\"\n"
        "m.yaml:11:17: error RH-3200: \"delete\" cannot be \"\"\n"
        "m.yaml:12:15: error RH-3200: \"copy\" must be all, none or a list of columns\n"
        "m.yaml:13:19: error RH-3200: \"triggers\" must be off or {fire: [columns that triggers "
        "change]}\n"
        "m.yaml:14:15: error RH-3200: \"drop\" must be a list of columns (write drop: [name, "
        "name])\n"
        "m.yaml:15:18: error RH-3200: \"columns\" must be a mapping (write columns: {column: "
        "rule})\n"
        "m.yaml:16:14: error RH-3200: \"key\" names no column (leave \"key\" out to use the "
        "primary key)\n");
}

/* ---- tables and keys --------------------------------------------------------------------- */

static void a_missing_table_is_told_with_the_nearest_one(void **state)
{
    (void)state;
    complains(HEAD "  - {from: public.user, to: [{table: public.usres}]}\n",
              "m.yaml:4:12: error RH-3210: table \"public.user\" does not exist in the source "
              "database (did you mean \"public.users\"?)\n"
              "m.yaml:4:38: error RH-3213: table \"public.usres\" does not exist in the target "
              "database (did you mean \"public.users\"?)\n");
}

static void views_and_foreign_tables_are_refused(void **state)
{
    (void)state;
    source_users->kind = 'v';
    target_users->kind = 'f';
    complains(USERS, "m.yaml:4:11: error RH-3211: \"public.users\" of the source database is a "
                     "view (name the table behind it)\n"
                     "m.yaml:6:16: error RH-3214: \"public.users\" of the target database is a "
                     "foreign table (name the table behind it)\n");
    source_users->kind = 'm';
    target_users->kind = 'p';
    complains(USERS, "m.yaml:4:11: error RH-3211: \"public.users\" of the source database is a "
                     "materialized view (name the table behind it)\n");
}

static void a_partition_is_read_through_its_root(void **state)
{
    (void)state;
    source_users->partition_root = "public.all_users";
    complains(USERS, "m.yaml:4:11: error RH-3212: table \"public.users\" is a partition of "
                     "\"public.all_users\" (write from: public.all_users)\n");
    source_users->partition_root = NULL;
    source_users->kind = 'p';
    must_compile(&fixture, USERS);
}

static void a_table_is_not_copied_onto_itself(void **state)
{
    (void)state;
    fixture.target.catalog.system_identifier = "1";
    complains(USERS, "m.yaml:6:16: error RH-3215: table \"public.users\" would be copied onto "
                     "itself (name another table, or another database in target: url)\n");
    fixture.target.catalog.database = "another";
    must_compile(&fixture, USERS);
}

static void a_source_without_a_usable_key_is_refused(void **state)
{
    (void)state;
    complains(HEAD "  - {from: public.users, key: [email], to: [{table: public.users}]}\n",
              "m.yaml:4:31: error RH-3223: key (email) of table \"public.users\" may be null (name "
              "the columns of a unique index over whole rows whose columns are NOT NULL)\n");
    complains(
        HEAD "  - {from: public.users, key: [name], to: [{table: public.users}]}\n",
        "m.yaml:4:31: error RH-3223: no unique index of table \"public.users\" is over exactly "
        "(name) (name the columns of a unique index over whole rows whose columns are NOT NULL)\n");
    complains(HEAD "  - {from: public.users, key: [nmae], to: [{table: public.users}]}\n",
              "m.yaml:4:32: error RH-3222: column \"nmae\" does not exist in source table "
              "\"public.users\" (did you mean \"name\"?)\n");
    complains(HEAD "  - {from: public.users, key: [id, id], to: [{table: public.users}]}\n",
              "m.yaml:4:36: error RH-3200: \"key\" names column \"id\" twice\n");
    column_of(source_users, "email")->not_null = true;
    source_users->indexes[1].partial = true;
    complains(HEAD "  - {from: public.users, key: [email], to: [{table: public.users}]}\n",
              "m.yaml:4:31: error RH-3223: no unique index of table \"public.users\" is over "
              "exactly (email) (name the columns of a unique index over whole rows whose columns "
              "are NOT NULL)\n");
    source_users->indexes_count = 0;
    complains(USERS, "m.yaml:4:11: error RH-3222: table \"public.users\" has no primary key (write "
                     "key: [columns of a unique index], or add a primary key)\n");
    build_index(&fixture.source, source_users, "name"); /* may be null */
    build_index(&fixture.source, source_users, "id,email");
    complains(USERS, "m.yaml:4:11: error RH-3222: table \"public.users\" has no primary key (write "
                     "key: [id, email])\n");
}

static void a_key_whose_equal_values_differ_in_text_is_refused(void **state)
{
    (void)state;
    struct catalog_column *id = column_of(source_users, "id");
    id->type = id->type_name = "float8";
    complains(USERS, "m.yaml:4:11: error RH-3224: column \"id\" of type float8 cannot be a key: "
                     "equal values have different texts (name other columns in \"key\")\n"
                     "m.yaml:6:16: error RH-3240: column \"id\" of type float8 cannot become "
                     "column \"id\" of table \"public.users\" of type int8 (change the target "
                     "column's type, or map or drop the column)\n");
}

static void the_arbiter_is_a_unique_index_that_an_upsert_can_use(void **state)
{
    (void)state;
    complains(USERS KEY("key: [id, email]"),
              "m.yaml:7:14: error RH-3225: no unique index of table \"public.users\" is over "
              "exactly (id, email) (name the columns of a unique index over whole rows)\n");
    target_users->indexes[0].deferrable = true;
    complains(
        USERS,
        "m.yaml:6:16: error RH-3226: key (id) of table \"public.users\" is deferrable: an upsert "
        "cannot use it (make it NOT DEFERRABLE, or name the columns of another unique index)\n");
    target_users->indexes_count = 0;
    complains(USERS, "m.yaml:6:16: error RH-3225: table \"public.users\" has no primary key (write "
                     "key: [columns of a unique index], or add a primary key)\n");
    column_of(target_users, "email")->not_null = false;
    build_index(&fixture.target, target_users, "email,name");
    complains(USERS, "m.yaml:6:16: error RH-3225: table \"public.users\" has no primary key (write "
                     "key: [email, name])\n");
    complains(USERS KEY("key: [ids]"), "m.yaml:7:15: error RH-3225: column \"ids\" does not exist "
                                       "in target table \"public.users\" (did you mean \"id\"?)\n");
}

static void the_arbiter_is_written_and_carries_the_source_key(void **state)
{
    (void)state;
    column_of(target_users, "id")->has_default = true;
    complains(USERS KEY("copy: [email]"),
              "m.yaml:6:16: error RH-3227: key column \"id\" of table \"public.users\" is not "
              "written (give it a rule below columns:)\n");
    build_index(&fixture.target, target_users, "email");
    complains(USERS KEY("key: [email]"),
              "m.yaml:7:14: error RH-3228: key (email) of table \"public.users\" does not carry "
              "the source key (id): two source rows could write one target row (let each source "
              "key column become a column of the output's key, unchanged in value, or choose "
              "another \"key\" for the source table)\n");
    complains(USERS KEY("columns: {id: {const: 1}}"),
              "m.yaml:6:16: error RH-3228: key (id) of table \"public.users\" does not carry the "
              "source key (id): two source rows could write one target row (let each source key "
              "column become a column of the output's key, unchanged in value, or choose another "
              "\"key\" for the source table)\n");
    build_index(&fixture.target, target_users, "email,id");
    must_compile(&fixture, USERS KEY("key: [id, email]"));
    assert_int_equal(fixture.plan.tables[0].outputs[0].key_count, 2);
    assert_false(fixture.plan.tables[0].outputs[0].checksum);
}

/* ---- columns ----------------------------------------------------------------------------- */

static void columns_that_do_not_exist_are_told_with_the_nearest(void **state)
{
    (void)state;
    complains(USERS KEY("drop: [emial]") KEY("columns: {nmae: name, name: nam, code: {from: cod}, "
                                             "email: {map: {from: emal, values: {a: b}}}}"),
              "m.yaml:7:16: error RH-3231: column \"emial\" does not exist in source table "
              "\"public.users\" (did you mean \"email\"?)\n"
              "m.yaml:8:19: error RH-3221: column \"nmae\" does not exist in target table "
              "\"public.users\" (did you mean \"name\"?)\n"
              "m.yaml:8:37: error RH-3220: column \"nam\" does not exist in source table "
              "\"public.users\" (did you mean \"name\"?)\n"
              "m.yaml:8:55: error RH-3220: column \"cod\" does not exist in source table "
              "\"public.users\" (did you mean \"code\"?)\n"
              "m.yaml:8:81: error RH-3220: column \"emal\" does not exist in source table "
              "\"public.users\" (did you mean \"email\"?)\n");
    complains(USERS KEY("copy: [id, oops]"), "m.yaml:7:20: error RH-3220: column \"oops\" does not "
                                             "exist in source table \"public.users\"\n");
}

/* A misspelt name leaves a column without a place, a value or a key: that is not said as well. */
static void one_misspelt_name_is_one_complaint(void **state)
{
    (void)state;
    add_source("nickname", "text")->not_null = true;
    add_target("alias", "text")->not_null = true;
    complains(USERS KEY("columns: {alias: nickname, id: idd}"),
              "m.yaml:7:40: error RH-3220: column \"idd\" does not exist in source table "
              "\"public.users\" (did you mean \"id\"?)\n");
    complains(USERS KEY("columns: {alias: nickame}"),
              "m.yaml:7:26: error RH-3220: column \"nickame\" does not exist in source table "
              "\"public.users\" (did you mean \"nickname\"?)\n");
    complains(USERS KEY("columns: {alas: nickname}"),
              "m.yaml:7:19: error RH-3221: column \"alas\" does not exist in target table "
              "\"public.users\" (did you mean \"alias\"?)\n");
    complains(USERS KEY("drop: [nickame]") KEY("columns: {alias: id}"),
              "m.yaml:7:16: error RH-3231: column \"nickame\" does not exist in source table "
              "\"public.users\" (did you mean \"nickname\"?)\n");
    complains(USERS KEY("copy: [idd, name]") KEY("columns: {alias: id}"),
              "m.yaml:7:16: error RH-3220: column \"idd\" does not exist in source table "
              "\"public.users\" (did you mean \"id\"?)\n");
    complains(
        USERS KEY("copy: none") KEY("columns: {alias: id}"),
        "m.yaml:6:16: error RH-3233: column \"id\" of table \"public.users\" is NOT NULL, has "
        "no default and no rule (give it a rule below columns:, or a default on the "
        "target)\n");
}

static void a_column_is_written_once(void **state)
{
    (void)state;
    complains(USERS KEY("copy: [id, name, name]") KEY("columns: {id: id}"),
              "m.yaml:7:16: error RH-3230: column \"id\" is written twice\n"
              "m.yaml:7:26: error RH-3230: column \"name\" is written twice\n");
    complains(USERS KEY("copy: none") KEY("drop: [id]") KEY("columns: {id: id}"),
              "m.yaml:8:15: error RH-3231: \"drop\" takes columns out of copy: all only (leave "
              "\"drop\" out)\n");
}

static void a_source_column_without_a_place_must_be_dropped(void **state)
{
    (void)state;
    add_source("nickname", "text");
    complains(USERS, "m.yaml:6:16: error RH-3232: column \"nickname\" of table \"public.users\" "
                     "has no column of its name in \"public.users\" (write drop: [nickname], or "
                     "add the column to the target)\n");
    must_compile(&fixture, USERS KEY("columns: {name: nickname}") KEY("copy: [id]"));
}

static void a_column_that_must_have_a_value_gets_one(void **state)
{
    (void)state;
    struct catalog_column *column = add_target("needed", "text");
    column->not_null = true;
    complains(
        USERS,
        "m.yaml:6:16: error RH-3233: column \"needed\" of table \"public.users\" is NOT NULL, has "
        "no default and no rule (give it a rule below columns:, or a default on the target)\n");
    complains(
        USERS KEY("columns: {needed: {const: null}}"),
        "m.yaml:7:35: error RH-3235: column \"needed\" of table \"public.users\" cannot be null\n");
    warns(USERS KEY("columns: {needed: name}"),
          "m.yaml:7:27: warning RH-3236: column \"name\" may be null and column \"needed\" of "
          "table \"public.users\" may not: rows with a null are rejected\n");
    column->identity = 'd';
    must_compile(&fixture, USERS);
}

static void a_generated_column_cannot_be_written(void **state)
{
    (void)state;
    column_of(target_users, "name")->generated = 's';
    complains(USERS KEY("columns: {name: name}"),
              "m.yaml:7:19: error RH-3234: column \"name\" of table \"public.users\" is generated "
              "(leave it out: the target computes it)\n");
}

static void rules_have_one_of_the_known_forms(void **state)
{
    (void)state;
    complains(
        USERS KEY("columns:") KEY("  name: {}") KEY("  email: {from: email, const: x}")
            KEY("  code: [x]") KEY("  data:") KEY("  tags: {form: tags}") KEY("  active: {map: x}")
                KEY("  balance: {map: {values: {a: b}}}"),
        "m.yaml:8:17: error RH-3200: column \"name\" needs exactly one rule (write one of from, "
        "const and map)\n"
        "m.yaml:9:18: error RH-3200: column \"email\" needs exactly one rule (write one of from, "
        "const and map)\n"
        "m.yaml:10:17: error RH-3200: a list is no rule for column \"code\" (write {const: "
        "[...]})\n"
        "m.yaml:11:16: error RH-3200: the rule of column \"data\" names no source column\n"
        "m.yaml:12:18: error RH-3201: unknown key \"form\" in a rule (did you mean \"from\"?)\n"
        "m.yaml:13:25: error RH-3200: \"map\" must be a mapping (write map: {from: column, values: "
        "{old: new}, otherwise: reject})\n"
        "m.yaml:14:26: error RH-3200: a map needs \"from\", the name of a source column\n");
    complains(
        USERS KEY("columns:") KEY("  name: {map: {from: name}}")
            KEY("  email: {map: {from: data, values: {a: b}}}")
                KEY("  code: {map: {from: active, values: {yes: a, true: b}}}")
                    KEY("  tags: {map: {from: id, values: {x: [a]}}}"),
        "m.yaml:8:23: error RH-3200: a map needs \"values\" (write values: {old: new})\n"
        "m.yaml:9:31: error RH-3243: values of column \"data\" of type jsonb cannot be looked up "
        "in a map (a map needs a text, enum, integer, boolean, uuid or date column)\n"
        "m.yaml:10:46: error RH-3242: the map has value \"t\" twice\n"
        "m.yaml:11:43: error RH-3242: \"x\" is not an integer: column \"id\" has type int8\n");
}

static void constants_are_checked_as_far_as_their_type_says(void **state)
{
    (void)state;
    add_target("n", "int2");
    add_target("u", "uuid");
    complains(
        USERS KEY("columns:") KEY("  n: {const: 40000}") KEY("  u: {const: abc}")
            KEY("  active: {const: maybe}") KEY("  data: {const: text}") KEY("  name: {const: [a]}")
                KEY("  tags: {const: {a: b}}") KEY("  email: {const: \"${MAPPING_TEST_MISSING}\"}"),
        "m.yaml:8:22: error RH-3242: \"40000\" is out of range: column \"n\" has type int2\n"
        "m.yaml:9:22: error RH-3242: \"abc\" is not a uuid: column \"u\" has type uuid\n"
        "m.yaml:10:27: error RH-3242: \"maybe\" is neither true nor false: column \"active\" has "
        "type bool\n"
        "m.yaml:11:25: error RH-3242: \"text\" is not JSON: column \"data\" has type jsonb (a JSON "
        "text needs its own quotes: '\"text\"')\n"
        "m.yaml:12:25: error RH-3242: a list cannot be the value of column \"name\" of type text\n"
        "m.yaml:13:25: error RH-3242: a map cannot be the value of column \"tags\" of type text[]\n"
        "m.yaml:14:26: error RH-3121: \"${MAPPING_TEST_MISSING}\" is neither in vars nor in the "
        "environment (set it in the environment or in vars; a literal ${ is written $${)\n");
}

/* ---- types ------------------------------------------------------------------------------- */

static const struct {
    const char *source, *target;
    const char *warning; /* NULL: none, "refused": an error */
    bool passes;
} type_cases[] = {
    {"int4", "int4", NULL, true},
    {"int2", "int8", NULL, true},
    {"int8", "int2", "values out of the range of smallint are rejected", false},
    {"int4", "numeric", NULL, false},
    {"int8", "numeric(10,2)", "values that do not fit numeric(10,2) are rejected", false},
    {"int2", "numeric(10,2)", NULL, false},
    {"numeric", "int4", "values with decimals or out of range are rejected", false},
    {"numeric(10,0)", "int4", "values with decimals or out of range are rejected", false},
    {"numeric(10,2)", "int4", "refused", false},
    {"numeric(10,2)", "numeric", NULL, true},
    {"numeric(10,2)", "numeric(12,2)", NULL, true},
    {"numeric(10,2)", "numeric(12,4)", NULL, false},
    {"numeric(10,2)", "numeric(10,4)", "values that do not fit numeric(10,4) are rejected", false},
    {"numeric(10,2)", "numeric(10,1)", "digits beyond 1 decimals are lost: the target rounds",
     false},
    {"numeric", "numeric(10,1)",
     "digits beyond 1 decimals are lost: the target rounds; values that do not fit are "
     "rejected",
     false},
    {"varchar(10)", "varchar(20)", NULL, true},
    {"varchar(20)", "varchar(10)", "values that do not fit varchar(10) are rejected", false},
    {"varchar(20)", "text", NULL, true},
    {"text", "varchar", NULL, true},
    {"text", "varchar(5)", "values that do not fit varchar(5) are rejected", false},
    {"varchar(5)", "varchar(5)", NULL, true},
    {"bpchar(3)", "text", NULL, false},
    {"bpchar(3)", "bpchar(3)", NULL, true},
    {"bpchar(3)", "bpchar(5)", NULL, false},
    {"uuid", "text", NULL, false},
    {"bool", "text", "true and false arrive as t and f", false},
    {"text", "uuid", "texts that the target type cannot read are rejected", false},
    {"text", "ext.citext!", NULL, false},
    {"ext.citext!", "public.citext!", NULL, true},
    {"public.mood", "public.mood", NULL, true},
    {"public.mood", "app.mood", "labels that the target type lacks are rejected", false},
    {"public.mood", "text", NULL, false},
    {"text", "public.mood", "texts that the target type cannot read are rejected", false},
    {"json", "jsonb", NULL, false},
    {"jsonb", "jsonb", NULL, true},
    {"date", "timestamptz", NULL, false},
    {"timestamptz", "timestamp", "the time is written in UTC", false},
    {"timestamp", "timestamptz", "the time is taken to be in UTC", false},
    {"timestamp(3)", "timestamp", NULL, true},
    {"timestamp", "timestamp(3)", "fractions of a second are lost: the target rounds", false},
    {"float4", "float8", NULL, false},
    {"float8", "float4", "refused", false},
    {"int8", "float8", "integers beyond 2^53 lose digits", false},
    {"int4[]", "int8[]", NULL, true},
    {"text[]", "varchar(3)[]", "values that do not fit varchar(3)[] are rejected", false},
    {"bpchar(3)[]", "text[]", "elements keep the padding of character(n)", false},
    {"int4[]", "text", NULL, false},
    {"int4[]", "bool[]", "refused", false},
    {"int4", "bool", "refused", false},
    {"timestamp", "date", "refused", false},
    {"jsonb", "int4", "refused", false},
    {"pg_node_tree", "pg_node_tree", "refused", false},
    {"pg_node_tree", "text", NULL, false},
    {"text", "gtsvector", "refused", false},
    {"int2vector", "int2vector", NULL, true},
    {"int2vector", "int2[]", "refused", false},
};

static void each_pair_of_types_has_its_verdict(void **state)
{
    for (size_t i = 0; i < RH_COUNT(type_cases); i++) {
        teardown(state);
        setup(state);
        add_source("x", type_cases[i].source);
        add_target("x", type_cases[i].target);
        const char *expected = "";
        bool refused =
            type_cases[i].warning != NULL && strcmp(type_cases[i].warning, "refused") == 0;
        if (refused)
            expected = arena_must_printf(
                &fixture.arena,
                "m.yaml:6:16: error RH-3240: column \"x\" of type %s cannot become column \"x\" of "
                "table \"public.users\" of type %s (change the target column's type, or map or "
                "drop the column)\n",
                type_cases[i].source, type_cases[i].target);
        else if (type_cases[i].warning != NULL)
            expected = arena_must_printf(
                &fixture.arena,
                "m.yaml:6:16: warning RH-3241: column \"x\" of type %s into column \"x\" of table "
                "\"public.users\" of type %s: %s\n",
                type_cases[i].source, type_cases[i].target, type_cases[i].warning);
        assert_string_equal(compile_mapping(&fixture, USERS), expected);
        assert_int_equal(fixture.compiled, !refused);
        if (!fixture.compiled)
            continue;
        if (planned("x")->passes_through != type_cases[i].passes)
            fail_msg("%s into %s", type_cases[i].source, type_cases[i].target);
        assert_int_equal(fixture.plan.tables[0].outputs[0].checksum, type_cases[i].passes);
    }
}

static void a_domain_is_taken_for_its_base(void **state)
{
    (void)state;
    struct catalog_column *domain = add_source("x", "varchar(8)");
    domain->type = "public.code";
    domain->type_type = 'd';
    domain->type_schema = "public";
    domain->domain_base_schema = "pg_catalog";
    domain->domain_base_type = 'b';
    add_target("x", "varchar(10)");
    must_compile(&fixture, USERS);
    assert_true(planned("x")->passes_through);
}

static void padding_goes_when_the_type_changes(void **state)
{
    (void)state;
    add_target("text_code", "text");
    must_compile(&fixture, USERS KEY("columns: {text_code: code}"));
    assert_true(planned("text_code")->rule.strip_padding);
    assert_false(planned("code")->rule.strip_padding);
}

static void a_key_that_could_fall_together_is_refused(void **state)
{
    (void)state;
    struct catalog_column *source = column_of(source_users, "id");
    struct catalog_column *target = column_of(target_users, "id");
    source->type = source->type_name = "text";
    target->type = "ext.citext";
    target->type_name = "citext";
    target->type_schema = "ext";
    complains(USERS, "m.yaml:6:16: error RH-3228: key (id) of table \"public.users\" does not "
                     "carry the source key (id): two source rows could write one target row (let "
                     "each source key column become a column of the output's key, unchanged in "
                     "value, or choose another \"key\" for the source table)\n");
}

/* ---- triggers ---------------------------------------------------------------------------- */

static void a_trigger_before_rows_needs_a_decision(void **state)
{
    (void)state;
    struct catalog_trigger *trigger = build_trigger(target_users, "touch");
    complains(USERS, "m.yaml:6:16: error RH-3250: trigger \"touch\" of table \"public.users\" may "
                     "change rows before they are written (write triggers: off, or triggers: "
                     "{fire: [columns that it changes]})\n");
    must_compile(&fixture, USERS KEY("triggers: off"));
    assert_int_equal(fixture.plan.tables[0].outputs[0].triggers, TRIGGERS_OFF);
    must_compile(&fixture, USERS KEY("triggers: {fire: [name]}"));
    const struct plan_output *output = &fixture.plan.tables[0].outputs[0];
    assert_int_equal(output->triggers, TRIGGERS_FIRE);
    assert_int_equal(output->fire_columns_count, 1);
    assert_string_equal(output->fire_columns[0], "name");
    assert_false(planned("name")->passes_through);
    assert_false(output->checksum);
    trigger->row = false;
    must_compile(&fixture, USERS);
    trigger->row = true;
    trigger->enabled = false;
    must_compile(&fixture, USERS);
}

static void a_trigger_after_rows_is_a_warning(void **state)
{
    (void)state;
    build_trigger(target_users, "notify")->before = false;
    warns(USERS, "m.yaml:6:16: warning RH-3251: trigger \"notify\" of table \"public.users\" will "
                 "fire for the rows that are written\n");
}

static void columns_that_triggers_change_exist_and_are_no_keys(void **state)
{
    (void)state;
    complains(USERS KEY("triggers: {fire: [nmae, id]}"),
              "m.yaml:7:27: error RH-3252: column \"nmae\" does not exist in target table "
              "\"public.users\" (did you mean \"name\"?)\n"
              "m.yaml:7:33: error RH-3252: a trigger that changes key column \"id\" of table "
              "\"public.users\" would hide the row (write triggers: off)\n");
    complains(USERS KEY("triggers: {fires: [name]}"),
              "m.yaml:7:20: error RH-3201: unknown key \"fires\" in \"triggers\" (did you mean "
              "\"fire\"?)\n");
}

/* ---- the whole --------------------------------------------------------------------------- */

static void all_complaints_come_at_once(void **state)
{
    (void)state;
    complains(HEAD "  - from: public.nothing\n"
                   "    to: [{table: public.nowhere}]\n"
                   "  - from: public.users\n"
                   "    where: {nmae: x}\n"
                   "    key: [email]\n"
                   "    to: [{table: public.users, columns: {oops: id}}]\n",
              "m.yaml:4:11: error RH-3210: table \"public.nothing\" does not exist in the source "
              "database\n"
              "m.yaml:5:18: error RH-3213: table \"public.nowhere\" does not exist in the target "
              "database\n"
              "m.yaml:7:13: error RH-3220: column \"nmae\" does not exist in source table "
              "\"public.users\" (did you mean \"name\"?)\n"
              "m.yaml:8:10: error RH-3223: key (email) of table \"public.users\" may be null (name "
              "the columns of a unique index over whole rows whose columns are NOT NULL)\n"
              "m.yaml:9:42: error RH-3221: column \"oops\" does not exist in target table "
              "\"public.users\"\n");
}

static void the_tables_to_ask_for_come_from_the_form_alone(void **state)
{
    (void)state;
    struct document document;
    struct complaints complaints;
    struct table_name *source, *target;
    size_t source_count, target_count;
    parse_mapping(&fixture,
                  HEAD "  - {from: a.b, to: [{table: c.d}, {table: [e.f, g]}]}\n"
                       "  - {from: [h, i.j], to: [{table: k.l}]}\n",
                  &document);
    complaints_init(&complaints, &fixture.arena, "m.yaml");
    assert_true(mapping_tables(&document, &fixture.arena, &complaints, &source, &source_count,
                               &target, &target_count));
    assert_int_equal(source_count, 2);
    assert_int_equal(target_count, 3);
    assert_string_equal(source[0].schema, "a");
    assert_string_equal(source[1].name, "i.j");
    assert_string_equal(target[1].schema, "e.f");
    assert_string_equal(target[2].name, "l");
    parse_mapping(&fixture, HEAD "  - {from: b, to: [{table: c.d}]}\n", &document);
    assert_false(mapping_tables(&document, &fixture.arena, &complaints, &source, &source_count,
                                &target, &target_count));
    assert_int_equal(source_count, 2);
}

static void fingerprints_change_with_what_they_cover_and_with_nothing_else(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool source, transform; /* differs from the first */
    } cases[] = {
        {USERS, false, false},
        {"# a comment\n" USERS, false, false},
        {USERS KEY("on_error: stop"), false, false},
        {USERS KEY("drop: [name]"), true, true},
        {USERS KEY("columns: {name: {const: x}}"), true, true},
        {USERS KEY("columns: {code: {from: email}}"), true, true},
        {USERS KEY("columns: {name: {map: {from: name, values: {a: b}}}}"), false, true},
        {USERS KEY("triggers: off"), false, true},
        {HEAD "  - {from: public.users, where: {id: 1}, to: [{table: public.users}]}\n", true,
         false},
        {HEAD "  - {id: x, from: public.users, to: [{table: public.users}]}\n", true, true},
    };
    struct plan first = *must_compile(&fixture, USERS);
    for (size_t i = 0; i < RH_COUNT(cases); i++) {
        compile_mapping(&fixture, cases[i].text);
        assert_true(fixture.compiled);
        assert_int_equal(fixture.plan.source_fingerprint != first.source_fingerprint,
                         cases[i].source);
        assert_int_equal(fixture.plan.transform_fingerprint != first.transform_fingerprint,
                         cases[i].transform);
    }
    column_of(source_users, "name")->type = "varchar(49)";
    must_compile(&fixture, USERS);
    assert_true(fixture.plan.source_fingerprint != first.source_fingerprint);
    assert_true(fixture.plan.transform_fingerprint == first.transform_fingerprint);
}

/* A worker compiles from the stored catalogs what the creator of the run compiled from live ones.
 */
static void a_stored_catalog_gives_the_same_plan(void **state)
{
    (void)state;
    struct plan live = *must_compile(&fixture, USERS KEY("columns: {email: name}"));
    struct error err;
    struct catalog_builder *const sides[] = {&fixture.source, &fixture.target};
    for (size_t i = 0; i < RH_COUNT(sides); i++) {
        json_t *json = catalog_to_json(&sides[i]->catalog);
        assert_true(catalog_from_json(json, &fixture.arena, &sides[i]->catalog, &err));
        json_decref(json);
    }
    must_compile(&fixture, USERS KEY("columns: {email: name}"));
    assert_true(fixture.plan.source_fingerprint == live.source_fingerprint);
    assert_true(fixture.plan.transform_fingerprint == live.transform_fingerprint);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_same_table_copies_all_and_passes_through),
        TEST(the_wire_carries_the_key_and_what_rules_read_in_table_order),
        TEST(a_key_column_that_nobody_writes_travels_too),
        TEST(copy_all_leaves_out_what_is_dropped_and_what_a_rule_writes),
        TEST(copy_all_skips_generated_columns_of_the_target),
        TEST(an_identity_column_is_overridden),
        TEST(a_target_column_with_a_default_needs_no_rule),
        TEST(table_settings_may_stand_at_the_table_or_at_the_output),
        TEST(constants_become_text_json_and_array_literals),
        TEST(a_map_is_sorted_and_knows_its_way_out),
        TEST(the_shape_of_the_file_is_checked),
        TEST(unknown_keys_are_told_with_the_nearest_known_one),
        TEST(what_comes_with_later_versions_is_refused_by_name),
        TEST(every_later_rule_is_refused),
        TEST(table_names_have_two_parts),
        TEST(ids_are_names_of_topics),
        TEST(a_source_or_target_stands_once),
        TEST(words_are_one_of_their_set),
        TEST(a_missing_table_is_told_with_the_nearest_one),
        TEST(views_and_foreign_tables_are_refused),
        TEST(a_partition_is_read_through_its_root),
        TEST(a_table_is_not_copied_onto_itself),
        TEST(a_source_without_a_usable_key_is_refused),
        TEST(a_key_whose_equal_values_differ_in_text_is_refused),
        TEST(the_arbiter_is_a_unique_index_that_an_upsert_can_use),
        TEST(the_arbiter_is_written_and_carries_the_source_key),
        TEST(columns_that_do_not_exist_are_told_with_the_nearest),
        TEST(one_misspelt_name_is_one_complaint),
        TEST(a_column_is_written_once),
        TEST(a_source_column_without_a_place_must_be_dropped),
        TEST(a_column_that_must_have_a_value_gets_one),
        TEST(a_generated_column_cannot_be_written),
        TEST(rules_have_one_of_the_known_forms),
        TEST(constants_are_checked_as_far_as_their_type_says),
        TEST(each_pair_of_types_has_its_verdict),
        TEST(a_domain_is_taken_for_its_base),
        TEST(padding_goes_when_the_type_changes),
        TEST(a_key_that_could_fall_together_is_refused),
        TEST(a_trigger_before_rows_needs_a_decision),
        TEST(a_trigger_after_rows_is_a_warning),
        TEST(columns_that_triggers_change_exist_and_are_no_keys),
        TEST(all_complaints_come_at_once),
        TEST(the_tables_to_ask_for_come_from_the_form_alone),
        TEST(fingerprints_change_with_what_they_cover_and_with_nothing_else),
        TEST(a_stored_catalog_gives_the_same_plan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
