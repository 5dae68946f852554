#include "producer/publisher_parts.h"

#include <string.h>

#define FULL_PAUSE_MS 5
/* Where a header keeps its sequence: after version, kind, flags, run and generation. */
#define SEQUENCE_AT    (1 + 1 + 2 + RUN_ID_BYTES + 8)
#define SEQUENCE_BYTES 8

void publisher_lock(struct publisher *publisher)
{
    REQUIRE(pthread_mutex_lock(&publisher->lock) == 0);
}

void publisher_unlock(struct publisher *publisher)
{
    REQUIRE(pthread_mutex_unlock(&publisher->lock) == 0);
}

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

struct header_stamp publisher_stamp(const struct publisher *publisher, uint64_t lsn)
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

void publisher_number(struct publisher *publisher, size_t topic, struct chunk *chunk, size_t i,
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

bool publisher_offer(struct publisher *publisher, size_t topic, struct chunk *chunk, size_t from,
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

static bool interrupted(struct error *err)
{
    return error_set(err, ERROR_RETRY, "interrupted");
}

bool publisher_pause(struct publisher *publisher, int64_t ms, struct error *err)
{
    bool go_on;

    publisher_unlock(publisher);
    go_on = halt_sleep_ms(publisher->halt, ms);
    publisher_lock(publisher);
    return go_on || interrupted(err);
}

bool publisher_send(struct publisher *publisher, size_t topic, struct chunk *chunk,
                    struct header_stamp *stamp, struct error *err)
{
    struct topic_state *state = &publisher->topics[topic];
    size_t sent = 0;

    while (state->tail || sequencer_room(&publisher->sequencer) < chunk->count) {
        if (!publisher_pause(publisher, FULL_PAUSE_MS, err)) {
            return false;
        }
    }
    for (size_t i = 0; i < chunk->count; i++) {
        publisher_number(publisher, topic, chunk, i, stamp);
    }
    for (;;) {
        size_t count;

        if (!publisher_offer(publisher, topic, chunk, sent, &count, err)) {
            return false;
        }
        sent += count;
        state->tail = sent < chunk->count;
        if (!state->tail) {
            return true;
        }
        if (!publisher_pause(publisher, FULL_PAUSE_MS, err)) {
            return false;
        }
    }
}
