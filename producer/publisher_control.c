#include "producer/publisher_parts.h"

#define HEARTBEAT_BUSY_MS 1000
#define HEARTBEAT_IDLE_MS 5000
#define CONTROL_BYTES_MAX ((size_t)2 << 20) /* a heartbeat: header, counters, a key */

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
    struct header_stamp stamp = publisher_stamp(publisher, publisher->topics[topic].lsn);
    RH_AUTO(arena_release) struct arena arena;
    bool sent = true;

    arena_init(&arena, sizeof(struct chunk) + CHUNK_MESSAGES_MAX * CONTROL_BYTES_MAX);
    for (uint32_t p = 0; sent && p < run_topic->partitions;) {
        struct chunk *chunk;

        arena_reset(&arena);
        chunk = arena_must_alloc(&arena, sizeof(*chunk));
        publisher_lock(publisher);
        for (; p < run_topic->partitions && chunk->count < CHUNK_MESSAGES_MAX; p++) {
            control.acked = acked != NULL
                                ? acked[p]
                                : publisher->sequencer.acked[run_topic->first_partition + p];
            chunk_add(chunk, control.kind, p, BYTES_EMPTY,
                      write_control(publisher, topic, &control, &arena));
        }
        sent = publisher_send(publisher, topic, chunk, &stamp, err);
        publisher_unlock(publisher);
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
        publisher_lock(publisher);
        publisher->ended = true;
        publisher_unlock(publisher);
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
    struct header_stamp stamp = publisher_stamp(publisher, publisher->topics[topic].lsn);
    uint32_t first_partition = publisher->run->topics[topic].first_partition;
    size_t sent;

    for (size_t i = 0; i < chunk->count; i++) {
        publisher_number(publisher, topic, chunk, i, &stamp);
    }
    if (!publisher_offer(publisher, topic, chunk, 0, &sent, err)) {
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
        publisher_lock(publisher);
        if (!publisher->ended && !publisher->topics[t].tail) {
            collect_heartbeats(publisher, t, now_ms, chunk, &arena);
            ok = chunk->count == 0 || send_heartbeats(publisher, t, chunk, now_ms, err);
        }
        publisher_unlock(publisher);
    }
    return ok;
}
