/*
 * Which rule writes which column of an output: `copy`, `drop` and `columns`, against both tables.
 */
#include "common/mapping_parts.h"

#include "common/nearest.h"

#include <stdlib.h>
#include <string.h>

static const char *const rule_keys[] = {"from", "const", "map"};
static const char *const rule_later[] = {"path",    "default",  "column", "case",     "object",
                                         "array",   "coalesce", "concat", "lower",    "upper",
                                         "trim",    "replace",  "uuid5",  "lookup",   "item",
                                         "ordinal", "sql",      "merge",  "omit_null"};
static const char *const map_keys[] = {"from", "values", "otherwise"};

static const char **column_names(const struct compiler *compiler, const struct catalog_table *table)
{
    const char **names =
        arena_must_alloc(compiler->arena, (table->columns_count + 1) * sizeof(*names));
    for (size_t i = 0; i < table->columns_count; i++) {
        names[i] = table->columns[i].name;
    }
    return names;
}

const char *mapping_nearest_column(const struct compiler *compiler, const char *name,
                                   const struct catalog_table *table, const char *otherwise)
{
    return mapping_did_you_mean(compiler, name, column_names(compiler, table), table->columns_count,
                                otherwise);
}

size_t mapping_find_column(const struct compiler *compiler, enum pg_role side,
                           const struct catalog_table *table, const struct node *node,
                           const char *code)
{
    size_t column = catalog_column_find(table, node->text.ptr);
    if (column == SIZE_MAX) {
        complain(compiler->complaints, COMPLAINT_ERROR, code, node,
                 mapping_nearest_column(compiler, node->text.ptr, table, NULL),
                 "column \"%s\" does not exist in %s table \"%s.%s\"", node->text.ptr,
                 side == PG_SOURCE ? "source" : "target", table->schema, table->name);
    }
    return column;
}

/*
 * As mapping_find_column; after the complaint the nearest column, so that one misspelt name is one
 * complaint: what follows is checked as if it had been right. SIZE_MAX: none is near.
 */
static size_t guess_column(const struct compiler *compiler, enum pg_role side,
                           const struct catalog_table *table, const struct node *node,
                           const char *code)
{
    size_t column = mapping_find_column(compiler, side, table, node, code);
    if (column != SIZE_MAX) {
        return column;
    }
    const char *nearest =
        nearest_name(node->text.ptr, column_names(compiler, table), table->columns_count);
    return nearest == NULL ? SIZE_MAX : catalog_column_find(table, nearest);
}

static bool is_guess(const struct catalog_table *table, size_t column, const struct node *node)
{
    return strcmp(table->columns[column].name, node->text.ptr) != 0;
}

/* ---- one rule ---------------------------------------------------------------------------- */

static bool compile_rule(const struct compiler *compiler, const struct output_work *work,
                         const struct node *node, const struct catalog_column *target,
                         struct rule *rule);

/* Says what the pair of types means for this column; false when it is refused. */
static bool check_types(const struct compiler *compiler, const struct output_work *work,
                        const struct node *node, const struct catalog_column *source,
                        const struct catalog_column *target, struct pairing *ret_pairing)
{
    *ret_pairing = mapping_pair_types(source, target, compiler->arena);
    if (!ret_pairing->allowed) {
        complain(compiler->complaints, COMPLAINT_ERROR, CODE_TYPES, node,
                 "change the target column's type, or map or drop the column",
                 "column \"%s\" of type %s cannot become column \"%s\" of table \"%s.%s\" of type "
                 "%s",
                 source->name, source->type, target->name, work->target->schema, work->target->name,
                 target->type);
    } else if (ret_pairing->warning != NULL) {
        complain(compiler->complaints, COMPLAINT_WARNING, CODE_TYPES_WARNING, node, NULL,
                 "column \"%s\" of type %s into column \"%s\" of table \"%s.%s\" of type %s: %s",
                 source->name, source->type, target->name, work->target->schema, work->target->name,
                 target->type, ret_pairing->warning);
    }
    return ret_pairing->allowed;
}

