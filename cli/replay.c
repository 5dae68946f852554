#include "cli/replay.h"

#include "cli/children.h"
#include "cli/number.h"
#include "cli/replay_result.h"
#include "common/clock.h"
#include "common/pg_array.h"
#include "common/shutdown.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define POLL_MS         250
#define TAKE_WITHIN_MS  3000  /* a worker looks at the requests once a second */
#define SILENT_AFTER_MS 15000 /* an owner counts every second, but a slow batch takes its time */

const struct option_spec replay_option_specs[] = {
    {"table", 0, OPTION_TEXT, "ID", "of this table of the mapping",
     offsetof(struct replay_options, table), false},
    {"partition", 0, OPTION_TEXT, "P", "only this partition of its topic (default: all of them)",
     offsetof(struct replay_options, partition), false},
    {"from-offset", 0, OPTION_TEXT, "N", "only keys with a message at this offset or behind it",
     offsetof(struct replay_options, from_offset), false},
    {"from-time", 0, OPTION_TEXT, "TIME",
     "only keys with a message sent then or later; a time without a zone is UTC",
     offsetof(struct replay_options, from_time), false},
    {"failed", 0, OPTION_FLAG, NULL, "only rows that were refused (see `rejects list`)",
     offsetof(struct replay_options, failed), false},
    {"dry-run", 0, OPTION_FLAG, NULL, "count what would change and change nothing",
     offsetof(struct replay_options, dry_run), false},
    {NULL, 0, OPTION_FLAG, NULL, NULL, 0, false},
};

struct replaying {
    struct session session;
    const struct replay_options *given;
    const struct run_topic *topic;
    int32_t first, end; /* partitions [first, end) */
    int64_t time_ms;    /* --from-time, 1970 epoch */
    rd_kafka_t *kafka;
    const char *requests; /* their numbers, as an array's text; NULL: none is asked yet */
    /* watching: when something changed last, and what it looked like */
    char seen[64];
    int64_t seen_ms;
    bool alone;   /* a worker had to be started */
    bool refused; /* one that was started has ended with EXIT_STATE */
};

/* ---- what was asked for ---- */

static bool check_options(const struct replay_options *given, struct error *err)
{
    int beginnings = (given->from_offset != NULL) + (given->from_time != NULL) + given->failed;
    if (beginnings > 1) {
        return error_stop(err, EXIT_USAGE, "RH-2013",
                          "options \"--from-offset\", \"--from-time\" and \"--failed\" exclude "
                          "each other");
    }
    if (given->table == NULL) {
        (void)error_stop(err, EXIT_USAGE, "RH-2012", "no table was given");
        return error_hint(err, "add --table ID; rowhaul status lists them");
    }
    return true;
}

static bool choose_partitions(struct replaying *replaying, struct error *err)
{
    int64_t partition = 0;
    uint32_t partitions = replaying->topic->partitions;
    const struct replay_options *given = replaying->given;
    replaying->end = (int32_t)partitions;
    if (given->partition != NULL) {
        if (!number_option("partition", given->partition, (int64_t)partitions - 1, &partition,
                           err)) {
            return false;
        }
        replaying->first = (int32_t)partition;
        replaying->end = replaying->first + 1;
    }
    if (given->from_offset != NULL && replaying->end - replaying->first > 1) {
        (void)error_stop(err, EXIT_USAGE, "RH-2013",
                         "option \"--from-offset\" needs a partition: topic \"%s\" has %" PRIu32,
                         replaying->topic->name, partitions);
        return error_hint(err, "add --partition P");
    }
    return true;
}

/* PostgreSQL reads times; ours would be a poorer one. */
static bool read_time(struct replaying *replaying, struct error *err)
{
    const char *values[] = {replaying->given->from_time};
    RH_AUTO(pg_result_clear) PGresult *result = NULL;
    if (values[0] == NULL) {
        return true;
    }
    if (!pg_query_params(&replaying->session.target,
                         "SELECT (1000 * extract(epoch FROM $1::timestamptz))::bigint", 1, values,
                         &result, err)) {
        if (strncmp(err->sqlstate, "22", 2) == 0) {
            (void)error_stop(err, EXIT_USAGE, "RH-2013",
                             "option \"--from-time\" must be a time, not \"%s\"", values[0]);
            return error_hint(err, "for example \"2026-11-20 18:30\", which is UTC");
        }
        return false;
    }
    replaying->time_ms = strtoll(PQgetvalue(result, 0, 0), NULL, 10);
    return true;
}

