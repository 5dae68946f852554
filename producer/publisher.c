#include "producer/publisher.h"

#include "common/clock.h"
#include "common/failpoint.h"

#include <string.h>

/* Messages numbered and not yet acknowledged: four bytes each. librdkafka's own queue, which is
 * bounded by bytes as well, is full long before except for the smallest of rows. */
#define OUTSTANDING_MAX (UINT64_C(1) << 20)

#define FULL_PAUSE_MS     5
#define ACKED_PAUSE_MS    10
#define HEARTBEAT_BUSY_MS 1000
#define HEARTBEAT_IDLE_MS 5000
#define CONTROL_BYTES_MAX ((size_t)2 << 20) /* a heartbeat: header, counters, a key */
/* Where a header keeps its sequence: after version, kind, flags, run and generation. */
#define SEQUENCE_AT    (1 + 1 + 2 + RUN_ID_BYTES + 8)
#define SEQUENCE_BYTES 8

#define GENERATION_ARENA_BYTES ((size_t)256 << 20)

static void lock(struct publisher *publisher)
{
    REQUIRE(pthread_mutex_lock(&publisher->lock) == 0);
}

static void unlock(struct publisher *publisher)
{
    REQUIRE(pthread_mutex_unlock(&publisher->lock) == 0);
}

/* ---- opening and closing ---- */

/* I6: a checkpoint covers only what was acknowledged, in this generation, without a hole. */
static void advance_checkpoint(struct publisher *publisher)
{
    const struct sequencer *sequencer = &publisher->sequencer;

    checkpointer_advance(&publisher->checkpointer,
                         RH_UNSAFE("ack_early") ? sequencer->position : sequencer->durable);
}

static void apply_acks(struct publisher *publisher)
{
    if (publisher->acks_count == 0) {
        return;
    }
    lock(publisher);
    for (size_t i = 0; i < publisher->acks_count; i++) {
        sequencer_ack(&publisher->sequencer, publisher->acks[i]);
    }
    advance_checkpoint(publisher);
    unlock(publisher);
    publisher->acks_count = 0;
}

/* Runs inside rd_kafka_poll: notes what happened. */
static void delivered(rd_kafka_t *kafka RH_UNUSED, const rd_kafka_message_t *message, void *opaque)
{
    struct publisher *publisher = opaque;

    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        if (!publisher->failed) {
            kafka_error(&publisher->failure, message->err,
                        "message for topic \"%s\" partition %" PRId32 " was not delivered",
                        rd_kafka_topic_name(message->rkt), message->partition);
        }
        publisher->failed = true;
        return;
    }
    if (publisher->acks_count == ACKS_NOTED_MAX) {
        apply_acks(publisher);
    }
    publisher->acks[publisher->acks_count++] = (uint64_t)(uintptr_t)message->_private;
}

static bool open_topics(struct publisher *publisher, struct error *err)
{
    const struct run *run = publisher->run;

    for (size_t i = 0; i < run->topics_count; i++) {
        struct topic_state *topic = &publisher->topics[i];

        topic->handle = rd_kafka_topic_new(publisher->kafka, run->topics[i].name, NULL);
        if (topic->handle == NULL) {
            return kafka_error(err, rd_kafka_last_error(), "could not use topic \"%s\"",
                               run->topics[i].name);
        }
    }
    return true;
}

static bool open_kafka(struct publisher *publisher, struct error *err)
{
    rd_kafka_conf_t *conf = NULL;

    if (!kafka_conf(publisher->settings, KAFKA_PRODUCER, NULL, &conf, err)) {
        return false;
    }
    rd_kafka_conf_set_opaque(conf, publisher);
    rd_kafka_conf_set_dr_msg_cb(conf, delivered);
    return kafka_new(RD_KAFKA_PRODUCER, conf, &publisher->kafka, err) &&
           open_topics(publisher, err);
}

/* The topics' progress is ahead of the checkpoint's; at first both are the same. */
static void copy_progress(struct publisher *publisher)
{
    for (size_t i = 0; i < publisher->run->topics_count; i++) {
        table_position_copy(&publisher->topics[i].position, &publisher->checkpointer.tables[i]);
    }
}

bool publisher_open(struct publisher *publisher, const struct run *run,
                    const struct settings *settings, struct halt *halt, uint64_t generation,
                    struct error *err)
{
    /* A position travels as the message's opaque pointer. */
    _Static_assert(sizeof(void *) >= sizeof(uint64_t), "pointers hold positions");

