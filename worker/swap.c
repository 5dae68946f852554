#include "worker/swap.h"

#include "common/clock.h"
#include "common/failpoint.h"
#include "worker/attempt.h"
#include "worker/parked.h"

#define ROWS_MAX   2000
#define TRY_MS_MAX 2000 /* the other partitions' owners wait for their ledger rows meanwhile */

struct swap {
    struct attempt attempt;
    struct batch_entry **entries; /* the set; by and by those that refuse leave it */
    size_t count;
    int64_t deadline_ms;
};

/* ---- may it be tried at all ---- */

/* tgtype: 8 is DELETE. A partition's own triggers and references count as well. */
static const char harmless_sql[] =
    "WITH tables AS ("
    "  SELECT c.oid FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n"
    "      ON n.oid = c.relnamespace"
    "   WHERE n.nspname = $1 AND c.relname = $2"
    "  UNION"
    "  SELECT p.relid FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n"
    "      ON n.oid = c.relnamespace, pg_catalog.pg_partition_tree(c.oid) p"
    "   WHERE n.nspname = $1 AND c.relname = $2)"
    " SELECT NOT EXISTS (SELECT FROM pg_catalog.pg_constraint f JOIN tables t"
    "                        ON t.oid = f.confrelid"
    "                     WHERE f.contype = 'f' AND f.confdeltype IN ('c', 'n', 'd'))"
    "    AND NOT EXISTS (SELECT FROM pg_catalog.pg_trigger g JOIN tables t ON t.oid = g.tgrelid"
    "                     WHERE NOT g.tgisinternal AND g.tgenabled IN ('O', 'A')"
    "                       AND g.tgtype & 8 <> 0)"
    "    AND pg_catalog.has_table_privilege(pg_catalog.format('%I.%I', $1::text, $2::text),"
    "                                       'DELETE')";

static bool is_harmless(struct pg *pg, const struct plan_table *table, bool *ret_harmless,
                        struct error *err)
{
    *ret_harmless = true;
    for (size_t o = 0; o < table->outputs_count && *ret_harmless; o++) {
        const char *values[] = {table->outputs[o].target->schema, table->outputs[o].target->name};
        RH_AUTO(pg_result_clear) PGresult *result = NULL;
        if (!pg_query_params(pg, harmless_sql, 2, values, &result, err)) {
            return error_wrap(err, "could not see what deleting from \"%s.%s\" would do", values[0],
                              values[1]);
        }
        *ret_harmless = PQgetvalue(result, 0, 0)[0] == 't';
    }
    return true;
}

/* ---- one round ---- */

static const struct plan_table *table_of(const struct swap *swap)
{
    return swap->attempt.slots[0]->topic->table;
}

static struct writer *writer_of(const struct swap *swap, size_t output)
{
    return &swap->attempt.apply->tables[table_of(swap)->index].outputs[output];
}

static bool make_stages(struct swap *swap, struct error *err)
{
    for (size_t o = 0; o < table_of(swap)->outputs_count; o++) {
        if (!writer_make_stage(writer_of(swap, o), swap->attempt.pg, err)) {
            return false;
        }
    }
    return true;
}

static bool delete_range(struct swap *swap, size_t from, size_t to, struct error *err)
{
    const struct table_work *work = swap->attempt.work;
    for (size_t o = 0; o < work->table->outputs_count; o++) {
        if (!writer_delete(writer_of(swap, o), swap->attempt.pg,
                           table_work_lines(work, o, from, to), err)) {
            return false;
        }
    }
    return true;
}

/* Of a refused DELETE nobody knows whose it was: ret_refused, and everything as before it. */
static bool delete_or_undo(struct swap *swap, size_t from, size_t to, bool *ret_refused,
                           struct error *err)
{
    struct pg *pg = swap->attempt.pg;
    if (!pg_run(pg, "SAVEPOINT rows", err)) {
        return false;
    }
    *ret_refused = !delete_range(swap, from, to, err);
    if (!*ret_refused) {
        return pg_run(pg, "RELEASE SAVEPOINT rows", err);
    }
    return error_is_of_rows(err) &&
           pg_run(pg, "ROLLBACK TO SAVEPOINT rows; RELEASE SAVEPOINT rows", err);
}

