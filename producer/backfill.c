#include "producer/backfill.h"

#include "producer/table_divide.h"
#include "producer/table_walk.h"

#include "common/clock.h"
#include "common/failpoint.h"
#include "common/ledger.h"
#include "common/log.h"

#include <inttypes.h>
#include <stdlib.h>

#define APPLICATION         "rowhaul-producer barrier"
#define ARENA_BYTES         ((size_t)16 << 20)
#define BARRIER_POLL_MS     150
#define BARRIER_REPORT_MS   30000
#define INTERRUPT_PAUSE_MS  200
#define TARGET_RETRY_MS     200
#define TARGET_RETRY_MS_MAX 10000
#define WORK_PAUSE_MS       20 /* a sample takes some of these */

static bool interrupted(struct error *err)
{
    return error_set(err, ERROR_RETRY, "interrupted");
}

/* ---- the tables of one level ---- */

static void lock(struct backfill *backfill)
{
    REQUIRE(pthread_mutex_lock(&backfill->lock) == 0);
}

static void unlock(struct backfill *backfill)
{
    REQUIRE(pthread_mutex_unlock(&backfill->lock) == 0);
}

static bool divide(struct paging_thread *thread, struct table_work *table, struct error *err)
{
    struct backfill *backfill = thread->backfill;
    size_t ranges;

    if (!table_divide(backfill, &thread->pager, table->table, &ranges, err)) {
        return false;
    }
    lock(backfill);
    work_divided(table, ranges);
    unlock(backfill);
    return true;
}

/* One thing after another, until nothing is left to be taken. */
static bool page_tables(struct paging_thread *thread, struct error *err)
{
    struct backfill *backfill = thread->backfill;
    bool ok = true;

    while (ok && !halt_raised(backfill->halt)) {
        struct work_item item;

        lock(backfill);
        item = work_take(&backfill->work);
        unlock(backfill);
        switch (item.kind) {
        case WORK_ENDED:
            return true;
        case WORK_WAIT:
            ok = halt_sleep_ms(backfill->halt, WORK_PAUSE_MS) || interrupted(err);
            break;
        case WORK_DIVIDE:
            ok = divide(thread, item.table, err);
            break;
        case WORK_RANGE:
            ok = table_walk(backfill, &thread->pager, item.table, item.range, err);
            break;
        }
    }
    return ok;
}

static void *paging_main(void *context)
{
    struct paging_thread *thread = context;
    struct halt *halt = thread->backfill->halt;
    struct error err;

    if (!page_tables(thread, &err) && !halt_raised(halt)) {
        halt_raise(halt, &err);
    }
    return NULL;
}

static void collect_tables(struct backfill *backfill, uint32_t level)
{
    const struct plan *plan = &backfill->run->plan;

    work_reset(&backfill->work);
    for (size_t i = 0; i < plan->tables_count; i++) {
        if (plan->tables[i].level == level && !publisher_table_is_ended(backfill->publisher, i)) {
            work_add(&backfill->work, &plan->tables[i]);
        }
    }
}

static bool page_level(struct backfill *backfill, uint32_t level, struct error *err)
{
    collect_tables(backfill, level);
    for (size_t i = 0; i < backfill->threads_count; i++) {
        REQUIRE(pthread_create(&backfill->threads[i].thread, NULL, paging_main,
                               &backfill->threads[i]) == 0);
    }
    for (size_t i = 0; i < backfill->threads_count; i++) {
        REQUIRE(pthread_join(backfill->threads[i].thread, NULL) == 0);
    }
    return !halt_raised(backfill->halt) || interrupted(err);
}

/* ---- barriers ---- */

static bool send_barrier(struct backfill *backfill, const struct run_topic *const *topics,
                         size_t count, uint64_t barrier, struct error *err)
{
    const struct run *run = backfill->run;

    RH_FAILPOINT("before_barrier");
    for (size_t i = 0; i < count; i++) {
        if (!publisher_barrier(backfill->publisher, (size_t)(topics[i] - run->topics), barrier,
                               err)) {
            return false;
        }
    }
    if (!publisher_wait_acked(backfill->publisher, err)) {
        return false;
    }
    RH_FAILPOINT("after_barrier");
    return true;
}

/* Its own connection, which only reads; workers write what it waits for. */
struct target_watch {
    struct pg pg;
    struct backoff backoff;
    bool lost;
    int64_t report_ms;
};

static void pg_close_auto(struct target_watch *watch)
{
    pg_close(&watch->pg);
}

/* One look at the target; what is not known counts as missing. */
static bool count_missing(struct backfill *backfill, struct target_watch *watch, uint64_t barrier,
                          const struct run_topic *const *topics, size_t count,
                          uint64_t *ret_missing, struct error *err)
{
    const char *url = backfill->settings->target_url;

    *ret_missing = UINT64_MAX;
    if ((pg_is_open(&watch->pg) || pg_open(&watch->pg, PG_TARGET, url, APPLICATION, err)) &&
        ledger_barrier_missing(&watch->pg, backfill->run, barrier, topics, count, ret_missing,
                               err)) {
        if (watch->lost) {
            log_event(LEVEL_INFO, "target_back", F_STR("run", backfill->run->id_text));
        }
        watch->lost = false;
        backoff_reset(&watch->backoff);
        return true;
    }
    pg_close(&watch->pg);
    if (err->action != ERROR_RETRY) {
        return false;
    }
    if (!watch->lost && !halt_raised(backfill->halt)) {
        log_error(LEVEL_WARN, "target_lost", err);
    }
    watch->lost = true;
    return true;
}

