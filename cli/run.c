#include "cli/run.h"

#include "cli/children.h"
#include "cli/log_end.h"
#include "cli/progress.h"
#include "cli/result.h"
#include "common/clock.h"
#include "common/ledger.h"
#include "common/log.h"
#include "common/program.h"
#include "common/shutdown.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PROGRAM           "rowhaul"
#define ARENA_LIMIT_BYTES ((size_t)256 << 20) /* settings, plan and both catalogs */
#define TEND_MS           50                  /* how often children are looked at */
#define LEDGER_MS         500                 /* how often the ledger is read */

const struct option_spec run_option_specs[] = {
    {"until", 0, OPTION_TEXT, "STEP", "where to end: backfilled (default) or verified",
     offsetof(struct run_options, until), false},
    {"workers", 0, OPTION_COUNT, "N",
     "how many workers to start (default: run.workers); later SIGUSR1 starts one more, and SIGUSR2 "
     "lets one leave",
     offsetof(struct run_options, workers), false},
    {"allow-unsafe-kafka", 0, OPTION_FLAG, NULL,
     "accept topics with one replica, as topics.allow_unsafe: true does",
     offsetof(struct run_options, allow_unsafe_kafka), false},
    {NULL, 0, OPTION_FLAG, NULL, NULL, 0, false},
};

#define PRODUCER_RESTART_MS 500
/*
 * The group waits for a dead member until its session (10 s) has ended, and a successor that joined
 * before would make all others wait with it. So it comes just in time for the same rebalance.
 */
#define WORKER_RESTART_MS 9000

struct job {
    const struct run_options *options;
    struct config config;
    struct run run;
    struct pg target;
    struct arena *arena;
    struct children children;
    const char *worker_program;
    struct progress progress;
    struct child *producer; /* one of the children */
    struct log_end log_end;
    int64_t ledger_read_ms;
    int64_t began_ms;
};

/* ---- what was asked ---- */

static bool check_options(const struct run_options *options, struct error *err)
{
    const char *until = options->until;
    if (options->workers > CHILDREN_MAX - 1) {
        return error_stop(err, EXIT_USAGE, "RH-2003", "option \"--workers\" must be at most %d",
                          CHILDREN_MAX - 1);
    }
    if (until == NULL || strcmp(until, "backfilled") == 0 || strcmp(until, "verified") == 0) {
        return true;
    }
    if (strcmp(until, "caught-up") == 0) {
        (void)error_stop(err, EXIT_USAGE, "RH-2005",
                         "--until caught-up needs a change stream, and mode is snapshot");
        return error_hint(err, "use --until backfilled or --until verified");
    }
    (void)error_stop(err, EXIT_USAGE, "RH-2005", "unknown step \"%s\" for --until", until);
    return error_hint(err, "use --until backfilled or --until verified");
}

static bool until_verified(const struct job *job)
{
    return job->options->until != NULL && strcmp(job->options->until, "verified") == 0;
}

/* ---- children ---- */

/* On a terminal the progress display has the screen: children then tell only what is wrong. */
static const char *children_log_level(const struct job *job)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};
    enum log_level level = log_current_level();
    if (job->progress.terminal && level == LEVEL_INFO && !job->options->common.verbose) {
        level = LEVEL_WARN;
    }
    return names[level];
}

/* With one more option and its value; NULL, NULL: none. */
static const char **child_argv(const struct job *job, const char *program, const char *option,
                               const char *value)
{
    const char *words[] = {program,
                           "-c",
                           job->options->common.config,
                           "--log-format",
                           log_current_format() == LOG_FORMAT_JSON ? "json" : "text",
                           "--log-level",
                           children_log_level(job),
                           option,
                           value,
                           NULL};
    const char **argv = arena_must_alloc(job->arena, sizeof words);
    memcpy(argv, words, sizeof words);
    return argv;
}

/* Named after its place among the children; the producer has the first. */
static struct child *add_worker(struct job *job)
{
    const char *name = arena_must_printf(job->arena, "worker-%zu", job->children.count);
    struct child *child =
        children_add(&job->children, name, child_argv(job, job->worker_program, "--name", name),
                     WORKER_RESTART_MS);
    child->worker = true;
    return child;
}

