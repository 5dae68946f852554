#include "producer/producer.h"

#include "producer/backfill.h"
#include "producer/generation.h"
#include "producer/guard.h"
#include "producer/halt.h"
#include "producer/publisher.h"

#include "common/clock.h"
#include "common/failpoint.h"
#include "common/log.h"
#include "common/shutdown.h"
#include "common/state_topic.h"

#include <inttypes.h>
#include <stdio.h>

#define RUN_ARENA_BYTES       ((size_t)1 << 30)   /* plan and catalogs of thousands of tables */
#define STATE_ARENA_BYTES     ((size_t)512 << 20) /* the RUN record, checkpoints */
#define POLL_MS               50
#define CHECKPOINT_TIMEOUT_MS 2000
#define FINAL_PAUSE_MS        1000
#define TOPIC_PATIENCE_MS     10000
#define TOPIC_PAUSE_MS        500
#define FLUSH_MS              3000 /* of the ten seconds a shutdown may take */
#define GENERATION_RETRY_MS   500
#define GENERATION_RETRY_MAX  30000
#define CHECKPOINT_REPORT_MS  10000

struct producer {
    const struct config *config;
    const struct settings *settings;
    struct arena run_arena;
    struct run run;
    struct halt halt;
    struct guard guard;
    bool topic_missed; /* the last generation ended because a topic was unknown */

    /* One generation. */
    struct arena state_arena;
    struct state_fold fold;
    rd_kafka_t *state; /* writes claims and checkpoints */
    struct publisher publisher;
    struct backfill backfill;
    uint64_t generation;
    uint64_t checkpoints_failed; /* in a row */
    int64_t failure_shown_ms;
};

static bool interrupted(struct error *err)
{
    return error_set(err, ERROR_RETRY, "interrupted");
}

/* ---- the run ---- */

static bool read_state(struct producer *producer, struct error *err)
{
    struct arena scratch;
    bool read;

    arena_init(&scratch, (size_t)64 << 10);
    state_fold_release(&producer->fold);
    arena_reset(&producer->state_arena);
    state_fold_init(&producer->fold, &producer->state_arena);
    read = state_fold_read(&producer->fold, producer->settings,
                           kafka_topic_name(&scratch, producer->settings->topics_prefix,
                                            producer->settings->name, "state"),
                           err);
    arena_release(&scratch);
    return read;
}

static bool find_run(struct producer *producer, struct error *err)
{
    struct arena *arena = &producer->run_arena;

    if (!read_state(producer, err)) {
        return false;
    }
    if (producer->fold.run == NULL) {
        return run_create(producer->config, arena, &producer->run, NULL, err);
    }
    return run_from_json(producer->config, producer->fold.run, arena, &producer->run, err);
}

static void report_done(const struct producer *producer)
{
    log_event(LEVEL_INFO, "run_done", F_STR("run", producer->run.id_text),
              F_STR("migration", producer->run.migration));
}

/* ---- checkpoints ---- */

/*
 * A broker that is away: the messages wait in librdkafka, and so may the checkpoint. Only a handle
 * that is done for ends the generation.
 */
static bool checkpoint_failed(struct producer *producer, struct error *err)
{
    int64_t now_ms = clock_ms();
    char text[128];

    publisher_checkpoint_failed(&producer->publisher);
    if (err->action == ERROR_STOP ||
        rd_kafka_fatal_error(producer->state, text, sizeof(text)) != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return false;
    }
    producer->checkpoints_failed++;
    if (producer->checkpoints_failed == 1 ||
        now_ms - producer->failure_shown_ms >= CHECKPOINT_REPORT_MS) {
        log_error(LEVEL_WARN, "checkpoint_failed", err);
        producer->failure_shown_ms = now_ms;
    }
    return true;
}