    *publisher = (struct publisher){
        .run = run, .settings = settings, .halt = halt, .generation = generation};
    arena_init(&publisher->arena, GENERATION_ARENA_BYTES + run->topics_count * POSITION_BYTES_MAX);
    REQUIRE(pthread_mutex_init(&publisher->lock, NULL) == 0);
    publisher->topics =
        arena_must_alloc(&publisher->arena, run->topics_count * sizeof(struct topic_state));
    publisher->pulses =
        arena_must_alloc(&publisher->arena, run->partitions_count * sizeof(struct pulse));
    for (size_t i = 0; i < run->topics_count; i++) {
        table_position_init(&publisher->topics[i].position, 0, &publisher->arena);
    }
    sequencer_init(&publisher->sequencer, &publisher->arena, run->partitions_count,
                   OUTSTANDING_MAX);
    checkpointer_init(&publisher->checkpointer, run, generation, &publisher->arena);
    copy_progress(publisher);
    if (open_kafka(publisher, err)) {
        return true;
    }
    publisher_close(publisher);
    return false;
}

bool publisher_resume(struct publisher *publisher, const struct checkpoint *saved,
                      struct error *err)
{
    if (!checkpointer_resume(&publisher->checkpointer, saved, err)) {
        return false;
    }
    copy_progress(publisher);
    return true;
}

