#include "worker/attempt.h"

#include "common/failpoint.h"
#include "common/log.h"

#define REJECTS_LOGGED_MAX 20 /* of a batch; a mapping that is wrong must not flood the log */

/* Entries [from, to) are of one partition. */
static bool remove_rejects_of(struct attempt *attempt, const struct table_work *work, size_t from,
                              size_t to, struct error *err)
{
    const struct batch_entry **applied =
        arena_must_alloc(attempt->arena, (to - from) * sizeof *applied);
    size_t count = 0;
    for (size_t i = from; i < to; i++) {
        if (work->verdicts[i] == VERDICT_WRITE) {
            applied[count++] = work->entries[i];
        }
    }
    uint64_t removed = 0;
    if (count > 0 && !ledger_unreject(attempt->pg, attempt->apply->run, work->table, applied, count,
                                      attempt->arena, &removed, err)) {
        return false;
    }
    attempt_counters(attempt, work->entries[from])->superseded += removed;
    return true;
}

/* An applied key takes its older reject away; asked only where the partition has any. */
static bool remove_rejects(struct attempt *attempt, const struct table_work *work,
                           struct error *err)
{
    for (size_t from = 0, to = 0; from < work->entries_count; from = to) {
        size_t slot = work->entries[from]->slot;
        while (to < work->entries_count && work->entries[to]->slot == slot) {
            to++;
        }
        if (attempt->slots[slot]->open_rejects > 0 &&
            !remove_rejects_of(attempt, work, from, to, err)) {
            return false;
        }
    }
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
        attempt_counters(attempt, rejects[i].entry)->superseded += replaced;
    }
    return true;
}

bool attempt_reject(struct attempt *attempt, struct error *err)
{
    for (size_t i = 0; i < attempt->work_count; i++) {
        const struct table_work *work = &attempt->work[i];
        if (!remove_rejects(attempt, work, err) ||
            !write_rejects(attempt, work->refused, work->refused_count, err)) {
            return false;
        }
    }
    return write_rejects(attempt, attempt->rejects, attempt->rejects_count, err);
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
void attempt_log_rejects(const struct attempt *attempt)
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
