/*
 * guard -- keeps showing that this process is the run's one producer.
 *
 * In:     the run, the generation that was claimed. Out: the halt flag with PRODUCER_FENCED when
 *         somebody else is the producer now.
 *
 * Two signs: an advisory lock of the source, held by a session of its own that is pinged often and
 * dies by idle_session_timeout with a process that stands still; and the state topic, where no
 * claim may be higher than ours. Neither makes the run correct, generations do that: they keep two
 * producers from sending everything twice.
 *
 * One thread for the process's life: a source or a broker that hangs must not hold up the loop that
 * serves acknowledgements.
 */
#ifndef RH_PRODUCER_GUARD_H
#define RH_PRODUCER_GUARD_H

#include "producer/halt.h"

#include "common/run.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct guard {
    const struct settings *settings;
    const struct run *run;
    struct halt *halt;
    struct pg pg;      /* the lock's session; the thread's once that runs */
    bool lost;         /* the session was lost, which was reported */
    char instance[37]; /* a uuid of this process: who claims */

    pthread_t thread;
    bool started;
    atomic_bool ends;

    pthread_mutex_t lock;
    uint64_t generation;  /* guarded by lock: 0 = none to watch */
    int64_t state_offset; /* where its claim was read */
};

/*
 * Takes the lock and starts the thread.
 * Errors  ERROR_STOP PRODUCER_FENCED: somebody else held the lock for 15 s.
 */
bool guard_open(struct guard *guard, const struct settings *settings, const struct run *run,
                struct halt *halt, struct error *err) RH_MUST_CHECK;
/* From the state topic's offset on no claim may be higher; 0: nothing to watch. */
void guard_watch(struct guard *guard, uint64_t generation, int64_t state_offset);
void guard_close(struct guard *guard);

#endif
