#include "common/mapping.h"

#include <string.h>

#include "common/mapping_parts.h"

/* ---- the tables a document names --------------------------------------------------------- */

bool mapping_tables(const struct document *document, struct arena *arena,
                    struct complaints *complaints, struct table_name **ret_source,
                    size_t *ret_source_count, struct table_name **ret_target,
                    size_t *ret_target_count)
{
    struct compiler compiler = {.document = document, .arena = arena, .complaints = complaints};
    size_t errors_before = complaints->errors_count;
    struct draft draft;
    mapping_form(&compiler, &draft);
    if (complaints->errors_count > errors_before) {
        return false;
    }

    size_t outputs_count = 0;
    for (size_t i = 0; i < draft.tables_count; i++) {
        outputs_count += draft.tables[i].outputs_count;
    }
    *ret_source = arena_must_alloc(arena, draft.tables_count * sizeof(**ret_source));
    *ret_target = arena_must_alloc(arena, outputs_count * sizeof(**ret_target));
    *ret_source_count = 0;
    *ret_target_count = 0;
    for (size_t i = 0; i < draft.tables_count; i++) {
        (*ret_source)[(*ret_source_count)++] = draft.tables[i].from;
        for (size_t j = 0; j < draft.tables[i].outputs_count; j++) {
            (*ret_target)[(*ret_target_count)++] = draft.tables[i].outputs[j].table;
        }
    }
    return true;
}

/* ---- one output -------------------------------------------------------------------------- */

/* The source key as catalog column indexes; kinds NULL: it could not be compiled. */
struct source_key {
    size_t count;
    size_t *columns;
    enum key_kind *kinds;
};

static bool is_fired(const struct plan_output *output, const char *column)
{
    for (size_t i = 0; i < output->fire_columns_count; i++) {
        if (strcmp(output->fire_columns[i], column) == 0) {
            return true;
        }
    }
    return false;
}

static bool rule_passes(const struct compiler *compiler, const struct output_work *work,
                        const struct plan_output *output, size_t target_column)
{
    const struct catalog_column *target = &work->target->columns[target_column];
    const struct rule *rule = &work->assignments[target_column].rule;
    return rule->kind == RULE_COLUMN && !rule->strip_padding && !is_fired(output, target->name) &&
           mapping_pair_types(&work->source->columns[rule->source_column], target, compiler->arena)
               .passes;
}

/* Written columns in the target's order; ret_place: target column -> place among them. */
static size_t *fill_columns(const struct compiler *compiler, const struct output_work *work,
                            struct plan_output *output)
{
    size_t count = work->target->columns_count;
    size_t *place_of = arena_must_alloc(compiler->arena, (count + 1) * sizeof(*place_of));
    output->columns = arena_must_alloc(compiler->arena, (count + 1) * sizeof(*output->columns));
    for (size_t i = 0; i < count; i++) {
        place_of[i] = SIZE_MAX;
        if (!work->assignments[i].valid) {
            continue;
        }
        place_of[i] = output->columns_count;
        output->columns[output->columns_count++] =
            (struct plan_column){.target = &work->target->columns[i],
                                 .rule = work->assignments[i].rule,
                                 .passes_through = rule_passes(compiler, work, output, i)};
        output->overriding = output->overriding || work->target->columns[i].identity != 0;
    }
    return place_of;
}

/* The arbiter's columns are the source key's, each of them passed through. */
static bool key_passes(const struct plan_output *output, const struct source_key *key)
{
    if (output->key_count != key->count) {
        return false;
    }
    for (size_t i = 0; i < output->key_count; i++) {
        const struct plan_column *column = &output->columns[output->key[i]];
        bool found = false;
        for (size_t j = 0; column->passes_through && j < key->count; j++) {
            found = found || column->rule.source_column == key->columns[j];
        }
        if (!found) {
            return false;
        }
    }
    return true;
}

static bool all_pass(const struct plan_output *output)
{
    for (size_t i = 0; i < output->columns_count; i++) {
        if (!output->columns[i].passes_through) {
            return false;
        }
    }
    return true;
}

static void fill_output(const struct compiler *compiler, const struct output_work *work,
                        const size_t *arbiter, size_t arbiter_count, const struct source_key *key,
                        struct plan_output *output)
{
    output->target = work->target;
    output->triggers = work->draft->triggers;
    output->fire_columns_count = work->draft->fire.count;
    output->fire_columns = arena_must_alloc(compiler->arena, (work->draft->fire.count + 1) *
                                                                 sizeof(*output->fire_columns));
    for (size_t i = 0; i < work->draft->fire.count; i++) {
        output->fire_columns[i] = work->draft->fire.nodes[i]->text.ptr;
    }
    const size_t *place_of = fill_columns(compiler, work, output);
    output->key_count = arbiter_count;
    output->key = arena_must_alloc(compiler->arena, arbiter_count * sizeof(*output->key));
    for (size_t i = 0; i < arbiter_count; i++) {
        output->key[i] = place_of[arbiter[i]];
    }
    output->checksum = all_pass(output) && key_passes(output, key);
}

static void check_fired_key(const struct compiler *compiler, const struct output_work *work,
                            const size_t *arbiter, size_t arbiter_count)
{
    for (size_t i = 0; i < work->draft->fire.count; i++) {
        const struct node *node = work->draft->fire.nodes[i];
        for (size_t j = 0; j < arbiter_count; j++) {
            const char *name = work->target->columns[arbiter[j]].name;
            if (node_is_text(node, name)) {
                complain(compiler->complaints, COMPLAINT_ERROR, CODE_FIRE, node,
                         "write triggers: off",
                         "a trigger that changes key column \"%s\" of table \"%s.%s\" would hide "
                         "the row",
                         name, work->target->schema, work->target->name);
            }
        }
    }
}

