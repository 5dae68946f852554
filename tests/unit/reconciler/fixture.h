/*
 * fixture -- a small plan for the reconciler's unit tests, made by hand: no file, no server.
 */
#ifndef RH_TESTS_UNIT_RECONCILER_FIXTURE_H
#define RH_TESTS_UNIT_RECONCILER_FIXTURE_H

#include "common/mapping.h"

#include <string.h>

#define FIXTURE_COLUMNS_MAX 4

struct fixture {
    struct catalog_column source_columns[FIXTURE_COLUMNS_MAX];
    struct catalog_column target_columns[FIXTURE_COLUMNS_MAX];
    const struct catalog_column *wire[FIXTURE_COLUMNS_MAX];
    struct plan_column columns[FIXTURE_COLUMNS_MAX];
    struct catalog_table source, target;
    size_t key[FIXTURE_COLUMNS_MAX];
    enum key_kind kinds[FIXTURE_COLUMNS_MAX];
    struct plan_output output;
    struct plan_table table;
};

static inline void fixture_init(struct fixture *f)
{
    memset(f, 0, sizeof *f);
    f->source = (struct catalog_table){.schema = "public", .name = "old", .kind = 'r'};
    f->target = (struct catalog_table){.schema = "app", .name = "new", .kind = 'r'};
    f->output = (struct plan_output){.target = &f->target, .columns = f->columns, .key = f->key};
    f->table = (struct plan_table){.id = "t",
                                   .source = &f->source,
                                   .columns = f->wire,
                                   .key = f->key,
                                   .key_kinds = f->kinds,
                                   .where_sql = "",
                                   .outputs_count = 1,
                                   .outputs = &f->output};
}

/* A column that passes through from source_name to target_name. */
static inline void fixture_add(struct fixture *f, const char *source_name, const char *target_name,
                               const char *type)
{
    size_t i = f->table.columns_count++;
    const struct catalog_column column = {
        .type_name = type, .type_schema = "pg_catalog", .type_type = 'b', .modifier = -1};
    f->source_columns[i] = f->target_columns[i] = column;
    f->source_columns[i].name = source_name;
    f->target_columns[i].name = target_name;
    f->wire[i] = &f->source_columns[i];
    f->columns[i] = (struct plan_column){.target = &f->target_columns[i],
                                         .rule = {.kind = RULE_COLUMN, .source_column = i},
                                         .passes_through = true};
    f->output.columns_count = f->table.columns_count;
}

/* The column added last is also a part of both keys. */
static inline void fixture_key(struct fixture *f, enum key_kind kind)
{
    size_t part = f->table.key_count++;
    f->key[part] = f->table.columns_count - 1;
    f->kinds[part] = kind;
    f->output.key_count = f->table.key_count;
}

#endif
