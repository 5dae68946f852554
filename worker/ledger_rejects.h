/*
 * ledger_rejects -- a worker's statements on rowhaul.rejects: rows that were refused, and rows that
 * wait for others. All of them run inside the transaction of a batch or of a retry.
 */
#ifndef RH_WORKER_LEDGER_REJECTS_H
#define RH_WORKER_LEDGER_REJECTS_H

#include "common/pg.h"
#include "worker/batch.h"
#include "worker/partition.h"

#include <stdbool.h>
#include <stddef.h>

/* A canonical key as a text[] literal in the arena; NULL for an empty key. */
bool ledger_key_text(struct bytes key, size_t parts_count, struct arena *scratch,
                     const char **ret_text, struct error *err) RH_MUST_CHECK;

struct reject {
    const struct batch_entry *entry;
    const struct plan_table *table;
    bool dead; /* else parked */
    const char *sqlstate, *rule, *constraint, *column, *message;
};

/* Writes one reject; an older one of the same key, or of the same message, is replaced
 * (ret_replaced). */
bool ledger_reject(struct pg *pg, const struct run *run, const struct partition *partition,
                   const struct reject *reject, struct arena *scratch, bool *ret_replaced,
                   struct error *err) RH_MUST_CHECK;

/* Removes the rejects of applied keys, of this message or an older one; ret_removed of them. */
bool ledger_unreject(struct pg *pg, const struct run *run, const struct plan_table *table,
                     const struct batch_entry *const *entries, size_t count, struct arena *scratch,
                     uint64_t *ret_removed, struct error *err) RH_MUST_CHECK;

/* ---- parked rows ---- */

struct parked_row {
    int32_t partition;
    int64_t offset;
    uint64_t generation;
    uint64_t sequence;
    uint64_t lsn;
    struct bytes value; /* the message as it stands in Kafka, in the arena */
};

/*
 * The partition's parked rows, those first that were tried least; at most rows_max, and bytes_max
 * of payload unless the first alone is larger.
 */
bool ledger_parked(struct pg *pg, const struct run *run, const struct partition *partition,
                   size_t rows_max, size_t bytes_max, struct arena *arena,
                   struct parked_row **ret_rows, size_t *ret_count,
                   struct error *err) RH_MUST_CHECK;
/* It was refused again, perhaps for another reason. */
bool ledger_parked_refused(struct pg *pg, const struct run *run, const struct reject *reject,
                           struct arena *scratch, struct error *err) RH_MUST_CHECK;
/*
 * After the end barrier: what is still parked is dead once every parked row of the run was tried
 * again after the last change anywhere, and that change is older than age_ms. ret_given_up of this
 * partition's.
 */
bool ledger_parked_give_up(struct pg *pg, const struct run *run, const struct partition *partition,
                           int64_t age_ms, struct arena *scratch, uint64_t *ret_given_up,
                           struct error *err) RH_MUST_CHECK;

/* ---- blocked rows: parked ones whose place another row has (a unique index, an exclusion) ---- */

bool reject_is_blocked(const struct reject *reject);
/*
 * Locks the offsets rows of this partition and of all others of its topic that have blocked rows,
 * in order. Nobody writes a row of those partitions until the transaction ends.
 */
bool ledger_blocked_lock(struct pg *pg, const struct run *run, const struct partition *partition,
                         struct arena *arena, int32_t **ret_numbers, size_t *ret_count,
                         struct error *err) RH_MUST_CHECK;
/* The blocked rows of these partitions of a topic; limits and order as ledger_parked. */
bool ledger_blocked(struct pg *pg, const struct run *run, const char *topic, const int32_t *numbers,
                    size_t numbers_count, size_t rows_max, size_t bytes_max, struct arena *arena,
                    struct parked_row **ret_rows, size_t *ret_count,
                    struct error *err) RH_MUST_CHECK;

#endif