static bool column_rule(const struct compiler *compiler, const struct output_work *work,
                        const struct node *node, size_t source_column,
                        const struct catalog_column *target, struct rule *rule)
{
    const struct catalog_column *source = &work->source->columns[source_column];
    rule->kind = RULE_COLUMN;
    rule->source_column = source_column;
    rule->source_name = source->name;
    struct pairing pairing;
    if (!check_types(compiler, work, node, source, target, &pairing)) {
        return false;
    }
    rule->strip_padding = pairing.strips_padding;
    if (target->not_null && !source->not_null) {
        complain(
            compiler->complaints, COMPLAINT_WARNING, CODE_MAYBE_NULL, node, NULL,
            "column \"%s\" may be null and column \"%s\" of table \"%s.%s\" may not: rows with "
            "a null are rejected",
            source->name, target->name, work->target->schema, work->target->name);
    }
    return true;
}

/* The column a bare word or `from:` names. */
static bool named_column_rule(const struct compiler *compiler, const struct output_work *work,
                              const struct node *name, const struct catalog_column *target,
                              struct rule *rule)
{
    if (name->kind != NODE_SCALAR || node_is_null(name)) {
        complain(compiler->complaints, COMPLAINT_ERROR, CODE_FORM, name, NULL,
                 "the rule of column \"%s\" names no source column", target->name);
        return false;
    }
    size_t column = guess_column(compiler, PG_SOURCE, work->source, name, CODE_SOURCE_COLUMN);
    return column != SIZE_MAX && column_rule(compiler, work, name, column, target, rule);
}

/* ---- maps -------------------------------------------------------------------------------- */

static int compare_entries(const void *a, const void *b)
{
    const struct map_entry *left = a, *right = b;
    return bytes_compare(left->from, right->from);
}

/* One `old: new`; a key that is plain null is the entry for NULL. */
static bool map_pair(const struct compiler *compiler, const struct node_pair *pair,
                     const struct catalog_column *source, const struct catalog_column *target,
                     struct rule *rule)
{
    struct value to;
    if (!mapping_constant(compiler, pair->value, target, &to)) {
        return false;
    }
    if (node_is_null(pair->key)) {
        rule->has_null = true;
        rule->null_to = to;
        return true;
    }
    const char *from = interpolate(compiler->document, pair->key, compiler->arena,
                                   compiler->complaints, compiler->environment);
    if (from == NULL) {
        return false;
    }
    const char *problem = mapping_value_problem(source, from);
    if (problem != NULL) {
        complain(compiler->complaints, COMPLAINT_ERROR, CODE_VALUE, pair->key, NULL,
                 "\"%s\" %s: column \"%s\" has type %s", from, problem, source->name, source->type);
        return false;
    }
    from = mapping_value_canonical(source, from, compiler->arena);
    rule->map[rule->map_count++] = (struct map_entry){.from = bytes_of(from), .to = to};
    return true;
}

/* Two ways to write one value ("1" and "01", true and yes) would leave it open which one wins. */
static bool map_sort(const struct compiler *compiler, const struct node *values, struct rule *rule)
{
    if (rule->map_count > 0) {
        qsort(rule->map, rule->map_count, sizeof(*rule->map), compare_entries);
    }
    for (size_t i = 1; i < rule->map_count; i++) {
        if (!bytes_equal(rule->map[i - 1].from, rule->map[i].from)) {
            continue;
        }
        complain(compiler->complaints, COMPLAINT_ERROR, CODE_VALUE, values, NULL,
                 "the map has value \"%s\" twice", rule->map[i].from.ptr);
        return false;
    }
    return true;
}

static bool map_values(const struct compiler *compiler, const struct node *node,
                       const struct catalog_column *source, const struct catalog_column *target,
                       struct rule *rule)
{
    const struct node *values = node_get(node, "values");
    if (values == NULL || values->kind != NODE_MAPPING || values->count == 0) {
        complain(compiler->complaints, COMPLAINT_ERROR, CODE_FORM, values != NULL ? values : node,
                 "write values: {old: new}", "a map needs \"values\"");
        return false;
    }
    bool good = true;
    rule->map = arena_must_alloc(compiler->arena, values->count * sizeof(*rule->map));
    for (size_t i = 0; i < values->count; i++) {
        good = map_pair(compiler, &values->pairs[i], source, target, rule) && good;
    }
    return good && map_sort(compiler, values, rule);
}

