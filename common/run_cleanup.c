/*
 * run_cleanup -- removes what a run made: off-taken constraints restored, topics, group, ledger.
 *
 * Names come from what is stored, without compiling it: a run whose plan this version cannot read
 * any more can still be removed. Only where nothing is stored (a start that crashed between topics
 * and ledger) the file is compiled, to know which topics it would have made.
 */
#include "common/run_parts.h"

#include "common/clock.h"
#include "common/state_topic.h"

#include <string.h>

#define APPLICATION    "rowhaul-cleanup"
#define GROUP_WAIT_MS  15000 /* a killed worker stays a member for session.timeout.ms */
#define GROUP_PAUSE_MS 500

struct cleaner {
    const struct config *config;
    struct arena *arena;
    struct pg target;
    rd_kafka_t *kafka;
    struct state_fold fold;
    json_t *ledger;
};

static void cleaner_release(struct cleaner *cleaner)
{
    pg_close(&cleaner->target);
    kafka_destroy(&cleaner->kafka);
    state_fold_release(&cleaner->fold);
    run_json_release(&cleaner->ledger);
}

static bool open_both(struct cleaner *cleaner, struct error *err)
{
    const struct settings *settings = &cleaner->config->settings;
    uint32_t brokers = 0;
    return pg_open(&cleaner->target, PG_TARGET, settings->target_url, APPLICATION, err) &&
           run_kafka_open(settings, &cleaner->kafka, &brokers, err);
}

static void add_item(struct cleanup *cleanup, const char *item)
{
    cleanup->items[cleanup->items_count++] = item;
}

/* ---- what there is ---- */

/* A name list of the run: every topic it may have made. */
struct topic_names {
    size_t count;
    const char **names;
};

static void names_init(struct topic_names *names, size_t tables_count, const char *state_topic,
                       const char *control_topic, struct arena *arena)
{
    names->names = arena_must_alloc(arena, (tables_count + 2) * sizeof(*names->names));
    names->names[0] = state_topic;
    names->names[1] = control_topic;
    names->count = 2;
}

static void names_from_json(const json_t *stored, const char *state_topic,
                            const char *control_topic, struct arena *arena,
                            struct topic_names *names)
{
    const json_t *topics = json_object_get(stored, "topics");
    names_init(names, json_array_size(topics), state_topic, control_topic, arena);
    for (size_t i = 0; i < json_array_size(topics); i++) {
        const json_t *entry = json_array_get(topics, i);
        const char *topic = json_string_value(json_object_get(entry, "topic"));
        if (topic != NULL) {
            names->names[names->count++] = arena_must_strdup(arena, topic);
        }
    }
}

static bool names_from_file(struct cleaner *cleaner, struct topic_names *names, struct error *err)
{
    const struct settings *settings = &cleaner->config->settings;
    RH_AUTO(pg_close) struct pg source = {.conn = NULL};
    struct environment environment = {.arena = cleaner->arena};
    struct run run = {.migration = NULL};
    if (!pg_open(&source, PG_SOURCE, settings->source_url, APPLICATION, err) ||
        !run_compile(cleaner->config, &source, &cleaner->target, cleaner->arena, &run.plan,
                     &environment, err)) {
        return false;
    }
    run_names_make(settings, cleaner->arena, &run);
    names_init(names, run.topics_count, run.state_topic, run.control_topic, cleaner->arena);
    for (size_t i = 0; i < run.topics_count; i++) {
        names->names[names->count++] = run.topics[i].name;
    }
    return true;
}

static bool find_names(struct cleaner *cleaner, struct topic_names *names, struct error *err)
{
    const struct settings *settings = &cleaner->config->settings;
    const char *prefix = settings->topics_prefix;
    const char *state = kafka_topic_name(cleaner->arena, prefix, settings->name, "state");
    const char *control = kafka_topic_name(cleaner->arena, prefix, settings->name, "control");
    if (!run_ledger_json(&cleaner->target, settings->name, &cleaner->ledger, err)) {
        return false;
    }
    if (cleaner->ledger == NULL && !state_fold_read(&cleaner->fold, settings, state, err)) {
        return false;
    }
    const json_t *stored = cleaner->ledger != NULL ? cleaner->ledger : cleaner->fold.run;
    if (stored == NULL) {
        return names_from_file(cleaner, names, err);
    }
    names_from_json(stored, state, control, cleaner->arena, names);
    return true;
}

