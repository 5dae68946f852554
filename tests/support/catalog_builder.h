/*
 * catalog_builder -- catalogs made by hand for unit tests, as a server would describe them.
 *
 *     struct catalog_builder source;
 *     catalog_builder_init(&source, &arena, "1");
 *     struct catalog_table *users = build_table(&source, "public", "users");
 *     build_column(&source, users, "id", "int8")->not_null = true;
 *     build_index(&source, users, "id")->primary = true;
 */
#ifndef RH_TESTS_CATALOG_BUILDER_H
#define RH_TESTS_CATALOG_BUILDER_H

#include "common/catalog.h"

#include <stdlib.h>
#include <string.h>

enum { BUILT_TABLES_MAX = 16, BUILT_COLUMNS_MAX = 32, BUILT_PARTS_MAX = 8 };

struct catalog_builder {
    struct arena *arena;
    struct catalog catalog;
};

RH_UNUSED static void catalog_builder_init(struct catalog_builder *builder, struct arena *arena,
                                           const char *system_identifier)
{
    builder->arena = arena;
    builder->catalog = (struct catalog){
        .system_identifier = system_identifier,
        .database = "db",
        .server_version = "15.8",
        .server_version_num = 150008,
        .server_encoding = "UTF8",
        .names = arena_must_alloc(arena, BUILT_TABLES_MAX * sizeof(const char *)),
        .tables = arena_must_alloc(arena, BUILT_TABLES_MAX * sizeof(struct catalog_table)),
    };
}

RH_UNUSED static struct catalog_table *build_table(struct catalog_builder *builder,
                                                   const char *schema, const char *name)
{
    struct catalog *catalog = &builder->catalog;
    REQUIRE(catalog->tables_count < BUILT_TABLES_MAX);
    catalog->names[catalog->names_count++] =
        arena_must_printf(builder->arena, "%s.%s", schema, name);
    struct catalog_table *table = &catalog->tables[catalog->tables_count++];
    *table = (struct catalog_table){.schema = schema, .name = name, .kind = 'r'};
    table->columns = arena_must_alloc(builder->arena, BUILT_COLUMNS_MAX * sizeof(*table->columns));
    table->indexes = arena_must_alloc(builder->arena, BUILT_PARTS_MAX * sizeof(*table->indexes));
    table->foreign_keys =
        arena_must_alloc(builder->arena, BUILT_PARTS_MAX * sizeof(*table->foreign_keys));
    table->triggers = arena_must_alloc(builder->arena, BUILT_PARTS_MAX * sizeof(*table->triggers));
    return table;
}

/* "(10,2)" of numeric, "(5)" of the others, as their typmod. */
RH_UNUSED static int32_t built_modifier(const char *name, const char *open)
{
    char *rest;
    if (open == NULL)
        return -1;
    int32_t first = (int32_t)strtol(open + 1, &rest, 10);
    if (strcmp(name, "numeric") == 0)
        return ((first << 16) | (*rest == ',' ? (int32_t)strtol(rest + 1, NULL, 10) : 0)) + 4;
    return strcmp(name, "varchar") == 0 || strcmp(name, "bpchar") == 0 ? first + 4 : first;
}

/*
 * A column of a built-in base type by its internal name with modifier and brackets ("int8",
 * "numeric(10,2)", "text[]"), or of an enum as "schema.name", or of an extension's type as
 * "schema.name!".
 */
RH_UNUSED static struct catalog_column *build_column(struct catalog_builder *builder,
                                                     struct catalog_table *table, const char *name,
                                                     const char *type)
{
    REQUIRE(table->columns_count < BUILT_COLUMNS_MAX);
    struct catalog_column *column = &table->columns[table->columns_count++];
    size_t len = strcspn(type, "([!");
    char *base = arena_must_printf(builder->arena, "%.*s", (int)len, type);
    char *dot = strchr(base, '.');
    bool array = strchr(type, '[') != NULL;
    const char *schema = "pg_catalog";
    if (dot != NULL) {
        *dot = '\0';
        schema = base;
        base = dot + 1;
    }
    char kind = dot != NULL && strchr(type, '!') == NULL ? 'e' : 'b';
    *column = (struct catalog_column){
        .name = name,
        .type = type,
        .base_type = base,
        .type_name = array ? arena_must_printf(builder->arena, "_%s", base) : base,
        .type_schema = schema,
        .type_type = array ? 'b' : kind,
        .type_category = array ? 'A' : 'U',
        .collation_deterministic = true,
        .modifier = built_modifier(base, strchr(type, '(')),
        .element_name = array ? base : NULL,
        .element_schema = array ? schema : NULL,
        .element_type = array ? kind : 0,
    };
    return column;
}

/* "a,b" as a list of names. */
RH_UNUSED static const char **build_names(struct catalog_builder *builder, const char *list,
                                          size_t *ret_count)
{
    const char **names = arena_must_alloc(builder->arena, BUILT_PARTS_MAX * sizeof(*names));
    *ret_count = 0;
    while (*list != '\0') {
        size_t len = strcspn(list, ",");
        names[(*ret_count)++] = arena_must_printf(builder->arena, "%.*s", (int)len, list);
        list += len + (list[len] == ',');
    }
    return names;
}

/* A valid unique index over plain columns. */
RH_UNUSED static struct catalog_index *build_index(struct catalog_builder *builder,
                                                   struct catalog_table *table, const char *columns)
{
    REQUIRE(table->indexes_count < BUILT_PARTS_MAX);
    struct catalog_index *index = &table->indexes[table->indexes_count++];
    *index = (struct catalog_index){.name = columns, .unique = true, .valid = true};
    index->columns = build_names(builder, columns, &index->columns_count);
    return index;
}

RH_UNUSED static void build_primary(struct catalog_builder *builder, struct catalog_table *table,
                                    const char *columns)
{
    struct catalog_index *index = build_index(builder, table, columns);
    index->primary = true;
    for (size_t i = 0; i < index->columns_count; i++)
        table->columns[catalog_column_find(table, index->columns[i])].not_null = true;
}

RH_UNUSED static void build_foreign_key(struct catalog_builder *builder,
                                        struct catalog_table *table, const char *name,
                                        const char *parent)
{
    REQUIRE(table->foreign_keys_count < BUILT_PARTS_MAX);
    struct catalog_foreign_key *key = &table->foreign_keys[table->foreign_keys_count++];
    *key = (struct catalog_foreign_key){.name = name,
                                        .definition = "FOREIGN KEY",
                                        .schema = table->schema,
                                        .table = parent,
                                        .on_delete = 'a',
                                        .validated = true};
    key->columns = build_names(builder, "parent_id", &key->columns_count);
    key->referenced = build_names(builder, "id", &key->columns_count);
}

RH_UNUSED static struct catalog_trigger *build_trigger(struct catalog_table *table,
                                                       const char *name)
{
    REQUIRE(table->triggers_count < BUILT_PARTS_MAX);
    struct catalog_trigger *trigger = &table->triggers[table->triggers_count++];
    *trigger = (struct catalog_trigger){.name = name,
                                        .schema = table->schema,
                                        .table = table->name,
                                        .before = true,
                                        .row = true,
                                        .enabled = true};
    return trigger;
}

#endif
