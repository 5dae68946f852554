#include "worker/lane_parts.h"

#include "common/log.h"
#include "common/shutdown.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define IDLE_WAIT_MS       200  /* how long a poll waits when there is nothing to commit */
#define SHOW_PROGRESS_MS   1000 /* offsets committed to the group, for lag tools */
#define MESSAGES_RUN       256
#define RECONNECT_FIRST_MS 100
#define RECONNECT_MAX_MS   5000
/* Beside the messages themselves: their values' slots, COPY lines (escapes double a byte), payloads
 * of rejects in hex. */
#define ARENA_FIXED_BYTES ((size_t)32 << 20)
#define ARENA_FACTOR      6

static bool is_due(const struct lane *lane)
{
    return lane->batch_began_ms != 0 &&
           (lane->batch_must_close || lane->batch.rows_count >= lane->rows_limit ||
            clock_ms() - lane->batch_began_ms >=
                (int64_t)lane->config->settings.apply_batch_wait_ms);
}

static void message_destroy(rd_kafka_message_t **message)
{
    if (*message != NULL) {
        rd_kafka_message_destroy(*message);
    }
}

static int wait_ms(const struct lane *lane)
{
    if (lane->batch_began_ms == 0) {
        return lane->requests_at_ms == 0 ? 0 : IDLE_WAIT_MS;
    }
    int64_t left_ms =
        lane->batch_began_ms + (int64_t)lane->config->settings.apply_batch_wait_ms - clock_ms();
    return left_ms <= 0 ? 0 : left_ms < IDLE_WAIT_MS ? (int)left_ms : IDLE_WAIT_MS;
}

/* Partitions went or came: the batch in hand may be somebody else's now. */
static bool change(struct lane *lane, struct error *err)
{
    lane_forget_batch(lane);
    while (!assignment_change(&lane->assignment, &lane->target, lane->owner, &lane->arena, err)) {
        if (err->action != ERROR_RETRY || shutdown_requested()) {
            return false;
        }
        log_error(LEVEL_WARN, "assignment_retried", err);
        clock_sleep_ms(backoff_next_ms(&lane->reconnect));
        if (!pg_is_open(&lane->target)) {
            lane_lose_target(lane, err);
            if (!lane_connect_target(lane, err)) {
                return false;
            }
        }
    }
    arena_reset(&lane->arena);
    return true;
}

static void show_progress(struct lane *lane)
{
    if (clock_ms() - lane->progress_shown_ms >= SHOW_PROGRESS_MS) {
        lane->progress_shown_ms = clock_ms();
        assignment_show_progress(&lane->assignment);
    }
}

/* A run of messages without a look at the clock: what is queued locally comes in nanoseconds. */
static bool take_run(struct lane *lane, struct error *err)
{
    int timeout_ms = wait_ms(lane);
    /* A message that was not taken for a shutdown must not be followed by the next one: a gap. */
    for (int i = 0; i < MESSAGES_RUN && !lane->assignment.pending && !shutdown_requested(); i++) {
        RH_AUTO(message_destroy)
        rd_kafka_message_t *message = rd_kafka_consumer_poll(lane->assignment.consumer, timeout_ms);
        if (message == NULL) {
            return true;
        }
        if (!lane->assignment.pending && !lane_take_message(lane, message, err)) {
            return false;
        }
        timeout_ms = 0;
    }
    return true;
}

static bool step(struct lane *lane, struct error *err)
{
    if (lane->assignment.pending && !change(lane, err)) {
        return false;
    }
    if (!lane->options->replay_only && !take_run(lane, err)) {
        return false;
    }
    if (is_due(lane) && !lane->assignment.pending && !lane_flush(lane, err)) {
        return false;
    }
    if (!lane->assignment.pending && !lane_retry_parked(lane, err)) {
        return false;
    }
    if (!lane->assignment.pending && !lane_replay_requested(lane, err)) {
        return false;
    }
    show_progress(lane);
    return true;
}

static bool is_done(const struct lane *lane)
{
    return shutdown_requested() || (lane->options->replay_only && lane->requests_done);
}

static const char *owner_name(const struct lane_options *options, struct arena *arena)
{
    if (options->name != NULL) {
        return options->name;
    }
    char host[256] = "";
    (void)gethostname(host, sizeof host - 1); /* a name for people; empty will do */
    return arena_must_printf(arena, "%s:%ld", host, (long)getpid());
}

static bool open_lane(struct lane *lane, struct arena *arena, struct error *err)
{
    const struct settings *settings = &lane->config->settings;
    size_t bytes_max = settings->apply_batch_bytes > settings->topics_max_message_bytes
                           ? settings->apply_batch_bytes
                           : settings->topics_max_message_bytes;
    arena_init(&lane->arena, ARENA_FIXED_BYTES + ARENA_FACTOR * bytes_max);
    struct batch_limits limits = {
        .rows_max = settings->apply_batch_rows,
        .bytes_max = settings->apply_batch_bytes,
        .tables_count = lane->run->plan.tables_count,
        .partitions_count = lane->run->partitions_count,
    };
    lane->owner = owner_name(lane->options, arena);
    lane->rows_limit = settings->apply_batch_rows;
    backoff_init(&lane->reconnect, RECONNECT_FIRST_MS, RECONNECT_MAX_MS);
    apply_init(&lane->apply, lane->run, settings->apply_statement_timeout_ms, arena);
    return batch_init(&lane->batch, &limits, arena, &lane->arena, err) &&
           lane_connect_target(lane, err) &&
           assignment_open(&lane->assignment, lane->config, lane->run, lane->options->assign, arena,
                           err);
}

bool lane_work(const struct config *config, const struct run *run,
               const struct lane_options *options, struct arena *arena, struct error *err)
{
    struct lane lane = {.config = config, .run = run, .options = options};
    bool ok = open_lane(&lane, arena, err);
    while (ok && !is_done(&lane)) {
        ok = step(&lane, err);
    }
    assignment_close(
        &lane.assignment); /* leaves the group: the others need not wait for a timeout */
    pg_close(&lane.target);
    arena_release(&lane.arena);
    return ok;
}
