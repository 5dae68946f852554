/*
 * checkpoint -- what would be resumed from, as far as it is durable.
 *
 * In:     candidates in enqueue order, the position up to which everything was acknowledged.
 * Out:    the checkpoint record of this generation, when it changed.
 * Holds:  a candidate taken at position e counts only when all messages up to e were acknowledged
 * in this generation (I6). Counters are lifetime counters that travel in the candidate, so a page
 * that is read again after a crash is counted once. Never:  locks or does I/O; the publisher's lock
 * guards it.
 *
 * The cursors of a table's ranges are kept as the canonical key of the last row: SQL calls it equal
 * to the row's own key, so it pages from the same place.
 */
#ifndef RH_PRODUCER_CHECKPOINT_H
#define RH_PRODUCER_CHECKPOINT_H

#include "producer/table_position.h"

#include "common/run.h"
#include "common/state_topic.h"

#include <stdbool.h>
#include <stdint.h>

/* Pages read, but not yet acknowledged; more of them wait. */
#define CANDIDATES_MAX 64

enum candidate_kind {
    CANDIDATE_PAGE,  /* a range of a table has come as far as `key`, or has ended */
    CANDIDATE_LEVEL, /* all tables below `level` are done and applied */
    CANDIDATE_ENDED, /* the end barrier is enqueued */
};

struct candidate {
    enum candidate_kind kind;
    uint64_t position;
    uint64_t bytes; /* of messages since the last candidate of this range */
    size_t table;   /* PAGE: index in the plan */
    size_t range;
    struct bytes key;
    bool range_ended;
    uint64_t rows;                 /* that the page adds to the table's counters */
    struct wire_progress progress; /* the table's counters with it; last_key is not used */
    uint32_t level;                /* LEVEL */
};

struct checkpointer {
    const struct run *run;
    uint64_t generation;
    struct arena arena; /* keys: grows to the longest of each slot */
    struct queued_candidate {
        struct candidate candidate;
        struct buffer key;
    } queue[CANDIDATES_MAX];
    size_t queue_first, queue_count;

    struct table_position *tables; /* in the plan's order */
    uint32_t level;
    bool ended;

    bool changed;           /* since the last record */
    uint64_t bytes_unsaved; /* of messages that the last record does not cover */
    int64_t written_ms;     /* when the last record was taken */
};

/* `arena` outlives it. */
void checkpointer_init(struct checkpointer *checkpointer, const struct run *run,
                       uint64_t generation, struct arena *arena);
void checkpointer_release(struct checkpointer *checkpointer);
/* Takes over what an earlier generation saved; tables that are not in the plan are an error. */
bool checkpointer_resume(struct checkpointer *checkpointer, const struct checkpoint *saved,
                         struct error *err) RH_MUST_CHECK;

bool checkpointer_has_room(const struct checkpointer *checkpointer);
/*
 * A table of which nothing was read is divided at these keys. There are no messages to wait for:
 * the ranges count at once.
 */
void checkpointer_divide(struct checkpointer *checkpointer, size_t table,
                         const struct bytes *bounds, size_t bounds_count);
/* There must be room. False: the key is longer than any key may be. */
bool checkpointer_add(struct checkpointer *checkpointer, const struct candidate *candidate,
                      struct error *err) RH_MUST_CHECK;
/* Applies the candidates that are durable now. */
void checkpointer_advance(struct checkpointer *checkpointer, uint64_t durable_position);

/* It changed, and checkpoint_ms or 8 MB have passed since the last record. */
bool checkpointer_due(const struct checkpointer *checkpointer, int64_t checkpoint_ms,
                      int64_t now_ms);
/*
 * The record: text in the arena, with the acknowledged sequences of each partition. It counts as
 * written from here on; checkpointer_unsaved takes that back.
 */
const char *checkpointer_record(struct checkpointer *checkpointer, const uint64_t *acked,
                                int64_t now_ms, struct arena *arena);
void checkpointer_unsaved(struct checkpointer *checkpointer);

#endif
