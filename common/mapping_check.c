/*
 * What must hold of the tables themselves: they exist, have a usable key, and the target neither
 * lacks a value nor changes rows by triggers that nobody decided about.
 */
#include "common/mapping_parts.h"

#include <string.h>

/* ---- tables ------------------------------------------------------------------------------ */

static const char *kind_name(char kind)
{
    switch (kind) {
    case 'v':
        return "a view";
    case 'm':
        return "a materialized view";
    case 'f':
        return "a foreign table";
    default:
        return NULL; /* tables and partitioned tables: what can be mapped */
    }
}

static const struct catalog_table *find_table(const struct compiler *compiler,
                                              const struct catalog *catalog,
                                              const struct table_name *name,
                                              const struct node *node, const char *missing_code,
                                              const char *kind_code, const char *side)
{
    const struct catalog_table *table = catalog_find(catalog, name->schema, name->name);
    const char *full = arena_must_printf(compiler->arena, "%s.%s", name->schema, name->name);
    if (table == NULL) {
        complain(compiler->complaints, COMPLAINT_ERROR, missing_code, node,
                 mapping_did_you_mean(compiler, full, catalog->names, catalog->names_count, NULL),
                 "table \"%s\" does not exist in the %s database", full, side);
        return NULL;
    }
    if (kind_name(table->kind) == NULL) {
        return table;
    }
    complain(compiler->complaints, COMPLAINT_ERROR, kind_code, node, "name the table behind it",
             "\"%s\" of the %s database is %s", full, side, kind_name(table->kind));
    return NULL;
}

const struct catalog_table *mapping_find_source(const struct compiler *compiler,
                                                const struct draft_table *draft)
{
    const struct catalog_table *table =
        find_table(compiler, compiler->source, &draft->from, draft->from_node, CODE_SOURCE_MISSING,
                   CODE_SOURCE_KIND, "source");
    if (table == NULL || table->partition_root == NULL) {
        return table;
    }
    complain(compiler->complaints, COMPLAINT_ERROR, CODE_SOURCE_PARTITION, draft->from_node,
             arena_must_printf(compiler->arena, "write from: %s", table->partition_root),
             "table \"%s.%s\" is a partition of \"%s\"", table->schema, table->name,
             table->partition_root);
    return NULL;
}

const struct catalog_table *mapping_find_target(const struct compiler *compiler,
                                                const struct draft_table *table,
                                                const struct draft_output *output)
{
    const struct catalog_table *target =
        find_table(compiler, compiler->target, &output->table, output->table_node,
                   CODE_TARGET_MISSING, CODE_TARGET_KIND, "target");
    bool same_database =
        strcmp(compiler->source->system_identifier, compiler->target->system_identifier) == 0 &&
        strcmp(compiler->source->database, compiler->target->database) == 0;
    if (target == NULL || !same_database || table->from.name == NULL ||
        strcmp(table->from.name, target->name) != 0 ||
        strcmp(table->from.schema, target->schema) != 0) {
        return target;
    }
    complain(compiler->complaints, COMPLAINT_ERROR, CODE_SAME_TABLE, output->table_node,
             "name another table, or another database in target: url",
             "table \"%s.%s\" would be copied onto itself", target->schema, target->name);
    return NULL;
}

/* ---- keys -------------------------------------------------------------------------------- */

static bool name_is_among(const char *name, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(names[i], name) == 0) {
            return true;
        }
    }
    return false;
}

/* Usable to tell rows apart: all rows, by plain columns, as far as the server guarantees it. */
static bool index_is_plain(const struct catalog_index *index)
{
    return index->unique && index->valid && !index->partial && !index->expressions;
}

static bool index_is_over(const struct catalog_index *index, const struct catalog_table *table,
                          const size_t *columns, size_t count)
{
    if (index->columns_count != count) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (!name_is_among(table->columns[columns[i]].name, index->columns, count)) {
            return false;
        }
    }
    return true;
}

static const struct catalog_index *primary_key(const struct catalog_table *table)
{
    for (size_t i = 0; i < table->indexes_count; i++) {
        if (table->indexes[i].primary) {
            return &table->indexes[i];
        }
    }
    return NULL;
}

