#include "worker/parked.h"

#include "common/clock.h"
#include "common/failpoint.h"
#include "worker/attempt.h"

#define ROWS_MAX      500 /* of one try */
#define KEY_BYTES_MAX ((size_t)1 << 20)

static bool no_room(struct error *err)
{
    return error_stop(err, EXIT_INTERNAL, "RH-7001",
                      "parked rows do not fit into the memory limit");
}

bool parked_entry(const struct plan_table *table, const struct parked_row *row, struct arena *arena,
                  struct batch_entry *ret_entry, struct error *err)
{
    struct wire_message message;
    if (!read_wire_message(row->value, arena, &message, err)) {
        return error_wrap(err, "parked row of offset %lld", (long long)row->offset);
    }
    struct buffer key;
    buffer_init(&key, arena, KEY_BYTES_MAX);
    if (!key_write(&key, message.row.values, table->key, table->key_kinds, table->key_count, err)) {
        return false;
    }
    *ret_entry = (struct batch_entry){
        .table = table->index,
        .offset = row->offset,
        .kind = message.header.kind,
        .generation = row->generation,
        .sequence = row->sequence,
        .lsn = row->lsn,
        .key = buffer_bytes(&key),
        .value = row->value,
        .row = message.row,
    };
    return !key.failed || no_room(err);
}

static bool make_work(struct attempt *attempt, size_t bytes_max, struct error *err)
{
    const struct partition *partition = attempt->slots[0];
    const struct plan_table *table = partition->topic->table;
    struct parked_row *rows = NULL;
    size_t count = 0;
    if (!ledger_parked(attempt->pg, attempt->apply->run, partition, ROWS_MAX, bytes_max,
                       attempt->arena, &rows, &count, err)) {
        return false;
    }
    struct batch_entry *entries = arena_must_alloc(attempt->arena, (count + 1) * sizeof *entries);
    struct batch_entry **order = arena_must_alloc(attempt->arena, (count + 1) * sizeof(void *));
    for (size_t i = 0; i < count; i++) {
        if (!parked_entry(table, &rows[i], attempt->arena, &entries[i], err)) {
            return false;
        }
        order[i] = &entries[i];
    }
    attempt->work = arena_must_alloc(attempt->arena, sizeof *attempt->work);
    attempt->work_count = count > 0;
    attempt->rejects = arena_must_alloc(attempt->arena, (count + 1) * sizeof *attempt->rejects);
    return count == 0 || table_work_make(attempt->work, table, order, count, attempt->arena, err);
}

static bool note_refused(struct attempt *attempt, const struct reject *rejects, size_t count,
                         struct parked_result *result, struct error *err)
{
    for (size_t i = 0; i < count; i++) {
        if (!ledger_parked_refused(attempt->pg, attempt->apply->run, &rejects[i], attempt->arena,
                                   err)) {
            return false;
        }
        result->dead += rejects[i].dead;
        result->blocked += reject_is_blocked(&rejects[i]);
    }
    return true;
}

static bool note_applied(struct attempt *attempt, struct parked_result *result, struct error *err)
{
    const struct table_work *work = attempt->work;
    const struct batch_entry **applied =
        arena_must_alloc(attempt->arena, work->entries_count * sizeof *applied);
    for (size_t i = 0; i < work->entries_count; i++) {
        if (work->verdicts[i] == VERDICT_WRITE) {
            applied[result->applied++] = work->entries[i];
        }
    }
    result->tried = work->entries_count;
    uint64_t removed = 0;
    return result->applied == 0 ||
           ledger_unreject(attempt->pg, attempt->apply->run, work->table, applied, result->applied,
                           attempt->arena, &removed, err);
}

/*
 * A row that was applied just now is a change that the ledger does not show yet. Blocked rows are
 * given up only when they were tried together after the last change.
 */
static bool give_up(struct attempt *attempt, struct parked_result *result, struct error *err)
{
    const struct partition *partition = attempt->slots[0];
    if (!partition->ended || result->applied > 0 ||
        (result->blocked > 0 && partition->swapped_at_ms == 0)) {
        return true;
    }
    uint64_t given_up = 0;
    int64_t age_ms = result->blocked > 0 ? clock_ms() - partition->swapped_at_ms : 0;
    if (!ledger_parked_give_up(attempt->pg, attempt->apply->run, partition, age_ms, attempt->arena,
                               &given_up, err)) {
        return false;
    }
    result->dead += given_up;
    return true;
}

/* Inside the transaction. */
static bool try_rows(struct attempt *attempt, size_t bytes_max, struct parked_result *result,
                     struct error *err)
{
    if (!make_work(attempt, bytes_max, err)) {
        return false;
    }
    if (attempt->work_count > 0 &&
        (!attempt_write(attempt, err) ||
         !note_refused(attempt, attempt->work->refused, attempt->work->refused_count, result,
                       err) ||
         !note_refused(attempt, attempt->rejects, attempt->rejects_count, result, err) ||
         !note_applied(attempt, result, err))) {
        return false;
    }
    return give_up(attempt, result, err);
}

static bool retry(struct attempt *attempt, size_t bytes_max, struct parked_result *ret_result,
                  enum apply_outcome *ret_outcome, struct error *err)
{
    bool fenced = false;
    if (!attempt_begin(attempt, &fenced, err)) {
        return false;
    }
    if (fenced) {
        *ret_outcome = APPLY_FENCED;
        return true;
    }
    if (!try_rows(attempt, bytes_max, ret_result, err)) {
        attempt_roll_back(attempt);
        return false;
    }
    RH_FAILPOINT("after_parked_retry");
    return attempt_commit(attempt, ret_outcome, err);
}

bool parked_retry(struct apply *apply, struct pg *pg, struct partition *partition, size_t bytes_max,
                  struct arena *arena, struct parked_result *ret_result,
                  enum apply_outcome *ret_outcome, struct error *err)
{
    REQUIRE(!partition->touched);
    struct arena_mark mark = arena_mark(arena);
    struct partition *slots[] = {partition};
    struct attempt attempt = {.apply = apply,
                              .pg = pg,
                              .slots = slots,
                              .slots_count = 1,
                              .touched = slots,
                              .touched_count = 1,
                              .arena = arena,
                              .careful = true};
    struct parked_result result = {0};
    bool done = retry(&attempt, bytes_max, &result, ret_outcome, err);
    partition->counters = (struct partition_counters){0};
    arena_rollback(arena, mark);
    *ret_result = result;
    return done;
}
