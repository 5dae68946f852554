/*
 * The foreign keys between mapped target tables: who is written before whom, and which constraints
 * must be off while the run lasts.
 *
 * A graph has an edge child -> parent for each foreign key. Nodes that reach one another form a
 * knot; within a knot no order helps, so its foreign keys are deferred, as are self-references.
 * What is left has no cycle and gives the levels.
 */
#include "common/mapping_parts.h"

#include <string.h>

/* n nodes; reach[i * n + j]: there is a path from i to j. */
struct graph {
    size_t n;
    bool *edge;
    bool *reach;
    uint32_t *level;
};

static void graph_init(struct graph *graph, size_t n, struct arena *arena)
{
    graph->n = n;
    graph->edge = arena_must_alloc(arena, n * n * sizeof(*graph->edge));
    graph->reach = arena_must_alloc(arena, n * n * sizeof(*graph->reach));
    graph->level = arena_must_alloc(arena, n * sizeof(*graph->level));
}

/* Warshall's closure; a migration has hundreds of tables, not thousands. */
static void graph_close(struct graph *graph)
{
    size_t n = graph->n;
    memcpy(graph->reach, graph->edge, n * n * sizeof(*graph->edge));
    for (size_t k = 0; k < n; k++) {
        for (size_t i = 0; i < n; i++) {
            for (size_t j = 0; graph->reach[i * n + k] && j < n; j++) {
                graph->reach[i * n + j] = graph->reach[i * n + j] || graph->reach[k * n + j];
            }
        }
    }
}

static bool graph_knotted(const struct graph *graph, size_t i, size_t j)
{
    return graph->reach[i * graph->n + j] && graph->reach[j * graph->n + i];
}

/* One pass of raising children above their parents; nodes of a knot share the highest. */
static bool graph_raise(struct graph *graph)
{
    bool changed = false;
    for (size_t i = 0; i < graph->n; i++) {
        for (size_t j = 0; j < graph->n; j++) {
            bool knotted = graph_knotted(graph, i, j);
            if (i == j || (!knotted && !graph->edge[i * graph->n + j])) {
                continue;
            }
            uint32_t least = graph->level[j] + (knotted ? 0 : 1);
            if (graph->level[i] >= least) {
                continue;
            }
            graph->level[i] = least;
            changed = true;
        }
    }
    return changed;
}

/* Knots taken as one node there is no cycle, so the passes come to an end. */
static void graph_solve(struct graph *graph)
{
    graph_close(graph);
    bool changed = true;
    while (changed) {
        changed = graph_raise(graph);
    }
}

/* ---- the plan as a graph ----------------------------------------------------------------- */

struct place {
    size_t table, output;
};

/* The output that writes a table, if one does. */
static bool find_writer(const struct plan *plan, const char *schema, const char *name,
                        struct place *ret_place)
{
    for (size_t i = 0; i < plan->tables_count; i++) {
        for (size_t j = 0; j < plan->tables[i].outputs_count; j++) {
            const struct catalog_table *target = plan->tables[i].outputs[j].target;
            if (strcmp(target->name, name) != 0 || strcmp(target->schema, schema) != 0) {
                continue;
            }
            *ret_place = (struct place){i, j};
            return true;
        }
    }
    return false;
}

/* Outputs of one source row: parents first, the file's order among equals (insertion sort). */
static void order_outputs(struct plan_table *table, const struct graph *outputs)
{
    for (size_t i = 1; i < table->outputs_count; i++) {
        struct plan_output output = table->outputs[i];
        uint32_t level = outputs->level[i];
        size_t j = i;
        for (; j > 0 && outputs->level[j - 1] > level; j--) {
            table->outputs[j] = table->outputs[j - 1];
            outputs->level[j] = outputs->level[j - 1];
        }
        table->outputs[j] = output;
        outputs->level[j] = level;
    }
}

