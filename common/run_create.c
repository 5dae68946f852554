/*
 * run_create -- finds a migration's run or creates it, once.
 *
 * The run is in two places, the ledger on the target and the RUN record in Kafka, and a crash can
 * leave any prefix of topics -> schema -> ledger rows -> RUN record. So every start looks at both
 * and does what is missing:
 *
 *   ledger  RUN record
 *   no      no          create: checks, topics, schema, rows; then as the next line
 *   yes     no          created half: topics again, RUN; refused if a topic was ever written
 *   no      yes         the target was restored or dropped: schema and rows from the record; every
 *                       message is applied again from offset 0
 *   yes     yes         nothing to do; both must name the same run
 *
 * What everybody works with is always compiled from what is stored, also by who stored it.
 */
#include "common/run_parts.h"

#include "common/failpoint.h"
#include "common/ledger.h"
#include "common/state_topic.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define APPLICATION   "rowhaul-create"
#define PING_MS       10000
#define RUN_RECORD_MS 30000
#define CODE_FOREIGN  "TOPIC_FOREIGN"

struct creation {
    const struct config *config;
    struct arena *arena;
    struct pg source;
    struct pg target;
    rd_kafka_t *kafka;
    uint32_t brokers;
    struct state_fold fold; /* of the state topic; fold.run is the RUN record */
    json_t *ledger;         /* the run's plan in the ledger, or NULL */
};

static void creation_release(struct creation *creation)
{
    pg_close(&creation->source);
    pg_close(&creation->target);
    kafka_destroy(&creation->kafka);
    state_fold_release(&creation->fold);
    run_json_release(&creation->ledger);
}

/* ---- looking ---- */

bool run_kafka_open(const struct settings *settings, rd_kafka_t **ret_handle, uint32_t *ret_brokers,
                    struct error *err)
{
    rd_kafka_conf_t *conf = NULL;
    if (!kafka_conf(settings, KAFKA_READER, NULL, &conf, err)) {
        return false;
    }
    RH_AUTO(kafka_destroy) rd_kafka_t *handle = NULL;
    if (!kafka_new(RD_KAFKA_CONSUMER, conf, &handle, err) ||
        !kafka_ping(handle, PING_MS, ret_brokers, err)) {
        return false;
    }
    *ret_handle = handle;
    handle = NULL;
    return true;
}

/* Each server is tried once: a wrong password must not become a ban. */
static bool open_all(struct creation *creation, struct error *err)
{
    const struct settings *settings = &creation->config->settings;
    return pg_open(&creation->source, PG_SOURCE, settings->source_url, APPLICATION, err) &&
           pg_open(&creation->target, PG_TARGET, settings->target_url, APPLICATION, err) &&
           run_kafka_open(settings, &creation->kafka, &creation->brokers, err);
}

static bool look(struct creation *creation, struct error *err)
{
    const struct settings *settings = &creation->config->settings;
    const char *state_topic =
        kafka_topic_name(creation->arena, settings->topics_prefix, settings->name, "state");
    return run_ledger_json(&creation->target, settings->name, &creation->ledger, err) &&
           state_fold_read(&creation->fold, settings, state_topic, err);
}

/* ---- topics ---- */

static bool topic_unused(struct creation *creation, const char *topic, struct error *err)
{
    struct topic_info info;
    if (!kafka_topic_info(creation->kafka, topic, &info, err)) {
        return false;
    }
    if (!info.used) {
        return true;
    }
    error_stop(err, EXIT_STATE, CODE_FOREIGN,
               "topic \"%s\" has messages, but there is no run they belong to", topic);
    return error_hint(err,
                      "remove what an earlier run left with rowhaul cleanup -c %s, or choose "
                      "another topics.prefix",
                      creation->config->settings.file);
}

static bool topics_unused(struct creation *creation, const struct run *run, struct error *err)
{
    for (size_t i = 0; i < run->topics_count; i++) {
        if (!topic_unused(creation, run->topics[i].name, err)) {
            return false;
        }
    }
    return topic_unused(creation, run->state_topic, err) &&
           topic_unused(creation, run->control_topic, err);
}

static bool create_topics(struct creation *creation, const struct run *run, struct error *err)
{
    const struct settings *settings = &creation->config->settings;
    size_t count = run->topics_count + 2;
    struct topic_spec *specs = arena_must_alloc(creation->arena, count * sizeof(*specs));
    specs[0] = (struct topic_spec){run->state_topic, 1};
    specs[1] = (struct topic_spec){run->control_topic, 1};
    for (size_t i = 0; i < run->topics_count; i++) {
        specs[i + 2] = (struct topic_spec){run->topics[i].name, run->topics[i].partitions};
    }
    return kafka_topics_create(creation->kafka, settings, specs, count,
                               run_replication_factor(settings, creation->brokers), err);
}