static bool find_topics(struct cleaner *cleaner, const struct topic_names *names,
                        struct cleanup *cleanup, struct error *err)
{
    cleanup->topics = arena_must_alloc(cleaner->arena, names->count * sizeof(*cleanup->topics));
    for (size_t i = 0; i < names->count; i++) {
        uint32_t partitions = 0;
        if (!kafka_topic_partitions(cleaner->kafka, names->names[i], &partitions, err)) {
            return false;
        }
        if (partitions > 0) {
            cleanup->topics[cleanup->topics_count++] = names->names[i];
        }
    }
    return true;
}

static bool find_deferred(struct cleaner *cleaner, const char *run_id, PGresult **ret_list,
                          struct error *err)
{
    static const char sql[] =
        "SELECT kind, object_name, schema_name || '.' || table_name FROM rowhaul.deferred_ddl"
        " WHERE run = $1::uuid AND state <> 'restored' ORDER BY 3, 1, 2";
    return pg_query_params(&cleaner->target, sql, 1, &run_id, ret_list, err);
}

/* Only a schema with our table in it is ours: installing it is one transaction. */
static bool find_others(struct cleaner *cleaner, bool *ret_ledger, bool *ret_others,
                        struct error *err)
{
    static const char sql[] = "SELECT EXISTS (SELECT FROM rowhaul.runs WHERE migration <> $1)";
    uint64_t exists = 0;
    if (!pg_query_u64(&cleaner->target,
                      "SELECT (pg_catalog.to_regclass('rowhaul.runs') IS NOT NULL)::int", &exists,
                      err)) {
        return false;
    }
    *ret_ledger = exists == 1;
    *ret_others = false;
    if (exists == 0) {
        return true;
    }
    const char *const values[] = {cleaner->config->settings.name};
    RH_AUTO(pg_result_clear) PGresult *result = NULL;
    if (!pg_query_params(&cleaner->target, sql, RH_COUNT(values), values, &result, err)) {
        return false;
    }
    *ret_others = PQgetvalue(result, 0, 0)[0] == 't';
    return true;
}

/* The texts, in the order of the work. */
static bool describe(struct cleaner *cleaner, struct cleanup *cleanup, struct error *err)
{
    RH_AUTO(pg_result_clear) PGresult *deferred = NULL;
    if (cleanup->run_id != NULL && !find_deferred(cleaner, cleanup->run_id, &deferred, err)) {
        return false;
    }
    const size_t others_max = 3; /* group, run, schema */
    size_t items_max = (size_t)PQntuples(deferred) + cleanup->topics_count + others_max;
    struct arena *arena = cleaner->arena;
    cleanup->items = arena_must_alloc(arena, items_max * sizeof(*cleanup->items));
    for (int i = 0; i < PQntuples(deferred); i++) {
        add_item(cleanup,
                 arena_must_printf(arena, "restore %s \"%s\" of table \"%s\" on the target",
                                   PQgetvalue(deferred, i, 0), PQgetvalue(deferred, i, 1),
                                   PQgetvalue(deferred, i, 2)));
    }
    for (size_t i = 0; i < cleanup->topics_count; i++) {
        add_item(cleanup, arena_must_printf(arena, "delete topic \"%s\"", cleanup->topics[i]));
    }
    if (cleanup->topics_count > 0) {
        add_item(cleanup, arena_must_printf(arena, "delete consumer group \"%s\"", cleanup->group));
    }
    if (cleanup->run_id != NULL && !cleanup->keep_ledger) {
        add_item(cleanup, arena_must_printf(arena, "delete run %s with its rejects from the ledger",
                                            cleanup->run_id));
    }
    if (cleanup->drop_schema) {
        add_item(cleanup, "drop schema \"rowhaul\" with all it holds from the target");
    }
    return true;
}

