/*
 * parked -- rows whose order was wrong (a child before its parent, a unique value that another row
 * has not given up yet) are tried again, by the owner of their partition and under the same
 * compare-and-set as a batch, so that a newer message of the key is never overwritten.
 *
 * Each is tried alone among the others (a careful attempt). What became of a row is in the
 * transaction that tried it: applied, and its reject gone; or refused again, and one try more.
 * After the end barrier, when nothing changes any more anywhere, the rest is dead. Rows that only
 * block each other never get there one by one: worker/swap.h writes them together, and none of them
 * is given up before that was tried.
 */
#ifndef RH_WORKER_PARKED_H
#define RH_WORKER_PARKED_H

#include "worker/apply.h"
#include "worker/ledger_rejects.h"

#include <stdbool.h>
#include <stdint.h>

struct parked_result {
    uint64_t tried;
    uint64_t applied;
    uint64_t dead;    /* refused for a reason that will not change, or given up */
    uint64_t blocked; /* refused again because another row has their place */
};

/*
 * One try of the partition's parked rows. The partition has no message in the batch in hand.
 * Errors  as apply_batch
 */
bool parked_retry(struct apply *apply, struct pg *pg, struct partition *partition, size_t bytes_max,
                  struct arena *arena, struct parked_result *ret_result,
                  enum apply_outcome *ret_outcome, struct error *err) RH_MUST_CHECK;

/*
 * The entry of the batch that the message was when it was refused; its key is made from the row
 * once more. Slot 0.
 */
bool parked_entry(const struct plan_table *table, const struct parked_row *row, struct arena *arena,
                  struct batch_entry *ret_entry, struct error *err) RH_MUST_CHECK;

#endif
