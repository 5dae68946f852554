#include "cli/status.h"

#include "cli/output.h"
#include "cli/overview.h"
#include "cli/session.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/shutdown.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WATCH_MS         2000
#define KAFKA_TIMEOUT_MS 5000
#define ROUND_BYTES_MAX  ((size_t)64 << 20) /* a few hundred bytes a partition */

const struct option_spec status_option_specs[] = {
    {"json", 0, OPTION_FLAG, NULL, "the same as --format json",
     offsetof(struct status_options, json), false},
    {"watch", 0, OPTION_FLAG, NULL, "show it again every 2 s, until the run is completed",
     offsetof(struct status_options, watch), false},
    {NULL, 0, OPTION_FLAG, NULL, NULL, 0, false},
};

/* What two samples need of the first. */
struct sample {
    int64_t at_ms; /* 0: there is none */
    uint64_t *accepted;
};

struct watcher {
    struct session *session;
    struct overview overview;
    struct sample earlier;
    rd_kafka_t *kafka;  /* NULL: not connected yet */
    struct arena round; /* what one look at the run needs */
};

/* ---- the ledger ---- */

/* A number of the result; the columns are bigint and never NULL. */
static int64_t number(const PGresult *result, int row, int column)
{
    return strtoll(PQgetvalue(result, row, column), NULL, 10);
}

static const char *text_or_null(struct arena *arena, const PGresult *result, int row, int column)
{
    return PQgetisnull(result, row, column)
               ? NULL
               : arena_must_strdup(arena, PQgetvalue(result, row, column));
}

static bool read_state(struct watcher *watcher, struct error *err)
{
    static const char sql[] = "SELECT state, reason FROM rowhaul.runs WHERE run = $1::uuid";
    const char *const id = watcher->session->run.id_text;
    RH_AUTO(pg_result_clear) PGresult *result = NULL;
    if (!pg_query_params(&watcher->session->target, sql, 1, &id, &result, err)) {
        return error_wrap(err, "could not read the run's state");
    }
    if (PQntuples(result) == 0) {
        return error_stop(err, EXIT_STATE, "RUN_MISSING", "run %s is not in the ledger any more",
                          id);
    }
    watcher->overview.state = text_or_null(&watcher->round, result, 0, 0);
    watcher->overview.reason = text_or_null(&watcher->round, result, 0, 1);
    return true;
}

static size_t table_index(const struct run *run, const char *id)
{
    size_t index = 0;
    while (index < run->plan.tables_count && strcmp(run->plan.tables[index].id, id) != 0) {
        index++;
    }
    return index;
}

static bool read_partitions(struct watcher *watcher, struct error *err)
{
    static const char sql[] =
        "SELECT table_id, topic, partition, next_offset, epoch, owner, generation, sequence,"
        "       applied_lsn"
        "  FROM rowhaul.offsets WHERE run = $1::uuid"
        " ORDER BY topic, partition";
    const char *const id = watcher->session->run.id_text;
    RH_AUTO(pg_result_clear) PGresult *result = NULL;
    if (!pg_query_params(&watcher->session->target, sql, 1, &id, &result, err)) {
        return error_wrap(err, "could not read the partitions' offsets");
    }
    int count = PQntuples(result);
    struct overview_partition *partitions =
        arena_must_alloc(&watcher->round, (size_t)(count + 1) * sizeof(*partitions));
    for (int i = 0; i < count; i++) {
        partitions[i] = (struct overview_partition){
            .table = table_index(&watcher->session->run, PQgetvalue(result, i, 0)),
            .topic = text_or_null(&watcher->round, result, i, 1),
            .partition = number(result, i, 2),
            .next_offset = number(result, i, 3),
            .high_offset = OFFSET_UNKNOWN,
            .epoch = number(result, i, 4),
            .owner = text_or_null(&watcher->round, result, i, 5),
            .generation = number(result, i, 6),
            .sequence = number(result, i, 7),
            .applied_lsn = text_or_null(&watcher->round, result, i, 8),
        };
    }
    watcher->overview.partitions = partitions;
    watcher->overview.partitions_count = (size_t)count;
    return true;
}

static bool passed_by_all(struct watcher *watcher, const struct run_topic *topic, uint64_t barrier,
                          bool *ret_passed, struct error *err)
{
    uint64_t missing = 0;
    if (!ledger_barrier_missing(&watcher->session->target, &watcher->session->run, barrier, &topic,
                                1, &missing, err)) {
        return false;
    }
    *ret_passed = missing == 0;
    return true;
}

/* Its level's barrier, whose ids count from 1; behind the last level stands the end barrier only.
 */
static bool barrier_passed(struct watcher *watcher, const struct run_topic *topic, bool *ret_passed,
                           struct error *err)
{
    uint64_t level_barrier = (uint64_t)topic->table->level + 1;
    return passed_by_all(watcher, topic, level_barrier, ret_passed, err) &&
           (*ret_passed || passed_by_all(watcher, topic, BARRIER_END, ret_passed, err));
}

static bool read_tables(struct watcher *watcher, struct error *err)
{
    const struct run *run = &watcher->session->run;
    struct overview *overview = &watcher->overview;
    overview->tables_count = run->plan.tables_count;
    overview->tables =
        arena_must_alloc(&watcher->round, (overview->tables_count + 1) * sizeof(*overview->tables));
    for (size_t i = 0; i < overview->tables_count; i++) {
        struct overview_table *table = &overview->tables[i];
        table->id = run->plan.tables[i].id;
        if (!ledger_accounting(&watcher->session->target, run, i, &table->accounting, err) ||
            !barrier_passed(watcher, &run->topics[i], &table->barrier_passed, err)) {
            return false;
        }
    }
    return true;
}