static void compile_output(const struct compiler *compiler, const struct draft_table *table,
                           const struct draft_output *draft, const struct catalog_table *source,
                           const struct source_key *key, struct plan_output *output)
{
    if (draft->table.name == NULL) {
        return;
    }
    const struct catalog_table *target = mapping_find_target(compiler, table, draft);
    if (target == NULL || source == NULL) {
        return;
    }
    struct output_work work = {.table = table, .draft = draft, .source = source, .target = target};
    mapping_assign(compiler, &work);
    mapping_check_output(compiler, &work);
    size_t *arbiter, arbiter_count;
    if (!mapping_arbiter(compiler, draft, target, &arbiter, &arbiter_count)) {
        return;
    }
    check_fired_key(compiler, &work, arbiter, arbiter_count);
    if (key->kinds == NULL) {
        return;
    }
    mapping_check_arbiter(compiler, &work, arbiter, arbiter_count, key->columns, key->count);
    if (compiler->complaints->errors_count == 0) {
        fill_output(compiler, &work, arbiter, arbiter_count, key, output);
    }
}

/* ---- one table --------------------------------------------------------------------------- */

/* What a ROW carries: the key and everything a rule reads, in the source's order. */
static void fill_wire(const struct compiler *compiler, const struct catalog_table *source,
                      const struct source_key *key, struct plan_table *table)
{
    REQUIRE(source != NULL); /* without one there is a complaint */
    size_t count = source->columns_count;
    bool *used = arena_must_alloc(compiler->arena, (count + 1) * sizeof(*used));
    size_t *wire_of = arena_must_alloc(compiler->arena, (count + 1) * sizeof(*wire_of));
    for (size_t i = 0; i < key->count; i++) {
        used[key->columns[i]] = true;
    }
    for (size_t i = 0; i < table->outputs_count; i++) {
        for (size_t j = 0; j < table->outputs[i].columns_count; j++) {
            mapping_mark_used(&table->outputs[i].columns[j].rule, used);
        }
    }
    table->columns = arena_must_alloc(compiler->arena, (count + 1) * sizeof(const void *));
    for (size_t i = 0; i < count; i++) {
        if (!used[i]) {
            continue;
        }
        wire_of[i] = table->columns_count;
        table->columns[table->columns_count++] = &source->columns[i];
    }
    table->key_count = key->count;
    table->key_kinds = key->kinds;
    table->key = arena_must_alloc(compiler->arena, key->count * sizeof(*table->key));
    for (size_t i = 0; i < key->count; i++) {
        table->key[i] = wire_of[key->columns[i]];
    }
    for (size_t i = 0; i < table->outputs_count; i++) {
        for (size_t j = 0; j < table->outputs[i].columns_count; j++) {
            mapping_renumber(&table->outputs[i].columns[j].rule, wire_of);
        }
    }
}

static void compile_table(const struct compiler *compiler, const struct draft_table *draft,
                          size_t index, struct plan_table *table)
{
    const struct catalog_table *source =
        draft->from.name != NULL ? mapping_find_source(compiler, draft) : NULL;
    struct source_key key = {0};
    table->index = index;
    table->id = draft->id;
    table->node = draft->node;
    table->source = source;
    table->on_error = draft->on_error;
    table->where_sql = "";
    if (source != NULL) {
        table->where_sql = mapping_where(compiler, draft, source);
        if (!mapping_source_key(compiler, draft, source, &key.columns, &key.kinds, &key.count)) {
            key.kinds = NULL;
        }
    }
    table->outputs_count = draft->outputs_count;
    table->outputs =
        arena_must_alloc(compiler->arena, (draft->outputs_count + 1) * sizeof(*table->outputs));
    for (size_t i = 0; i < draft->outputs_count; i++) {
        compile_output(compiler, draft, &draft->outputs[i], source, &key, &table->outputs[i]);
    }
    if (compiler->complaints->errors_count == 0) {
        fill_wire(compiler, source, &key, table);
    }
}

/* ---- the whole --------------------------------------------------------------------------- */

bool mapping_compile(const struct document *document, const struct catalog *source,
                     const struct catalog *target, struct environment *environment,
                     struct arena *arena, struct complaints *complaints, struct plan *ret_plan)
{
    struct compiler compiler = {.document = document,
                                .source = source,
                                .target = target,
                                .environment = environment,
                                .arena = arena,
                                .complaints = complaints};
    const struct node *name = node_get(document->root, "name");
    struct draft draft;
    mapping_form(&compiler, &draft);
    struct plan plan = {.name = name != NULL ? name->text.ptr : "",
                        .source = source,
                        .target = target,
                        .tables_count = draft.tables_count};
    plan.tables = arena_must_alloc(arena, (draft.tables_count + 1) * sizeof(*plan.tables));
    for (size_t i = 0; i < draft.tables_count; i++) {
        compile_table(&compiler, &draft.tables[i], i, &plan.tables[i]);
    }
    if (complaints->errors_count > 0) {
        return false;
    }
    mapping_levels(&plan, arena);
    mapping_fingerprints(&plan);
    *ret_plan = plan;
    return true;
}

const struct plan_table *plan_table_find(const struct plan *plan, const char *id)
{
    for (size_t i = 0; i < plan->tables_count; i++) {
        if (strcmp(plan->tables[i].id, id) == 0) {
            return &plan->tables[i];
        }
    }
    return NULL;
}