/*
 * A large table gets the settings' partitions, a small one 1. What a start before a crash made
 * stays: the table's estimate may have crossed the border since then.
 */
static bool choose_partitions(struct creation *creation, struct run *run, struct error *err)
{
    const struct settings *settings = &creation->config->settings;
    for (size_t i = 0; i < run->topics_count; i++) {
        struct run_topic *topic = &run->topics[i];
        uint32_t existing = 0;
        if (!kafka_topic_partitions(creation->kafka, topic->name, &existing, err)) {
            return false;
        }
        bool large = topic->table->source->rows_estimate >= (double)settings->topics_small_rows;
        bool ours = existing == 1 || existing == settings->topics_partitions;
        uint32_t chosen = large ? settings->topics_partitions : 1;
        topic->partitions = ours ? existing : chosen;
    }
    run_partitions_number(run);
    return true;
}

/* ---- the ledger's rows ---- */

static bool insert_offsets(struct creation *creation, const struct run *run,
                           const struct run_topic *topic, struct error *err)
{
    static const char sql[] =
        "INSERT INTO rowhaul.offsets (run, topic, partition, table_id)"
        " SELECT $1::uuid, $2, p, $3 FROM pg_catalog.generate_series(0, $4::int - 1) p";
    char partitions[16];
    snprintf(partitions, sizeof(partitions), "%" PRIu32, topic->partitions);
    const char *const values[] = {run->id_text, topic->name, topic->table->id, partitions};
    RH_AUTO(pg_result_clear) PGresult *result = NULL;
    return pg_query_params(&creation->target, sql, RH_COUNT(values), values, &result, err);
}

/* ret_won false: another starter was faster, its run is the run. */
static bool insert_run(struct creation *creation, const struct run *run, const json_t *stored,
                       bool *ret_won, struct error *err)
{
    static const char sql[] =
        "INSERT INTO rowhaul.runs (run, migration, plan, system_identifier)"
        " VALUES ($1::uuid, $2, $3::json, $4) ON CONFLICT (migration) DO NOTHING";
    const char *const values[] = {run->id_text, run->migration,
                                  state_json_text(creation->arena, stored), run->system_identifier};
    RH_AUTO(pg_result_clear) PGresult *result = NULL;
    if (!pg_query_params(&creation->target, sql, RH_COUNT(values), values, &result, err)) {
        return false;
    }
    *ret_won = strcmp(PQcmdTuples(result), "1") == 0;
    for (size_t i = 0; *ret_won && i < run->topics_count; i++) {
        if (!insert_offsets(creation, run, &run->topics[i], err)) {
            return false;
        }
    }
    return true;
}

/* Schema, run row, offsets rows; afterwards creation->ledger is what stands in the ledger. */
static bool write_ledger(struct creation *creation, const struct run *run, const json_t *stored,
                         struct error *err)
{
    if (!ledger_install(&creation->target, err)) {
        return false;
    }
    RH_FAILPOINT("after_schema_installed");
    bool won = false;
    bool ok = pg_run(&creation->target, "BEGIN", err) &&
              insert_run(creation, run, stored, &won, err) &&
              pg_run(&creation->target, "COMMIT", err);
    if (!ok) {
        pg_rollback(&creation->target);
        return error_wrap(err, "could not write run %s into the ledger", run->id_text);
    }
    RH_FAILPOINT("after_run_row");
    run_json_release(&creation->ledger);
    return run_ledger_json(&creation->target, run->migration, &creation->ledger, err);
}

/* ---- creating ---- */

static bool make_run_id(struct run *run, struct error *err)
{
    FILE *random = fopen("/dev/urandom", "rb");
    size_t got = random == NULL ? 0 : fread(run->id, 1, sizeof(run->id), random);
    if (random != NULL) {
        (void)fclose(random); /* it was only read */
    }
    if (got != sizeof(run->id)) {
        return error_stop(err, EXIT_INTERNAL, NULL, "could not read /dev/urandom");
    }
    /* RFC 4122: version 4, its variant. */
    run->id[6] = (unsigned char)((run->id[6] & 0x0f) | 0x40);
    run->id[8] = (unsigned char)((run->id[8] & 0x3f) | 0x80);
    run_id_format(run->id, run->id_text);
    return true;
}

/* All findings are printed, then the first is the error. */
static bool check(struct creation *creation, const struct run *run, struct error *err)
{
    struct complaints findings;
    complaints_init(&findings, creation->arena, creation->config->settings.file);
    if (!run_check(creation->config, &run->plan, &creation->source, &creation->target,
                   creation->brokers, &findings, err)) {
        return false;
    }
    if (!complaints_report(&findings, err)) {
        err->exit_code = EXIT_CHECK;
        return false;
    }
    return true;
}