/* "write key: [...]" with the first index that would do. */
static const char *key_hint(const struct compiler *compiler, enum pg_role side,
                            const struct catalog_table *table)
{
    for (size_t i = 0; i < table->indexes_count; i++) {
        const struct catalog_index *index = &table->indexes[i];
        bool usable = index_is_plain(index) && (side == PG_SOURCE || !index->deferrable);
        const char *list = "";
        for (size_t j = 0; usable && j < index->columns_count; j++) {
            size_t column = catalog_column_find(table, index->columns[j]);
            usable = column != SIZE_MAX && (side == PG_TARGET || table->columns[column].not_null);
            list = arena_must_printf(compiler->arena, "%s%s%s", list, j == 0 ? "" : ", ",
                                     index->columns[j]);
        }
        if (usable) {
            return arena_must_printf(compiler->arena, "write key: [%s]", list);
        }
    }
    return "write key: [columns of a unique index], or add a primary key";
}

/* The columns of `key:`, or of the primary key; false: complained. */
static bool key_columns(const struct compiler *compiler, enum pg_role side,
                        const struct draft_names *names, const struct node *table_node,
                        const struct catalog_table *table, const char *missing_code,
                        size_t **ret_columns, size_t *ret_count)
{
    const struct catalog_index *primary = primary_key(table);
    if (names->node == NULL && primary == NULL) {
        complain(compiler->complaints, COMPLAINT_ERROR, missing_code, table_node,
                 key_hint(compiler, side, table), "table \"%s.%s\" has no primary key",
                 table->schema, table->name);
        return false;
    }
    size_t count = names->node != NULL ? names->count : primary->columns_count;
    size_t *columns = arena_must_alloc(compiler->arena, (count + 1) * sizeof(*columns));
    const char *code = missing_code;
    bool good = count > 0;
    for (size_t i = 0; i < count; i++) {
        columns[i] = names->node != NULL
                         ? mapping_find_column(compiler, side, table, names->nodes[i], code)
                         : catalog_column_find(table, primary->columns[i]);
        good = good && columns[i] != SIZE_MAX;
        for (size_t j = 0; good && j < i; j++) {
            if (columns[j] != columns[i]) {
                continue;
            }
            complain(compiler->complaints, COMPLAINT_ERROR, CODE_FORM, names->nodes[i], NULL,
                     "\"key\" names column \"%s\" twice", table->columns[columns[i]].name);
            good = false;
        }
    }
    *ret_columns = columns;
    *ret_count = count;
    return good;
}

static const char *list_columns(const struct compiler *compiler, const struct catalog_table *table,
                                const size_t *columns, size_t count)
{
    const char *list = "";
    for (size_t i = 0; i < count; i++) {
        list = arena_must_printf(compiler->arena, "%s%s%s", list, i == 0 ? "" : ", ",
                                 table->columns[columns[i]].name);
    }
    return list;
}

static bool source_key_is_unique(const struct compiler *compiler, const struct node *node,
                                 const struct catalog_table *table, const size_t *columns,
                                 size_t count)
{
    bool unique = false, not_null = true;
    for (size_t i = 0; i < table->indexes_count; i++) {
        const struct catalog_index *index = &table->indexes[i];
        unique = unique || (index_is_plain(index) && index_is_over(index, table, columns, count));
    }
    for (size_t i = 0; i < count; i++) {
        not_null = not_null && table->columns[columns[i]].not_null;
    }
    if (unique && not_null) {
        return true;
    }
    const char *list = list_columns(compiler, table, columns, count);
    const char *text =
        unique ? arena_must_printf(compiler->arena, "key (%s) of table \"%s.%s\" may be null", list,
                                   table->schema, table->name)
               : arena_must_printf(compiler->arena,
                                   "no unique index of table \"%s.%s\" is over exactly (%s)",
                                   table->schema, table->name, list);
    complain(compiler->complaints, COMPLAINT_ERROR, CODE_KEY_NOT_UNIQUE, node,
             "name the columns of a unique index over whole rows whose columns are NOT NULL", "%s",
             text);
    return false;
}

