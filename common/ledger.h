/*
 * ledger -- the `rowhaul` schema on the target: what was applied, rejected, seen (sql/control).
 *
 * Fully qualified SQL only. What several programs read or write has its statement here; the
 * worker's batch statements are worker/ledger_batch.c.
 */
#ifndef RH_COMMON_LEDGER_H
#define RH_COMMON_LEDGER_H

#include "common/pg.h"
#include "common/run.h"

#include <stdbool.h>
#include <stdint.h>

/* Installs or upgrades the schema: every sql/control file in order, idempotent, under a lock. */
bool ledger_install(struct pg *target, struct error *err) RH_MUST_CHECK;
/* False in ret_exists when the schema or its tables are not there. */
bool ledger_exists(struct pg *target, bool *ret_exists, struct error *err) RH_MUST_CHECK;

/* The accounting terms of one table, as of now, on the target. */
struct accounting {
    /* producer, from rowhaul.progress */
    uint64_t rows_read, rows_enqueued, rows_dropped, rows_filtered, rows_estimate;
    bool backfill_done;
    /* worker: sums over rowhaul.offsets, and the current rows of rowhaul.rejects */
    uint64_t accepted, applied, unchanged, deleted, folded, filtered, deduplicated, superseded;
    uint64_t rejected, parked, oversize;
    uint64_t skipped;      /* by the fence: counted apart */
    uint64_t rows_written; /* target rows: counted beside */
    uint64_t bytes_applied;
    uint64_t apply_ms; /* from the first batch's transaction to the end of the last one */
};
bool ledger_accounting(struct pg *target, const struct run *run, size_t table,
                       struct accounting *ret, struct error *err) RH_MUST_CHECK;
bool accounting_producer_balances(const struct accounting *a);
bool accounting_worker_balances(const struct accounting *a);

/* How many partitions of the given topics have not seen the barrier; topics NULL: all of the run.
 */
bool ledger_barrier_missing(struct pg *target, const struct run *run, uint64_t barrier,
                            const struct run_topic *const *topics, size_t topics_count,
                            uint64_t *ret_missing, struct error *err) RH_MUST_CHECK;
bool ledger_run_state(struct pg *target, const char *run_id, struct arena *arena,
                      const char **ret_state, struct error *err) RH_MUST_CHECK;
bool ledger_run_set_state(struct pg *target, const char *run_id, const char *state,
                          struct error *err) RH_MUST_CHECK;

#endif