/* The foreign keys that stay within one source table's outputs. */
static void connect_outputs(const struct plan *plan, const struct plan_table *table,
                            struct graph *outputs)
{
    for (size_t i = 0; i < table->outputs_count; i++) {
        const struct catalog_table *target = table->outputs[i].target;
        for (size_t k = 0; k < target->foreign_keys_count; k++) {
            const struct catalog_foreign_key *key = &target->foreign_keys[k];
            struct place parent;
            if (find_writer(plan, key->schema, key->table, &parent) &&
                parent.table == table->index && parent.output != i) {
                outputs->edge[i * outputs->n + parent.output] = true;
            }
        }
    }
}

static void connect_tables(const struct plan *plan, struct graph *tables)
{
    for (size_t i = 0; i < plan->tables_count; i++) {
        for (size_t j = 0; j < plan->tables[i].outputs_count; j++) {
            const struct catalog_table *target = plan->tables[i].outputs[j].target;
            for (size_t k = 0; k < target->foreign_keys_count; k++) {
                const struct catalog_foreign_key *key = &target->foreign_keys[k];
                struct place parent;
                if (find_writer(plan, key->schema, key->table, &parent) && parent.table != i) {
                    tables->edge[i * tables->n + parent.table] = true;
                }
            }
        }
    }
}

/* outputs: one graph per plan table. */
static bool is_deferred(const struct graph *tables, const struct graph *outputs, struct place child,
                        struct place parent)
{
    if (child.table != parent.table) {
        return graph_knotted(tables, child.table, parent.table);
    }
    if (child.output == parent.output) {
        return true;
    }
    return graph_knotted(&outputs[child.table], child.output, parent.output);
}

static void collect_deferred(struct plan *plan, const struct graph *tables,
                             const struct graph *outputs, struct arena *arena)
{
    size_t keys_count = 0;
    for (size_t i = 0; i < plan->tables_count; i++) {
        for (size_t j = 0; j < plan->tables[i].outputs_count; j++) {
            keys_count += plan->tables[i].outputs[j].target->foreign_keys_count;
        }
    }
    plan->deferred = arena_must_alloc(arena, (keys_count + 1) * sizeof(*plan->deferred));
    for (size_t i = 0; i < plan->tables_count; i++) {
        for (size_t j = 0; j < plan->tables[i].outputs_count; j++) {
            const struct catalog_table *target = plan->tables[i].outputs[j].target;
            for (size_t k = 0; k < target->foreign_keys_count; k++) {
                const struct catalog_foreign_key *key = &target->foreign_keys[k];
                struct place parent;
                if (find_writer(plan, key->schema, key->table, &parent) &&
                    is_deferred(tables, outputs, (struct place){i, j}, parent)) {
                    plan->deferred[plan->deferred_count++] =
                        (struct plan_deferred){target->schema, target->name, key};
                }
            }
        }
    }
}

void mapping_levels(struct plan *plan, struct arena *arena)
{
    struct graph tables;
    graph_init(&tables, plan->tables_count, arena);
    connect_tables(plan, &tables);
    graph_solve(&tables);

    struct graph *outputs = arena_must_alloc(arena, plan->tables_count * sizeof(*outputs));
    for (size_t i = 0; i < plan->tables_count; i++) {
        graph_init(&outputs[i], plan->tables[i].outputs_count, arena);
        connect_outputs(plan, &plan->tables[i], &outputs[i]);
        graph_solve(&outputs[i]);
    }

    /* Places are positions before the outputs are put in order. */
    collect_deferred(plan, &tables, outputs, arena);
    plan->levels_count = 0;
    for (size_t i = 0; i < plan->tables_count; i++) {
        order_outputs(&plan->tables[i], &outputs[i]);
        plan->tables[i].level = tables.level[i];
        if (tables.level[i] >= plan->levels_count) {
            plan->levels_count = tables.level[i] + 1;
        }
    }
}
