#include "producer/generation.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define CLAIM_TIMEOUT_MS 30000
#define CLAIM_TRIES_MAX  5

static bool fenced(struct error *err, uint64_t generation)
{
    error_stop(err, EXIT_STATE, "PRODUCER_FENCED",
               "another producer has claimed generation %" PRIu64 " of this run", generation);
    return error_hint(err, "one rowhaul-producer per migration: stop the other one first");
}

static bool put_claim(rd_kafka_t *producer, const struct run *run, const char *instance,
                      uint64_t generation, struct error *err)
{
    RH_AUTO(arena_release) struct arena arena;
    char key[32];

    arena_init(&arena, (size_t)64 << 10);
    (void)snprintf(key, sizeof(key), "claim/%" PRIu64, generation);
    return state_put(producer, run->state_topic, key,
                     state_claim_text(&arena, generation, instance), CLAIM_TIMEOUT_MS, err);
}

/* The first claim of a number wins, so what the log says afterwards decides. */
bool generation_claim(rd_kafka_t *producer, const struct settings *settings, const struct run *run,
                      const char *instance, struct state_fold *fold, uint64_t *ret_generation,
                      struct error *err)
{
    for (int tries = 0; tries < CLAIM_TRIES_MAX; tries++) {
        uint64_t generation = fold->generation + 1;

        if (!put_claim(producer, run, instance, generation, err) ||
            !state_fold_read(fold, settings, run->state_topic, err)) {
            return false;
        }
        if (fold->generation > generation) {
            return fenced(err, fold->generation);
        }
        if (fold->generation == generation && strcmp(fold->claimed_by, instance) == 0) {
            *ret_generation = generation;
            return true;
        }
    }
    return fenced(err, fold->generation);
}

const uint64_t *generation_acked(const struct run *run, const struct checkpoint *checkpoint,
                                 struct arena *arena)
{
    uint64_t *acked = arena_must_alloc(arena, run->partitions_count * sizeof(*acked));

    for (size_t i = 0; i < checkpoint->partitions_count; i++) {
        const struct partition_state *state = &checkpoint->partitions[i];
        const struct run_topic *topic = run_topic_find(run, bytes_of(state->topic));

        if (topic != NULL && state->partition >= 0 &&
            (uint32_t)state->partition < topic->partitions) {
            acked[topic->first_partition + (uint32_t)state->partition] = state->acked;
        }
    }
    return acked;
}
