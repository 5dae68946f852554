#include "producer/halt.h"

#include "common/clock.h"
#include "common/shutdown.h"

#define SLEEP_PIECE_MS 50

void halt_init(struct halt *halt)
{
    atomic_init(&halt->raised, false);
    REQUIRE(pthread_mutex_init(&halt->lock, NULL) == 0);
    halt->has_error = false;
}

void halt_release(struct halt *halt)
{
    REQUIRE(pthread_mutex_destroy(&halt->lock) == 0);
}

void halt_reset(struct halt *halt)
{
    REQUIRE(pthread_mutex_lock(&halt->lock) == 0);
    if (!halt->has_error || halt->error.action != ERROR_STOP) {
        halt->has_error = false;
        atomic_store(&halt->raised, false);
    }
    REQUIRE(pthread_mutex_unlock(&halt->lock) == 0);
}

/* err->hint may point into err itself; a copy has to point into the copy. */
static void error_copy(struct error *to, const struct error *from)
{
    *to = *from;
    if (from->hint == from->hint_text) {
        to->hint = to->hint_text;
    }
}

void halt_raise(struct halt *halt, const struct error *err)
{
    REQUIRE(pthread_mutex_lock(&halt->lock) == 0);
    if (err != NULL &&
        (!halt->has_error || (err->action == ERROR_STOP && halt->error.action != ERROR_STOP))) {
        error_copy(&halt->error, err);
        halt->has_error = true;
    }
    atomic_store(&halt->raised, true);
    REQUIRE(pthread_mutex_unlock(&halt->lock) == 0);
}

bool halt_raised(struct halt *halt)
{
    return atomic_load(&halt->raised) || shutdown_requested();
}

bool halt_error(struct halt *halt, struct error *ret_error)
{
    bool has_error;

    REQUIRE(pthread_mutex_lock(&halt->lock) == 0);
    has_error = halt->has_error;
    if (has_error) {
        error_copy(ret_error, &halt->error);
    }
    REQUIRE(pthread_mutex_unlock(&halt->lock) == 0);
    return has_error;
}

bool halt_sleep_ms(struct halt *halt, int64_t ms)
{
    int64_t until_ms = clock_ms() + ms;

    for (;;) {
        int64_t left_ms = until_ms - clock_ms();

        if (halt_raised(halt)) {
            return false;
        }
        if (left_ms <= 0) {
            return true;
        }
        clock_sleep_ms(left_ms < SLEEP_PIECE_MS ? left_ms : SLEEP_PIECE_MS);
    }
}
