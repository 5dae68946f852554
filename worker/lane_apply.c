#include "worker/lane_parts.h"

#include "common/log.h"
#include "common/shutdown.h"
#include "worker/ledger_batch.h"

#include <string.h>

#define REFUSAL_SHOWN_MS 10000

/* ---- the batch in hand ---- */

void lane_forget_batch(struct lane *lane)
{
    batch_reset(&lane->batch);
    arena_reset(&lane->arena);
    lane->batch_began_ms = 0;
    lane->batch_must_close = false;
    lane->attempts = 0;
}

/* What was committed: the ledger's half of each partition takes over. */
static void accept_batch(struct lane *lane)
{
    for (size_t i = 0; i < lane->assignment.owned_count; i++) {
        struct partition *partition = lane->assignment.owned[i];
        if (!partition->touched) {
            continue;
        }
        partition->touched = false;
        partition->next_offset = partition->read_offset;
        partition->ledger = partition->ahead;
        partition->counters = (struct partition_counters){0};
        partition->marked_ms = partition->marks ? clock_ms() : partition->marked_ms;
        for (uint32_t b = 0; b < partition->barriers_count; b++) {
            partition->ended = partition->ended || partition->barriers[b] == BARRIER_END;
        }
        partition->barriers_count = 0;
        partition->has_progress = false;
    }
}

bool lane_drop_batch(struct lane *lane, struct error *err)
{
    lane_forget_batch(lane);
    return assignment_rewind(&lane->assignment, err);
}

/* ---- the target ---- */

void lane_lose_target(struct lane *lane, const struct error *err)
{
    log_error(LEVEL_WARN, "target_lost", err);
    pg_close(&lane->target);
    apply_disconnected(&lane->apply);
}

/* Why it is still away may be another reason than why it was lost: full, read-only, starting up. */
static void show_refusal(struct lane *lane, const struct error *err)
{
    int64_t now_ms = clock_ms();
    if (lane->refusal_shown_ms == 0 || now_ms - lane->refusal_shown_ms >= REFUSAL_SHOWN_MS) {
        lane->refusal_shown_ms = now_ms;
        log_error(LEVEL_WARN, "target_lost", err);
    }
}

/* Until it answers, or refuses for good, or we are asked to leave. */
bool lane_connect_target(struct lane *lane, struct error *err)
{
    while (!pg_is_open(&lane->target)) {
        if (pg_open(&lane->target, PG_TARGET, lane->config->settings.target_url, "rowhaul-worker",
                    err)) {
            lane->refusal_shown_ms = 0;
            return true;
        }
        pg_close(&lane->target);
        if (err->action != ERROR_RETRY || shutdown_requested()) {
            return false;
        }
        show_refusal(lane, err);
        clock_sleep_ms(backoff_next_ms(&lane->reconnect));
    }
    return true;
}

/* ---- after a batch that did not end well ---- */

/* Every partition that is left, claimed once more: the ledger is not the one we knew. */
static bool claim_again(struct lane *lane, struct error *err)
{
    log_event(LEVEL_WARN, "ledger_moved_back", F_STR("owner", lane->owner));
    lane_forget_batch(lane);
    return assignment_reclaim(&lane->assignment, &lane->target, lane->owner, &lane->arena, err);
}

static bool let_go(struct lane *lane, size_t lost, struct error *err)
{
    log_event(LEVEL_WARN, "partitions_lost", F_INT("partitions", lost),
              F_STR("owner", lane->owner));
    if (lane->options->assign != NULL) {
        return error_stop(err, EXIT_STATE, "WORKER_FENCED", "another worker owns partition %s",
                          lane->options->assign);
    }
    return lane_drop_batch(lane, err);
}

/*
 * Reads the ledger again after an unknown COMMIT, a reconnect or a missed compare-and-set. One
 * transaction moves all touched partitions or none, so either the batch is in (its offsets are
 * where we wanted them), or it is not, or somebody else owns some of it, or the target is an older
 * one.
 */
bool lane_settle(struct lane *lane, struct error *err)
{
    struct assignment *assignment = &lane->assignment;
    size_t count = assignment->owned_count;
    struct arena_mark mark = arena_mark(&lane->arena);
    int64_t *offsets = arena_must_alloc(&lane->arena, (count + 1) * sizeof *offsets);
    int64_t *epochs = arena_must_alloc(&lane->arena, (count + 1) * sizeof *epochs);
    if (!ledger_reread(&lane->target, lane->run, assignment->owned, count, &lane->arena, offsets,
                       epochs, err)) {
        return false;
    }
    size_t lost = 0;
    size_t strange = 0;
    size_t committed = 0;
    for (size_t i = 0; i < count; i++) {
        struct partition *partition = assignment->owned[i];
        if (epochs[i] > partition->epoch) {
            partition->owned = false;
            lost++;
        } else if (epochs[i] == partition->epoch && partition->touched &&
                   offsets[i] == partition->read_offset) {
            committed++;
        } else if (epochs[i] != partition->epoch || offsets[i] != partition->next_offset) {
            strange++;
        }
    }
    arena_rollback(&lane->arena, mark);
    if (strange > 0) {
        return claim_again(lane, err);
    }
    if (lost > 0) {
        return let_go(lane, lost, err);
    }
    if (committed > 0) {
        accept_batch(lane);
        lane_forget_batch(lane);
    }
    return true;
}