static bool write_checkpoint(struct producer *producer, bool final, struct error *err)
{
    RH_AUTO(arena_release) struct arena arena;
    char key[32];
    const char *text;

    arena_init(&arena, STATE_ARENA_BYTES);
    text = publisher_checkpoint(&producer->publisher, final, clock_ms(), &arena);
    if (text == NULL) {
        return true;
    }
    RH_FAILPOINT("before_checkpoint");
    (void)snprintf(key, sizeof(key), "ckpt/%" PRIu64, producer->generation);
    if (!state_put(producer->state, producer->run.state_topic, key, text, CHECKPOINT_TIMEOUT_MS,
                   err)) {
        return checkpoint_failed(producer, err);
    }
    RH_FAILPOINT("after_checkpoint");
    producer->checkpoints_failed = 0;
    return true;
}

/* Until no more is to come or time is up; then the checkpoint of what was acknowledged. */
static bool finish_checkpoint(struct producer *producer, struct error *err)
{
    int64_t deadline_ms = clock_ms() + FLUSH_MS;

    while (!publisher_is_idle(&producer->publisher) && clock_ms() < deadline_ms) {
        if (!publisher_poll(&producer->publisher, POLL_MS, err)) {
            return false;
        }
    }
    /* Nobody would write the record that says "ended" later. */
    do {
        if (!write_checkpoint(producer, true, err)) {
            return false;
        }
    } while (producer->checkpoints_failed > 0 && backfill_is_finished(&producer->backfill) &&
             halt_sleep_ms(&producer->halt, FINAL_PAUSE_MS));
    return true;
}

/* ---- one generation ---- */

static bool say_hello(struct producer *producer, struct error *err)
{
    const struct checkpoint *saved =
        producer->fold.has_checkpoint ? &producer->fold.checkpoint : NULL;
    const uint64_t *acked =
        saved != NULL ? generation_acked(&producer->run, saved, &producer->state_arena) : NULL;
    uint64_t previous = saved != NULL ? saved->generation : 0;

    if (saved != NULL && !publisher_resume(&producer->publisher, saved, err)) {
        return false;
    }
    if (!publisher_hello(&producer->publisher, previous, acked, err)) {
        return false;
    }
    /* Only then may a data message follow: a worker that met one first would call it lost data. */
    while (!publisher_is_idle(&producer->publisher)) {
        if (!publisher_poll(&producer->publisher, POLL_MS, err)) {
            return false;
        }
        if (halt_raised(&producer->halt)) {
            return interrupted(err);
        }
    }
    return true;
}

static bool topic_missing(struct error *err, const struct run_topic *topic)
{
    error_stop(err, EXIT_STATE, "TOPIC_MISSING",
               "topic \"%s\" does not exist, or not with %" PRIu32 " partitions", topic->name,
               topic->partitions);
    return error_hint(err, "somebody deleted a topic of this run: what it held is gone, so the run "
                           "has to be made anew");
}

/* A broker that just came back may not know its topics yet, so one answer is not enough. */
static bool check_topic(struct producer *producer, const struct run_topic *topic, struct error *err)
{
    int64_t deadline_ms = clock_ms() + TOPIC_PATIENCE_MS;

    for (;;) {
        struct topic_info info;

        if (!kafka_topic_info(producer->state, topic->name, &info, err)) {
            return false;
        }
        if (info.exists && info.partitions == topic->partitions) {
            return true;
        }
        if (clock_ms() >= deadline_ms) {
            return topic_missing(err, topic);
        }
        if (!halt_sleep_ms(&producer->halt, TOPIC_PAUSE_MS)) {
            return interrupted(err);
        }
    }
}

/* After a generation that was told a topic is unknown: otherwise one after the other would be. */
static bool check_topics(struct producer *producer, struct error *err)
{
    for (size_t i = 0; producer->topic_missed && i < producer->run.topics_count; i++) {
        if (!check_topic(producer, &producer->run.topics[i], err)) {
            return false;
        }
    }
    return true;
}

static bool open_generation(struct producer *producer, struct error *err)
{
    const struct run *run = &producer->run;

    if (!state_producer_new(producer->settings, &producer->state, err) ||
        !check_topics(producer, err) ||
        !generation_claim(producer->state, producer->settings, run, producer->guard.instance,
                          &producer->fold, &producer->generation, err)) {
        return false;
    }
    RH_FAILPOINT("after_claim");
    guard_watch(&producer->guard, producer->generation, producer->fold.next_offset);
    return publisher_open(&producer->publisher, run, producer->settings, &producer->halt,
                          producer->generation, err);
}