static bool add_children(struct job *job, struct error *err)
{
    const char *producer = children_program(job->arena, "rowhaul-producer", err);
    job->worker_program =
        producer == NULL ? NULL : children_program(job->arena, "rowhaul-worker", err);
    if (job->worker_program == NULL) {
        return false;
    }
    (void)setenv("ROWHAUL_PARENT_PID", arena_must_printf(job->arena, "%ld", (long)getpid()), 1);
    job->producer = children_add(&job->children, "producer", child_argv(job, producer, NULL, NULL),
                                 PRODUCER_RESTART_MS);
    uint64_t workers =
        job->options->workers != 0 ? job->options->workers : job->config.settings.run_workers;
    for (uint64_t i = 1; i <= workers; i++) {
        (void)add_worker(job);
    }
    return true;
}

static void let_worker_come(struct job *job)
{
    struct child *child = children_return(&job->children);
    if (child == NULL && job->children.count < CHILDREN_MAX) {
        child = add_worker(job);
    }
    if (child == NULL) {
        log_event(LEVEL_WARN, "workers_kept", F_INT("workers", children_workers(&job->children)));
        return;
    }
    log_event(LEVEL_INFO, "worker_added", F_STR("child", child->name),
              F_INT("workers", children_workers(&job->children)));
}

/* The last one stays: without it the run would wait for ever. */
static void let_worker_leave(struct job *job)
{
    struct child *child =
        children_workers(&job->children) > 1 ? children_leave(&job->children) : NULL;
    if (child == NULL) {
        log_event(LEVEL_WARN, "workers_kept", F_INT("workers", children_workers(&job->children)));
        return;
    }
    log_event(LEVEL_INFO, "worker_removed", F_STR("child", child->name),
              F_INT("workers", children_workers(&job->children)));
}

static void heed_signals(struct job *job)
{
    for (unsigned i = shutdown_user_signals(SIGUSR1); i > 0; i--) {
        let_worker_come(job);
    }
    for (unsigned i = shutdown_user_signals(SIGUSR2); i > 0; i--) {
        let_worker_leave(job);
    }
}

/* ---- following ---- */

static bool open_target(struct job *job, struct error *err)
{
    return pg_is_open(&job->target) ||
           pg_open(&job->target, PG_TARGET, job->config.settings.target_url, PROGRAM, err);
}

/*
 * Reads the ledger; a target that does not answer is waited for, as the workers do. ret_finished:
 * every partition has applied the end barrier, and no row waits for another one.
 */
static bool read_ledger(struct job *job, bool *ret_finished, struct error *err)
{
    uint64_t missing = 1;
    if (open_target(job, err) && progress_read(&job->progress, &job->target, err) &&
        ledger_barrier_missing(&job->target, &job->run, BARRIER_END, NULL, 0, &missing, err)) {
        *ret_finished = missing == 0 && progress_parked(&job->progress) == 0;
        return true;
    }
    pg_close(&job->target);
    if (err->action != ERROR_RETRY) {
        return false;
    }
    log_error(LEVEL_WARN, "target_lost", err);
    return true;
}

/* Kafka that does not answer is asked again later: it may be as well as it was. */
static bool check_log_end(struct job *job, struct error *err)
{
    bool unended = false;
    if (!job->producer->finished || !pg_is_open(&job->target)) {
        return true;
    }
    if (!log_end_check(&job->log_end, &job->config.settings, &job->run, &job->target, &unended,
                       err)) {
        return err->action == ERROR_RETRY;
    }
    if (unended) {
        children_start_again(job->producer); /* somebody has asked it to leave */
    }
    return true;
}

/* False with ERROR_RETRY: we were asked to leave. */
static bool follow(struct job *job, struct error *err)
{
    bool finished = false;
    while (!finished) {
        if (shutdown_requested()) {
            return error_set(err, ERROR_RETRY, "interrupted");
        }
        heed_signals(job);
        if (!children_tend(&job->children, err)) {
            return false;
        }
        if (clock_ms() - job->ledger_read_ms >= LEDGER_MS) {
            if (!read_ledger(job, &finished, err) || (!finished && !check_log_end(job, err))) {
                return false;
            }
            job->ledger_read_ms = clock_ms();
            progress_draw(&job->progress, stderr);
        }
        clock_sleep_ms(TEND_MS);
    }
    return true;
}

