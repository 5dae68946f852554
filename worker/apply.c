#include "worker/apply.h"

#include "worker/attempt.h"

#include <string.h>

/* ---- the tables' writers ---- */

static void order_tables(struct apply *apply, const struct plan *plan)
{
    size_t at = 0;
    for (uint32_t level = 0; level < plan->levels_count; level++) {
        for (size_t t = 0; t < plan->tables_count; t++) {
            if (plan->tables[t].level == level) {
                apply->order[at++] = t;
            }
        }
    }
    REQUIRE(at == plan->tables_count);
}

void apply_init(struct apply *apply, const struct run *run, uint64_t statement_timeout_ms,
                struct arena *arena)
{
    const struct plan *plan = &run->plan;
    *apply = (struct apply){.run = run, .statement_timeout_ms = statement_timeout_ms};
    apply->tables = arena_must_alloc(arena, plan->tables_count * sizeof *apply->tables);
    apply->order = arena_must_alloc(arena, plan->tables_count * sizeof *apply->order);
    order_tables(apply, plan);
    size_t number = 0;
    for (size_t t = 0; t < plan->tables_count; t++) {
        const struct plan_table *table = &plan->tables[t];
        apply->tables[t].outputs =
            arena_must_alloc(arena, table->outputs_count * sizeof *apply->tables[t].outputs);
        for (size_t o = 0; o < table->outputs_count; o++) {
            writer_init(&apply->tables[t].outputs[o], &table->outputs[o], number++, arena);
        }
    }
}

void apply_each_writer(struct apply *apply, void (*visit)(struct writer *))
{
    const struct plan *plan = &apply->run->plan;
    for (size_t t = 0; t < plan->tables_count; t++) {
        for (size_t o = 0; o < plan->tables[t].outputs_count; o++) {
            visit(&apply->tables[t].outputs[o]);
        }
    }
}

void apply_disconnected(struct apply *apply)
{
    apply_each_writer(apply, writer_disconnected);
}

/* ---- learning ---- */

static void learn_refusal(struct attempt *attempt, const struct table_work *work)
{
    for (size_t o = 0; o < work->table->outputs_count; o++) {
        struct writer *writer = &attempt->apply->tables[work->table->index].outputs[o];
        if (writer_expects_new(writer)) {
            writer_copy_refused(writer);
        }
    }
}

static bool met_unchanged_rows(const struct attempt *attempt, const struct table_work *work)
{
    for (size_t i = 0; i < attempt->touched_count; i++) {
        const struct partition *partition = attempt->touched[i];
        if (partition->topic->table == work->table && partition->counters.unchanged > 0) {
            return true;
        }
    }
    return false;
}

static void learn_success(struct attempt *attempt, const struct table_work *work)
{
    bool met_unchanged = met_unchanged_rows(attempt, work);
    for (size_t o = 0; o < work->table->outputs_count; o++) {
        struct writer *writer = &attempt->apply->tables[work->table->index].outputs[o];
        if (!attempt->careful && writer_expects_new(writer)) {
            writer_copied(writer);
        } else {
            writer_upserted(writer, met_unchanged);
        }
    }
}

static void learn(struct attempt *attempt,
                  void (*lesson)(struct attempt *, const struct table_work *))
{
    for (size_t i = 0; i < attempt->work_count; i++) {
        lesson(attempt, &attempt->work[i]);
    }
}

/* ---- the batch ---- */

static bool make_work(struct attempt *attempt, struct batch *batch, struct error *err)
{
    const struct plan *plan = &attempt->apply->run->plan;
    attempt->work = arena_must_alloc(attempt->arena, plan->tables_count * sizeof *attempt->work);
    size_t entries_total = 0;
    for (size_t i = 0; i < plan->tables_count; i++) {
        const struct plan_table *table = &plan->tables[attempt->apply->order[i]];
        struct batch_entry **entries = NULL;
        size_t count = 0;
        batch_table(batch, table->index, &entries, &count);
        if (count == 0) {
            continue;
        }
        entries_total += count;
        if (!table_work_make(&attempt->work[attempt->work_count++], table, entries, count,
                             attempt->arena, err)) {
            return error_wrap(err, "table \"%s\"", table->id);
        }
    }
    attempt->rejects =
        arena_must_alloc(attempt->arena, (entries_total + 1) * sizeof *attempt->rejects);
    return true;
}

static void find_touched(struct attempt *attempt)
{
    attempt->touched =
        arena_must_alloc(attempt->arena, (attempt->slots_count + 1) * sizeof *attempt->touched);
    for (size_t i = 0; i < attempt->slots_count; i++) {
        if (attempt->slots[i]->touched) {
            attempt->touched[attempt->touched_count++] = attempt->slots[i];
        }
    }
}

static bool attempt_once(struct attempt *attempt, enum apply_outcome *ret_outcome,
                         struct error *err)
{
    bool fenced = false;
    if (!attempt_begin(attempt, &fenced, err)) {
        return false;
    }
    if (fenced) {
        *ret_outcome = APPLY_FENCED;
        return true;
    }
    if (!attempt_write(attempt, err) || !attempt_reject(attempt, err)) {
        attempt_roll_back(attempt);
        return false;
    }
    return attempt_commit(attempt, ret_outcome, err);
}

/* Hopefully first; carefully when a row refuses. */
static bool attempt_twice(struct attempt *attempt, enum apply_outcome *ret_outcome,
                          struct error *err)
{
    if (attempt_once(attempt, ret_outcome, err)) {
        return true;
    }
    if (!error_is_of_rows(err)) {
        return false;
    }
    if (strcmp(err->sqlstate, "23505") == 0) {
        learn(attempt, learn_refusal);
    }
    attempt->careful = true;
    return attempt_once(attempt, ret_outcome, err);
}

static void note_reject(struct attempt *attempt, const struct reject *reject)
{
    struct partition *partition = attempt->slots[reject->entry->slot];
    partition->open_rejects++;
    partition->open_parked += !reject->dead;
}

/* Only grows: too high costs a look into rowhaul.rejects, too low would leave a reject standing. */
static void note_rejects(struct attempt *attempt)
{
    for (size_t w = 0; w < attempt->work_count; w++) {
        for (size_t i = 0; i < attempt->work[w].refused_count; i++) {
            note_reject(attempt, &attempt->work[w].refused[i]);
        }
    }
    for (size_t i = 0; i < attempt->rejects_count; i++) {
        note_reject(attempt, &attempt->rejects[i]);
    }
}

bool apply_batch(struct apply *apply, struct pg *pg, struct batch *batch,
                 struct partition *const *slots, size_t slots_count, struct arena *arena,
                 enum apply_outcome *ret_outcome, struct error *err)
{
    /* A batch may have to be tried many times: each try gives its memory back. */
    struct arena_mark mark = arena_mark(arena);
    struct attempt attempt = {
        .apply = apply, .pg = pg, .slots = slots, .slots_count = slots_count, .arena = arena};
    find_touched(&attempt);
    bool done = make_work(&attempt, batch, err) && attempt_twice(&attempt, ret_outcome, err);
    if (done && *ret_outcome == APPLY_COMMITTED) {
        learn(&attempt, learn_success);
        if (apply->replay == NULL || !apply->replay->dry_run) {
            note_rejects(&attempt);
            attempt_log_rejects(&attempt);
        }
    }
    arena_rollback(arena, mark);
    return done;
}
