/*
 * replay -- a partition's log applied once more, by its owner, up to where it is applied already.
 *
 * In:     a request. Out: each key's target rows as the position next_offset means them; counts.
 * Never:  writes an older image or an intermediate one; moves next_offset; takes more memory than
 *         its limit.
 *
 * Two passes over the log. The first runs the messages through a fence of its own, as they ran
 * through the partition's when they were applied, and finds each key's newest one; the second
 * applies only those, in order. Keys that do not fit into memory together take turns. Each
 * transaction begins with the compare-and-set on the partition's ledger row, which it leaves as it
 * is: whoever is not the owner any more writes nothing.
 *
 * Only rejected keys (`only_failed`) need no first pass: rowhaul.rejects has their offsets, since a
 * later message of a key takes its reject away.
 */
#ifndef RH_WORKER_REPLAY_H
#define RH_WORKER_REPLAY_H

#include "worker/apply.h"
#include "worker/ledger_replay.h"
#include "worker/newest.h"

#include <stdbool.h>

enum replay_outcome {
    REPLAY_DONE,
    REPLAY_LEFT,   /* goes_on said no: the next owner begins anew */
    REPLAY_FENCED, /* the compare-and-set missed: read the ledger again */
};

struct replay {
    /* given */
    const struct config *config;
    const struct run *run;
    struct apply *apply;
    struct pg *target;
    struct batch *batch; /* empty, and the arena of its entries */
    struct arena *batch_arena;
    struct partition *partition; /* owned, nothing of it in hand */
    const struct replay_request *request;
    bool (*goes_on)(void *context); /* asked several times a second; keeps the group alive, too */
    void *context;
    /* found */
    struct replay_counts counts;
    /* its own */
    struct arena arena; /* of a turn */
    struct newest newest;
    struct fence fence;     /* of the first pass */
    const int64_t *offsets; /* of the second pass: what is to be applied */
    size_t offsets_count;
    size_t offsets_taken;
    uint64_t messages_seen;
    int64_t counted_ms;
    bool first_turn; /* the one that counts messages */
    bool full;       /* the turn's keys do not fit into memory */
    enum replay_outcome outcome;
};

/*
 * Errors  ERROR_RETRY  the target or Kafka is away: begin anew later
 *         ERROR_STOP   this request can never be done
 * After a failure or REPLAY_LEFT the batch is not empty.
 */
bool replay_run(struct replay *replay, enum replay_outcome *ret_outcome,
                struct error *err) RH_MUST_CHECK;

#endif
