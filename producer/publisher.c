#include "producer/publisher_parts.h"

#include "common/clock.h"
#include "common/failpoint.h"

#include <string.h>

/* Messages numbered and not yet acknowledged: four bytes each. librdkafka's own queue, which is
 * bounded by bytes as well, is full long before except for the smallest of rows. */
#define OUTSTANDING_MAX (UINT64_C(1) << 20)

#define ACKED_PAUSE_MS 10

#define GENERATION_ARENA_BYTES ((size_t)256 << 20)

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
    publisher_lock(publisher);
    for (size_t i = 0; i < publisher->acks_count; i++) {
        sequencer_ack(&publisher->sequencer, publisher->acks[i]);
    }
    advance_checkpoint(publisher);
    publisher_unlock(publisher);
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

/* ---- chunks, by paging threads ---- */

static bool send_chunk(struct publisher *publisher, size_t topic, struct chunk *chunk,
                       struct header_stamp *stamp, struct error *err)
{
    bool sent;

    publisher_lock(publisher);
    sent = publisher_send(publisher, topic, chunk, stamp, err);
    publisher_unlock(publisher);
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
        if (!publisher_pause(publisher, ACKED_PAUSE_MS, err)) {
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

    publisher_lock(publisher);
    noted = note_locked(publisher, candidate, 0, err);
    publisher_unlock(publisher);
    return noted;
}

bool publisher_page(struct publisher *publisher, struct page *page, uint64_t lsn,
                    struct candidate *candidate, struct error *err)
{
    struct header_stamp stamp = publisher_stamp(publisher, lsn);
    bool noted;

    for (struct chunk *chunk = page->first; chunk != NULL; chunk = chunk->next) {
        if (!send_chunk(publisher, candidate->table, chunk, &stamp, err)) {
            return false;
        }
    }
    publisher_lock(publisher);
    noted = note_locked(publisher, candidate, lsn, err);
    publisher_unlock(publisher);
    return noted;
}

bool publisher_wait_acked(struct publisher *publisher, struct error *err)
{
    bool go_on = true;

    publisher_lock(publisher);
    uint64_t position = publisher->sequencer.position;
    while (go_on && publisher->sequencer.durable < position) {
        go_on = publisher_pause(publisher, ACKED_PAUSE_MS, err);
    }
    publisher_unlock(publisher);
    return go_on;
}

bool publisher_table_is_ended(struct publisher *publisher, size_t table)
{
    bool ended;

    publisher_lock(publisher);
    ended = table_position_is_ended(&publisher->topics[table].position);
    publisher_unlock(publisher);
    return ended;
}

size_t publisher_ranges(struct publisher *publisher, size_t table)
{
    const struct table_position *position = &publisher->topics[table].position;
    size_t count;

    publisher_lock(publisher);
    count = table_position_is_begun(position) ? position->ranges_count : 0;
    publisher_unlock(publisher);
    return count;
}

void publisher_divide(struct publisher *publisher, size_t table, const struct bytes *bounds,
                      size_t bounds_count)
{
    publisher_lock(publisher);
    checkpointer_divide(&publisher->checkpointer, table, bounds, bounds_count);
    table_position_divide(&publisher->topics[table].position, bounds, bounds_count);
    publisher_unlock(publisher);
}

bool publisher_range(struct publisher *publisher, size_t table, size_t range, struct buffer *key,
                     struct buffer *upto)
{
    const struct range_position *position;
    bool ended;

    publisher_lock(publisher);
    position = &publisher->topics[table].position.ranges[range];
    buffer_clear(key);
    write_bytes(key, buffer_bytes(&position->key));
    buffer_clear(upto);
    write_bytes(upto, buffer_bytes(&position->upto));
    ended = position->ended;
    publisher_unlock(publisher);
    return !ended;
}

uint32_t publisher_level(struct publisher *publisher)
{
    uint32_t level;

    publisher_lock(publisher);
    level = publisher->checkpointer.level;
    publisher_unlock(publisher);
    return level;
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

    publisher_lock(publisher);
    idle = publisher->sequencer.durable == publisher->sequencer.position;
    publisher_unlock(publisher);
    return idle;
}

const char *publisher_checkpoint(struct publisher *publisher, bool final, int64_t now_ms,
                                 struct arena *arena)
{
    const struct checkpointer *checkpointer = &publisher->checkpointer;
    int64_t checkpoint_ms = (int64_t)publisher->settings->backfill_checkpoint_ms;
    const char *text = NULL;

    publisher_lock(publisher);
    if (final ? checkpointer->changed : checkpointer_due(checkpointer, checkpoint_ms, now_ms)) {
        text = checkpointer_record(&publisher->checkpointer, publisher->sequencer.acked, now_ms,
                                   arena);
    }
    publisher_unlock(publisher);
    return text;
}

void publisher_checkpoint_failed(struct publisher *publisher)
{
    publisher_lock(publisher);
    checkpointer_unsaved(&publisher->checkpointer);
    publisher_unlock(publisher);
}
