/*
 * clock -- monotonic time for waiting, wall time for showing, sleep that signals can cut short.
 */
#ifndef RH_COMMON_CLOCK_H
#define RH_COMMON_CLOCK_H

#include <stddef.h>
#include <stdint.h>

int64_t clock_ms(void);      /* monotonic milliseconds */
int64_t clock_wall_us(void); /* microseconds since 1970-01-01 UTC */
void clock_sleep_ms(int64_t ms);
/* "2026-11-20T10:11:12.123Z" of a wall time; text holds at least 32 bytes. */
void clock_format(int64_t wall_us, char *text, size_t size);

/* Exponential back-off with jitter: first_ms, doubled up to max_ms. */
struct backoff {
    int64_t first_ms;
    int64_t max_ms;
    int64_t next_ms;
};
void backoff_init(struct backoff *backoff, int64_t first_ms, int64_t max_ms);
void backoff_reset(struct backoff *backoff);
int64_t backoff_next_ms(struct backoff *backoff); /* what to wait now; grows for the next time */

#endif