/* Up to the ledger's rows; the RUN record is written by finish, which a crash leads to as well. */
static bool create(struct creation *creation, struct error *err)
{
    struct run run = {.migration = NULL};
    struct environment environment = {.arena = creation->arena};
    if (!run_compile(creation->config, &creation->source, &creation->target, creation->arena,
                     &run.plan, &environment, err) ||
        !make_run_id(&run, err)) {
        return false;
    }
    run.system_identifier = run.plan.source->system_identifier;
    run_names_make(&creation->config->settings, creation->arena, &run);
    if (!check(creation, &run, err) || !topics_unused(creation, &run, err) ||
        !choose_partitions(creation, &run, err) || !create_topics(creation, &run, err)) {
        return false;
    }
    RH_FAILPOINT("after_topics_created");
    RH_AUTO(run_json_release)
    json_t *stored = run_to_json(&run, creation->config, &environment);
    return write_ledger(creation, &run, stored, err);
}

/* ---- going on with what is stored ---- */

static bool same_source(struct creation *creation, const struct run *run, struct error *err)
{
    static const char sql[] = "SELECT system_identifier::pg_catalog.text"
                              "       || '/' || pg_catalog.current_database()"
                              "  FROM pg_catalog.pg_control_system()";
    const char *found = NULL;
    if (!pg_query_text(&creation->source, sql, creation->arena, &found, err)) {
        return error_wrap(err, "could not identify the source");
    }
    const char *expected = arena_must_printf(creation->arena, "%s/%s", run->system_identifier,
                                             run->plan.source->database);
    if (strcmp(found, expected) == 0) {
        return true;
    }
    error_stop(err, EXIT_STATE, "SOURCE_SWAPPED",
               "the source is database %s, but run %s was created from %s", found, run->id_text,
               expected);
    return error_hint(err,
                      "correct source.url; a source that was restored or replaced needs a new "
                      "run: rowhaul cleanup -c %s",
                      creation->config->settings.file);
}

/* Both places must speak of one run: a state topic of a run before a forced clean-up would not. */
static bool same_run(const struct creation *creation, const struct run *run, const json_t *stored,
                     const char *where, struct error *err)
{
    const char *id = json_string_value(json_object_get(stored, "run"));
    if (stored == NULL || (id != NULL && strcmp(id, run->id_text) == 0)) {
        return true;
    }
    error_stop(err, EXIT_STATE, CODE_FOREIGN, "%s holds run %s where run %s was expected", where,
               id == NULL ? "?" : id, run->id_text);
    return error_hint(err, "remove it with rowhaul cleanup -c %s", creation->config->settings.file);
}

static bool write_run_record(struct creation *creation, const struct run *run, struct error *err)
{
    RH_FAILPOINT("before_run_record");
    RH_AUTO(kafka_destroy) rd_kafka_t *producer = NULL;
    return state_producer_new(&creation->config->settings, &producer, err) &&
           state_put(producer, run->state_topic, "run",
                     state_json_text(creation->arena, creation->ledger), RUN_RECORD_MS, err);
}

/* What the stored run must agree with: the other store, the source, the file. */
static bool agrees(struct creation *creation, const struct run *run, const json_t *stored,
                   struct error *err)
{
    return same_run(creation, run, creation->fold.run, "the state topic", err) &&
           same_source(creation, run, err) &&
           run_same_mapping(creation->config, run, stored, creation->arena, err);
}

/* With at least one of the two records there: makes the other. */
static bool finish(struct creation *creation, struct run *run, struct error *err)
{
    const json_t *stored = creation->ledger != NULL ? creation->ledger : creation->fold.run;
    if (!run_from_json(creation->config, stored, creation->arena, run, err) ||
        !agrees(creation, run, stored, err)) {
        return false;
    }
    if (creation->ledger == NULL) {
        return write_ledger(creation, run, creation->fold.run, err) &&
               same_run(creation, run, creation->ledger, "the ledger", err) &&
               run_defer_constraints(run, &creation->target, err);
    }
    if (creation->fold.run != NULL) {
        return ledger_install(&creation->target, err); /* a newer version may bring more of it */
    }
    return topics_unused(creation, run, err) && create_topics(creation, run, err) &&
           run_defer_constraints(run, &creation->target, err) &&
           write_run_record(creation, run, err);
}

bool run_create(const struct config *config, struct arena *arena, struct run *ret_run,
                bool *ret_created, struct error *err)
{
    RH_AUTO(creation_release)
    struct creation creation = {.config = config, .arena = arena};
    state_fold_init(&creation.fold, arena);
    if (!open_all(&creation, err) || !look(&creation, err)) {
        return false;
    }
    bool none = creation.ledger == NULL && creation.fold.run == NULL;
    if (none && !create(&creation, err)) {
        return false;
    }
    struct run run = {.migration = NULL};
    if (!finish(&creation, &run, err)) {
        return false;
    }
    *ret_run = run;
    if (ret_created != NULL) {
        *ret_created = creation.fold.run == NULL;
    }
    return true;
}