static bool map_otherwise(const struct compiler *compiler, const struct output_work *work,
                          const struct node *node, const struct catalog_column *source,
                          const struct catalog_column *target, struct rule *rule)
{
    const struct node *otherwise = node_get(node, "otherwise");
    rule->otherwise = MAP_REJECT; /* a value nobody thought of is no value to guess about */
    if (otherwise == NULL || node_is_text(otherwise, "reject")) {
        return true;
    }
    if (node_is_text(otherwise, "keep")) {
        struct pairing pairing;
        rule->otherwise = MAP_KEEP;
        return check_types(compiler, work, otherwise, source, target, &pairing);
    }
    rule->otherwise = MAP_RULE;
    rule->otherwise_rule = arena_must_alloc(compiler->arena, sizeof(*rule->otherwise_rule));
    rule->otherwise_rule->id = rule->id;
    return compile_rule(compiler, work, otherwise, target, rule->otherwise_rule);
}

static bool map_rule(const struct compiler *compiler, const struct output_work *work,
                     const struct node *node, const struct catalog_column *target,
                     struct rule *rule)
{
    rule->kind = RULE_MAP;
    if (node->kind != NODE_MAPPING) {
        complain(compiler->complaints, COMPLAINT_ERROR, CODE_FORM, node,
                 "write map: {from: column, values: {old: new}, otherwise: reject}",
                 "\"map\" must be a mapping");
        return false;
    }
    mapping_check_keys(compiler, node, "a map", map_keys, RH_COUNT(map_keys), rule_later,
                       RH_COUNT(rule_later));
    const struct node *from = node_get(node, "from");
    if (from == NULL || from->kind != NODE_SCALAR) {
        complain(compiler->complaints, COMPLAINT_ERROR, CODE_FORM, node, NULL,
                 "a map needs \"from\", the name of a source column");
        return false;
    }
    size_t column = guess_column(compiler, PG_SOURCE, work->source, from, CODE_SOURCE_COLUMN);
    if (column == SIZE_MAX) {
        return false;
    }
    const struct catalog_column *source = &work->source->columns[column];
    rule->source_column = column;
    rule->source_name = source->name;
    rule->strip_padding = mapping_type_is(source, "bpchar");
    if (!mapping_type_has_canonical(source)) {
        complain(compiler->complaints, COMPLAINT_ERROR, CODE_MAP_TYPE, from,
                 "a map needs a text, enum, integer, boolean, uuid or date column",
                 "values of column \"%s\" of type %s cannot be looked up in a map", source->name,
                 source->type);
        return false;
    }
    bool good = map_values(compiler, node, source, target, rule);
    return map_otherwise(compiler, work, node, source, target, rule) && good;
}

/* ---- constants and the choice of a rule -------------------------------------------------- */

static bool const_rule(const struct compiler *compiler, const struct output_work *work,
                       const struct node *node, const struct catalog_column *target,
                       struct rule *rule)
{
    rule->kind = RULE_CONST;
    if (!mapping_constant(compiler, node, target, &rule->constant)) {
        return false;
    }
    if (rule->constant.kind != VALUE_NULL || !target->not_null) {
        return true;
    }
    complain(compiler->complaints, COMPLAINT_ERROR, CODE_NULL_REFUSED, node, NULL,
             "column \"%s\" of table \"%s.%s\" cannot be null", target->name, work->target->schema,
             work->target->name);
    return false;
}