void publisher_close(struct publisher *publisher)
{
    if (publisher->kafka != NULL) {
        /* What was not acknowledged is sent again by the next generation. */
        (void)rd_kafka_purge(publisher->kafka, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
        for (size_t i = 0; i < publisher->run->topics_count; i++) {
            if (publisher->topics[i].handle != NULL) {
                rd_kafka_topic_destroy(publisher->topics[i].handle);
            }
        }
        kafka_destroy(&publisher->kafka);
    }
    checkpointer_release(&publisher->checkpointer);
    arena_release(&publisher->arena);
    REQUIRE(pthread_mutex_destroy(&publisher->lock) == 0);
}

/* ---- numbering and offering, under the lock ---- */

/* A header's bytes but for the sequence: what the messages of a page have in common. */
struct header_stamp {
    struct wire_header header;
    bool made;
    char bytes[WIRE_HEADER_BYTES];
};

static void stamp_make(struct header_stamp *stamp, enum wire_kind kind)
{
    struct buffer place = {
        .ptr = stamp->bytes, .capacity = WIRE_HEADER_BYTES, .max_bytes = WIRE_HEADER_BYTES};

    stamp->header.kind = kind;
    stamp->header.sequence = kind == WIRE_HELLO ? 0 : 1;
    stamp->header.flags = kind == WIRE_ROW || kind == WIRE_OVERSIZE ? WIRE_PAGE : 0;
    write_wire_header(&place, &stamp->header);
    REQUIRE(!place.failed && place.len == WIRE_HEADER_BYTES);
    stamp->made = true;
}

static struct header_stamp stamp_of(const struct publisher *publisher, uint64_t lsn)
{
    struct header_stamp stamp = {
        .header = {.generation = publisher->generation,
                   .lsn = lsn,
                   .source_fingerprint = publisher->run->plan.source_fingerprint}};

    memcpy(stamp.header.run, publisher->run->id, RUN_ID_BYTES);
    return stamp;
}

/* Written over the place each message keeps for it. This runs once a row, under the lock, so only
 * the sequence is written anew; its place is fixed by docs/wire-format.md. */
static void stamp_put(const struct header_stamp *stamp, uint64_t sequence, char *payload)
{
    memcpy(payload, stamp->bytes, WIRE_HEADER_BYTES);
    for (size_t i = SEQUENCE_BYTES; i-- > 0; sequence >>= 8) {
        payload[SEQUENCE_AT + i] = (char)(sequence & 0xff);
    }
}

static void number_message(struct publisher *publisher, size_t topic, struct chunk *chunk, size_t i,
                           struct header_stamp *stamp)
{
    rd_kafka_message_t *message = &chunk->messages[i];
    enum wire_kind kind = chunk->kinds[i];
    uint32_t partition =
        publisher->run->topics[topic].first_partition + (uint32_t)message->partition;
    uint64_t position, sequence = 0;

    if (!stamp->made || stamp->header.kind != kind) {
        stamp_make(stamp, kind);
    }
    position = kind == WIRE_HELLO ? sequencer_take_unnumbered(&publisher->sequencer, partition)
                                  : sequencer_take(&publisher->sequencer, partition, &sequence);
    stamp_put(stamp, sequence, message->payload);
    message->_private = (void *)(uintptr_t)position;
}

/*
 * Offers the messages from `from` on; ret_count is how many librdkafka took: those from ret_count
 * on were refused because its queue is full. Any other refusal ends the generation.
 */
static bool offer(struct publisher *publisher, size_t topic, struct chunk *chunk, size_t from,
                  size_t *ret_count, struct error *err)
{
    rd_kafka_message_t *messages = chunk->messages + from;
    size_t count = chunk->count - from;
    size_t taken;

    for (size_t i = 0; i < count; i++) {
        messages[i].err = RD_KAFKA_RESP_ERR_NO_ERROR;
    }
    taken = (size_t)rd_kafka_produce_batch(publisher->topics[topic].handle, RD_KAFKA_PARTITION_UA,
                                           RD_KAFKA_MSG_F_COPY | RD_KAFKA_MSG_F_PARTITION, messages,
                                           (int)count);
    for (size_t i = 0; taken < count && i < count; i++) {
        if (messages[i].err == RD_KAFKA_RESP_ERR_NO_ERROR) {
            continue;
        }
        if (messages[i].err == RD_KAFKA_RESP_ERR__QUEUE_FULL && i == taken) {
            break; /* and so is everything after it */
        }
        kafka_error(err, messages[i].err, "could not enqueue a message for topic \"%s\"",
                    publisher->run->topics[topic].name);
        if (messages[i].err == RD_KAFKA_RESP_ERR__FATAL) {
            err->action = ERROR_RETRY; /* see check_fatal */
        }
        return false;
    }
    *ret_count = taken;
    return true;
}

/* ---- chunks, by paging threads ---- */

static bool interrupted(struct error *err)
{
    return error_set(err, ERROR_RETRY, "interrupted");
}

/* Waits with the lock released; false when the halt flag was raised. The lock is held again. */
static bool pause_unlocked(struct publisher *publisher, int64_t ms, struct error *err)
{
    bool go_on;

    unlock(publisher);
    go_on = halt_sleep_ms(publisher->halt, ms);
    lock(publisher);
    return go_on || interrupted(err);
}

static bool send_locked(struct publisher *publisher, size_t topic, struct chunk *chunk,
                        struct header_stamp *stamp, struct error *err)
{
    struct topic_state *state = &publisher->topics[topic];
    size_t sent = 0;

    while (state->tail || sequencer_room(&publisher->sequencer) < chunk->count) {
        if (!pause_unlocked(publisher, FULL_PAUSE_MS, err)) {
            return false;
        }
    }
    for (size_t i = 0; i < chunk->count; i++) {
        number_message(publisher, topic, chunk, i, stamp);
    }
    for (;;) {
        size_t count;

        if (!offer(publisher, topic, chunk, sent, &count, err)) {
            return false;
        }
        sent += count;
        state->tail = sent < chunk->count;
        if (!state->tail) {
            return true;
        }
        if (!pause_unlocked(publisher, FULL_PAUSE_MS, err)) {
            return false;
        }
    }
}

static bool send_chunk(struct publisher *publisher, size_t topic, struct chunk *chunk,
                       struct header_stamp *stamp, struct error *err)
{
    bool sent;

    lock(publisher);
    sent = send_locked(publisher, topic, chunk, stamp, err);
    unlock(publisher);
    return sent;
}

/* The table's counters with this page; a table whose last range ends with it is done. */
static struct wire_progress progress_with(const struct publisher *publisher,
                                          const struct candidate *candidate)
{
    const struct table_position *position = &publisher->topics[candidate->table].position;
    struct wire_progress progress = position->progress;

    progress.rows_read += candidate->rows;
    progress.rows_enqueued += candidate->rows;
    progress.done = candidate->range_ended;
    for (size_t i = 0; i < position->ranges_count; i++) {
        progress.done = progress.done && (i == candidate->range || position->ranges[i].ended);
    }
    if (progress.done) {
        progress.rows_estimate = progress.rows_read;
    }
    return progress;
}

static void set_position(struct publisher *publisher, const struct candidate *candidate,
                         uint64_t lsn)
{
    struct topic_state *topic = &publisher->topics[candidate->table];

    topic->position.progress = candidate->progress;
    if (topic->lsn < lsn) {
        topic->lsn = lsn;
    }
    /* The checkpointer refuses longer keys first. */
    REQUIRE(table_position_move(&topic->position, candidate->range, candidate->key,
                                candidate->range_ended));
}

static bool note_locked(struct publisher *publisher, struct candidate *candidate, uint64_t lsn,
                        struct error *err)
{
    while (!checkpointer_has_room(&publisher->checkpointer)) {
        if (!pause_unlocked(publisher, ACKED_PAUSE_MS, err)) {
            return false;
        }
    }
    candidate->position = publisher->sequencer.position;
    if (candidate->kind == CANDIDATE_PAGE) {
        candidate->progress = progress_with(publisher, candidate);
    }
    if (!checkpointer_add(&publisher->checkpointer, candidate, err)) {
        return false;
    }
    if (candidate->kind == CANDIDATE_PAGE) {
        set_position(publisher, candidate, lsn);
    }
    /* It may be durable already: an empty page of an idle topic. */
    advance_checkpoint(publisher);
    return true;
}

bool publisher_note(struct publisher *publisher, struct candidate *candidate, struct error *err)
{
    bool noted;

    lock(publisher);
    noted = note_locked(publisher, candidate, 0, err);
    unlock(publisher);
    return noted;
}

bool publisher_page(struct publisher *publisher, struct page *page, uint64_t lsn,
                    struct candidate *candidate, struct error *err)
{
    struct header_stamp stamp = stamp_of(publisher, lsn);
    bool noted;

    for (struct chunk *chunk = page->first; chunk != NULL; chunk = chunk->next) {
        if (!send_chunk(publisher, candidate->table, chunk, &stamp, err)) {
            return false;
        }
    }
    lock(publisher);
    noted = note_locked(publisher, candidate, lsn, err);
    unlock(publisher);
    return noted;
}

bool publisher_wait_acked(struct publisher *publisher, struct error *err)
{
    bool go_on = true;

    lock(publisher);
    uint64_t position = publisher->sequencer.position;
    while (go_on && publisher->sequencer.durable < position) {
        go_on = pause_unlocked(publisher, ACKED_PAUSE_MS, err);
    }
    unlock(publisher);
    return go_on;
}

bool publisher_table_is_ended(struct publisher *publisher, size_t table)
{
    bool ended;

    lock(publisher);
    ended = table_position_is_ended(&publisher->topics[table].position);
    unlock(publisher);
    return ended;
}

size_t publisher_ranges(struct publisher *publisher, size_t table)
{
    const struct table_position *position = &publisher->topics[table].position;
    size_t count;

    lock(publisher);
    count = table_position_is_begun(position) ? position->ranges_count : 0;
    unlock(publisher);
    return count;
}

void publisher_divide(struct publisher *publisher, size_t table, const struct bytes *bounds,
                      size_t bounds_count)
{
    lock(publisher);
    checkpointer_divide(&publisher->checkpointer, table, bounds, bounds_count);
    table_position_divide(&publisher->topics[table].position, bounds, bounds_count);
    unlock(publisher);
}

bool publisher_range(struct publisher *publisher, size_t table, size_t range, struct buffer *key,
                     struct buffer *upto)
{
    const struct range_position *position;
    bool ended;

    lock(publisher);
    position = &publisher->topics[table].position.ranges[range];
    buffer_clear(key);
    write_bytes(key, buffer_bytes(&position->key));
    buffer_clear(upto);
    write_bytes(upto, buffer_bytes(&position->upto));
    ended = position->ended;
    unlock(publisher);
    return !ended;
}

uint32_t publisher_level(struct publisher *publisher)
{
    uint32_t level;

    lock(publisher);
    level = publisher->checkpointer.level;
    unlock(publisher);
    return level;
}

/* ---- control messages ---- */

/* What a control message of a partition says beside its header. */
struct control {
    enum wire_kind kind;
    uint64_t previous; /* HELLO */
    uint64_t acked;
    uint64_t barrier; /* BARRIER */
};

static struct bytes write_control(struct publisher *publisher, size_t topic,
                                  const struct control *control, struct arena *arena)
{
    const struct topic_state *state = &publisher->topics[topic];
    const struct wire_header header = chunk_header(control->kind);
    struct wire_progress progress = state->position.progress;
    struct buffer out;

    REQUIRE(control->kind == WIRE_HELLO || control->kind == WIRE_HEARTBEAT ||
            control->kind == WIRE_BARRIER);
    progress.last_key = table_position_key(&state->position);
    buffer_init(&out, arena, CONTROL_BYTES_MAX);
    switch (control->kind) {
    case WIRE_HELLO:
        write_wire_hello(&out, &header, control->previous, control->acked);
        break;
    case WIRE_HEARTBEAT:
        write_wire_heartbeat(&out, &header, control->acked, &progress);
        break;
    case WIRE_BARRIER:
        write_wire_barrier(&out, &header, control->barrier, control->acked, &progress);
        break;
    case WIRE_ROW:
    case WIRE_DEL:
    case WIRE_OVERSIZE:
        break;
    }
    REQUIRE(!out.failed);
    return buffer_bytes(&out);
}

/*
 * The same control message to every partition of a topic. `acked` is by partition of the topic;
 * NULL: what is acknowledged now.
 */
static bool send_control(struct publisher *publisher, size_t topic, struct control control,
                         const uint64_t *acked, struct error *err)
{
    const struct run_topic *run_topic = &publisher->run->topics[topic];
    struct header_stamp stamp = stamp_of(publisher, publisher->topics[topic].lsn);
    RH_AUTO(arena_release) struct arena arena;
    bool sent = true;

    arena_init(&arena, sizeof(struct chunk) + CHUNK_MESSAGES_MAX * CONTROL_BYTES_MAX);
    for (uint32_t p = 0; sent && p < run_topic->partitions;) {
        struct chunk *chunk;

        arena_reset(&arena);
        chunk = arena_must_alloc(&arena, sizeof(*chunk));
        lock(publisher);
        for (; p < run_topic->partitions && chunk->count < CHUNK_MESSAGES_MAX; p++) {
            control.acked = acked != NULL
                                ? acked[p]
                                : publisher->sequencer.acked[run_topic->first_partition + p];
            chunk_add(chunk, control.kind, p, BYTES_EMPTY,
                      write_control(publisher, topic, &control, &arena));
        }
        sent = send_locked(publisher, topic, chunk, &stamp, err);
        unlock(publisher);
    }
    return sent;
}

bool publisher_hello(struct publisher *publisher, uint64_t previous, const uint64_t *acked,
                     struct error *err)
{
    const struct run *run = publisher->run;

    for (size_t t = 0; t < run->topics_count; t++) {
        const struct control control = {.kind = WIRE_HELLO, .previous = previous};
        const uint64_t *of_topic = acked != NULL ? acked + run->topics[t].first_partition : NULL;

        /* A new generation has acknowledged nothing: its own zeros are the right ones. */
        if (!send_control(publisher, t, control, of_topic, err)) {
            return false;
        }
    }
    return true;
}

bool publisher_barrier(struct publisher *publisher, size_t topic, uint64_t barrier,
                       struct error *err)
{
    const struct control control = {.kind = WIRE_BARRIER, .barrier = barrier};

    if (barrier == BARRIER_END) {
        lock(publisher);
        publisher->ended = true;
        unlock(publisher);
    }
    return send_control(publisher, topic, control, NULL, err);
}

static bool heartbeat_is_due(const struct publisher *publisher, uint32_t partition, int64_t now_ms)
{
    const struct pulse *pulse = &publisher->pulses[partition];
    bool flowed = publisher->sequencer.sequences[partition] != pulse->sequence;

    return now_ms - pulse->sent_ms >= (flowed ? HEARTBEAT_BUSY_MS : HEARTBEAT_IDLE_MS);
}

static void collect_heartbeats(struct publisher *publisher, size_t topic, int64_t now_ms,
                               struct chunk *chunk, struct arena *arena)
{
    const struct run_topic *run_topic = &publisher->run->topics[topic];
    uint64_t room = sequencer_room(&publisher->sequencer);

    for (uint32_t p = 0; p < run_topic->partitions; p++) {
        uint32_t partition = run_topic->first_partition + p;
        const struct control control = {.kind = WIRE_HEARTBEAT,
                                        .acked = publisher->sequencer.acked[partition]};

        if (chunk->count == CHUNK_MESSAGES_MAX || chunk->count == room) {
            return;
        }
        if (heartbeat_is_due(publisher, partition, now_ms)) {
            chunk_add(chunk, WIRE_HEARTBEAT, p, BYTES_EMPTY,
                      write_control(publisher, topic, &control, arena));
        }
    }
}

/* Heartbeats do not wait: what is refused gives its number back and is due again. */
static bool send_heartbeats(struct publisher *publisher, size_t topic, struct chunk *chunk,
                            int64_t now_ms, struct error *err)
{
    struct header_stamp stamp = stamp_of(publisher, publisher->topics[topic].lsn);
    uint32_t first_partition = publisher->run->topics[topic].first_partition;
    size_t sent;

    for (size_t i = 0; i < chunk->count; i++) {
        number_message(publisher, topic, chunk, i, &stamp);
    }
    if (!offer(publisher, topic, chunk, 0, &sent, err)) {
        return false;
    }
    for (size_t i = sent; i < chunk->count; i++) {
        sequencer_give_back(&publisher->sequencer);
    }
    for (size_t i = 0; i < sent; i++) {
        uint32_t partition = first_partition + (uint32_t)chunk->messages[i].partition;

        publisher->pulses[partition] =
            (struct pulse){now_ms, publisher->sequencer.sequences[partition]};
    }
    return true;
}

bool publisher_heartbeats(struct publisher *publisher, int64_t now_ms, struct error *err)
{
    RH_AUTO(arena_release) struct arena arena;
    bool ok = true;

    arena_init(&arena, sizeof(struct chunk) + CHUNK_MESSAGES_MAX * CONTROL_BYTES_MAX);
    for (size_t t = 0; ok && t < publisher->run->topics_count; t++) {
        struct chunk *chunk;

        arena_reset(&arena);
        chunk = arena_must_alloc(&arena, sizeof(*chunk));
        lock(publisher);
        if (!publisher->ended && !publisher->topics[t].tail) {
            collect_heartbeats(publisher, t, now_ms, chunk, &arena);
            ok = chunk->count == 0 || send_heartbeats(publisher, t, chunk, now_ms, err);
        }
        unlock(publisher);
    }
    return ok;
}

/* ---- main thread ---- */

/*
 * A fatal error of the idempotent producer says that this handle is done for, not that Kafka is:
 * the next generation has another. librdkafka 2.0.2 reports some that are none (fixed in 2.3.0).
 */
static bool check_fatal(struct publisher *publisher, struct error *err)
{
    char text[256];
    rd_kafka_resp_err_t code = rd_kafka_fatal_error(publisher->kafka, text, sizeof(text));

    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
        return true;
    }
    kafka_error(err, code, "the Kafka producer cannot go on: %s", text);
    err->action = ERROR_RETRY;
    return false;
}

