/*
 * lane -- one consumer, one target connection, one batch, one loop: a worker process is one lane.
 *
 * In:     messages of the partitions that the group gives. Out: committed batches on the target.
 * Loop:   collect until rows, bytes, time, a barrier or a rebalance say so; apply; show progress.
 *
 * What a crash means at each point: nothing. The target's transaction holds rows and offsets, so
 * whoever owns the partition next goes on from exactly there.
 */
#ifndef RH_WORKER_LANE_H
#define RH_WORKER_LANE_H

#include "common/run.h"

#include <stdbool.h>

struct lane_options {
    const char *name;   /* shown as owner in rowhaul.offsets */
    const char *assign; /* TOPIC:PARTITION instead of the group, or NULL */
    bool replay_only;   /* do what is requested of the partition, read nothing new, then end */
};

/*
 * Works until asked to leave (true) or until something stops it.
 * Errors  ERROR_STOP only: what can be repeated is repeated here.
 */
bool lane_work(const struct config *config, const struct run *run,
               const struct lane_options *options, struct arena *arena,
               struct error *err) RH_MUST_CHECK;

#endif