static bool compile_rule(const struct compiler *compiler, const struct output_work *work,
                         const struct node *node, const struct catalog_column *target,
                         struct rule *rule)
{
    if (node->kind == NODE_SCALAR) {
        return named_column_rule(compiler, work, node, target, rule);
    }
    if (node->kind == NODE_SEQUENCE) {
        complain(compiler->complaints, COMPLAINT_ERROR, CODE_FORM, node, "write {const: [...]}",
                 "a list is no rule for column \"%s\"", target->name);
        return false;
    }
    size_t errors_before = compiler->complaints->errors_count;
    mapping_check_keys(compiler, node, "a rule", rule_keys, RH_COUNT(rule_keys), rule_later,
                       RH_COUNT(rule_later));
    if (compiler->complaints->errors_count > errors_before) {
        return false;
    }
    if (node->count != 1) {
        complain(compiler->complaints, COMPLAINT_ERROR, CODE_FORM, node,
                 "write one of from, const and map", "column \"%s\" needs exactly one rule",
                 target->name);
        return false;
    }
    const struct node *from = node_get(node, "from"), *constant = node_get(node, "const");
    if (from != NULL) {
        return named_column_rule(compiler, work, from, target, rule);
    }
    if (constant != NULL) {
        return const_rule(compiler, work, constant, target, rule);
    }
    return map_rule(compiler, work, node_get(node, "map"), target, rule);
}

void mapping_mark_used(const struct rule *rule, bool *used)
{
    if (rule->kind != RULE_CONST) {
        used[rule->source_column] = true;
    }
    if (rule->kind == RULE_MAP && rule->otherwise == MAP_RULE) {
        mapping_mark_used(rule->otherwise_rule, used);
    }
}

void mapping_renumber(struct rule *rule, const size_t *wire_of)
{
    if (rule->kind != RULE_CONST) {
        rule->source_column = wire_of[rule->source_column];
    }
    if (rule->kind == RULE_MAP && rule->otherwise == MAP_RULE) {
        mapping_renumber(rule->otherwise_rule, wire_of);
    }
}

/* ---- an output's columns ----------------------------------------------------------------- */

static struct assignment *assign(const struct compiler *compiler, struct output_work *work,
                                 size_t column, const struct node *node)
{
    struct assignment *assignment = &work->assignments[column];
    const char *name = work->target->columns[column].name;
    if (assignment->node != NULL) {
        complain(compiler->complaints, COMPLAINT_ERROR, CODE_ASSIGNED_TWICE, node, NULL,
                 "column \"%s\" is written twice", name);
        return NULL;
    }
    assignment->node = node;
    assignment->rule.id = arena_must_printf(compiler->arena, "%s.%s", work->table->id, name);
    if (work->target->columns[column].generated == 0) {
        return assignment;
    }
    complain(compiler->complaints, COMPLAINT_ERROR, CODE_GENERATED, node,
             "leave it out: the target computes it",
             "column \"%s\" of table \"%s.%s\" is generated", name, work->target->schema,
             work->target->name);
    return NULL;
}

static void assign_columns(const struct compiler *compiler, struct output_work *work)
{
    const struct node *columns = work->draft->columns;
    for (size_t i = 0; columns != NULL && i < columns->count; i++) {
        const struct node_pair *pair = &columns->pairs[i];
        size_t column =
            guess_column(compiler, PG_TARGET, work->target, pair->key, CODE_TARGET_COLUMN);
        if (column == SIZE_MAX || (is_guess(work->target, column, pair->key) &&
                                   (work->target->columns[column].generated != 0 ||
                                    node_get(columns, work->target->columns[column].name)))) {
            continue; /* a guess that would only bring further complaints */
        }
        struct assignment *assignment = assign(compiler, work, column, pair->key);
        if (assignment != NULL) {
            assignment->valid = compile_rule(compiler, work, pair->value,
                                             &work->target->columns[column], &assignment->rule);
        }
    }
}

static void assign_same_name(const struct compiler *compiler, struct output_work *work,
                             size_t source_column, size_t target_column, const struct node *node)
{
    struct assignment *assignment = assign(compiler, work, target_column, node);
    if (assignment != NULL) {
        assignment->valid = column_rule(compiler, work, node, source_column,
                                        &work->target->columns[target_column], &assignment->rule);
    }
}