static void report_waiting(struct target_watch *watch, uint64_t barrier, uint64_t missing)
{
    int64_t now_ms = clock_ms();

    if (watch->lost || now_ms < watch->report_ms) {
        return;
    }
    log_event(LEVEL_INFO, "barrier_waiting", F_INT("barrier", barrier), F_INT("missing", missing));
    watch->report_ms = now_ms + BARRIER_REPORT_MS;
}

/* The next level's rows refer to this one's: on the target they must find them. */
static bool wait_applied(struct backfill *backfill, const struct run_topic *const *topics,
                         size_t count, uint64_t barrier, struct error *err)
{
    RH_AUTO(pg_close_auto)
    struct target_watch watch = {.report_ms = clock_ms() + BARRIER_REPORT_MS};

    backoff_init(&watch.backoff, TARGET_RETRY_MS, TARGET_RETRY_MS_MAX);
    for (;;) {
        uint64_t missing;
        int64_t pause_ms;

        if (!count_missing(backfill, &watch, barrier, topics, count, &missing, err)) {
            return false;
        }
        if (missing == 0) {
            return true;
        }
        report_waiting(&watch, barrier, missing);
        pause_ms = watch.lost ? backoff_next_ms(&watch.backoff) : BARRIER_POLL_MS;
        if (!halt_sleep_ms(backfill->halt, pause_ms)) {
            return interrupted(err);
        }
    }
}

static size_t topics_of_level(const struct backfill *backfill, uint32_t level,
                              const struct run_topic **ret_topics)
{
    const struct run *run = backfill->run;
    size_t count = 0;

    for (size_t i = 0; i < run->topics_count; i++) {
        if (run->topics[i].table->level == level) {
            ret_topics[count++] = &run->topics[i];
        }
    }
    return count;
}

static bool close_level(struct backfill *backfill, uint32_t level, struct error *err)
{
    struct candidate passed = {.kind = CANDIDATE_LEVEL, .level = level + 1};
    uint64_t barrier = (uint64_t)level + 1; /* ids count from 1 */
    const struct run_topic **topics =
        arena_must_alloc(&backfill->arena, backfill->run->topics_count * sizeof(*topics));
    size_t count = topics_of_level(backfill, level, topics);

    return send_barrier(backfill, topics, count, barrier, err) &&
           wait_applied(backfill, topics, count, barrier, err) &&
           publisher_note(backfill->publisher, &passed, err);
}

static bool close_run(struct backfill *backfill, struct error *err)
{
    struct candidate ended = {.kind = CANDIDATE_ENDED};
    const struct run *run = backfill->run;
    const struct run_topic **topics =
        arena_must_alloc(&backfill->arena, run->topics_count * sizeof(*topics));

    for (size_t i = 0; i < run->topics_count; i++) {
        topics[i] = &run->topics[i];
    }
    return send_barrier(backfill, topics, run->topics_count, BARRIER_END, err) &&
           publisher_note(backfill->publisher, &ended, err);
}

/* ---- the story ---- */

static bool backfill_run(struct backfill *backfill, struct error *err)
{
    uint32_t levels_count = backfill->run->plan.levels_count;

    for (uint32_t level = publisher_level(backfill->publisher); level < levels_count; level++) {
        bool last = level + 1 == levels_count;

        if (!page_level(backfill, level, err) || (!last && !close_level(backfill, level, err))) {
            return false;
        }
    }
    return close_run(backfill, err);
}

static void *backfill_main(void *context)
{
    struct backfill *backfill = context;
    struct error err;

    if (backfill_run(backfill, &err)) {
        atomic_store(&backfill->finished, true);
    } else if (!halt_raised(backfill->halt)) {
        halt_raise(backfill->halt, &err);
    }
    atomic_store(&backfill->ended, true);
    return NULL;
}

void backfill_start(struct backfill *backfill, const struct run *run,
                    const struct settings *settings, struct publisher *publisher, struct halt *halt)
{
    *backfill = (struct backfill){
        .run = run,
        .settings = settings,
        .publisher = publisher,
        .halt = halt,
        .threads_count = settings->backfill_threads,
    };
    atomic_init(&backfill->finished, false);
    atomic_init(&backfill->ended, false);
    arena_init(&backfill->arena, ARENA_BYTES);
    rate_init(&backfill->rate, settings->backfill_rate);
    REQUIRE(pthread_mutex_init(&backfill->lock, NULL) == 0);
    work_init(&backfill->work, run->plan.tables_count, &backfill->arena);
    backfill->threads =
        arena_must_alloc(&backfill->arena, backfill->threads_count * sizeof(*backfill->threads));
    for (size_t i = 0; i < backfill->threads_count; i++) {
        backfill->threads[i].backfill = backfill;
        pager_init(&backfill->threads[i].pager, settings, run);
    }
    REQUIRE(pthread_create(&backfill->thread, NULL, backfill_main, backfill) == 0);
    backfill->started = true;
}

bool backfill_is_finished(struct backfill *backfill)
{
    return atomic_load(&backfill->finished);
}

void backfill_stop(struct backfill *backfill)
{
    if (!backfill->started) {
        return;
    }
    /* Again and again: a statement may begin just behind a cancel. */
    while (!atomic_load(&backfill->ended)) {
        for (size_t i = 0; i < backfill->threads_count; i++) {
            pager_interrupt(&backfill->threads[i].pager);
        }
        clock_sleep_ms(INTERRUPT_PAUSE_MS);
    }
    REQUIRE(pthread_join(backfill->thread, NULL) == 0);
    for (size_t i = 0; i < backfill->threads_count; i++) {
        pager_release(&backfill->threads[i].pager);
    }
    REQUIRE(pthread_mutex_destroy(&backfill->lock) == 0);
    arena_release(&backfill->arena);
    backfill->started = false;
}
