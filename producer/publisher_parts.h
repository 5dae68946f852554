/*
 * publisher_parts -- what the files of the publisher share; nobody else includes it.
 *
 * publisher.c is the generation's life, pages and checkpoints; publisher_send.c numbers messages
 * and hands them to librdkafka; publisher_control.c has HELLO, heartbeats and barriers.
 */
#ifndef RH_PRODUCER_PUBLISHER_PARTS_H
#define RH_PRODUCER_PUBLISHER_PARTS_H

#include "producer/publisher.h"

void publisher_lock(struct publisher *publisher);
void publisher_unlock(struct publisher *publisher);
/* Waits with the lock released; false when the halt flag was raised. The lock is held again. */
bool publisher_pause(struct publisher *publisher, int64_t ms, struct error *err) RH_MUST_CHECK;

/* A header's bytes but for the sequence: what the messages of a page have in common. */
struct header_stamp {
    struct wire_header header;
    bool made;
    char bytes[WIRE_HEADER_BYTES];
};

struct header_stamp publisher_stamp(const struct publisher *publisher, uint64_t lsn);

/* ---- under the lock ---- */

/* Gives a chunk's message its number and its header. */
void publisher_number(struct publisher *publisher, size_t topic, struct chunk *chunk, size_t i,
                      struct header_stamp *stamp);
/*
 * Offers the messages from `from` on; ret_count is how many librdkafka took: those from ret_count
 * on were refused because its queue is full. Any other refusal ends the generation.
 */
bool publisher_offer(struct publisher *publisher, size_t topic, struct chunk *chunk, size_t from,
                     size_t *ret_count, struct error *err) RH_MUST_CHECK;
/* Numbers a chunk's messages and offers them until librdkafka has taken all; pauses meanwhile. */
bool publisher_send(struct publisher *publisher, size_t topic, struct chunk *chunk,
                    struct header_stamp *stamp, struct error *err) RH_MUST_CHECK;

#endif