static void copy_listed(const struct compiler *compiler, struct output_work *work)
{
    const struct draft_names *list = &work->draft->copy_list;
    for (size_t i = 0; i < list->count; i++) {
        const struct node *node = list->nodes[i];
        size_t source = guess_column(compiler, PG_SOURCE, work->source, node, CODE_SOURCE_COLUMN);
        if (source == SIZE_MAX) {
            continue;
        }
        bool guessed = is_guess(work->source, source, node);
        size_t target =
            guessed
                ? catalog_column_find(work->target, work->source->columns[source].name)
                : mapping_find_column(compiler, PG_TARGET, work->target, node, CODE_TARGET_COLUMN);
        if (target != SIZE_MAX && !(guessed && work->assignments[target].node != NULL)) {
            assign_same_name(compiler, work, source, target, node);
        }
    }
}

static bool *dropped_columns(const struct compiler *compiler, const struct output_work *work)
{
    bool *dropped =
        arena_must_alloc(compiler->arena, (work->source->columns_count + 1) * sizeof(*dropped));
    for (size_t i = 0; i < work->draft->drop.count; i++) {
        const struct node *node = work->draft->drop.nodes[i];
        size_t column = guess_column(compiler, PG_SOURCE, work->source, node, CODE_DROP);
        /* A guess is dropped only where it would be missed: otherwise it is copied all right. */
        if (column != SIZE_MAX &&
            (!is_guess(work->source, column, node) ||
             catalog_column_find(work->target, work->source->columns[column].name) == SIZE_MAX)) {
            dropped[column] = true;
        }
    }
    return dropped;
}

/* What the rules of `columns` read; a copied column only reads its own name. */
static bool *used_columns(const struct compiler *compiler, const struct output_work *work)
{
    bool *used =
        arena_must_alloc(compiler->arena, (work->source->columns_count + 1) * sizeof(*used));
    for (size_t i = 0; i < work->target->columns_count; i++) {
        if (work->assignments[i].valid) {
            mapping_mark_used(&work->assignments[i].rule, used);
        }
    }
    return used;
}

/*
 * Every source column goes to the column of its name, unless a rule writes that one, the target
 * computes it, or the mapping says it is dropped. One that goes nowhere must be said to.
 */
static void copy_all(const struct compiler *compiler, struct output_work *work)
{
    const bool *dropped = dropped_columns(compiler, work);
    const bool *used = used_columns(compiler, work);
    const struct node *copy = node_get(work->draft->node, "copy");
    const struct node *node = copy != NULL ? copy : work->draft->table_node;
    for (size_t i = 0; i < work->source->columns_count; i++) {
        const char *name = work->source->columns[i].name;
        size_t target = catalog_column_find(work->target, name);
        if (dropped[i]) {
            continue;
        }
        if (target != SIZE_MAX) {
            if (work->assignments[target].node == NULL &&
                work->target->columns[target].generated == 0) {
                assign_same_name(compiler, work, i, target, node);
            }
        } else if (!used[i]) {
            complain(
                compiler->complaints, COMPLAINT_ERROR, CODE_NO_TARGET_COLUMN, node,
                mapping_nearest_column(
                    compiler, name, work->target,
                    arena_must_printf(compiler->arena,
                                      "write drop: [%s], or add the column to the target", name)),
                "column \"%s\" of table \"%s.%s\" has no column of its name in \"%s.%s\"", name,
                work->source->schema, work->source->name, work->target->schema, work->target->name);
        }
    }
}

void mapping_assign(const struct compiler *compiler, struct output_work *work)
{
    work->assignments = arena_must_alloc(compiler->arena, (work->target->columns_count + 1) *
                                                              sizeof(*work->assignments));
    assign_columns(compiler, work);
    if (work->draft->copy == COPY_ALL) {
        copy_all(compiler, work);
    }
    if (work->draft->copy == COPY_LIST) {
        copy_listed(compiler, work);
    }
    if (work->draft->copy != COPY_ALL && work->draft->drop.node != NULL) {
        complain(compiler->complaints, COMPLAINT_ERROR, CODE_DROP, work->draft->drop.node,
                 "leave \"drop\" out", "\"drop\" takes columns out of copy: all only");
    }
}
