#include "worker/lane_parts.h"

#include "common/log.h"
#include "common/shutdown.h"

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
    struct wire_message decoded;
    struct fence before = partition->ahead;
    enum fence_verdict verdict =
        fence_read(&partition->ahead, value, lane->run, &lane->arena, &decoded, err);
    if (verdict == FENCE_FATAL) {
        return at_message(message, err);
    }
    if (verdict != FENCE_ACCEPT) {
        note_skip(partition, verdict, before.gap, message);
    } else if (wire_kind_is_data(decoded.header.kind)) {
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
               lane_drop_batch(lane, err);
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

/* ---- the batch's turn ---- */

/* Rows of the batch in hand come first; then the message gets a place in the next one. */
bool lane_take_message(struct lane *lane, const rd_kafka_message_t *message, struct error *err)
{
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return read_failure(lane, message, err);
    }
    uint64_t rewinds = lane->assignment.rewinds;
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
        if (!taken && !lane_flush(lane, err)) {
            return false;
        }
        /* A batch that was dropped took what lies before this message along: both come again. */
        if (!taken && (shutdown_requested() || lane->assignment.pending ||
                       lane->assignment.rewinds != rewinds)) {
            return true;
        }
    }
    return true;
}