/* Starts what the work needs, and stops it in every case. */
static bool work(struct job *job, struct error *err)
{
    if (!ledger_run_set_state(&job->target, job->run.id_text, "running", err) ||
        !add_children(job, err)) {
        return false;
    }
    bool ok = follow(job, err);
    progress_end(&job->progress, stderr);
    children_stop(&job->children);
    return ok;
}

/* ---- the end ---- */

static bool is_finished(struct job *job, bool *ret_finished, struct error *err)
{
    const char *state = NULL;
    if (!ledger_run_state(&job->target, job->run.id_text, job->arena, &state, err)) {
        return false;
    }
    *ret_finished = strcmp(state, "completed") == 0;
    return true;
}

/* What the run took off the target comes back; a constraint that does not hold stays NOT VALID. */
static bool finish(struct job *job, struct error *err)
{
    uint32_t failed = 0;
    return run_restore_constraints(job->run.id_text, &job->target, &failed, err) &&
           ledger_run_set_state(&job->target, job->run.id_text, "completed", err);
}

static int verify(const struct job *job, int code)
{
    struct error err;
    const char *program = children_program(job->arena, "rowhaul-reconciler", &err);
    if (program == NULL) {
        return program_end("verify_failed", false, &err);
    }
    (void)fflush(stdout);
    const char *format = job->options->common.format;
    int verdict =
        children_wait(child_argv(job, program, "--format", format == NULL ? "text" : format), &err);
    return verdict == EXIT_DONE ? code : verdict;
}

static bool prepare(struct job *job, struct error *err)
{
    if (!program_begin(PROGRAM, &job->options->common, job->arena, &job->config, err) ||
        !check_options(job->options, err)) {
        return false;
    }
    job->config.settings.topics_allow_unsafe |= job->options->allow_unsafe_kafka;
    bool created = false;
    if (!run_create(&job->config, job->arena, &job->run, &created, err) || !open_target(job, err)) {
        return false;
    }
    bool terminal = isatty(STDERR_FILENO) == 1 && !job->options->common.quiet;
    progress_init(&job->progress, &job->run, terminal, job->arena);
    log_event(LEVEL_INFO, created ? "run_created" : "run_resumed",
              F_STR("migration", job->run.migration), F_STR("run", job->run.id_text),
              F_INT("tables", job->run.plan.tables_count),
              F_INT("partitions", job->run.partitions_count));
    return true;
}

static bool carry_out(struct job *job, struct error *err)
{
    bool finished = false;
    if (!is_finished(job, &finished, err)) {
        return false;
    }
    return finished || (work(job, err) && open_target(job, err) && finish(job, err));
}

/* A run that stopped is marked so for those who look at migration_state; best effort, and said. */
static void mark_failed(struct job *job)
{
    struct error err;
    if (job->run.migration == NULL || !open_target(job, &err) ||
        !ledger_run_set_state(&job->target, job->run.id_text, "failed", &err)) {
        log_event(LEVEL_DEBUG, "state_unmarked", F_STR("state", "failed"));
    }
}

static int interrupted(void)
{
    return shutdown_signal() == 2 ? EXIT_SIGINT : EXIT_SIGTERM;
}

static int run_job(struct job *job)
{
    struct error err = {0};
    if (!prepare(job, &err)) {
        return shutdown_requested() ? interrupted() : program_end("run_failed", false, &err);
    }
    if (!carry_out(job, &err)) {
        if (shutdown_requested()) {
            return interrupted();
        }
        mark_failed(job);
        return program_end("run_failed", false, &err);
    }
    int code = EXIT_INTERNAL;
    if (!result_print(&job->run, &job->target, &job->options->common, job->arena, &code, &err)) {
        return program_end("run_failed", false, &err);
    }
    if (until_verified(job) && code <= EXIT_WARNINGS) {
        code = verify(job, code);
    }
    log_event(LEVEL_INFO, "run_done", F_STR("migration", job->run.migration), F_INT("exit", code),
              F_INT("ms", clock_ms() - job->began_ms));
    return code;
}

int run_command(void *options, size_t argc, char **argv)
{
    (void)argc;
    (void)argv; /* the table allows no words */
    struct arena arena;
    arena_init(&arena, ARENA_LIMIT_BYTES);
    struct job job = {.options = options, .arena = &arena, .began_ms = clock_ms()};
    int code = run_job(&job);
    log_end_release(&job.log_end);
    pg_close(&job.target);
    arena_release(&arena);
    return code;
}