/* key.h knows types by name: one of an extension may bear a built-in type's. */
static enum key_kind key_kind(const struct catalog_column *column)
{
    char kind = mapping_type_kind(column);
    if (kind == 'b' && strcmp(mapping_type_schema(column), "pg_catalog") != 0) {
        return KEY_REFUSED;
    }
    return key_kind_of(column->type_name, kind, column->collation_deterministic);
}

bool mapping_source_key(const struct compiler *compiler, const struct draft_table *draft,
                        const struct catalog_table *source, size_t **ret_key,
                        enum key_kind **ret_kinds, size_t *ret_count)
{
    size_t *columns, count;
    if (!key_columns(compiler, PG_SOURCE, &draft->key, draft->from_node, source, CODE_SOURCE_KEY,
                     &columns, &count)) {
        return false;
    }
    const struct node *node = draft->key.node != NULL ? draft->key.node : draft->from_node;
    bool good = source_key_is_unique(compiler, node, source, columns, count);
    enum key_kind *kinds = arena_must_alloc(compiler->arena, (count + 1) * sizeof(*kinds));
    for (size_t i = 0; i < count; i++) {
        const struct catalog_column *column = &source->columns[columns[i]];
        kinds[i] = key_kind(column);
        if (kinds[i] != KEY_REFUSED) {
            continue;
        }
        complain(compiler->complaints, COMPLAINT_ERROR, CODE_KEY_TYPE, node,
                 "name other columns in \"key\"",
                 "column \"%s\" of type %s cannot be a key: equal values have different texts",
                 column->name, column->type);
        good = false;
    }
    *ret_key = columns;
    *ret_kinds = kinds;
    *ret_count = count;
    return good;
}

bool mapping_arbiter(const struct compiler *compiler, const struct draft_output *draft,
                     const struct catalog_table *target, size_t **ret_key, size_t *ret_count)
{
    size_t *columns, count;
    if (!key_columns(compiler, PG_TARGET, &draft->key, draft->table_node, target, CODE_ARBITER,
                     &columns, &count)) {
        return false;
    }
    const struct node *node = draft->key.node != NULL ? draft->key.node : draft->table_node;
    bool found = false, deferrable = false;
    for (size_t i = 0; i < target->indexes_count; i++) {
        const struct catalog_index *index = &target->indexes[i];
        if (!index_is_plain(index) || !index_is_over(index, target, columns, count)) {
            continue;
        }
        found = found || !index->deferrable;
        deferrable = deferrable || index->deferrable;
    }
    const char *list = list_columns(compiler, target, columns, count);
    if (!found && deferrable) {
        complain(compiler->complaints, COMPLAINT_ERROR, CODE_ARBITER_DEFERRABLE, node,
                 "make it NOT DEFERRABLE, or name the columns of another unique index",
                 "key (%s) of table \"%s.%s\" is deferrable: an upsert cannot use it", list,
                 target->schema, target->name);
    } else if (!found) {
        complain(compiler->complaints, COMPLAINT_ERROR, CODE_ARBITER, node,
                 "name the columns of a unique index over whole rows",
                 "no unique index of table \"%s.%s\" is over exactly (%s)", target->schema,
                 target->name, list);
    }
    *ret_key = columns;
    *ret_count = count;
    return found;
}

/* NOT NULL, and nobody but a rule can give it a value. */
static bool needs_value(const struct catalog_column *column)
{
    return column->not_null && !column->has_default && column->identity == 0 &&
           column->generated == 0;
}

/* True where a column of the arbiter carries the source column so that no two values meet. */
static bool carries(const struct compiler *compiler, const struct output_work *work,
                    size_t target_column, size_t source_column)
{
    const struct assignment *assignment = &work->assignments[target_column];
    if (!assignment->valid || assignment->rule.kind != RULE_COLUMN ||
        assignment->rule.source_column != source_column) {
        return false;
    }
    return mapping_pair_types(&work->source->columns[source_column],
                              &work->target->columns[target_column], compiler->arena)
        .injective;
}