static bool open_kafka(struct replaying *replaying, struct error *err)
{
    rd_kafka_conf_t *conf = NULL;
    return kafka_conf(&replaying->session.config.settings, KAFKA_READER, NULL, &conf, err) &&
           kafka_new(RD_KAFKA_CONSUMER, conf, &replaying->kafka, err);
}

static bool prepare(struct replaying *replaying, struct error *err)
{
    struct session *session = &replaying->session;
    const struct replay_options *given = replaying->given;
    if (!session_configure(session, &given->common, err) || !check_options(given, err) ||
        !session_load_run(session, err)) {
        return false;
    }
    const struct plan_table *table = session_table(session, given->table, err);
    if (table == NULL) {
        return false;
    }
    replaying->topic = &session->run.topics[table->index];
    return choose_partitions(replaying, err) && read_time(replaying, err) &&
           open_kafka(replaying, err);
}

/* ---- asking ---- */

static bool find_beginning(struct replaying *replaying, int32_t partition, int64_t *ret_offset,
                           struct error *err)
{
    const struct replay_options *given = replaying->given;
    *ret_offset = 0;
    if (given->from_offset != NULL) {
        return number_option("from-offset", given->from_offset, INT64_MAX, ret_offset, err);
    }
    return given->from_time == NULL ||
           kafka_offset_at(replaying->kafka, replaying->topic->name, partition, replaying->time_ms,
                           ret_offset, err);
}

static const char ask_sql[] =
    "INSERT INTO rowhaul.requests (run, kind, table_id, topic, partition, from_offset,"
    "       only_failed, dry_run)"
    " VALUES ($1, 'replay', $2, $3, $4, $5, $6, $7) RETURNING request";

static bool ask_one(struct replaying *replaying, int32_t partition, struct pg_array *requests,
                    struct error *err)
{
    struct session *session = &replaying->session;
    int64_t offset = 0;
    if (!find_beginning(replaying, partition, &offset, err)) {
        return false;
    }
    const char *values[] = {session->run.id_text,
                            replaying->topic->table->id,
                            replaying->topic->name,
                            arena_must_printf(&session->arena, "%" PRId32, partition),
                            arena_must_printf(&session->arena, "%" PRId64, offset),
                            replaying->given->failed ? "t" : "f",
                            replaying->given->dry_run ? "t" : "f"};
    RH_AUTO(pg_result_clear) PGresult *result = NULL;
    if (!pg_query_params(&session->target, ask_sql, (int)RH_COUNT(values), values, &result, err)) {
        return error_wrap(err, "could not ask for a replay");
    }
    pg_array_add_text(requests, bytes_of(PQgetvalue(result, 0, 0)));
    return true;
}

static bool ask(struct replaying *replaying, struct error *err)
{
    struct pg_array requests;
    pg_array_init(&requests, &replaying->session.arena);
    if (!pg_run(&replaying->session.target, "BEGIN", err)) {
        return false;
    }
    for (int32_t p = replaying->first; p < replaying->end; p++) {
        if (!ask_one(replaying, p, &requests, err)) {
            return false; /* the session ends, and the transaction with it */
        }
    }
    if (!pg_run(&replaying->session.target, "COMMIT", err)) {
        return false;
    }
    replaying->requests = pg_array_text(&requests);
    return true;
}

/* ---- waiting ---- */

static const char watch_sql[] =
    "SELECT pg_catalog.count(*) FILTER (WHERE state = 'waiting'),"
    "       pg_catalog.count(*) FILTER (WHERE state = 'running'),"
    "       pg_catalog.sum(messages + keys),"
    "       pg_catalog.min(partition) FILTER (WHERE state IN ('waiting', 'running'))"
    "  FROM rowhaul.requests WHERE request = ANY ($1::bigint[])";

struct watched {
    int64_t waiting, running;
    int32_t partition; /* the first that is open */
};