/* One snapshot, so that all numbers belong together. */
static bool read_ledger(struct watcher *watcher, struct error *err)
{
    struct pg *target = &watcher->session->target;
    return pg_run(target, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", err) &&
           read_state(watcher, err) && read_partitions(watcher, err) && read_tables(watcher, err) &&
           ledger_barrier_missing(target, &watcher->session->run, BARRIER_END, NULL, 0,
                                  &watcher->overview.barriers_missing, err) &&
           pg_run(target, "COMMIT", err);
}

/* ---- Kafka ---- */

static bool open_kafka(struct watcher *watcher, struct error *err)
{
    rd_kafka_conf_t *conf = NULL;
    uint32_t brokers = 0;
    return watcher->kafka != NULL ||
           (kafka_conf(&watcher->session->config.settings, KAFKA_READER, NULL, &conf, err) &&
            kafka_new(RD_KAFKA_CONSUMER, conf, &watcher->kafka, err) &&
            kafka_ping(watcher->kafka, KAFKA_TIMEOUT_MS, &brokers, err));
}

static bool read_high_offsets(struct watcher *watcher, struct error *err)
{
    if (!open_kafka(watcher, err)) {
        return false;
    }
    for (size_t i = 0; i < watcher->overview.partitions_count; i++) {
        struct overview_partition *p = &watcher->overview.partitions[i];
        int64_t low = 0;
        int64_t high = 0;
        if (!kafka_watermarks(watcher->kafka, p->topic, (int32_t)p->partition, &low, &high, err)) {
            return false;
        }
        p->high_offset = high;
    }
    return true;
}

/* The ledger alone says most of it: without Kafka what is pending is not known, and no more. */
static void ask_kafka(struct watcher *watcher)
{
    struct error err = {0};
    if (!read_high_offsets(watcher, &err)) {
        kafka_destroy(&watcher->kafka);
        log_error(LEVEL_WARN, "high_offsets_unknown", &err);
    }
}

/* ---- one look ---- */

/* Between two samples; with one, the average since the table's first message. */
static double rate_of(const struct watcher *watcher, size_t table, int64_t now_ms)
{
    const struct accounting *a = &watcher->overview.tables[table].accounting;
    if (watcher->earlier.at_ms == 0) {
        return a->apply_ms > 0 ? (double)a->accepted * 1000 / (double)a->apply_ms : 0;
    }
    int64_t ms = now_ms - watcher->earlier.at_ms;
    uint64_t accepted = a->accepted - watcher->earlier.accepted[table];
    return ms > 0 ? (double)accepted * 1000 / (double)ms : 0;
}

static void compute_rates(struct watcher *watcher)
{
    int64_t now_ms = clock_ms();
    for (size_t i = 0; i < watcher->overview.tables_count; i++) {
        struct overview_table *table = &watcher->overview.tables[i];
        table->per_second = rate_of(watcher, i, now_ms);
        watcher->earlier.accepted[i] = table->accounting.accepted;
    }
    watcher->earlier.at_ms = now_ms;
}

static bool look(struct watcher *watcher, struct error *err)
{
    arena_reset(&watcher->round);
    watcher->overview = (struct overview){
        .migration = watcher->session->run.migration,
        .run = watcher->session->run.id_text,
    };
    if (!read_ledger(watcher, err)) {
        return false;
    }
    ask_kafka(watcher); /* after the ledger, so that what is applied is never ahead of the log */
    compute_rates(watcher);
    overview_judge(&watcher->overview, &watcher->round);
    return true;
}

/* ---- the verb ---- */

static bool show(struct watcher *watcher, bool again, struct error *err)
{
    if (watcher->session->json) {
        return output_json(overview_to_json(&watcher->overview), err) && output_flush(err);
    }
    if (again && isatty(STDOUT_FILENO) == 1) {
        fputs("\033[H\033[2J", stdout); /* home, clear: the next look takes the screen */
    } else if (again) {
        fputc('\n', stdout);
    }
    overview_print(&watcher->overview, stdout);
    return output_flush(err);
}

static bool is_over(const struct watcher *watcher)
{
    return strcmp(watcher->overview.state, "completed") == 0;
}

static void wait_for_next(void)
{
    int64_t until_ms = clock_ms() + WATCH_MS;
    while (!shutdown_requested() && clock_ms() < until_ms) {
        clock_sleep_ms(100);
    }
}

static bool watch(struct watcher *watcher, struct error *err)
{
    while (!is_over(watcher)) {
        wait_for_next();
        if (shutdown_requested()) {
            return error_set(err, ERROR_RETRY, "interrupted");
        }
        if (!look(watcher, err) || !show(watcher, true, err)) {
            return false;
        }
    }
    return true;
}

static bool status(struct session *session, const struct status_options *given, struct error *err)
{
    if (!session_configure(session, &given->common, err) || !session_load_run(session, err)) {
        return false;
    }
    session->json = session->json || given->json;
    struct watcher watcher = {.session = session};
    arena_init(&watcher.round, ROUND_BYTES_MAX);
    watcher.earlier.accepted =
        arena_must_alloc(&session->arena, (session->run.plan.tables_count + 1) * sizeof(uint64_t));
    bool ok = look(&watcher, err) && show(&watcher, false, err) &&
              (!given->watch || watch(&watcher, err));
    kafka_destroy(&watcher.kafka);
    arena_release(&watcher.round);
    return ok;
}

int status_command(void *options, size_t argc, char **argv)
{
    (void)argc; /* the table allows no words */
    (void)argv;
    struct error err = {0};
    struct session session = {.json = false};
    bool ok = status(&session, options, &err);
    return session_end(&session, "status_failed", ok, EXIT_DONE, &err);
}