void mapping_check_arbiter(const struct compiler *compiler, const struct output_work *work,
                           const size_t *arbiter, size_t arbiter_count, const size_t *source_key,
                           size_t source_key_count)
{
    const struct draft_output *draft = work->draft;
    const struct node *node = draft->key.node != NULL ? draft->key.node : draft->table_node;
    bool written = true, derived = true;
    for (size_t i = 0; i < arbiter_count; i++) {
        const struct catalog_column *column = &work->target->columns[arbiter[i]];
        if (work->assignments[arbiter[i]].node != NULL) {
            /* One whose rule is wrong carries nothing; that it is wrong was said. */
            written = written && work->assignments[arbiter[i]].valid;
            continue;
        }
        written = false;
        if (needs_value(column)) {
            continue; /* said by check_values */
        }
        complain(
            compiler->complaints, COMPLAINT_ERROR, CODE_KEY_NOT_WRITTEN, node,
            "give it a rule below columns:", "key column \"%s\" of table \"%s.%s\" is not written",
            column->name, work->target->schema, work->target->name);
    }
    for (size_t i = 0; i < source_key_count; i++) {
        bool carried = false;
        for (size_t j = 0; j < arbiter_count; j++) {
            carried = carried || carries(compiler, work, arbiter[j], source_key[i]);
        }
        derived = derived && carried;
    }
    if (!written || derived) {
        return;
    }
    complain(compiler->complaints, COMPLAINT_ERROR, CODE_KEY_NOT_DERIVED, node,
             "let each source key column become a column of the output's key, unchanged in value, "
             "or choose another \"key\" for the source table",
             "key (%s) of table \"%s.%s\" does not carry the source key (%s): two source rows "
             "could write one target row",
             list_columns(compiler, work->target, arbiter, arbiter_count), work->target->schema,
             work->target->name,
             list_columns(compiler, work->source, source_key, source_key_count));
}

/* ---- values and triggers ----------------------------------------------------------------- */

static void check_values(const struct compiler *compiler, const struct output_work *work)
{
    size_t written_count = 0;
    for (size_t i = 0; i < work->target->columns_count; i++) {
        const struct catalog_column *column = &work->target->columns[i];
        if (work->assignments[i].node != NULL) {
            written_count++;
            continue;
        }
        if (!needs_value(column)) {
            continue;
        }
        complain(compiler->complaints, COMPLAINT_ERROR, CODE_NO_VALUE, work->draft->table_node,
                 "give it a rule below columns:, or a default on the target",
                 "column \"%s\" of table \"%s.%s\" is NOT NULL, has no default and no rule",
                 column->name, work->target->schema, work->target->name);
    }
    if (written_count == 0) {
        complain(compiler->complaints, COMPLAINT_ERROR, CODE_NOTHING_WRITTEN,
                 work->draft->table_node, NULL, "no column of table \"%s.%s\" is written",
                 work->target->schema, work->target->name);
    }
}

static void check_trigger(const struct compiler *compiler, const struct output_work *work,
                          const struct catalog_trigger *trigger)
{
    const struct node *node = work->draft->table_node;
    if (!trigger->enabled) {
        return;
    }
    if (trigger->before && trigger->row && work->draft->triggers == TRIGGERS_NONE) {
        complain(compiler->complaints, COMPLAINT_ERROR, CODE_TRIGGERS, node,
                 "write triggers: off, or triggers: {fire: [columns that it changes]}",
                 "trigger \"%s\" of table \"%s.%s\" may change rows before they are written",
                 trigger->name, trigger->schema, trigger->table);
    }
    if (!trigger->before) {
        complain(compiler->complaints, COMPLAINT_WARNING, CODE_TRIGGERS_AFTER, node, NULL,
                 "trigger \"%s\" of table \"%s.%s\" will fire for the rows that are written",
                 trigger->name, trigger->schema, trigger->table);
    }
}

void mapping_check_output(const struct compiler *compiler, const struct output_work *work)
{
    check_values(compiler, work);
    for (size_t i = 0; i < work->target->triggers_count; i++) {
        check_trigger(compiler, work, &work->target->triggers[i]);
    }
    for (size_t i = 0; i < work->draft->fire.count; i++) {
        size_t column = mapping_find_column(compiler, PG_TARGET, work->target,
                                            work->draft->fire.nodes[i], CODE_FIRE);
        (void)column; /* the complaint is all that is wanted here */
    }
}