/* All at once; should one be refused, one by one, to see which. */
static bool delete_rows(struct swap *swap, struct error *err)
{
    bool refused = false;
    if (!delete_or_undo(swap, 0, swap->count, &refused, err)) {
        return false;
    }
    for (size_t i = 0; i < swap->count && refused; i++) {
        bool refused_alone = false;
        if (!delete_or_undo(swap, i, i + 1, &refused_alone, err)) {
            return false;
        }
        if (refused_alone) {
            swap->attempt.work->verdicts[i] = VERDICT_REFUSED_BY_TARGET;
        }
    }
    return true;
}

/* Those that were refused leave the set; the order of the others stays. */
static bool shrink(struct swap *swap)
{
    size_t kept = 0;
    for (size_t i = 0; i < swap->count; i++) {
        if (swap->attempt.work->verdicts[i] == VERDICT_WRITE) {
            swap->entries[kept++] = swap->entries[i];
        }
    }
    bool shrunk = kept < swap->count;
    swap->count = kept;
    return shrunk;
}

static void begin_round(struct attempt *attempt)
{
    attempt->work_count = 1;
    attempt->rejects_count = 0;
    for (size_t i = 0; i < attempt->slots_count; i++) {
        attempt->slots[i]->counters = (struct partition_counters){0};
    }
}

/* ret_fits: none was refused, and all of it is written. Otherwise nothing is, and the set smaller.
 */
static bool try_round(struct swap *swap, bool *ret_fits, struct error *err)
{
    struct attempt *attempt = &swap->attempt;
    begin_round(attempt);
    if (!table_work_make(attempt->work, table_of(swap), swap->entries, swap->count, attempt->arena,
                         err) ||
        !pg_run(attempt->pg, "SAVEPOINT swap", err) || !delete_rows(swap, err)) {
        return false;
    }
    bool shrunk = shrink(swap);
    if (!shrunk) {
        if (!attempt_write(attempt, err)) {
            return false;
        }
        shrunk = shrink(swap);
    }
    *ret_fits = !shrunk;
    return pg_run(attempt->pg,
                  shrunk ? "ROLLBACK TO SAVEPOINT swap; RELEASE SAVEPOINT swap"
                         : "RELEASE SAVEPOINT swap",
                  err);
}

/* The largest set that fits; count 0 when there is none, or not within the time. */
static bool find_set(struct swap *swap, struct error *err)
{
    bool fits = false;
    while (!fits) {
        if (swap->count < 2 || clock_ms() >= swap->deadline_ms) {
            swap->count = 0;
            return true;
        }
        struct arena_mark mark = arena_mark(swap->attempt.arena);
        bool tried = try_round(swap, &fits, err);
        arena_rollback(swap->attempt.arena, mark);
        if (!tried) {
            return false;
        }
    }
    return true;
}

/* ---- the transaction ---- */

/* Copies of ours and of the others, which we only lock and count: slot 0 is the one in hand. */
static void make_slots(struct attempt *attempt, const struct partition *partition,
                       const int32_t *numbers, size_t count)
{
    struct partition *copies = arena_must_alloc(attempt->arena, (count + 1) * sizeof *copies);
    struct partition **slots = arena_must_alloc(attempt->arena, (count + 1) * sizeof(void *));
    copies[0] = *partition;
    slots[0] = &copies[0];
    size_t used = 1;
    for (size_t i = 0; i < count; i++) {
        if (numbers[i] != partition->number) {
            copies[used] = (struct partition){.topic = partition->topic, .number = numbers[i]};
            slots[used] = &copies[used];
            used++;
        }
    }
    attempt->slots = slots;
    attempt->slots_count = used;
    attempt->touched = slots;
    attempt->touched_count = 1; /* what the compare-and-set moves */
}

static size_t slot_of(const struct attempt *attempt, int32_t number)
{
    size_t slot = 0;
    while (slot < attempt->slots_count && attempt->slots[slot]->number != number) {
        slot++;
    }
    REQUIRE(slot < attempt->slots_count);
    return slot;
}