static bool serve(struct producer *producer, struct error *err)
{
    while (!backfill_is_finished(&producer->backfill)) {
        if (halt_error(&producer->halt, err)) {
            return false;
        }
        if (halt_raised(&producer->halt)) {
            return true;
        }
        if (!publisher_poll(&producer->publisher, POLL_MS, err) ||
            !publisher_heartbeats(&producer->publisher, clock_ms(), err) ||
            !write_checkpoint(producer, false, err)) {
            return false;
        }
    }
    return true;
}

static bool run_backfill(struct producer *producer, struct error *err)
{
    bool ok;

    backfill_start(&producer->backfill, &producer->run, producer->settings, &producer->publisher,
                   &producer->halt);
    ok = serve(producer, err);
    if (!ok) {
        halt_raise(&producer->halt, err);
    }
    backfill_stop(&producer->backfill);
    ok = ok && !halt_error(&producer->halt, err);
    /* Also before a stop: what was read and acknowledged need not be read again. */
    if (ok || err->action == ERROR_STOP) {
        struct error late;

        if (!finish_checkpoint(producer, ok ? err : &late)) {
            ok = false;
        }
    }
    return ok;
}

static bool run_publisher(struct producer *producer, struct error *err)
{
    if (!say_hello(producer, err)) {
        return false;
    }
    RH_FAILPOINT("after_hello");
    log_event(LEVEL_INFO, "generation_claimed", F_STR("run", producer->run.id_text),
              F_INT("generation", producer->generation),
              F_INT("previous",
                    producer->fold.has_checkpoint ? producer->fold.checkpoint.generation : 0));
    return run_backfill(producer, err);
}

static bool run_generation(struct producer *producer, struct error *err)
{
    bool ok = open_generation(producer, err);

    if (ok) {
        ok = run_publisher(producer, err);
        publisher_close(&producer->publisher);
    }
    guard_watch(&producer->guard, 0, 0);
    kafka_destroy(&producer->state);
    return ok;
}

/* ---- generations ---- */

static bool has_ended(const struct producer *producer)
{
    return producer->fold.has_checkpoint && producer->fold.checkpoint.ended;
}

static bool is_topic_missing(const struct error *err)
{
    return err->kafka_code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART ||
           err->kafka_code == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC ||
           err->kafka_code == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION;
}

static bool run_generations(struct producer *producer, struct error *err)
{
    struct backoff backoff;

    backoff_init(&backoff, GENERATION_RETRY_MS, GENERATION_RETRY_MAX);
    for (;;) {
        bool ok =
            read_state(producer, err) && (has_ended(producer) || run_generation(producer, err));

        if (ok || err->action != ERROR_RETRY) {
            return ok;
        }
        if (shutdown_requested()) {
            return true;
        }
        producer->topic_missed = is_topic_missing(err);
        log_error(LEVEL_WARN, "generation_lost", err);
        halt_reset(&producer->halt);
        if (!halt_sleep_ms(&producer->halt, backoff_next_ms(&backoff))) {
            return shutdown_requested() || !halt_error(&producer->halt, err);
        }
    }
}

static bool run_guarded(struct producer *producer, struct error *err)
{
    bool ok;

    if (has_ended(producer)) {
        report_done(producer);
        return true;
    }
    if (!guard_open(&producer->guard, producer->settings, &producer->run, &producer->halt, err)) {
        return false;
    }
    ok = run_generations(producer, err);
    guard_close(&producer->guard);
    if (ok && !shutdown_requested()) {
        report_done(producer);
    }
    return ok;
}

bool producer_run(const struct config *config, struct error *err)
{
    struct producer producer = {.config = config, .settings = &config->settings};
    bool ok;

    arena_init(&producer.run_arena, RUN_ARENA_BYTES);
    arena_init(&producer.state_arena, STATE_ARENA_BYTES);
    halt_init(&producer.halt);
    ok = find_run(&producer, err) && run_guarded(&producer, err);
    halt_release(&producer.halt);
    state_fold_release(&producer.fold);
    arena_release(&producer.state_arena);
    arena_release(&producer.run_arena);
    return ok;
}
