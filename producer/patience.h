/*
 * patience -- a source that does not answer is asked again, with growing pauses, and said to be
 * lost and back only once.
 */
#ifndef RH_PRODUCER_PATIENCE_H
#define RH_PRODUCER_PATIENCE_H

#include "producer/halt.h"

#include "common/clock.h"

#include <stdbool.h>
#include <stdint.h>

struct patience {
    struct halt *halt;
    const char *table; /* for events */
    struct backoff backoff;
    uint32_t failures; /* since it answered last */
};

void patience_init(struct patience *patience, struct halt *halt, const char *table);
/* After a failure: true, after a pause, when it is to be tried again. Otherwise err stands. */
bool patience_try_again(struct patience *patience, struct error *err) RH_MUST_CHECK;
/* It answered. */
void patience_end(struct patience *patience);

#endif
