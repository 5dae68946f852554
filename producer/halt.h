/*
 * halt -- the one flag that ends all threads of a generation, and why it was raised.
 *
 * The first error is kept, except that one that stops the program replaces one that can be retried.
 * A signal (shutdown.h) counts as raised without an error. Thread-safe.
 */
#ifndef RH_PRODUCER_HALT_H
#define RH_PRODUCER_HALT_H

#include "common/error.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct halt {
    atomic_bool raised;
    pthread_mutex_t lock;
    bool has_error; /* guarded by lock, like error */
    struct error error;
};

void halt_init(struct halt *halt);
void halt_release(struct halt *halt);
/* For the next generation, when its threads have ended; an error that stops the program stays. */
void halt_reset(struct halt *halt);

/* Raises it because of err; NULL: the work is done, or a signal came. */
void halt_raise(struct halt *halt, const struct error *err);
bool halt_raised(struct halt *halt);
/* False: raised without an error, or not raised. */
bool halt_error(struct halt *halt, struct error *ret_error);

/* Sleeps in short pieces, so that it ends soon after the flag is raised; false when it was. */
bool halt_sleep_ms(struct halt *halt, int64_t ms);

#endif
