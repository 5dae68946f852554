#include "worker/apply.h"

#include "common/failpoint.h"
#include "common/log.h"
#include "worker/ledger_batch.h"
#include "worker/table_work.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define REJECTS_LOGGED_MAX 20 /* of a batch; a mapping that is wrong must not flood the log */

/* One attempt at a batch; everything in it is rebuilt or undone by the next attempt. */
struct attempt {
    struct apply *apply;
    struct pg *pg;
    struct partition *const *slots; /* what batch entries' slots index */
    size_t slots_count;
    struct partition **touched;
    size_t touched_count;
    struct table_work *work; /* in apply.order, only tables with entries */
    size_t work_count;
    struct arena *arena;
    bool careful;
    struct reject *rejects; /* found by the target in this attempt */
    size_t rejects_count;
};

/* ---- order ------------------------------------------------------------------------------------
 */

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

static void each_writer(struct apply *apply, void (*visit)(struct writer *))
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
    each_writer(apply, writer_disconnected);
}

/* ---- counting ----------------------------------------------------------------------------------
 */

/*
 * A COPY or upsert only tells how many rows it changed, not which; so what a table changed is
 * counted at the first of its partitions in the batch. Sums per table, which the identity is about,
 * are exact.
 */
static struct partition_counters *counters_of(const struct attempt *attempt,
                                              const struct batch_entry *entry)
{
    return &attempt->slots[entry->slot]->counters;
}

/* Only what this attempt found: what rules refused stays refused. */
static void forget(struct attempt *attempt)
{
    for (size_t w = 0; w < attempt->work_count; w++) {
        struct table_work *work = &attempt->work[w];
        for (size_t i = 0; i < work->entries_count; i++) {
            if (work->verdicts[i] == VERDICT_REFUSED_BY_TARGET) {
                work->verdicts[i] = VERDICT_WRITE;
            }
        }
    }
    for (size_t i = 0; i < attempt->touched_count; i++) {
        struct partition_counters *counters = &attempt->touched[i]->counters;
        counters->applied = counters->unchanged = counters->rows_written = 0;
        counters->superseded = 0;
    }
    attempt->rejects_count = 0;
}

/* ---- writing a table ---------------------------------------------------------------------------
 */

static size_t entries_to_write(const struct table_work *work, size_t from, size_t to)
{
    size_t count = 0;
    for (size_t i = from; i < to; i++) {
        count += work->verdicts[i] == VERDICT_WRITE;
    }
    return count;
}

static bool write_output(struct attempt *attempt, const struct table_work *work, size_t output,
                         size_t from, size_t to, uint64_t *ret_written, struct error *err)
{
    struct writer *writer = &attempt->apply->tables[work->table->index].outputs[output];
    struct bytes lines = table_work_lines(work, output, from, to);
    if (!attempt->careful && writer_expects_new(writer)) {
        return writer_copy(writer, attempt->pg, lines, ret_written, err);
    }
    return writer_make_stage(writer, attempt->pg, err) &&
           writer_upsert(writer, attempt->pg, lines, ret_written, err);
}

/*
 * Writes entries [from, to) to all outputs. A message counts as applied up to the largest number of
 * rows that one output changed; the others found their rows as they should be.
 */
static bool write_range(struct attempt *attempt, const struct table_work *work, size_t from,
                        size_t to, struct error *err)
{
    uint64_t entries = entries_to_write(work, from, to);
    if (entries == 0) {
        return true;
    }
    uint64_t applied = 0;
    uint64_t rows = 0;
    for (size_t o = 0; o < work->table->outputs_count; o++) {
        uint64_t written = 0;
        if (!write_output(attempt, work, o, from, to, &written, err)) {
            return error_wrap(err, "table \"%s.%s\"", work->table->outputs[o].target->schema,
                              work->table->outputs[o].target->name);
        }
        applied = written > applied ? written : applied;
        rows += written;
    }
    struct partition_counters *counters = counters_of(attempt, work->entries[from]);
    counters->applied += applied;
    counters->unchanged += entries - applied;
    counters->rows_written += rows;
    return true;
}

static bool error_is_of_rows(const struct error *err)
{
    return err->action == ERROR_ROW || err->action == ERROR_PARK;
}

static bool refuse(struct attempt *attempt, const struct table_work *work, size_t index,
                   struct error *err)
{
    const struct plan_table *table = work->table;
    if (table->on_error == ON_ERROR_STOP) {
        return row_refusal_stops(table, err);
    }
    work->verdicts[index] = VERDICT_REFUSED_BY_TARGET;
    attempt->rejects[attempt->rejects_count++] =
        reject_from_error(table, work->entries[index], NULL, err, attempt->arena);
    return true;
}

