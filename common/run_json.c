/*
 * run_json -- a run's plan as it is stored, in the ledger and in the RUN record, and back.
 *
 * Stored are the mapping, the environment it used, and both catalogs; the plan is compiled from
 * them again. Fingerprints are stored beside them: a version of rowhaul that would make another
 * plan of the same words refuses to go on with the run.
 */
#include "common/run_parts.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FORM_VERSION 1

void run_json_release(json_t **json)
{
    json_decref(*json);
    *json = NULL;
}

/* ---- writing ---- */

static json_t *fingerprint_json(uint64_t fingerprint)
{
    char text[17];
    snprintf(text, sizeof(text), "%016" PRIx64, fingerprint);
    return json_string(text);
}

static json_t *environment_json(const struct environment *environment)
{
    json_t *object = json_object();
    for (size_t i = 0; i < environment->count; i++) {
        json_object_set_new(object, environment->entries[i].name,
                            json_string(environment->entries[i].value));
    }
    return object;
}

static json_t *topics_json(const struct run *run)
{
    json_t *array = json_array();
    for (size_t i = 0; i < run->topics_count; i++) {
        const struct run_topic *topic = &run->topics[i];
        json_array_append_new(array,
                              json_pack("{s:s, s:s, s:I}", "table", topic->table->id, "topic",
                                        topic->name, "partitions", (json_int_t)topic->partitions));
    }
    return array;
}

json_t *run_to_json(const struct run *run, const struct config *config,
                    const struct environment *environment)
{
    RH_AUTO(arena_release) struct arena scratch;
    arena_init(&scratch, (size_t)128 << 20);
    json_t *json = json_pack(
        "{s:i, s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:s, s:s, s:s, s:o, s:o}", "version",
        FORM_VERSION, "run", run->id_text, "migration", run->migration, "system_identifier",
        run->system_identifier, "mapping", run_mapping_text(&config->document, &scratch),
        "environment", environment_json(environment), "source", catalog_to_json(run->plan.source),
        "target", catalog_to_json(run->plan.target), "topics", topics_json(run), "state_topic",
        run->state_topic, "control_topic", run->control_topic, "group", run->group,
        "source_fingerprint", fingerprint_json(run->plan.source_fingerprint),
        "transform_fingerprint", fingerprint_json(run->plan.transform_fingerprint));
    REQUIRE(json != NULL); /* every text of it was UTF-8 already */
    return json;
}

/* ---- reading ---- */

static bool foreign(struct error *err, const char *what)
{
    return error_stop(err, EXIT_STATE, "STATE_FOREIGN", "stored run cannot be read: %s", what);
}

static const char *text_of(const json_t *json, const char *name, struct arena *arena)
{
    const char *text = json_string_value(json_object_get(json, name));
    return text == NULL ? NULL : arena_must_strdup(arena, text);
}

static bool read_identity(const json_t *json, struct arena *arena, struct run *run,
                          struct error *err)
{
    const char *id = json_string_value(json_object_get(json, "run"));
    if (json_integer_value(json_object_get(json, "version")) != FORM_VERSION) {
        return foreign(err, "it was written by another version of rowhaul");
    }
    run->migration = text_of(json, "migration", arena);
    run->system_identifier = text_of(json, "system_identifier", arena);
    run->state_topic = text_of(json, "state_topic", arena);
    run->control_topic = text_of(json, "control_topic", arena);
    run->group = text_of(json, "group", arena);
    if (id == NULL || !run_id_parse(id, run->id) || run->migration == NULL ||
        run->system_identifier == NULL || run->state_topic == NULL || run->control_topic == NULL ||
        run->group == NULL) {
        return foreign(err, "names are missing");
    }
    run_id_format(run->id, run->id_text);
    return true;
}

