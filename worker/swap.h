/*
 * swap -- parked rows that only block each other are written together: the target has {1: a, 2: b}
 * and the source {1: b, 2: a}; each row alone collides with the other one for ever.
 *
 * In:     the parked rows of a table that were refused because another row has their place (a
 *         unique index, an exclusion), of all partitions, whoever owns them.
 * Out:    the largest set of them that fits when all of it is written at once: its target rows
 *         deleted, its images inserted, its rejects gone and counted as applied in their own
 *         partitions. One transaction.
 *
 * Also worth it is a long chain whose end is free: retries one by one would take as many of them.
 *
 * The set is found by trying, for nobody knows which row blocks which: all rows are deleted and
 * inserted under a savepoint; those that refuse leave the set, the savepoint is rolled back, and
 * the rest is tried again until all of it fits or fewer than two rows are left. When two images
 * want the same value, the one that was tried less, then the one that came first, has it.
 *
 * Locks, in order: the offsets rows of all partitions concerned, by (topic, partition) like a
 * batch's; the compare-and-set on ours; target rows. Every write to a key's target row happens in a
 * transaction that moves or locks the offsets row of its partition first, so under these locks a
 * parked row is the newest image of its key, and no owner writes beside us. Only values can still
 * meet a batch of a partition that has no blocked row: we wait for its unique value or foreign key
 * and it waits for ours. PostgreSQL ends one of the two (40P01): a batch is repeated, a swap is
 * tried again with the next retry.
 *
 * Not tried where deleting a row would change others: a foreign key with ON DELETE CASCADE, SET
 * NULL or SET DEFAULT refers to the table, or it has an enabled DELETE trigger; nor where the role
 * may not delete. A row that children refer to (NO ACTION, RESTRICT) leaves the set. Columns that
 * the mapping does not write get their defaults.
 */
#ifndef RH_WORKER_SWAP_H
#define RH_WORKER_SWAP_H

#include "worker/apply.h"

#include <stdbool.h>
#include <stdint.h>

struct swap_result {
    uint64_t rows;      /* written, of all partitions */
    uint64_t rows_here; /* those of them that were parked in the partition in hand */
};

/*
 * One try, by the owner of a partition with blocked rows; it has no message in the batch in hand.
 * APPLY_COMMITTED also stands for nothing done: ret_result->rows is 0 then.
 * Errors  as apply_batch; whatever the target said, the parked rows are as they were.
 */
bool swap_parked(struct apply *apply, struct pg *pg, const struct partition *partition,
                 size_t bytes_max, struct arena *arena, struct swap_result *ret_result,
                 enum apply_outcome *ret_outcome, struct error *err) RH_MUST_CHECK;

#endif
