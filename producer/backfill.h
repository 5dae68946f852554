/*
 * backfill -- all tables of the plan, level by level of the foreign-key order, parents first.
 *
 * In:     the plan, a publisher that knows where an earlier generation came to. Out: every row in
 *         its topic, a barrier behind each level, the end barrier behind all.
 *
 *     for each level from the checkpoint's on:
 *         page its tables in backfill.threads threads, largest first, large ones divided into
 *         ranges that several threads page at the same time
 *         barrier to every partition of the level's topics; wait until all are acknowledged
 *         wait until the target has seen it on all of them; then the level counts in the checkpoint
 *     after the last level: the end barrier to every partition of all topics
 *
 * A barrier that was sent by an earlier generation is sent again unless the checkpoint is past its
 * level: workers know it by its id.
 *
 * One thread tells this story; the paging threads are its children. Any failure raises the halt
 * flag; a source or a target that is away is waited for instead.
 */
#ifndef RH_PRODUCER_BACKFILL_H
#define RH_PRODUCER_BACKFILL_H

#include "producer/halt.h"
#include "producer/pager.h"
#include "producer/publisher.h"
#include "producer/rate.h"
#include "producer/work.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

struct paging_thread {
    struct backfill *backfill;
    struct pager pager;
    pthread_t thread;
};

struct backfill {
    const struct run *run;
    const struct settings *settings;
    struct publisher *publisher;
    struct halt *halt;
    struct arena arena;

    pthread_t thread;
    bool started;
    atomic_bool finished; /* the end barrier was acknowledged */
    atomic_bool ended;    /* the thread is about to return, finished or not */

    struct paging_thread *threads;
    size_t threads_count;

    pthread_mutex_t lock; /* guards what the paging threads share */
    struct work work;     /* of this level */
    struct rate rate;
};

void backfill_start(struct backfill *backfill, const struct run *run,
                    const struct settings *settings, struct publisher *publisher,
                    struct halt *halt);
bool backfill_is_finished(struct backfill *backfill);
/* Waits for its threads, which is long unless the halt flag is raised or it is finished. */
void backfill_stop(struct backfill *backfill);

#endif