static bool watch(struct replaying *replaying, struct watched *ret, struct error *err)
{
    char seen[sizeof replaying->seen];
    const char *values[] = {replaying->requests};
    RH_AUTO(pg_result_clear) PGresult *result = NULL;
    if (!pg_query_params(&replaying->session.target, watch_sql, 1, values, &result, err)) {
        return error_wrap(err, "could not look at the requests");
    }
    ret->waiting = strtoll(PQgetvalue(result, 0, 0), NULL, 10);
    ret->running = strtoll(PQgetvalue(result, 0, 1), NULL, 10);
    ret->partition = (int32_t)strtol(PQgetvalue(result, 0, 3), NULL, 10);
    (void)snprintf(seen, sizeof seen, "%" PRId64 " %" PRId64 " %s", ret->waiting, ret->running,
                   PQgetvalue(result, 0, 2)); /* only compared: a cut one will do */
    if (strcmp(seen, replaying->seen) != 0) {
        memcpy(replaying->seen, seen, sizeof seen);
        replaying->seen_ms = clock_ms();
    }
    return true;
}

/* Until its end; the child says itself what goes wrong. */
static bool start_worker(struct replaying *replaying, int32_t partition, struct error *err)
{
    struct session *session = &replaying->session;
    const char *path = children_program(&session->arena, "rowhaul-worker", err);
    if (path == NULL) {
        return false;
    }
    const char *argv[] = {
        path,
        "--config",
        replaying->given->common.config,
        "--assign",
        arena_must_printf(&session->arena, "%s:%" PRId32, replaying->topic->name, partition),
        "--replay",
        replaying->given->common.quiet ? "--quiet" : NULL,
        NULL};
    int code = children_wait(argv, err);
    replaying->seen_ms = clock_ms();
    if (code == EXIT_DONE || shutdown_requested()) {
        return true;
    }
    /* Once may mean that others came meanwhile and own the partition: they do what was asked. */
    if (code == EXIT_STATE && !replaying->refused) {
        replaying->refused = true;
        replaying->alone = false;
        return true;
    }
    return error_stop(err, (enum exit_code)code, "RH-7012",
                      "the worker for partition %" PRId32 " ended with %d", partition, code);
}

/* Nobody takes what was asked, and nobody is there who could. */
static bool help_out(struct replaying *replaying, const struct watched *watched, struct error *err)
{
    int64_t patience_ms = watched->running > 0 ? SILENT_AFTER_MS
                          : replaying->alone   ? 0
                                               : TAKE_WITHIN_MS;
    uint32_t members = 0;
    if (clock_ms() - replaying->seen_ms < patience_ms) {
        return true;
    }
    bool known = kafka_group_members(replaying->kafka, replaying->session.run.group, &members, err);
    replaying->alone = known && members == 0;
    if (!replaying->alone) {
        replaying->seen_ms = clock_ms(); /* they are busy, or dividing the partitions anew */
        return known || err->action == ERROR_RETRY; /* or Kafka itself is, for a while */
    }
    return start_worker(replaying, watched->partition, err);
}

static bool wait_for_end(struct replaying *replaying, struct error *err)
{
    for (;;) {
        struct watched watched = {0};
        if (!watch(replaying, &watched, err)) {
            return false;
        }
        if (watched.waiting + watched.running == 0) {
            return true;
        }
        if (shutdown_requested()) {
            return error_set(err, ERROR_RETRY, "interrupted");
        }
        if (!help_out(replaying, &watched, err)) {
            return false;
        }
        clock_sleep_ms(POLL_MS);
    }
}

/* Those that nobody has begun are taken back. */
static void take_back(struct replaying *replaying)
{
    struct error ignored;
    const char *values[] = {replaying->requests};
    RH_AUTO(pg_result_clear) PGresult *result = NULL;
    if (!pg_query_params(&replaying->session.target,
                         "UPDATE rowhaul.requests SET state = 'cancelled',"
                         "       ended_at = pg_catalog.now()"
                         " WHERE request = ANY ($1::bigint[]) AND state = 'waiting'",
                         1, values, &result, &ignored)) {
        fprintf(stderr, "%s: the requests still stand in rowhaul.requests: %s\n", SESSION_PROGRAM,
                ignored.text);
    }
}

int replay_command(void *options, size_t argc, char **argv)
{
    (void)argc; /* the table allows no words */
    (void)argv;
    struct error err = {0};
    struct replaying replaying = {.given = options};
    enum exit_code done = EXIT_DONE;
    bool ok = prepare(&replaying, &err) && ask(&replaying, &err) &&
              wait_for_end(&replaying, &err) &&
              replay_result_print(&replaying.session, replaying.requests, replaying.given->dry_run,
                                  &done, &err);
    if (!ok && replaying.requests != NULL) {
        take_back(&replaying);
    }
    kafka_destroy(&replaying.kafka);
    return session_end(&replaying.session, "replay_failed", ok, done, &err);
}
