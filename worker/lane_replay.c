#include "worker/lane_parts.h"

#include "common/log.h"
#include "common/shutdown.h"
#include "worker/replay.h"

#define LOOK_EVERY_MS     1000
#define REQUEST_BYTES_MAX ((size_t)1 << 20) /* its row, and the names of our partitions */

static bool goes_on(void *context)
{
    struct lane *lane = context;
    return assignment_stay(&lane->assignment) && !shutdown_requested();
}

static void log_begin(const struct partition *partition)
{
    log_event(LEVEL_INFO, "replay_begun", F_STR("table", partition->topic->table->id),
              F_STR("topic", partition->topic->name), F_INT("partition", partition->number),
              F_INT("offset", partition->next_offset));
}

static void log_end(const struct partition *partition, const struct replay_counts *counts)
{
    log_event(LEVEL_INFO, "replay_done", F_STR("table", partition->topic->table->id),
              F_STR("topic", partition->topic->name), F_INT("partition", partition->number),
              F_INT("offset", partition->next_offset), F_INT("keys", counts->keys),
              F_INT("applied", counts->applied), F_INT("refused", counts->refused));
}

/* The request is what failed, not the lane: its owner reads why in rowhaul.requests. */
static bool note_failure(struct lane *lane, const struct replay *replay, struct error *failure,
                         struct error *err)
{
    log_error(LEVEL_WARN, "request_failed", failure);
    return ledger_request_end(&lane->target, replay->request, failure, &lane->arena, err);
}

static bool note_end(struct lane *lane, const struct replay *replay, enum replay_outcome outcome,
                     struct error *err)
{
    switch (outcome) {
    case REPLAY_DONE:
        log_end(replay->partition, &replay->counts);
        lane->requests_at_ms = 0; /* there may be more */
        return ledger_request_count(&lane->target, replay->request, &replay->counts, &lane->arena,
                                    err) &&
               ledger_request_end(&lane->target, replay->request, NULL, &lane->arena, err);
    case REPLAY_FENCED:
        return lane_settle(lane, err);
    case REPLAY_LEFT:
        return true;
    }
    return true;
}

/* With nothing of the owned partitions in hand or on its way. */
static bool run_replay(struct lane *lane, struct replay *replay, struct error *err)
{
    enum replay_outcome outcome = REPLAY_DONE;
    log_begin(replay->partition);
    if (replay_run(replay, &outcome, err)) {
        return note_end(lane, replay, outcome, err);
    }
    if (err->action == ERROR_RETRY) {
        log_error(LEVEL_WARN, "replay_retried", err);
        return pg_is_open(&lane->target) || lane_recover(lane, err);
    }
    struct error failure = *err;
    return note_failure(lane, replay, &failure, err);
}

/* The lane's arena is the batch's: a request outlives it. */
static bool find_request(struct lane *lane, struct arena *arena, bool *ret_found,
                         struct replay_request *request, struct error *err)
{
    const struct assignment *assignment = &lane->assignment;
    bool begun = false;
    if (!ledger_request_find(&lane->target, lane->run, assignment->owned, assignment->owned_count,
                             arena, ret_found, request, err)) {
        return false;
    }
    lane->requests_done = !*ret_found;
    if (*ret_found &&
        !ledger_request_begin(&lane->target, request, lane->owner,
                              assignment->owned[request->slot]->next_offset, arena, &begun, err)) {
        return false;
    }
    *ret_found = begun;
    return true;
}

static bool do_requested(struct lane *lane, struct arena *arena, struct error *err)
{
    struct replay_request request;
    bool found = false;
    if (!find_request(lane, arena, &found, &request, err)) {
        return false;
    }
    if (!found) {
        return true;
    }
    struct replay replay = {
        .config = lane->config,
        .run = lane->run,
        .apply = &lane->apply,
        .target = &lane->target,
        .batch = &lane->batch,
        .batch_arena = &lane->arena,
        .partition = lane->assignment.owned[request.slot],
        .request = &request,
        .goes_on = goes_on,
        .context = lane,
    };
    if (!assignment_rest(&lane->assignment, err)) {
        return false;
    }
    bool done = run_replay(lane, &replay, err);
    lane_forget_batch(lane);
    /* Also after a failure: what may be repeated is repeated by the lane as it goes on. */
    struct error not_back;
    if (lane->assignment.pending || assignment_rewind(&lane->assignment, &not_back)) {
        return done;
    }
    *err = done ? not_back : *err;
    return false;
}

bool lane_replay_requested(struct lane *lane, struct error *err)
{
    if (clock_ms() < lane->requests_at_ms || lane->assignment.owned_count == 0) {
        return true;
    }
    if (!lane_flush(lane, err)) {
        return false;
    }
    if (lane->batch_began_ms != 0 || lane->assignment.pending) {
        return true;
    }
    lane->requests_at_ms = clock_ms() + LOOK_EVERY_MS;
    struct arena arena;
    arena_init(&arena, REQUEST_BYTES_MAX);
    bool done = do_requested(lane, &arena, err);
    arena_release(&arena);
    return done || (err->action == ERROR_RETRY && lane_recover(lane, err));
}