static void read_environment(const json_t *json, struct arena *arena,
                             struct environment *environment)
{
    *environment = (struct environment){.arena = arena};
    const char *name = NULL;
    json_t *value = NULL;
    json_object_foreach((json_t *)(uintptr_t)json_object_get(json, "environment"), name, value)
    {
        if (json_is_string(value)) {
            environment_add(environment, name, json_string_value(value));
        }
    }
}

static const struct catalog *read_catalog(const json_t *json, const char *name, struct arena *arena,
                                          struct error *err)
{
    struct catalog *catalog = arena_must_alloc(arena, sizeof(*catalog));
    return catalog_from_json(json_object_get(json, name), arena, catalog, err) ? catalog : NULL;
}

static bool read_fingerprint(const json_t *json, const char *name, uint64_t *ret)
{
    const char *text = json_string_value(json_object_get(json, name));
    if (text == NULL || strlen(text) != 16 || strspn(text, "0123456789abcdef") != 16) {
        return false;
    }
    *ret = strtoull(text, NULL, 16);
    return true;
}

static bool read_plan(const json_t *json, struct arena *arena, struct run *run, struct error *err)
{
    const char *mapping = json_string_value(json_object_get(json, "mapping"));
    if (mapping == NULL) {
        return foreign(err, "the mapping is missing");
    }
    const char *name = arena_must_printf(arena, "mapping of run %s", run->id_text);
    struct document document;
    if (!document_parse(name, bytes_of(mapping), arena, &document, err)) {
        return false;
    }
    struct environment environment;
    read_environment(json, arena, &environment);
    const struct catalog *source = read_catalog(json, "source", arena, err);
    const struct catalog *target = source == NULL ? NULL : read_catalog(json, "target", arena, err);
    if (target == NULL) {
        return error_wrap(err, "stored run cannot be read");
    }
    struct complaints complaints;
    complaints_init(&complaints, arena, name);
    if (!mapping_compile(&document, source, target, &environment, arena, &complaints, &run->plan)) {
        return complaints_to_error(&complaints, err);
    }
    uint64_t source_fingerprint = 0;
    uint64_t transform_fingerprint = 0;
    if (!read_fingerprint(json, "source_fingerprint", &source_fingerprint) ||
        !read_fingerprint(json, "transform_fingerprint", &transform_fingerprint)) {
        return foreign(err, "the fingerprints are missing");
    }
    if (source_fingerprint != run->plan.source_fingerprint ||
        transform_fingerprint != run->plan.transform_fingerprint) {
        error_stop(err, EXIT_STATE, "PLAN_CHANGED",
                   "this version of rowhaul makes another plan of run %s's mapping", run->id_text);
        return error_hint(err, "end the run with the version that created it");
    }
    return true;
}

static bool read_topics(const json_t *json, struct arena *arena, struct run *run, struct error *err)
{
    const json_t *topics = json_object_get(json, "topics");
    run->topics_count = json_array_size(topics);
    if (run->topics_count != run->plan.tables_count) {
        return foreign(err, "tables and topics differ in number");
    }
    run->topics = arena_must_alloc(arena, (run->topics_count + 1) * sizeof(*run->topics));
    for (size_t i = 0; i < run->topics_count; i++) {
        const json_t *entry = json_array_get(topics, i);
        const char *table = json_string_value(json_object_get(entry, "table"));
        json_int_t partitions = json_integer_value(json_object_get(entry, "partitions"));
        run->topics[i].table = &run->plan.tables[i];
        run->topics[i].name = text_of(entry, "topic", arena);
        if (table == NULL || strcmp(table, run->plan.tables[i].id) != 0 ||
            run->topics[i].name == NULL || partitions < 1 || partitions > INT32_MAX) {
            return foreign(err, "a topic is not described");
        }
        run->topics[i].partitions = (uint32_t)partitions;
    }
    run_partitions_number(run);
    return true;
}

