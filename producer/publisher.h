/*
 * publisher -- the one way into the topics: numbers messages, enqueues them, counts their
 * acknowledgements. One object is one generation.
 *
 * In:     chunks of encoded messages (page), control messages, checkpoint candidates.
 * Out:    messages in librdkafka's queue, in order; acknowledged sequences; the checkpoint's text.
 * Never:  holds its lock across a wait; loses or reorders a message of a partition: after any error
 *         but a full queue the generation ends and the next resends from the last checkpoint.
 *
 * Threads. `lock` (M of the design) guards sequencer, checkpointer and topic states; everything
 * below that says so takes it itself. A topic is fed by the threads that page its table's ranges,
 * and by the heartbeats of the main thread; barriers come when its level has ended.
 * Acknowledgements arrive in publisher_poll, which only the main thread calls.
 *
 * A full queue. Messages get their numbers first; the tail that librdkafka refuses keeps its
 * numbers and is offered again, by the same thread, before anything else of that topic: until then
 * the topic has a tail, other threads wait before they number theirs, and heartbeats skip it.
 */
#ifndef RH_PRODUCER_PUBLISHER_H
#define RH_PRODUCER_PUBLISHER_H

#include "producer/checkpoint.h"
#include "producer/halt.h"
#include "producer/page.h"
#include "producer/sequencer.h"

#include "common/run.h"

#include <librdkafka/rdkafka.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#define ACKS_NOTED_MAX 4096

struct topic_state {
    rd_kafka_topic_t *handle;
    bool tail;                      /* numbered messages wait to be offered again */
    uint64_t lsn;                   /* the greatest L of its pages */
    struct table_position position; /* up to the last pages enqueued */
};

struct pulse {
    int64_t sent_ms;   /* when the partition's last heartbeat was enqueued */
    uint64_t sequence; /* of that heartbeat: another one is the last now if data flowed since */
};

struct publisher {
    const struct run *run;
    const struct settings *settings;
    struct halt *halt;
    uint64_t generation;
    rd_kafka_t *kafka;
    struct arena arena; /* of the generation */

    pthread_mutex_t lock;
    struct sequencer sequencer;
    struct checkpointer checkpointer;
    struct topic_state *topics; /* in the run's order */
    struct pulse *pulses;       /* flat over all partitions */
    bool ended;                 /* the end barrier is enqueued: no more heartbeats */

    /* Main thread only: what delivery reports said since the last look. */
    uint64_t acks[ACKS_NOTED_MAX];
    size_t acks_count;
    bool failed;
    struct error failure;
};

bool publisher_open(struct publisher *publisher, const struct run *run,
                    const struct settings *settings, struct halt *halt, uint64_t generation,
                    struct error *err) RH_MUST_CHECK;
/* Drops what was not sent. Also of a half-open one. */
void publisher_close(struct publisher *publisher);

/* Goes on where a checkpoint of an earlier generation stands. */
bool publisher_resume(struct publisher *publisher, const struct checkpoint *saved,
                      struct error *err) RH_MUST_CHECK;
/* Enqueues HELLO to every partition. `acked` is flat over all partitions; NULL: no checkpoint. */
bool publisher_hello(struct publisher *publisher, uint64_t previous, const uint64_t *acked,
                     struct error *err) RH_MUST_CHECK;
/*
 * Enqueues a page's messages, then its candidate, whose position and progress it sets: one
 * candidate of a table, that of its last range's end, has progress.done. Waits while queues are
 * full. Errors: ERROR_RETRY the halt flag was raised, or the generation ends.
 */
bool publisher_page(struct publisher *publisher, struct page *page, uint64_t lsn,
                    struct candidate *candidate, struct error *err) RH_MUST_CHECK;
/* A candidate that comes with no page; otherwise like publisher_page. */
bool publisher_note(struct publisher *publisher, struct candidate *candidate,
                    struct error *err) RH_MUST_CHECK;
/* Enqueues a barrier to every partition of a topic; waits while queues are full. */
bool publisher_barrier(struct publisher *publisher, size_t topic, uint64_t barrier,
                       struct error *err) RH_MUST_CHECK;
/* Waits until everything enqueued before the call was acknowledged (I6). */
bool publisher_wait_acked(struct publisher *publisher, struct error *err) RH_MUST_CHECK;

bool publisher_table_is_ended(struct publisher *publisher, size_t table);
/* Into how many ranges a table was divided; 0: nothing of it was read, so it still may be. */
size_t publisher_ranges(struct publisher *publisher, size_t table);
/* Divides a table of which nothing was read; the bounds are in the index's order. */
void publisher_divide(struct publisher *publisher, size_t table, const struct bytes *bounds,
                      size_t bounds_count);
/* Where a range stands and where it ends (copied into the buffers); false: it has ended. */
bool publisher_range(struct publisher *publisher, size_t table, size_t range, struct buffer *key,
                     struct buffer *upto);
/* Tables of lower levels are done and applied. */
uint32_t publisher_level(struct publisher *publisher);

/* ---- for the main thread ---- */

/* Serves delivery reports. Errors: what ends the generation. */
bool publisher_poll(struct publisher *publisher, int64_t timeout_ms,
                    struct error *err) RH_MUST_CHECK;
/* Enqueues the heartbeats that are due: each second where data flowed, else every five. */
bool publisher_heartbeats(struct publisher *publisher, int64_t now_ms,
                          struct error *err) RH_MUST_CHECK;
/* Everything enqueued was acknowledged. */
bool publisher_is_idle(struct publisher *publisher);
/* The checkpoint to write now, in the arena, or NULL; `final`: if it changed at all. */
const char *publisher_checkpoint(struct publisher *publisher, bool final, int64_t now_ms,
                                 struct arena *arena);
/* That checkpoint could not be written. */
void publisher_checkpoint_failed(struct publisher *publisher);

#endif
