/*
 * partition -- what a lane knows of one partition it owns: where the ledger stands, and how far the
 * batch in hand goes beyond it.
 *
 * `ledger` is what the target has committed; `ahead` and the counters are the batch's. A batch that
 * is dropped copies ledger over ahead again, and reading starts over from next_offset.
 */
#ifndef RH_WORKER_PARTITION_H
#define RH_WORKER_PARTITION_H

#include "common/run.h"
#include "worker/fence.h"

#include <stdbool.h>
#include <stdint.h>

#define PARTITION_BARRIERS_MAX 4 /* in one batch; one more closes the batch */

/* The batch's share of the accounting identity; columns of rowhaul.offsets of the same names. */
struct partition_counters {
    uint64_t accepted, applied, unchanged, deleted, folded, filtered, deduplicated, superseded;
    uint64_t skipped, rows_written, bytes_applied;
};

struct partition {
    const struct run_topic *topic;
    int32_t number;
    bool owned;
    /* committed, as in rowhaul.offsets */
    int64_t next_offset;
    int64_t epoch;
    struct fence ledger;
    uint64_t open_rejects; /* rows of rowhaul.rejects that came from here; at least */
    uint64_t open_parked;  /* those of them that wait for another row; at least */
    bool ended;            /* the end barrier is applied: what is parked is decided soon */
    /* when parked rows are tried again */
    int64_t retry_at_ms;
    int64_t retry_pause_ms;
    int64_t swapped_at_ms; /* when those that block each other were last tried together; 0: never */
    int64_t marked_ms;     /* when rowhaul.offset_marks got its last row from here */
    /* the batch in hand */
    bool touched; /* a message was read since the last commit */
    int64_t read_offset;
    struct fence ahead;
    struct partition_counters counters;
    uint64_t barriers[PARTITION_BARRIERS_MAX];
    uint32_t barriers_count;
    bool marks; /* this batch writes one */
    bool has_progress;
    struct wire_progress progress; /* the newest; last_key is in the batch arena */
};

#endif
