#include "worker/attempt.h"

#include "common/failpoint.h"
#include "worker/ledger_replay.h"

#include <inttypes.h>
#include <stdio.h>

bool error_is_of_rows(const struct error *err)
{
    return err->action == ERROR_ROW || err->action == ERROR_PARK;
}

struct partition_counters *attempt_counters(const struct attempt *attempt,
                                            const struct batch_entry *entry)
{
    return &attempt->slots[entry->slot]->counters;
}

/* ---- beginning ---- */

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

static bool begin(struct attempt *attempt, struct error *err)
{
    char sql[160];
    (void)snprintf(sql, sizeof sql,
                   "BEGIN; SET LOCAL statement_timeout = %" PRIu64
                   "; SET CONSTRAINTS ALL IMMEDIATE",
                   attempt->apply->statement_timeout_ms);
    return pg_run(attempt->pg, sql, err);
}

bool attempt_start(struct attempt *attempt, struct error *err)
{
    forget(attempt);
    if (!begin(attempt, err)) {
        attempt_roll_back(attempt);
        return false;
    }
    return true;
}

bool attempt_fence(struct attempt *attempt, bool *ret_fenced, struct error *err)
{
    size_t moved = 0;
    if (!ledger_advance(attempt->pg, attempt->apply->run, attempt->touched, attempt->touched_count,
                        attempt->arena, &moved, err)) {
        attempt_roll_back(attempt);
        return false;
    }
    *ret_fenced = moved < attempt->touched_count;
    if (*ret_fenced) {
        attempt_roll_back(attempt);
        return true;
    }
    RH_FAILPOINT("after_fence_update");
    return true;
}

bool attempt_begin(struct attempt *attempt, bool *ret_fenced, struct error *err)
{
    RH_FAILPOINT("before_batch");
    return attempt_start(attempt, err) && attempt_fence(attempt, ret_fenced, err);
}

/* ---- ending ---- */

void attempt_roll_back(struct attempt *attempt)
{
    struct error failed;
    if (pg_is_open(attempt->pg) && !pg_run(attempt->pg, "ROLLBACK", &failed)) {
        pg_close(attempt->pg); /* the server rolls back what it lost sight of */
    }
    apply_each_writer(attempt->apply, writer_rolled_back);
}

/* Of a replay's messages, those that were refused before and are not now, or the other way round.
 */
static bool correct_books(struct attempt *attempt, struct error *err)
{
    size_t refused = attempt->rejects_count;
    for (size_t i = 0; i < attempt->work_count; i++) {
        refused += attempt->work[i].refused_count;
    }
    const struct partition *partition = attempt->touched[0];
    int64_t applied = (int64_t)partition->counters.superseded - (int64_t)refused;
    return ledger_replay_correct(attempt->pg, attempt->apply->run, partition, applied,
                                 attempt->arena, err);
}

static bool write_books(struct attempt *attempt, struct error *err)
{
    if (attempt->apply->replay != NULL) {
        return correct_books(attempt, err);
    }
    return ledger_count(attempt->pg, attempt->apply->run, attempt->touched, attempt->touched_count,
                        attempt->arena, err);
}

bool attempt_commit(struct attempt *attempt, enum apply_outcome *ret_outcome, struct error *err)
{
    if (!write_books(attempt, err)) {
        attempt_roll_back(attempt);
        return false;
    }
    if (attempt->apply->replay != NULL && attempt->apply->replay->dry_run) {
        attempt_roll_back(attempt);
        *ret_outcome = APPLY_COMMITTED;
        return true;
    }
    RH_FAILPOINT("before_commit");
    if (!pg_run(attempt->pg, "COMMIT", err)) {
        if (!pg_is_open(attempt->pg)) {
            *ret_outcome = APPLY_UNKNOWN;
            return true;
        }
        apply_each_writer(attempt->apply, writer_rolled_back);
        return false;
    }
    RH_FAILPOINT("after_commit");
    apply_each_writer(attempt->apply, writer_committed);
    *ret_outcome = APPLY_COMMITTED;
    return true;
}
