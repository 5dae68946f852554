#include "common/clock.h"

#include "common/compiler.h"

#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

#define MS_PER_S  1000
#define US_PER_S  1000000
#define NS_PER_MS 1000000

static struct timespec now(clockid_t clock)
{
    struct timespec time;

    REQUIRE(clock_gettime(clock, &time) == 0);
    return time;
}

int64_t clock_ms(void)
{
    struct timespec time = now(CLOCK_MONOTONIC);

    return (int64_t)time.tv_sec * MS_PER_S + time.tv_nsec / NS_PER_MS;
}

int64_t clock_wall_us(void)
{
    struct timespec time = now(CLOCK_REALTIME);

    return (int64_t)time.tv_sec * US_PER_S + time.tv_nsec / 1000;
}

void clock_sleep_ms(int64_t ms)
{
    struct timespec time = {.tv_sec = ms / MS_PER_S, .tv_nsec = (long)(ms % MS_PER_S) * NS_PER_MS};

    /* A signal may cut it short: the caller's loop looks at its flag and its clock again. */
    if (ms > 0) {
        (void)nanosleep(&time, NULL);
    }
}

void clock_format(int64_t wall_us, char *text, size_t size)
{
    int64_t us = wall_us % US_PER_S;
    time_t seconds;
    struct tm tm;
    size_t used;

    REQUIRE(size >= 32);
    if (us < 0) {
        us += US_PER_S; /* before 1970 the second's start lies below, not above */
    }
    seconds = (time_t)((wall_us - us) / US_PER_S);
    REQUIRE(gmtime_r(&seconds, &tm) != NULL);
    used = strftime(text, size, "%Y-%m-%dT%H:%M:%S", &tm);
    (void)snprintf(text + used, size - used, ".%03dZ", (int)(us / 1000)); /* fits: see REQUIRE */
}

/* Enough to keep a crowd of workers from knocking in step; splitmix64 over time and a counter. */
static uint64_t random_u64(void)
{
    static atomic_uint_fast64_t counter;
    uint64_t x = (uint64_t)now(CLOCK_MONOTONIC).tv_nsec + ((uint64_t)clock_wall_us() << 20);

    x += (atomic_fetch_add(&counter, 1) + 1) * UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

void backoff_init(struct backoff *backoff, int64_t first_ms, int64_t max_ms)
{
    REQUIRE(first_ms > 0 && first_ms <= max_ms);
    *backoff = (struct backoff){first_ms, max_ms, first_ms};
}

void backoff_reset(struct backoff *backoff)
{
    backoff->next_ms = backoff->first_ms;
}

int64_t backoff_next_ms(struct backoff *backoff)
{
    int64_t most = backoff->next_ms;
    int64_t least = most - most / 2;
    uint64_t choices = (uint64_t)(most - least) + 1;

    backoff->next_ms = most > backoff->max_ms / 2 ? backoff->max_ms : most * 2;
    return least + (int64_t)(random_u64() % choices);
}
