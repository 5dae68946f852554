/*
 * generation -- claims the next generation in the state topic, and says what it resumes from.
 *
 * In:     the fold of the state topic. Out: the generation's number, which no other instance has;
 *         the fold as it stood when the claim was made, so with the last checkpoint that counts.
 */
#ifndef RH_PRODUCER_GENERATION_H
#define RH_PRODUCER_GENERATION_H

#include "common/run.h"
#include "common/state_topic.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * Errors  ERROR_STOP PRODUCER_FENCED: a higher claim appeared meanwhile.
 */
bool generation_claim(rd_kafka_t *producer, const struct settings *settings, const struct run *run,
                      const char *instance, struct state_fold *fold, uint64_t *ret_generation,
                      struct error *err) RH_MUST_CHECK;

/* A checkpoint's acknowledged sequences as a flat array over the run's partitions, in the arena. */
const uint64_t *generation_acked(const struct run *run, const struct checkpoint *checkpoint,
                                 struct arena *arena);

#endif
