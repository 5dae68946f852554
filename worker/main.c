/*
 * rowhaul-worker -- consumes the topics of a run and applies them to the target: one process, one
 * lane. As many as there are partitions may work at once; each may be killed at any time.
 */
#include "common/clock.h"
#include "common/log.h"
#include "common/program.h"
#include "common/shutdown.h"
#include "worker/lane.h"

#include <string.h>

#define PROGRAM           "rowhaul-worker"
#define ARENA_LIMIT_BYTES ((size_t)256 << 20) /* plan, catalogs, the batch's fixed tables */
#define RUN_WAIT_MS       60000               /* for a run that is being created elsewhere */
#define RUN_POLL_MS       1000

struct worker_options {
    struct common_options common;
    const char *name;
    const char *assign;
    bool replay;
};

static const struct option_spec options[] = {
    {"name", 0, OPTION_TEXT, "NAME", "shown as owner in rowhaul.offsets (default: host and pid)",
     offsetof(struct worker_options, name), false},
    {"assign", 0, OPTION_TEXT, "TOPIC:PARTITION",
     "work on this partition only, without joining the consumer group",
     offsetof(struct worker_options, assign), false},
    {"replay", 0, OPTION_FLAG, NULL,
     "with --assign: replay the partition as rowhaul.requests asks, then end",
     offsetof(struct worker_options, replay), false},
    {NULL, 0, OPTION_FLAG, NULL, NULL, 0, false},
};

static bool is_missing(const struct error *err)
{
    return err->code != NULL && strcmp(err->code, "RUN_MISSING") == 0;
}

/* Workers may be started before the run exists: whoever creates it is given a minute. */
static bool load_run(const struct config *config, struct arena *arena, struct run *ret_run,
                     struct error *err)
{
    struct pg target = {0};
    if (!pg_open(&target, PG_TARGET, config->settings.target_url, PROGRAM, err)) {
        return false;
    }
    int64_t began_ms = clock_ms();
    bool loaded = run_load_same(config, &target, arena, ret_run, err);
    if (!loaded && is_missing(err)) {
        log_event(LEVEL_INFO, "run_awaited", F_STR("migration", config->settings.name));
    }
    while (!loaded && is_missing(err) && clock_ms() - began_ms < RUN_WAIT_MS &&
           !shutdown_requested()) {
        clock_sleep_ms(RUN_POLL_MS);
        loaded = run_load_same(config, &target, arena, ret_run, err);
    }
    pg_close(&target);
    if (!loaded && shutdown_requested()) {
        return error_set(err, ERROR_RETRY, "interrupted");
    }
    return loaded;
}

static bool work(const struct worker_options *given, struct arena *arena, struct error *err)
{
    struct config config;
    struct run run;
    struct lane_options lane = {
        .name = given->name, .assign = given->assign, .replay_only = given->replay};
    if (given->replay && given->assign == NULL) {
        return error_stop(err, EXIT_USAGE, "RH-2003", "--replay needs --assign TOPIC:PARTITION");
    }
    return program_begin(PROGRAM, &given->common, arena, &config, err) &&
           load_run(&config, arena, &run, err) && lane_work(&config, &run, &lane, arena, err);
}

static int run_worker(void *given, size_t argc, char **argv)
{
    (void)argc;
    (void)argv; /* the table allows no words */
    struct error err = {0};
    struct arena arena;
    arena_init(&arena, ARENA_LIMIT_BYTES);
    bool ok = work(given, &arena, &err);
    arena_release(&arena);
    return program_end("worker_stopped", ok, &err);
}

int main(int argc, char **argv)
{
    static const struct command commands[] = {
        {NULL, "", "consumes the topics of a run and applies them to the target", options, 0,
         run_worker},
        {NULL, NULL, NULL, NULL, 0, NULL},
    };
    struct worker_options given = {0};
    return command_main(PROGRAM, commands, &given, sizeof given, argc, argv);
}
