/*
 * ledger_batch -- a worker's statements on the `rowhaul` schema: claiming partitions, and what goes
 * into the transaction of each batch.
 *
 * The order inside a transaction: advance (first, the compare-and-set), the target's rows, rejects,
 * then count and mark. All rows of rowhaul.offsets are locked in (topic, partition) order, so two
 * lanes that overlap during a rebalance wait for one another instead of dead-locking.
 */
#ifndef RH_WORKER_LEDGER_BATCH_H
#define RH_WORKER_LEDGER_BATCH_H

#include "common/pg.h"
#include "worker/batch.h"
#include "worker/partition.h"

#include <stdbool.h>
#include <stddef.h>

/* Two parallel arrays that name partitions in a statement, in the caller's order. */
struct partition_names {
    const char *topics;
    const char *numbers;
};
struct partition_names ledger_names(struct partition *const *partitions, size_t count,
                                    struct arena *scratch);

/*
 * Takes ownership: epoch + 1 and our name, in a transaction of its own; fills the committed half of
 * each partition. A partition without a ledger row is ERROR_STOP (RUN_MISSING).
 */
bool ledger_claim(struct pg *pg, const struct run *run, struct partition *const *partitions,
                  size_t count, const char *owner, struct arena *scratch,
                  struct error *err) RH_MUST_CHECK;

/* Reads the rows again without taking them: after an unknown COMMIT or a lost compare-and-set. */
bool ledger_reread(struct pg *pg, const struct run *run, struct partition *const *partitions,
                   size_t count, struct arena *scratch, int64_t *ret_next_offsets,
                   int64_t *ret_epochs, struct error *err) RH_MUST_CHECK;

/*
 * The first statement of a batch: moves next_offset from the committed to the read position where
 * offset and epoch are still ours. ret_moved < count: somebody else owns or has applied some.
 */
bool ledger_advance(struct pg *pg, const struct run *run, struct partition *const *partitions,
                    size_t count, struct arena *scratch, size_t *ret_moved,
                    struct error *err) RH_MUST_CHECK;

/* The batch's counters, barriers, progress and marks; last before COMMIT. */
bool ledger_count(struct pg *pg, const struct run *run, struct partition *const *partitions,
                  size_t count, struct arena *scratch, struct error *err) RH_MUST_CHECK;

#endif
