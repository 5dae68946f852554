/*
 * ledger_replay -- a worker's statements on rowhaul.requests and rowhaul.offset_marks: what is
 * asked of the partitions it owns, and where their logs may be read again from.
 */
#ifndef RH_WORKER_LEDGER_REPLAY_H
#define RH_WORKER_LEDGER_REPLAY_H

#include "common/pg.h"
#include "worker/partition.h"

#include <stdbool.h>
#include <stddef.h>

struct replay_request {
    const char *id; /* of its row; in the arena */
    size_t slot;    /* of the partition, as the caller numbers them */
    int64_t from_offset;
    bool only_failed;
    bool dry_run;
};

/* What the row shows; `rows_written` of target rows, the others of messages. */
struct replay_counts {
    uint64_t messages, keys, applied, unchanged, refused, rows_written;
};

/* The oldest request of these partitions that has not ended. */
bool ledger_request_find(struct pg *pg, const struct run *run, struct partition *const *partitions,
                         size_t count, struct arena *arena, bool *ret_found,
                         struct replay_request *ret_request, struct error *err) RH_MUST_CHECK;
/* Its counters start at 0. ret_begun false: it was cancelled. */
bool ledger_request_begin(struct pg *pg, const struct replay_request *request, const char *owner,
                          int64_t to_offset, struct arena *scratch, bool *ret_begun,
                          struct error *err) RH_MUST_CHECK;
bool ledger_request_count(struct pg *pg, const struct replay_request *request,
                          const struct replay_counts *counts, struct arena *scratch,
                          struct error *err) RH_MUST_CHECK;
/* `failure` NULL: it is done. */
bool ledger_request_end(struct pg *pg, const struct replay_request *request,
                        const struct error *failure, struct arena *scratch,
                        struct error *err) RH_MUST_CHECK;

/*
 * Inside a replay's transaction: `applied` of the partition grows by the rejects that are gone, and
 * shrinks by those that are new, so that each message stays in one term of its books.
 */
bool ledger_replay_correct(struct pg *pg, const struct run *run, const struct partition *partition,
                           int64_t applied, struct arena *scratch, struct error *err) RH_MUST_CHECK;

/* The last mark at or before an offset; without one, offset -1. */
bool ledger_mark_before(struct pg *pg, const struct run *run, const struct partition *partition,
                        int64_t offset, struct arena *scratch, int64_t *ret_offset,
                        struct fence *ret_fence, struct error *err) RH_MUST_CHECK;
/* Marks where these partitions stand now; inside the transaction that moved them. */
bool ledger_mark(struct pg *pg, const struct run *run, const struct partition *partition,
                 struct arena *scratch, struct error *err) RH_MUST_CHECK;

/* The next offsets above `after` that rowhaul.rejects has of this partition, in order. */
bool ledger_failed_offsets(struct pg *pg, const struct run *run, const struct partition *partition,
                           int64_t after, struct arena *arena, int64_t **ret_offsets,
                           size_t *ret_count, struct error *err) RH_MUST_CHECK;

#endif
