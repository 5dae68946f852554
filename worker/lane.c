#include "worker/lane.h"

#include "common/clock.h"
#include "common/failpoint.h"
#include "common/log.h"
#include "common/shutdown.h"
#include "worker/apply.h"
#include "worker/assignment.h"
#include "worker/ledger_batch.h"

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
    size_t rows_limit;      /* shrinks when the target cannot take a batch in time, grows again */
    int64_t batch_began_ms; /* 0: nothing read since the last commit */
    bool batch_must_close;  /* a barrier was read, or the batch is full */
    uint32_t attempts;      /* at the batch in hand */
    int64_t progress_shown_ms;
};

/* ---- the batch in hand
 * ---------------------------------------------------------------------------- */

static void forget_batch(struct lane *lane)
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
        partition->barriers_count = 0;
        partition->has_progress = false;
    }
}

static bool drop_batch(struct lane *lane, struct error *err)
{
    forget_batch(lane);
    return assignment_rewind(&lane->assignment, err);
}

/* ---- messages
 * ------------------------------------------------------------------------------------- */

/* Says where, whatever it was. */
static bool at_message(const rd_kafka_message_t *message, struct error *err)
{
    return error_wrap(err, "partition %d of topic \"%s\" at offset %lld", message->partition,
                      rd_kafka_topic_name(message->rkt), (long long)message->offset);
}

static void note_barrier(struct lane *lane, struct partition *partition, uint64_t barrier)
{
    REQUIRE(partition->barriers_count < PARTITION_BARRIERS_MAX);
    partition->barriers[partition->barriers_count++] = barrier;
    lane->batch_must_close = true;
}

static bool note_progress(struct lane *lane, struct partition *partition,
                          const struct wire_progress *progress, struct error *err)
{
    partition->progress = *progress;
    partition->progress.last_key = bytes_copy(&lane->arena, progress->last_key);
    if (partition->progress.last_key.ptr == NULL) {
        return error_stop(err, EXIT_INTERNAL, "RH-7001",
                          "a batch does not fit into its memory limit");
    }
    partition->has_progress = true;
    return true;
}

static bool read_control(struct lane *lane, struct partition *partition,
                         const struct wire_message *message, struct error *err)
{
    if (message->header.kind == WIRE_BARRIER) {
        note_barrier(lane, partition, message->barrier);
    }
    return note_progress(lane, partition, &message->progress, err);
}

/* A gap is told once; what follows of its generation is skipped in silence. */
static void note_skip(struct partition *partition, enum fence_verdict verdict, bool was_gap,
                      const rd_kafka_message_t *message)
{
    partition->counters.skipped++;
    if (verdict == FENCE_GAP && !was_gap) {
        log_event(LEVEL_WARN, "sequence_gap", F_STR("topic", rd_kafka_topic_name(message->rkt)),
                  F_INT("partition", message->partition), F_INT("offset", message->offset),
                  F_INT("sequence", partition->ahead.sequence));
    }
}

static bool is_data(enum wire_kind kind)
{
    return kind == WIRE_ROW || kind == WIRE_DEL || kind == WIRE_OVERSIZE;
}

static enum batch_result take_data(struct lane *lane, struct partition *partition, size_t slot,
                                   const rd_kafka_message_t *message, struct error *err)
{
    struct batch_message taken = {
        .table = partition->topic->table->index,
        .slot = slot,
        .offset = message->offset,
        .key = {message->key, message->key_len},
        .value = {message->payload, message->len},
    };
    enum batch_result result = batch_add(&lane->batch, &taken, err);
    if (result == BATCH_TAKEN) {
        partition->counters.accepted++;
        partition->counters.bytes_applied += message->len;
    } else {
        lane->batch_must_close = true;
    }
    return result;
}

/*
 * The fence decides; then the message is part of the batch, whatever the verdict was. ret_taken
 * false: the batch has no room, and nothing has changed.
 */
static bool read_message(struct lane *lane, struct partition *partition, size_t slot,
                         const rd_kafka_message_t *message, bool *ret_taken, struct error *err)
{
    struct bytes value = {message->payload, message->len};
    struct wire_message decoded = {0};
    if (!read_wire_header(value, &decoded.header, err)) {
        return at_message(message, err);
    }
    bool data = is_data(decoded.header.kind);
    if (!data && !read_wire_message(value, &lane->arena, &decoded, err)) {
        return at_message(message, err);
    }
    struct fence before = partition->ahead;
    enum fence_verdict verdict = fence_check(&partition->ahead, &decoded, lane->run->id,
                                             lane->run->plan.source_fingerprint, err);
    if (verdict == FENCE_FATAL) {
        return at_message(message, err);
    }
    if (verdict != FENCE_ACCEPT) {
        note_skip(partition, verdict, before.gap, message);
    } else if (data) {
        enum batch_result result = take_data(lane, partition, slot, message, err);
        if (result != BATCH_TAKEN) {
            partition->ahead = before;
            *ret_taken = false;
            return result == BATCH_FULL || at_message(message, err);
        }
    } else if (!read_control(lane, partition, &decoded, err)) {
        return false;
    }
    *ret_taken = true;
    partition->touched = true;
    partition->read_offset = message->offset + 1;
    if (lane->batch_began_ms == 0) {
        lane->batch_began_ms = clock_ms();
    }
    return true;
}