bool run_from_json(const struct config *config, const json_t *json, struct arena *arena,
                   struct run *ret_run, struct error *err)
{
    struct run run = {.migration = NULL};
    if (!read_identity(json, arena, &run, err)) {
        return false;
    }
    REQUIRE(run.migration != NULL && config->settings.name != NULL);
    if (strcmp(run.migration, config->settings.name) != 0) {
        return error_stop(err, EXIT_STATE, "TOPIC_FOREIGN",
                          "stored run %s belongs to migration \"%s\", not to \"%s\"", run.id_text,
                          run.migration, config->settings.name);
    }
    if (!read_plan(json, arena, &run, err) || !read_topics(json, arena, &run, err)) {
        return false;
    }
    *ret_run = run;
    return true;
}

/* ---- the ledger's copy ---- */

bool run_ledger_json(struct pg *target, const char *migration, json_t **ret_json, struct error *err)
{
    static const char table_sql[] =
        "SELECT (pg_catalog.to_regclass('rowhaul.runs') IS NOT NULL)::int";
    uint64_t exists = 0;
    if (!pg_query_u64(target, table_sql, &exists, err)) {
        return error_wrap(err, "could not read the ledger");
    }
    *ret_json = NULL;
    if (exists == 0) {
        return true;
    }
    RH_AUTO(pg_result_clear) PGresult *result = NULL;
    if (!pg_query_params(target, "SELECT plan FROM rowhaul.runs WHERE migration = $1", 1,
                         &migration, &result, err)) {
        return error_wrap(err, "could not read the ledger");
    }
    if (PQntuples(result) == 0) {
        return true;
    }
    *ret_json = json_loads(PQgetvalue(result, 0, 0), 0, NULL);
    return *ret_json != NULL || foreign(err, "its JSON does not parse");
}

/* ret_stored: the ledger's JSON, to be released by the caller. */
static bool load(const struct config *config, struct pg *target, struct arena *arena,
                 struct run *ret_run, json_t **ret_stored, struct error *err)
{
    if (!run_ledger_json(target, config->settings.name, ret_stored, err)) {
        return false;
    }
    if (*ret_stored == NULL) {
        error_stop(err, EXIT_STATE, "RUN_MISSING", "migration \"%s\" has no run on the target",
                   config->settings.name);
        return error_hint(err, "rowhaul run -c %s creates it", config->settings.file);
    }
    return run_from_json(config, *ret_stored, arena, ret_run, err);
}

bool run_load(const struct config *config, struct pg *target, struct arena *arena,
              struct run *ret_run, struct error *err)
{
    RH_AUTO(run_json_release) json_t *stored = NULL;
    return load(config, target, arena, ret_run, &stored, err);
}

/* ---- the file against it ---- */

bool run_same_mapping(const struct config *config, const struct run *run, const json_t *stored,
                      struct arena *arena, struct error *err)
{
    struct environment environment;
    read_environment(stored, arena, &environment);
    struct complaints complaints;
    complaints_init(&complaints, arena, config->settings.file);
    struct plan plan = {.name = NULL};
    /* What the stored catalogs do not know is a change too: its complaints would only mislead. */
    bool same = mapping_compile(&config->document, run->plan.source, run->plan.target, &environment,
                                arena, &complaints, &plan) &&
                plan.source_fingerprint == run->plan.source_fingerprint &&
                plan.transform_fingerprint == run->plan.transform_fingerprint;
    if (same) {
        return true;
    }
    error_stop(err, EXIT_STATE, "MAPPING_CHANGED",
               "the mapping in \"%s\" is not the one run %s was created with",
               config->settings.file, run->id_text);
    return error_hint(err, "restore the file, or end the old run with rowhaul cleanup -c %s",
                      config->settings.file);
}

bool run_load_same(const struct config *config, struct pg *target, struct arena *arena,
                   struct run *ret_run, struct error *err)
{
    RH_AUTO(run_json_release) json_t *stored = NULL;
    return load(config, target, arena, ret_run, &stored, err) &&
           run_same_mapping(config, ret_run, stored, arena, err);
}