/* Halves a range until the refusing entry stands alone. Depth: log2 of the batch. */
static bool write_carefully(struct attempt *attempt, const struct table_work *work, size_t from,
                            size_t to, struct error *err)
{
    if (!pg_run(attempt->pg, "SAVEPOINT entries", err)) {
        return false;
    }
    if (write_range(attempt, work, from, to, err)) {
        return pg_run(attempt->pg, "RELEASE SAVEPOINT entries", err);
    }
    if (!error_is_of_rows(err)) {
        return false;
    }
    struct error undo;
    if (!pg_run(attempt->pg, "ROLLBACK TO SAVEPOINT entries; RELEASE SAVEPOINT entries", &undo)) {
        *err = undo;
        return false;
    }
    if (to - from == 1) {
        return refuse(attempt, work, from, err);
    }
    size_t middle = from + (to - from) / 2;
    return write_carefully(attempt, work, from, middle, err) &&
           write_carefully(attempt, work, middle, to, err);
}

static bool write_table(struct attempt *attempt, const struct table_work *work, struct error *err)
{
    if (!attempt->careful) {
        return write_range(attempt, work, 0, work->entries_count, err);
    }
    for (size_t o = 0; o < work->table->outputs_count; o++) {
        struct writer *writer = &attempt->apply->tables[work->table->index].outputs[o];
        if (!writer_make_stage(writer, attempt->pg, err)) {
            return false;
        }
    }
    return write_carefully(attempt, work, 0, work->entries_count, err);
}

/* ---- rejects -----------------------------------------------------------------------------------
 */

/* An applied key takes its older reject away; asked only where the partition has any. */
static bool remove_rejects(struct attempt *attempt, const struct table_work *work,
                           struct error *err)
{
    const struct batch_entry **applied =
        arena_must_alloc(attempt->arena, work->entries_count * sizeof *applied);
    size_t count = 0;
    for (size_t i = 0; i < work->entries_count; i++) {
        const struct batch_entry *entry = work->entries[i];
        if (attempt->slots[entry->slot]->open_rejects > 0 && work->verdicts[i] == VERDICT_WRITE) {
            applied[count++] = entry;
        }
    }
    if (count == 0) {
        return true;
    }
    uint64_t removed = 0;
    if (!ledger_unreject(attempt->pg, attempt->apply->run, work->table, applied, count,
                         attempt->arena, &removed, err)) {
        return false;
    }
    counters_of(attempt, applied[0])->superseded += removed;
    return true;
}

static bool write_rejects(struct attempt *attempt, const struct reject *rejects, size_t count,
                          struct error *err)
{
    for (size_t i = 0; i < count; i++) {
        RH_FAILPOINT("before_reject");
        bool replaced = false;
        const struct partition *partition = attempt->slots[rejects[i].entry->slot];
        if (!ledger_reject(attempt->pg, attempt->apply->run, partition, &rejects[i], attempt->arena,
                           &replaced, err)) {
            return false;
        }
        counters_of(attempt, rejects[i].entry)->superseded += replaced;
    }
    return true;
}

/* ---- the transaction ----------------------------------------------------------------------------
 */

static bool begin(struct attempt *attempt, struct error *err)
{
    char sql[160];
    (void)snprintf(sql, sizeof sql,
                   "BEGIN; SET LOCAL statement_timeout = %" PRIu64
                   "; SET CONSTRAINTS ALL IMMEDIATE",
                   attempt->apply->statement_timeout_ms);
    return pg_run(attempt->pg, sql, err);
}

static bool write_all(struct attempt *attempt, struct error *err)
{
    for (size_t i = 0; i < attempt->work_count; i++) {
        if (!write_table(attempt, &attempt->work[i], err)) {
            return false;
        }
    }
    for (size_t i = 0; i < attempt->work_count; i++) {
        const struct table_work *work = &attempt->work[i];
        if (!remove_rejects(attempt, work, err) ||
            !write_rejects(attempt, work->refused, work->refused_count, err)) {
            return false;
        }
    }
    return write_rejects(attempt, attempt->rejects, attempt->rejects_count, err) &&
           ledger_count(attempt->pg, attempt->apply->run, attempt->touched, attempt->touched_count,
                        attempt->arena, err);
}

static void roll_back(struct attempt *attempt)
{
    struct error failed;
    if (pg_is_open(attempt->pg) && !pg_run(attempt->pg, "ROLLBACK", &failed)) {
        pg_close(attempt->pg); /* the server rolls back what it lost sight of */
    }
    each_writer(attempt->apply, writer_rolled_back);
}

