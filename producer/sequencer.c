#include "producer/sequencer.h"

/* A ring entry: the partition, whether the message has a sequence, whether it was acknowledged. */
#define ENTRY_ACKED      UINT32_C(0x80000000)
#define ENTRY_UNNUMBERED UINT32_C(0x40000000)
#define ENTRY_PARTITION  UINT32_C(0x3fffffff)

void sequencer_init(struct sequencer *sequencer, struct arena *arena, uint32_t partitions_count,
                    uint64_t outstanding_max)
{
    REQUIRE(partitions_count > 0 && partitions_count <= ENTRY_PARTITION);
    REQUIRE(outstanding_max > 0 && (outstanding_max & (outstanding_max - 1)) == 0);
    *sequencer = (struct sequencer){
        .partitions_count = partitions_count,
        .sequences = arena_must_alloc(arena, partitions_count * sizeof(uint64_t)),
        .acked = arena_must_alloc(arena, partitions_count * sizeof(uint64_t)),
        .ring = arena_must_alloc(arena, outstanding_max * sizeof(uint32_t)),
        .ring_mask = outstanding_max - 1,
    };
}

uint64_t sequencer_room(const struct sequencer *sequencer)
{
    return sequencer->ring_mask + 1 - (sequencer->position - sequencer->durable);
}

static uint32_t *entry_at(const struct sequencer *sequencer, uint64_t position)
{
    return &sequencer->ring[position & sequencer->ring_mask];
}

static uint64_t take(struct sequencer *sequencer, uint32_t entry)
{
    REQUIRE((entry & ENTRY_PARTITION) < sequencer->partitions_count);
    REQUIRE(sequencer_room(sequencer) > 0);
    sequencer->position++;
    *entry_at(sequencer, sequencer->position) = entry;
    return sequencer->position;
}

uint64_t sequencer_take(struct sequencer *sequencer, uint32_t partition, uint64_t *ret_sequence)
{
    uint64_t position = take(sequencer, partition);

    *ret_sequence = ++sequencer->sequences[partition];
    return position;
}

uint64_t sequencer_take_unnumbered(struct sequencer *sequencer, uint32_t partition)
{
    return take(sequencer, partition | ENTRY_UNNUMBERED);
}

void sequencer_give_back(struct sequencer *sequencer)
{
    REQUIRE(sequencer->position > sequencer->durable);

    uint32_t entry = *entry_at(sequencer, sequencer->position);

    REQUIRE((entry & ENTRY_ACKED) == 0);
    if ((entry & ENTRY_UNNUMBERED) == 0) {
        sequencer->sequences[entry & ENTRY_PARTITION]--;
    }
    sequencer->position--;
}

void sequencer_ack(struct sequencer *sequencer, uint64_t position)
{
    REQUIRE(position > sequencer->durable && position <= sequencer->position);
    REQUIRE((*entry_at(sequencer, position) & ENTRY_ACKED) == 0);
    *entry_at(sequencer, position) |= ENTRY_ACKED;

    while (sequencer->durable < sequencer->position) {
        uint32_t entry = *entry_at(sequencer, sequencer->durable + 1);

        if ((entry & ENTRY_ACKED) == 0) {
            return;
        }
        if ((entry & ENTRY_UNNUMBERED) == 0) {
            sequencer->acked[entry & ENTRY_PARTITION]++;
        }
        sequencer->durable++;
    }
}
