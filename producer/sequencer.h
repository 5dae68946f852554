/*
 * sequencer -- numbers messages, and knows up to where all of them were acknowledged. Pure.
 *
 * Each message gets a position (global, from 1, in enqueue order) and a sequence (from 1 in each
 * partition). The partition index is flat over all topics of the run.
 *
 * Holds (I6): `durable` is the greatest position such that all messages up to it were acknowledged
 * in this generation; acked[p] is the last sequence of p at or below `durable`. Both follow from
 * one ring with an entry for each outstanding position, so acknowledgements may come in any order.
 *
 * Never:  locks. The publisher's lock guards it.
 */
#ifndef RH_PRODUCER_SEQUENCER_H
#define RH_PRODUCER_SEQUENCER_H

#include "common/arena.h"

#include <stdbool.h>
#include <stdint.h>

struct sequencer {
    uint32_t partitions_count;
    uint64_t *sequences; /* per partition: the last one given */
    uint64_t *acked;     /* per partition, see above */
    uint32_t *ring;      /* what stands at each outstanding position, see sequencer.c */
    uint64_t ring_mask;
    uint64_t position; /* the last one given */
    uint64_t durable;
};

/* outstanding_max is a power of two; memory comes from the arena, REQUIREd to have it. */
void sequencer_init(struct sequencer *sequencer, struct arena *arena, uint32_t partitions_count,
                    uint64_t outstanding_max);
/* How many messages can be numbered before older ones must be acknowledged. */
uint64_t sequencer_room(const struct sequencer *sequencer);

/* Numbers a message; there must be room. Returns its position. */
uint64_t sequencer_take(struct sequencer *sequencer, uint32_t partition, uint64_t *ret_sequence);
/* A position without a sequence: HELLO. */
uint64_t sequencer_take_unnumbered(struct sequencer *sequencer, uint32_t partition);
/* Gives the newest number back: that message was refused, and nothing was numbered since. */
void sequencer_give_back(struct sequencer *sequencer);

void sequencer_ack(struct sequencer *sequencer, uint64_t position);

#endif
