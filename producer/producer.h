/*
 * producer -- the program: one run, generation after generation, until the end barrier stands.
 *
 *     find the run (or create it)       state topic; nothing else may begin a run
 *     take the source's advisory lock   guard
 *     claim a generation                generation: fold, claim, HELLO to every partition, all acks
 *     serve it                          this loop: acknowledgements, heartbeats, checkpoints; the
 *                                       backfill has its own threads
 *     a delivery or fatal Kafka error   drop the handle, next generation from the last checkpoint
 *     the end barrier acknowledged      last checkpoint, exit 0
 *
 * A signal ends the generation where it is: what is enqueued is flushed for a few seconds, the
 * checkpoint is written, exit 0. A crash at any instant costs at most what one checkpoint covers.
 */
#ifndef RH_PRODUCER_PRODUCER_H
#define RH_PRODUCER_PRODUCER_H

#include "common/error.h"
#include "common/run.h"

#include <stdbool.h>

/* False: err says why, and its exit code is the program's. */
bool producer_run(const struct config *config, struct error *err) RH_MUST_CHECK;

#endif