bool publisher_poll(struct publisher *publisher, int64_t timeout_ms, struct error *err)
{
    (void)rd_kafka_poll(publisher->kafka, (int)timeout_ms); /* a count of no interest */
    apply_acks(publisher);
    if (!check_fatal(publisher, err)) {
        return false;
    }
    if (!publisher->failed) {
        return true;
    }
    *err = publisher->failure;
    if (publisher->failure.hint == publisher->failure.hint_text) {
        err->hint = err->hint_text;
    }
    return false;
}

bool publisher_is_idle(struct publisher *publisher)
{
    bool idle;

    lock(publisher);
    idle = publisher->sequencer.durable == publisher->sequencer.position;
    unlock(publisher);
    return idle;
}

const char *publisher_checkpoint(struct publisher *publisher, bool final, int64_t now_ms,
                                 struct arena *arena)
{
    const struct checkpointer *checkpointer = &publisher->checkpointer;
    int64_t checkpoint_ms = (int64_t)publisher->settings->backfill_checkpoint_ms;
    const char *text = NULL;

    lock(publisher);
    if (final ? checkpointer->changed : checkpointer_due(checkpointer, checkpoint_ms, now_ms)) {
        text = checkpointer_record(&publisher->checkpointer, publisher->sequencer.acked, now_ms,
                                   arena);
    }
    unlock(publisher);
    return text;
}

void publisher_checkpoint_failed(struct publisher *publisher)
{
    lock(publisher);
    checkpointer_unsaved(&publisher->checkpointer);
    unlock(publisher);
}