/* What a consumer reports instead of a message. */
static bool read_failure(struct lane *lane, const rd_kafka_message_t *message, struct error *err)
{
    size_t slot = 0;
    switch ((int)message->err) { /* librdkafka's enum has hundreds of members */
    case RD_KAFKA_RESP_ERR__PARTITION_EOF:
        return true;
    case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
    case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE: {
        const struct partition *partition =
            message->rkt == NULL ? NULL : assignment_find(&lane->assignment, message, &slot);
        /* In bounds after all: the leader was not up to date. Ask it again. */
        return (partition == NULL || assignment_check_bounds(&lane->assignment, partition, err)) &&
               drop_batch(lane, err);
    }
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR__FATAL:
        return kafka_error(err, message->err, "could not consume: %s",
                           rd_kafka_message_errstr(message));
    default:
        log_event(LEVEL_WARN, "kafka_error", F_STR("error", rd_kafka_message_errstr(message)),
                  F_STR("topic", message->rkt == NULL ? NULL : rd_kafka_topic_name(message->rkt)));
        return true;
    }
}

/* ---- the target
 * ------------------------------------------------------------------------------------ */

static void lose_target(struct lane *lane, const struct error *err)
{
    log_error(LEVEL_WARN, "target_lost", err);
    pg_close(&lane->target);
    apply_disconnected(&lane->apply);
}

/* Until it answers, or refuses for good, or we are asked to leave. */
static bool connect_target(struct lane *lane, struct error *err)
{
    while (!pg_is_open(&lane->target)) {
        if (pg_open(&lane->target, PG_TARGET, lane->config->settings.target_url, "rowhaul-worker",
                    err)) {
            backoff_reset(&lane->reconnect);
            return true;
        }
        pg_close(&lane->target);
        if (err->action != ERROR_RETRY || shutdown_requested()) {
            return false;
        }
        clock_sleep_ms(backoff_next_ms(&lane->reconnect));
    }
    return true;
}

/* ---- after a batch that did not end well
 * ------------------------------------------------------------ */

/* Every partition that is left, claimed once more: the ledger is not the one we knew. */
static bool claim_again(struct lane *lane, struct error *err)
{
    log_event(LEVEL_WARN, "ledger_moved_back", F_STR("owner", lane->owner));
    forget_batch(lane);
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
    return drop_batch(lane, err);
}

/*
 * Reads the ledger again after an unknown COMMIT, a reconnect or a missed compare-and-set. One
 * transaction moves all touched partitions or none, so either the batch is in (its offsets are
 * where we wanted them), or it is not, or somebody else owns some of it, or the target is an older
 * one.
 */
static bool settle(struct lane *lane, struct error *err)
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
        forget_batch(lane);
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
    return drop_batch(lane, err);
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

/* ---- applying
 * -------------------------------------------------------------------------------------- */

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
    forget_batch(lane);
    /* A target that was slow may have recovered. */
    size_t rows_max = lane->config->settings.apply_batch_rows;
    lane->rows_limit = lane->rows_limit * 2 < rows_max ? lane->rows_limit * 2 : rows_max;
}

static void count_folded(struct lane *lane)
{
    for (size_t i = 0; i < lane->assignment.owned_count; i++) {
        lane->assignment.owned[i]->counters.folded = batch_folded(&lane->batch, i);
    }
}

/* One attempt at the batch in hand; it may still be in hand afterwards. */
static bool apply_once(struct lane *lane, struct error *err)
{
    int64_t began_ms = clock_ms();
    enum apply_outcome outcome = APPLY_UNKNOWN;
    struct assignment *assignment = &lane->assignment;
    count_folded(lane);
    if (apply_batch(&lane->apply, &lane->target, &lane->batch, assignment->owned,
                    assignment->owned_count, &lane->arena, &outcome, err)) {
        switch (outcome) {
        case APPLY_COMMITTED:
            batch_committed(lane, began_ms);
            return true;
        case APPLY_FENCED:
            return settle(lane, err);
        case APPLY_UNKNOWN:
            break;
        }
        (void)error_set(err, ERROR_RETRY, "the connection was lost while a batch was committed");
    }
    if (err->action != ERROR_RETRY) {
        return false;
    }
    if (!pg_is_open(&lane->target) || is_of_server(err)) {
        lose_target(lane, err);
        return connect_target(lane, err) && settle(lane, err);
    }
    return try_smaller(lane, err);
}