/*
 * The target cannot take this batch now: a conflict, a timeout. The same again at first, later a
 * smaller one, read again from Kafka.
 */
static bool try_smaller(struct lane *lane, struct error *err)
{
    log_error(LEVEL_WARN, "batch_retried", err);
    const struct settings *settings = &lane->config->settings;
    if (++lane->attempts <= settings->apply_retries) {
        /* Jitter: two lanes that dead-locked must not meet again. */
        struct backoff pause;
        backoff_init(&pause, (int64_t)settings->apply_retry_delay_ms / 50 + 1,
                     (int64_t)settings->apply_retry_delay_ms + 1);
        for (uint32_t i = 1; i < lane->attempts; i++) {
            (void)backoff_next_ms(&pause);
        }
        clock_sleep_ms(backoff_next_ms(&pause));
        return true;
    }
    if (lane->rows_limit == 1) {
        err->action = ERROR_STOP;
        return error_wrap(err, "a batch of one row was refused %u times", lane->attempts);
    }
    lane->rows_limit = lane->rows_limit / 4 + 1 < lane->rows_limit ? lane->rows_limit / 4 + 1 : 1;
    return lane_drop_batch(lane, err);
}

/* The server is not well (disk full, shutting down, read-only): a smaller batch would not help. */
static bool is_of_server(const struct error *err)
{
    static const char *const conflicts[] = {"40001", "40P01", "55P03", "57014"};
    for (size_t i = 0; i < RH_COUNT(conflicts); i++) {
        if (strcmp(err->sqlstate, conflicts[i]) == 0) {
            return false;
        }
    }
    return true;
}

/* The pause grows until a batch is committed: a server that takes connections may still be full. */
bool lane_recover(struct lane *lane, struct error *err)
{
    do {
        lane_lose_target(lane, err);
        clock_sleep_ms(backoff_next_ms(&lane->reconnect));
        if (lane_connect_target(lane, err) && lane_settle(lane, err)) {
            return true;
        }
    } while (err->action == ERROR_RETRY && !shutdown_requested());
    return false;
}

/* ---- applying ---- */

static void batch_committed(struct lane *lane, int64_t began_ms)
{
    size_t partitions = 0;
    const struct partition *last = NULL;
    for (size_t i = 0; i < lane->assignment.owned_count; i++) {
        if (lane->assignment.owned[i]->touched) {
            last = lane->assignment.owned[i];
            partitions++;
        }
    }
    if (lane->batch.rows_count > 0) {
        bool one = partitions == 1;
        log_event(LEVEL_INFO, "batch_committed",
                  F_STR("table", one ? last->topic->table->id : NULL),
                  F_STR("topic", one ? last->topic->name : NULL), F_INT("partitions", partitions),
                  F_INT("offset", one ? last->read_offset : 0),
                  F_INT("rows", lane->batch.rows_count), F_INT("ms", clock_ms() - began_ms));
    }
    accept_batch(lane);
    lane_forget_batch(lane);
    backoff_reset(&lane->reconnect);
    /* A target that was slow may have recovered. */
    size_t rows_max = lane->config->settings.apply_batch_rows;
    lane->rows_limit = lane->rows_limit * 2 < rows_max ? lane->rows_limit * 2 : rows_max;
}

static void prepare_partitions(struct lane *lane)
{
    int64_t now_ms = clock_ms();
    int64_t mark_ms = (int64_t)lane->config->settings.apply_mark_ms;
    for (size_t i = 0; i < lane->assignment.owned_count; i++) {
        struct partition *partition = lane->assignment.owned[i];
        partition->counters.folded = batch_folded(&lane->batch, i);
        partition->marks = partition->touched && now_ms - partition->marked_ms >= mark_ms;
    }
}

/* One attempt at the batch in hand; it may still be in hand afterwards. */
static bool apply_once(struct lane *lane, struct error *err)
{
    int64_t began_ms = clock_ms();
    enum apply_outcome outcome = APPLY_UNKNOWN;
    struct assignment *assignment = &lane->assignment;
    prepare_partitions(lane);
    if (apply_batch(&lane->apply, &lane->target, &lane->batch, assignment->owned,
                    assignment->owned_count, &lane->arena, &outcome, err)) {
        switch (outcome) {
        case APPLY_COMMITTED:
            batch_committed(lane, began_ms);
            return true;
        case APPLY_FENCED:
            return lane_settle(lane, err);
        case APPLY_UNKNOWN:
            break;
        }
        (void)error_set(err, ERROR_RETRY, "the connection was lost while a batch was committed");
    }
    if (err->action != ERROR_RETRY) {
        return false;
    }
    if (!pg_is_open(&lane->target) || is_of_server(err)) {
        return lane_recover(lane, err);
    }
    return try_smaller(lane, err);
}

/* Until the batch is committed or not ours any more. */
bool lane_flush(struct lane *lane, struct error *err)
{
    while (lane->batch_began_ms != 0) {
        if (shutdown_requested() && (lane->attempts > 0 || !pg_is_open(&lane->target))) {
            return true; /* dropped: the next owner reads it again */
        }
        /* Also what follows a failure (settling, claiming) may lose the connection. */
        if (!apply_once(lane, err) && (err->action != ERROR_RETRY || !lane_recover(lane, err))) {
            return shutdown_requested() && err->action == ERROR_RETRY;
        }
    }
    return true;
}