static bool read_set(struct swap *swap, const int32_t *numbers, size_t numbers_count,
                     size_t bytes_max, struct error *err)
{
    struct attempt *attempt = &swap->attempt;
    struct parked_row *rows = NULL;
    size_t count = 0;
    if (!ledger_blocked(attempt->pg, attempt->apply->run, attempt->slots[0]->topic->name, numbers,
                        numbers_count, ROWS_MAX, bytes_max, attempt->arena, &rows, &count, err)) {
        return false;
    }
    struct batch_entry *entries = arena_must_alloc(attempt->arena, (count + 1) * sizeof *entries);
    swap->entries = arena_must_alloc(attempt->arena, (count + 1) * sizeof *swap->entries);
    for (size_t i = 0; i < count; i++) {
        if (!parked_entry(table_of(swap), &rows[i], attempt->arena, &entries[i], err)) {
            return false;
        }
        entries[i].slot = slot_of(attempt, rows[i].partition);
        swap->entries[i] = &entries[i];
    }
    swap->count = count;
    attempt->work = arena_must_alloc(attempt->arena, sizeof *attempt->work);
    attempt->rejects = arena_must_alloc(attempt->arena, (count + 1) * sizeof *attempt->rejects);
    return true;
}

static bool note_applied(struct swap *swap, struct swap_result *result, struct error *err)
{
    struct attempt *attempt = &swap->attempt;
    const struct batch_entry **applied =
        arena_must_alloc(attempt->arena, (swap->count + 1) * sizeof *applied);
    result->rows = swap->count;
    for (size_t i = 0; i < swap->count; i++) {
        applied[i] = swap->entries[i];
        result->rows_here += applied[i]->slot == 0;
    }
    uint64_t removed = 0;
    return swap->count == 0 || ledger_unreject(attempt->pg, attempt->apply->run, table_of(swap),
                                               applied, swap->count, attempt->arena, &removed, err);
}

/* Inside the transaction, with all locks. */
static bool swap_rows(struct swap *swap, const int32_t *numbers, size_t numbers_count,
                      size_t bytes_max, struct swap_result *result, struct error *err)
{
    return read_set(swap, numbers, numbers_count, bytes_max, err) && make_stages(swap, err) &&
           find_set(swap, err) && note_applied(swap, result, err);
}

static bool run(struct swap *swap, const struct partition *partition, size_t bytes_max,
                struct swap_result *result, enum apply_outcome *ret_outcome, struct error *err)
{
    struct attempt *attempt = &swap->attempt;
    int32_t *numbers = NULL;
    size_t count = 0;
    bool fenced = false;
    if (!attempt_start(attempt, err)) {
        return false;
    }
    if (!ledger_blocked_lock(attempt->pg, attempt->apply->run, partition, attempt->arena, &numbers,
                             &count, err)) {
        attempt_roll_back(attempt);
        return false;
    }
    make_slots(attempt, partition, numbers, count);
    if (!attempt_fence(attempt, &fenced, err)) {
        return false;
    }
    if (fenced) {
        *ret_outcome = APPLY_FENCED;
        return true;
    }
    if (!swap_rows(swap, numbers, count, bytes_max, result, err)) {
        attempt_roll_back(attempt);
        return false;
    }
    if (swap->count == 0) {
        attempt_roll_back(attempt);
        *ret_outcome = APPLY_COMMITTED;
        return true;
    }
    RH_FAILPOINT("after_swap");
    attempt->touched_count = attempt->slots_count; /* all of them are counted */
    return attempt_commit(attempt, ret_outcome, err);
}

bool swap_parked(struct apply *apply, struct pg *pg, const struct partition *partition,
                 size_t bytes_max, struct arena *arena, struct swap_result *ret_result,
                 enum apply_outcome *ret_outcome, struct error *err)
{
    REQUIRE(!partition->touched);
    bool harmless = false;
    if (!is_harmless(pg, partition->topic->table, &harmless, err)) {
        return false;
    }
    struct swap_result result = {0};
    bool done = true;
    *ret_outcome = APPLY_COMMITTED;
    if (harmless) {
        struct arena_mark mark = arena_mark(arena);
        struct swap swap = {.attempt = {.apply = apply, .pg = pg, .arena = arena, .careful = true},
                            .deadline_ms = clock_ms() + TRY_MS_MAX};
        done = run(&swap, partition, bytes_max, &result, ret_outcome, err);
        arena_rollback(arena, mark);
    }
    *ret_result = result;
    return done;
}
