/*
 * attempt -- one transaction on the target, as far as batches and parked rows have it in common.
 *
 * In:     entries transformed into COPY lines, the partitions they came from. Out: rows written,
 *         refusals found, counters; the transaction ended by commit or rollback.
 * Never:  decides whether to try again.
 *
 * A hopeful attempt has no savepoints and ends at the first refusal. A careful one halves a table's
 * entries under savepoints until a refusing source key stands alone (all its target rows succeed or
 * are refused together) and goes on with the others.
 */
#ifndef RH_WORKER_ATTEMPT_H
#define RH_WORKER_ATTEMPT_H

#include "worker/apply.h"
#include "worker/ledger_batch.h"
#include "worker/ledger_rejects.h"
#include "worker/table_work.h"

struct attempt {
    struct apply *apply;
    struct pg *pg;
    struct partition *const *slots; /* what entries' slots index */
    size_t slots_count;
    struct partition **touched; /* those of them that the transaction moves or counts */
    size_t touched_count;
    struct table_work *work; /* parents first, only tables with entries */
    size_t work_count;
    struct arena *arena;
    bool careful;
    struct reject *rejects; /* found by the target in this attempt; room for all entries */
    size_t rejects_count;
};

/* An error of the rows' own, not of the server or of ours. */
bool error_is_of_rows(const struct error *err);

/*
 * BEGIN and the compare-and-set on the touched partitions. ret_fenced: some of them are not ours or
 * not where we thought; the transaction is rolled back then, as on failure.
 */
bool attempt_begin(struct attempt *attempt, bool *ret_fenced, struct error *err) RH_MUST_CHECK;
/* Its two halves, for who must lock more in between. */
bool attempt_start(struct attempt *attempt, struct error *err) RH_MUST_CHECK;
bool attempt_fence(struct attempt *attempt, bool *ret_fenced, struct error *err) RH_MUST_CHECK;
/* All tables, parents first. Errors: ERROR_ROW, ERROR_PARK only when the attempt is hopeful. */
bool attempt_write(struct attempt *attempt, struct error *err) RH_MUST_CHECK;
/* What was refused goes into rowhaul.rejects; what was applied takes older rejects away. */
bool attempt_reject(struct attempt *attempt, struct error *err) RH_MUST_CHECK;
/* Counters, COMMIT, and what follows from it. */
bool attempt_commit(struct attempt *attempt, enum apply_outcome *ret_outcome,
                    struct error *err) RH_MUST_CHECK;
void attempt_roll_back(struct attempt *attempt);

/* The counters of the partition that an entry came from. */
struct partition_counters *attempt_counters(const struct attempt *attempt,
                                            const struct batch_entry *entry);
/* For events, after the commit. */
void attempt_log_rejects(const struct attempt *attempt);

#endif