bool run_cleanup_find(const struct config *config, bool keep_ledger, struct arena *arena,
                      struct cleanup *ret_cleanup, struct error *err)
{
    RH_AUTO(cleaner_release) struct cleaner cleaner = {.config = config, .arena = arena};
    state_fold_init(&cleaner.fold, arena);
    struct cleanup cleanup = {.keep_ledger = keep_ledger};
    struct topic_names names = {0, NULL};
    bool ledger = false;
    bool others = false;
    if (!open_both(&cleaner, err) || !find_names(&cleaner, &names, err) ||
        !find_topics(&cleaner, &names, &cleanup, err) ||
        !find_others(&cleaner, &ledger, &others, err)) {
        return false;
    }
    cleanup.group =
        arena_must_printf(arena, "%s.%s", config->settings.topics_prefix, config->settings.name);
    const char *run_id = json_string_value(json_object_get(cleaner.ledger, "run"));
    cleanup.run_id = run_id == NULL ? NULL : arena_must_strdup(arena, run_id);
    cleanup.drop_schema = !keep_ledger && ledger && !others;
    if (!describe(&cleaner, &cleanup, err)) {
        return false;
    }
    *ret_cleanup = cleanup;
    return true;
}

/* ---- removing ---- */

/* First of all: a group with living members means that the run is at work. */
static bool delete_group(rd_kafka_t *kafka, const char *group, struct error *err)
{
    int64_t deadline_ms = clock_ms() + GROUP_WAIT_MS;
    while (!kafka_group_delete(kafka, group, err)) {
        if (err->kafka_code != RD_KAFKA_RESP_ERR_NON_EMPTY_GROUP || clock_ms() >= deadline_ms) {
            return false;
        }
        clock_sleep_ms(GROUP_PAUSE_MS);
    }
    return true;
}

static bool delete_run(struct pg *target, const struct cleanup *cleanup, struct error *err)
{
    if (cleanup->run_id == NULL) {
        return true;
    }
    RH_AUTO(pg_result_clear) PGresult *result = NULL;
    return pg_query_params(target, "DELETE FROM rowhaul.runs WHERE run = $1::uuid", 1,
                           &cleanup->run_id, &result, err);
}

/* Looked at again under a lock: another migration may have come since run_cleanup_find. */
static bool drop_schema(struct pg *target, struct error *err)
{
    uint64_t runs = 0;
    return pg_run(target, "LOCK TABLE rowhaul.runs IN ACCESS EXCLUSIVE MODE", err) &&
           pg_query_u64(target, "SELECT pg_catalog.count(*) FROM rowhaul.runs", &runs, err) &&
           (runs > 0 || pg_run(target, "DROP SCHEMA rowhaul CASCADE", err));
}

static bool delete_ledger(struct pg *target, const struct cleanup *cleanup, struct error *err)
{
    if (cleanup->keep_ledger) {
        return true;
    }
    bool ok = pg_run(target, "BEGIN", err) && delete_run(target, cleanup, err) &&
              (!cleanup->drop_schema || drop_schema(target, err)) && pg_run(target, "COMMIT", err);
    if (!ok) {
        pg_rollback(target);
        return error_wrap(err, "could not remove the run from the target");
    }
    return true;
}

bool run_cleanup(const struct config *config, const struct cleanup *cleanup, uint32_t *ret_failed,
                 struct error *err)
{
    RH_AUTO(cleaner_release) struct cleaner cleaner = {.config = config};
    uint32_t failed = 0;
    if (!open_both(&cleaner, err) || !delete_group(cleaner.kafka, cleanup->group, err)) {
        return false;
    }
    if (cleanup->run_id != NULL &&
        !run_restore_constraints(cleanup->run_id, &cleaner.target, &failed, err)) {
        return false;
    }
    if (!kafka_topics_delete(cleaner.kafka, cleanup->topics, cleanup->topics_count, err) ||
        !delete_ledger(&cleaner.target, cleanup, err)) {
        return false;
    }
    *ret_failed = failed;
    return true;
}