/* Only grows: too high costs a look into rowhaul.rejects, too low would leave a reject standing. */
static void note_rejects(struct attempt *attempt)
{
    for (size_t w = 0; w < attempt->work_count; w++) {
        const struct table_work *work = &attempt->work[w];
        for (size_t i = 0; i < work->entries_count; i++) {
            attempt->slots[work->entries[i]->slot]->open_rejects +=
                work->verdicts[i] != VERDICT_WRITE;
        }
    }
}

static void log_reject(const struct attempt *attempt, const struct reject *reject)
{
    const struct partition *partition = attempt->slots[reject->entry->slot];
    log_event(LEVEL_WARN, reject->dead ? "row_rejected" : "row_parked",
              F_STR("table", reject->table->id), F_STR("topic", partition->topic->name),
              F_INT("partition", partition->number), F_INT("offset", reject->entry->offset),
              F_STR("sqlstate", reject->sqlstate), F_STR("rule", reject->rule),
              F_STR("constraint", reject->constraint), F_STR("column", reject->column));
}

/* The server's message is left out: it may quote values. `rowhaul rejects show` has it. */
static void log_rejects(const struct attempt *attempt)
{
    size_t logged = 0;
    size_t total = attempt->rejects_count;
    for (size_t w = 0; w < attempt->work_count; w++) {
        const struct table_work *work = &attempt->work[w];
        total += work->refused_count;
        for (size_t i = 0; i < work->refused_count && logged < REJECTS_LOGGED_MAX; i++, logged++) {
            log_reject(attempt, &work->refused[i]);
        }
    }
    for (size_t i = 0; i < attempt->rejects_count && logged < REJECTS_LOGGED_MAX; i++, logged++) {
        log_reject(attempt, &attempt->rejects[i]);
    }
    if (total > logged) {
        log_event(LEVEL_WARN, "rows_rejected", F_INT("rows", total), F_INT("logged", logged));
    }
}

static bool commit(struct attempt *attempt, enum apply_outcome *ret_outcome, struct error *err)
{
    RH_FAILPOINT("before_commit");
    if (!pg_run(attempt->pg, "COMMIT", err)) {
        if (!pg_is_open(attempt->pg)) {
            *ret_outcome = APPLY_UNKNOWN;
            return true;
        }
        each_writer(attempt->apply, writer_rolled_back);
        return false;
    }
    RH_FAILPOINT("after_commit");
    each_writer(attempt->apply, writer_committed);
    note_rejects(attempt);
    log_rejects(attempt);
    *ret_outcome = APPLY_COMMITTED;
    return true;
}

static bool attempt_once(struct attempt *attempt, enum apply_outcome *ret_outcome,
                         struct error *err)
{
    forget(attempt);
    size_t moved = 0;
    if (!begin(attempt, err) ||
        !ledger_advance(attempt->pg, attempt->apply->run, attempt->touched, attempt->touched_count,
                        attempt->arena, &moved, err)) {
        roll_back(attempt);
        return false;
    }
    if (moved < attempt->touched_count) {
        roll_back(attempt);
        *ret_outcome = APPLY_FENCED;
        return true;
    }
    RH_FAILPOINT("after_fence_update");
    if (!write_all(attempt, err)) {
        roll_back(attempt);
        return false;
    }
    return commit(attempt, ret_outcome, err);
}

/* ---- learning
 * ------------------------------------------------------------------------------------ */

static void learn_refusal(struct attempt *attempt, const struct table_work *work)
{
    for (size_t o = 0; o < work->table->outputs_count; o++) {
        struct writer *writer = &attempt->apply->tables[work->table->index].outputs[o];
        if (writer_expects_new(writer)) {
            writer_copy_refused(writer);
        }
    }
}

static void learn_success(struct attempt *attempt, const struct table_work *work)
{
    bool met_unchanged = counters_of(attempt, work->entries[0])->unchanged > 0;
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

/* ---- the batch
 * ----------------------------------------------------------------------------------- */

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

bool apply_batch(struct apply *apply, struct pg *pg, struct batch *batch,
                 struct partition *const *slots, size_t slots_count, struct arena *arena,
                 enum apply_outcome *ret_outcome, struct error *err)
{
    struct attempt attempt = {
        .apply = apply, .pg = pg, .slots = slots, .slots_count = slots_count, .arena = arena};
    find_touched(&attempt);
    if (!make_work(&attempt, batch, err)) {
        return false;
    }
    bool done = attempt_once(&attempt, ret_outcome, err);
    if (!done && error_is_of_rows(err)) {
        if (strcmp(err->sqlstate, "23505") == 0) {
            learn(&attempt, learn_refusal);
        }
        attempt.careful = true;
        done = attempt_once(&attempt, ret_outcome, err);
    }
    if (done && *ret_outcome == APPLY_COMMITTED) {
        learn(&attempt, learn_success);
    }
    return done;
}