/* Until the batch is committed or not ours any more. */
static bool flush(struct lane *lane, struct error *err)
{
    while (lane->batch_began_ms != 0) {
        if (shutdown_requested() && (lane->attempts > 0 || !pg_is_open(&lane->target))) {
            return true; /* dropped: the next owner reads it again */
        }
        if (apply_once(lane, err)) {
            continue;
        }
        /* Also what follows a failure (settling, claiming) may lose the connection. */
        while (err->action == ERROR_RETRY && !shutdown_requested()) {
            lose_target(lane, err);
            clock_sleep_ms(backoff_next_ms(&lane->reconnect));
            if (connect_target(lane, err) && settle(lane, err)) {
                break;
            }
        }
        if (err->action != ERROR_RETRY) {
            return false;
        }
    }
    return true;
}

static bool is_due(const struct lane *lane)
{
    return lane->batch_began_ms != 0 &&
           (lane->batch_must_close || lane->batch.rows_count >= lane->rows_limit ||
            clock_ms() - lane->batch_began_ms >=
                (int64_t)lane->config->settings.apply_batch_wait_ms);
}

/* ---- the loop
 * -------------------------------------------------------------------------------------- */

/* Rows of the batch in hand come first; then the message gets a place in the next one. */
static bool take_message(struct lane *lane, const rd_kafka_message_t *message, struct error *err)
{
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return read_failure(lane, message, err);
    }
    bool taken = false;
    while (!taken) {
        size_t slot = 0;
        struct partition *partition = assignment_find(&lane->assignment, message, &slot);
        if (partition == NULL || message->offset < partition->read_offset) {
            return true; /* given away, or read again from an offset that is committed by now */
        }
        bool close_first = lane->batch_must_close || lane->batch.rows_count >= lane->rows_limit ||
                           !batch_has_room(&lane->batch, message->key_len + message->len);
        if (!close_first && !read_message(lane, partition, slot, message, &taken, err)) {
            return false;
        }
        if (!taken && !flush(lane, err)) {
            return false;
        }
        if (!taken && (shutdown_requested() || lane->assignment.pending)) {
            return true;
        }
    }
    return true;
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
        return IDLE_WAIT_MS;
    }
    int64_t left_ms =
        lane->batch_began_ms + (int64_t)lane->config->settings.apply_batch_wait_ms - clock_ms();
    return left_ms <= 0 ? 0 : left_ms < IDLE_WAIT_MS ? (int)left_ms : IDLE_WAIT_MS;
}

/* Partitions went or came: the batch in hand may be somebody else's now. */
static bool change(struct lane *lane, struct error *err)
{
    forget_batch(lane);
    while (!assignment_change(&lane->assignment, &lane->target, lane->owner, &lane->arena, err)) {
        if (err->action != ERROR_RETRY || shutdown_requested()) {
            return false;
        }
        lose_target(lane, err);
        clock_sleep_ms(backoff_next_ms(&lane->reconnect));
        if (!connect_target(lane, err)) {
            return false;
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
    for (int i = 0; i < MESSAGES_RUN && !lane->assignment.pending; i++) {
        RH_AUTO(message_destroy)
        rd_kafka_message_t *message = rd_kafka_consumer_poll(lane->assignment.consumer, timeout_ms);
        if (message == NULL) {
            return true;
        }
        if (!lane->assignment.pending && !take_message(lane, message, err)) {
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
    if (!take_run(lane, err)) {
        return false;
    }
    if (is_due(lane) && !lane->assignment.pending && !flush(lane, err)) {
        return false;
    }
    show_progress(lane);
    return true;
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
           connect_target(lane, err) &&
           assignment_open(&lane->assignment, lane->config, lane->run, lane->options->assign, arena,
                           err);
}

bool lane_work(const struct config *config, const struct run *run,
               const struct lane_options *options, struct arena *arena, struct error *err)
{
    struct lane lane = {.config = config, .run = run, .options = options};
    bool ok = open_lane(&lane, arena, err);
    while (ok && !shutdown_requested()) {
        ok = step(&lane, err);
    }
    assignment_close(
        &lane.assignment); /* leaves the group: the others need not wait for a timeout */
    pg_close(&lane.target);
    arena_release(&lane.arena);
    return ok;
}
