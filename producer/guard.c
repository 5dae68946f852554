#include "producer/guard.h"

#include "common/clock.h"
#include "common/hash.h"
#include "common/log.h"
#include "common/state_topic.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define APPLICATION      "rowhaul-producer lock"
#define LOCK_PATIENCE_MS 15000 /* the session of a killed producer may end a little later */
#define LOCK_PAUSE_MS    500
#define PING_MS          5000
#define WATCH_MS         2000
#define TICK_MS          250
#define STATE_BYTES_MAX  ((size_t)64 << 20)

/* In servers before 14 the setting does not exist: then the session lives as long as TCP says. */
static const char session_sql[] =
    "SELECT pg_catalog.set_config(name, '30s', false) FROM pg_catalog.pg_settings"
    " WHERE name = 'idle_session_timeout'";

static bool fenced(struct error *err)
{
    error_stop(err, EXIT_STATE, "PRODUCER_FENCED", "another producer works for this run");
    return error_hint(err, "one rowhaul-producer per migration: stop the other one first");
}

/* ---- the advisory lock ---- */

static bool open_session(struct guard *guard, struct error *err)
{
    RH_AUTO(pg_result_clear) PGresult *result = NULL;

    if (pg_is_open(&guard->pg)) {
        return true;
    }
    pg_close(&guard->pg);
    return pg_open(&guard->pg, PG_SOURCE, guard->settings->source_url, APPLICATION, err) &&
           pg_query(&guard->pg, session_sql, &result, err);
}

static bool try_lock(struct guard *guard, bool *ret_locked, struct error *err)
{
    RH_AUTO(pg_result_clear) PGresult *result = NULL;
    struct bytes run_id = {(const char *)guard->run->id, RUN_ID_BYTES};
    char sql[96];
    int64_t key;
    uint64_t hash = fingerprint_add(FINGERPRINT_START, run_id);

    memcpy(&key, &hash, sizeof(key)); /* bigint has the same 64 bits, signed */
    (void)snprintf(sql, sizeof(sql), "SELECT pg_catalog.pg_try_advisory_lock(%" PRId64 ")", key);
    if (!open_session(guard, err) || !pg_query(&guard->pg, sql, &result, err)) {
        return false;
    }
    *ret_locked = strcmp(PQgetvalue(result, 0, 0), "t") == 0;
    return true;
}

static bool take_lock(struct guard *guard, struct error *err)
{
    int64_t deadline_ms = clock_ms() + LOCK_PATIENCE_MS;

    for (;;) {
        bool locked;

        if (!try_lock(guard, &locked, err)) {
            return false;
        }
        if (locked) {
            return true;
        }
        if (clock_ms() >= deadline_ms) {
            return fenced(err);
        }
        if (!halt_sleep_ms(guard->halt, LOCK_PAUSE_MS)) {
            return error_set(err, ERROR_RETRY, "interrupted");
        }
    }
}

static bool name_instance(struct guard *guard, struct error *err)
{
    RH_AUTO(pg_result_clear) PGresult *result = NULL;

    if (!pg_query(&guard->pg, "SELECT pg_catalog.gen_random_uuid()", &result, err)) {
        return false;
    }
    (void)snprintf(guard->instance, sizeof(guard->instance), "%s", PQgetvalue(result, 0, 0));
    return true;
}

/* A source that is away is waited for: paging does the same. */
static bool ping(struct guard *guard, struct error *err)
{
    if (pg_is_open(&guard->pg) && pg_run(&guard->pg, "SELECT 1", err)) {
        return true;
    }
    pg_close(&guard->pg);
    if (take_lock(guard, err)) {
        log_event(LEVEL_INFO, "lock_taken_again", F_STR("run", guard->run->id_text));
        guard->lost = false;
        return true;
    }
    if (err->action == ERROR_STOP) {
        return false;
    }
    pg_close(&guard->pg);
    if (!guard->lost && !halt_raised(guard->halt)) {
        log_error(LEVEL_WARN, "lock_lost", err);
    }
    guard->lost = true;
    return true;
}

/* ---- the state topic ---- */

/* A fold of its own, of the new records only: all it has to find is a claim. */
static bool read_claims(struct guard *guard, uint64_t generation, int64_t *offset,
                        struct error *err)
{
    RH_AUTO(arena_release) struct arena arena;
    RH_AUTO(state_fold_release) struct state_fold fold;
    bool ok;

    arena_init(&arena, STATE_BYTES_MAX);
    state_fold_init(&fold, &arena);
    fold.next_offset = *offset;
    ok = state_fold_read(&fold, guard->settings, guard->run->state_topic, err);
    *offset = fold.next_offset;
    if (fold.generation > generation) {
        return fenced(err);
    }
    /* A broker that is away is librdkafka's to wait for; this looks again. */
    return ok || err->action != ERROR_STOP;
}

/* ---- the thread ---- */

struct watched {
    uint64_t generation;
    int64_t offset;
};

static void follow_generation(struct guard *guard, struct watched *watched)
{
    REQUIRE(pthread_mutex_lock(&guard->lock) == 0);
    if (watched->generation != guard->generation) {
        *watched = (struct watched){guard->generation, guard->state_offset};
    }
    REQUIRE(pthread_mutex_unlock(&guard->lock) == 0);
}

static bool watch_once(struct guard *guard, struct watched *watched, struct error *err)
{
    follow_generation(guard, watched);
    return watched->generation == 0 ||
           read_claims(guard, watched->generation, &watched->offset, err);
}

static void *guard_main(void *context)
{
    struct guard *guard = context;
    struct watched watched = {0, 0};
    int64_t pinged_ms = clock_ms();
    int64_t watched_ms = pinged_ms;
    struct error err;

    while (!atomic_load(&guard->ends)) {
        bool ok = true;

        if (clock_ms() - watched_ms >= WATCH_MS) {
            ok = watch_once(guard, &watched, &err);
            watched_ms = clock_ms();
        }
        if (ok && clock_ms() - pinged_ms >= PING_MS) {
            ok = ping(guard, &err);
            pinged_ms = clock_ms();
        }
        if (!ok) {
            halt_raise(guard->halt, &err);
            return NULL;
        }
        clock_sleep_ms(TICK_MS);
    }
    return NULL;
}

bool guard_open(struct guard *guard, const struct settings *settings, const struct run *run,
                struct halt *halt, struct error *err)
{
    *guard = (struct guard){.settings = settings, .run = run, .halt = halt};
    atomic_init(&guard->ends, false);
    REQUIRE(pthread_mutex_init(&guard->lock, NULL) == 0);
    if (take_lock(guard, err) && name_instance(guard, err)) {
        REQUIRE(pthread_create(&guard->thread, NULL, guard_main, guard) == 0);
        guard->started = true;
        return true;
    }
    guard_close(guard);
    return false;
}

void guard_watch(struct guard *guard, uint64_t generation, int64_t state_offset)
{
    REQUIRE(pthread_mutex_lock(&guard->lock) == 0);
    guard->generation = generation;
    guard->state_offset = state_offset;
    REQUIRE(pthread_mutex_unlock(&guard->lock) == 0);
}

void guard_close(struct guard *guard)
{
    if (guard->started) {
        atomic_store(&guard->ends, true);
        REQUIRE(pthread_join(guard->thread, NULL) == 0);
        guard->started = false;
    }
    pg_close(&guard->pg);
    REQUIRE(pthread_mutex_destroy(&guard->lock) == 0);
}
