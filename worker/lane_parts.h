/*
 * lane_parts -- what the files of the lane share; nobody else includes it.
 *
 * lane.c is the loop, lane_read.c makes messages into the batch in hand, lane_apply.c makes the
 * batch into a transaction, whatever happens to the target meanwhile; lane_parked.c and
 * lane_replay.c do what comes between batches.
 */
#ifndef RH_WORKER_LANE_PARTS_H
#define RH_WORKER_LANE_PARTS_H

#include "common/clock.h"
#include "worker/apply.h"
#include "worker/assignment.h"
#include "worker/lane.h"

struct lane {
    const struct config *config;
    const struct run *run;
    const struct lane_options *options;
    const char *owner;
    struct pg target;
    struct assignment assignment;
    struct apply apply;
    struct batch batch;
    struct arena arena; /* the batch's lifetime */
    struct backoff reconnect;
    int64_t refusal_shown_ms;
    size_t rows_limit;      /* shrinks when the target cannot take a batch in time, grows again */
    int64_t batch_began_ms; /* 0: nothing read since the last commit */
    bool batch_must_close;  /* a barrier was read, or the batch is full */
    uint32_t attempts;      /* at the batch in hand */
    int64_t progress_shown_ms;
    int64_t requests_at_ms; /* when rowhaul.requests is looked at next; 0: at once */
    bool requests_done;     /* nothing was asked of our partitions when it was looked at last */
};

/* ---- the batch in hand ---- */

void lane_forget_batch(struct lane *lane);
/* Forgets it and reads again from the ledger's offsets. */
bool lane_drop_batch(struct lane *lane, struct error *err) RH_MUST_CHECK;

/*
 * A message, or what the consumer reports instead of one, becomes part of the batch; a batch
 * without room for it is flushed first.
 */
bool lane_take_message(struct lane *lane, const rd_kafka_message_t *message,
                       struct error *err) RH_MUST_CHECK;

/* Until the batch is committed or not ours any more; without one, nothing. */
bool lane_flush(struct lane *lane, struct error *err) RH_MUST_CHECK;

/*
 * Tries parked rows again where it is time to. Between batches only: a retry is a transaction of
 * its own on the partition's ledger row.
 */
bool lane_retry_parked(struct lane *lane, struct error *err) RH_MUST_CHECK;

/*
 * Once a second: replays what is requested of the partitions that are ours. The batch in hand is
 * committed first. ERROR_STOP only where the lane itself cannot go on.
 */
bool lane_replay_requested(struct lane *lane, struct error *err) RH_MUST_CHECK;

/* ---- the target ---- */

/* Until it answers, or refuses for good, or we are asked to leave (ERROR_RETRY). */
bool lane_connect_target(struct lane *lane, struct error *err) RH_MUST_CHECK;
void lane_lose_target(struct lane *lane, const struct error *err);
/*
 * Reads the ledger again after an unknown COMMIT, a reconnect or a missed compare-and-set, and acts
 * on what it says.
 */
bool lane_settle(struct lane *lane, struct error *err) RH_MUST_CHECK;
/* The connection is given up, a pause, then connect and settle: for what repeating may mend. */
bool lane_recover(struct lane *lane, struct error *err) RH_MUST_CHECK;

#endif
