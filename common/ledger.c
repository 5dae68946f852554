#include "common/ledger.h"

#include "common/control_sql.h"
#include "common/hash.h"
#include "common/pg_array.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "rowhaul" read as a number: whoever installs waits for whoever else does. */
#define INSTALL_LOCK "8246204620103118188"

#define ARRAY_BYTES_MAX ((size_t)4 << 20) /* names of thousands of topics */

/* ---- the schema ---- */

static uint64_t schema_fingerprint(void)
{
    uint64_t fingerprint = FINGERPRINT_START;
    for (size_t i = 0; i < control_files_count; i++) {
        const char *sql = (const char *)control_files[i].sql;
        fingerprint = fingerprint_add(fingerprint, bytes_of(sql));
    }
    return fingerprint;
}

/* The schema's comment says what stands there, so that a start changes nothing where nothing is to
 * be changed: even CREATE … IF NOT EXISTS takes locks and asks for privileges. */
static bool is_current(struct pg *target, const char *mark, bool *ret, struct error *err)
{
    static const char sql[] =
        "SELECT coalesce(pg_catalog.obj_description(pg_catalog.to_regnamespace('rowhaul'),"
        " 'pg_namespace') = $1, false)";
    RH_AUTO(pg_result_clear) PGresult *result = NULL;
    if (!pg_query_params(target, sql, 1, &mark, &result, err)) {
        return false;
    }
    *ret = PQgetvalue(result, 0, 0)[0] == 't';
    return true;
}

static bool install_files(struct pg *target, const char *mark, struct error *err)
{
    char comment[128];
    snprintf(comment, sizeof(comment), "COMMENT ON SCHEMA rowhaul IS '%s'", mark);
    if (!pg_run(target, "SELECT pg_catalog.pg_advisory_xact_lock(" INSTALL_LOCK ")", err)) {
        return false;
    }
    for (size_t i = 0; i < control_files_count; i++) {
        if (!pg_run(target, (const char *)control_files[i].sql, err)) {
            return error_wrap(err, "control schema file \"%s\"", control_files[i].name);
        }
    }
    return pg_run(target, comment, err);
}

bool ledger_install(struct pg *target, struct error *err)
{
    char mark[64];
    snprintf(mark, sizeof(mark), "rowhaul control schema %016" PRIx64, schema_fingerprint());
    bool current = false;
    if (!is_current(target, mark, &current, err)) {
        return error_wrap(err, "could not install the rowhaul schema");
    }
    if (current) {
        return true;
    }
    bool ok = pg_run(target, "BEGIN", err) && install_files(target, mark, err) &&
              pg_run(target, "COMMIT", err);
    if (!ok) {
        pg_rollback(target);
        return error_wrap(err, "could not install the rowhaul schema");
    }
    return true;
}

bool ledger_exists(struct pg *target, bool *ret_exists, struct error *err)
{
    static const char sql[] =
        "SELECT (pg_catalog.to_regclass('rowhaul.runs') IS NOT NULL"
        " AND pg_catalog.to_regclass('rowhaul.offsets') IS NOT NULL"
        " AND pg_catalog.to_regclass('rowhaul.deferred_ddl') IS NOT NULL)::int";
    uint64_t exists = 0;
    if (!pg_query_u64(target, sql, &exists, err)) {
        return error_wrap(err, "could not look for the rowhaul schema");
    }
    *ret_exists = exists == 1;
    return true;
}

/* ---- accounting ---- */

/* One statement is one snapshot: the terms of a table always belong together. */
static const char accounting_sql[] =
    "SELECT coalesce(p.rows_read, 0), coalesce(p.rows_enqueued, 0), coalesce(p.rows_dropped, 0),"
    "       coalesce(p.rows_filtered, 0), coalesce(p.rows_estimate, 0),"
    "       coalesce(p.done, false)::int,"
    "       o.accepted, o.applied, o.unchanged, o.deleted, o.folded, o.filtered, o.deduplicated,"
    "       o.superseded, o.skipped, o.rows_written, o.bytes_applied, o.ms,"
    "       j.rejected, j.parked, j.oversize"
    "  FROM (SELECT coalesce(pg_catalog.sum(accepted), 0) AS accepted,"
    "               coalesce(pg_catalog.sum(applied), 0) AS applied,"
    "               coalesce(pg_catalog.sum(unchanged), 0) AS unchanged,"
    "               coalesce(pg_catalog.sum(deleted), 0) AS deleted,"
    "               coalesce(pg_catalog.sum(folded), 0) AS folded,"
    "               coalesce(pg_catalog.sum(filtered), 0) AS filtered,"
    "               coalesce(pg_catalog.sum(deduplicated), 0) AS deduplicated,"
    "               coalesce(pg_catalog.sum(superseded), 0) AS superseded,"
    "               coalesce(pg_catalog.sum(skipped), 0) AS skipped,"
    "               coalesce(pg_catalog.sum(rows_written), 0) AS rows_written,"
    "               coalesce(pg_catalog.sum(bytes_applied), 0) AS bytes_applied,"
    "               coalesce(1000 * EXTRACT(epoch FROM pg_catalog.max(last_at)"
    "                                                - pg_catalog.min(first_at)), 0)::bigint AS ms"
    "          FROM rowhaul.offsets WHERE run = $1::uuid AND table_id = $2) o"
    " CROSS JOIN (SELECT pg_catalog.count(*) FILTER (WHERE kind = 'dead'"
    "                        AND rule IS DISTINCT FROM 'oversize') AS rejected,"
    "                    pg_catalog.count(*) FILTER (WHERE kind = 'parked'"
    "                        AND rule IS DISTINCT FROM 'oversize') AS parked,"
    "                    pg_catalog.count(*) FILTER (WHERE rule = 'oversize') AS oversize"
    "               FROM rowhaul.rejects WHERE run = $1::uuid AND table_id = $2) j"
    "  LEFT JOIN rowhaul.progress p ON p.run = $1::uuid AND p.table_id = $2";

static uint64_t cell(const PGresult *result, int column)
{
    return strtoull(PQgetvalue(result, 0, column), NULL, 10);
}

static void read_accounting(const PGresult *result, struct accounting *ret)
{
    uint64_t *const terms[] = {
        &ret->rows_read,     &ret->rows_enqueued, &ret->rows_dropped,
        &ret->rows_filtered, &ret->rows_estimate, NULL,
        &ret->accepted,      &ret->applied,       &ret->unchanged,
        &ret->deleted,       &ret->folded,        &ret->filtered,
        &ret->deduplicated,  &ret->superseded,    &ret->skipped,
        &ret->rows_written,  &ret->bytes_applied, &ret->apply_ms,
        &ret->rejected,      &ret->parked,        &ret->oversize,
    };
    REQUIRE(ret != NULL && PQnfields(result) == (int)RH_COUNT(terms) && PQntuples(result) == 1);
    for (int i = 0; i < (int)RH_COUNT(terms); i++) {
        if (terms[i] == NULL) {
            ret->backfill_done = cell(result, i) == 1;
        } else {
            *terms[i] = cell(result, i);
        }
    }
}

bool ledger_accounting(struct pg *target, const struct run *run, size_t table,
                       struct accounting *ret, struct error *err)
{
    REQUIRE(table < run->plan.tables_count);
    const char *const values[] = {run->id_text, run->plan.tables[table].id};
    RH_AUTO(pg_result_clear) PGresult *result = NULL;
    if (!pg_query_params(target, accounting_sql, RH_COUNT(values), values, &result, err)) {
        return error_wrap(err, "could not read the accounting of table \"%s\"", values[1]);
    }
    read_accounting(result, ret);
    return true;
}

bool accounting_producer_balances(const struct accounting *a)
{
    return a->rows_read == a->rows_enqueued + a->rows_dropped + a->rows_filtered;
}

bool accounting_worker_balances(const struct accounting *a)
{
    return a->accepted == a->applied + a->unchanged + a->deleted + a->folded + a->filtered +
                              a->deduplicated + a->superseded + a->rejected + a->parked +
                              a->oversize;
}

/* ---- barriers ---- */

/* NULL where all topics are meant. */
static const char *topics_array(const struct run_topic *const *topics, size_t topics_count,
                                struct arena *arena)
{
    if (topics == NULL) {
        return NULL;
    }
    struct pg_array names;
    pg_array_init(&names, arena);
    for (size_t i = 0; i < topics_count; i++) {
        pg_array_add_text(&names, bytes_of(topics[i]->name));
    }
    return pg_array_text(&names);
}

bool ledger_barrier_missing(struct pg *target, const struct run *run, uint64_t barrier,
                            const struct run_topic *const *topics, size_t topics_count,
                            uint64_t *ret_missing, struct error *err)
{
    static const char sql[] =
        "SELECT pg_catalog.count(*) FROM rowhaul.offsets o"
        " WHERE o.run = $1::uuid AND ($3::text[] IS NULL OR o.topic = ANY ($3::text[]))"
        "   AND NOT EXISTS (SELECT FROM rowhaul.barrier_seen b"
        "                    WHERE b.run = o.run AND b.barrier = $2::bigint"
        "                      AND b.topic = o.topic AND b.partition = o.partition)";
    RH_AUTO(arena_release) struct arena scratch;
    arena_init(&scratch, ARRAY_BYTES_MAX);
    char barrier_text[24];
    snprintf(barrier_text, sizeof(barrier_text), "%" PRIu64, barrier);
    const char *const values[] = {run->id_text, barrier_text,
                                  topics_array(topics, topics_count, &scratch)};
    RH_AUTO(pg_result_clear) PGresult *result = NULL;
    if (!pg_query_params(target, sql, RH_COUNT(values), values, &result, err)) {
        return error_wrap(err, "could not look for barrier %" PRIu64, barrier);
    }
    *ret_missing = cell(result, 0);
    return true;
}

/* ---- the run's state ---- */

static bool run_missing(const char *run_id, struct error *err)
{
    return error_stop(err, EXIT_STATE, "RUN_MISSING", "run %s is not in the ledger", run_id);
}

bool ledger_run_state(struct pg *target, const char *run_id, struct arena *arena,
                      const char **ret_state, struct error *err)
{
    RH_AUTO(pg_result_clear) PGresult *result = NULL;
    if (!pg_query_params(target, "SELECT state FROM rowhaul.runs WHERE run = $1::uuid", 1, &run_id,
                         &result, err)) {
        return error_wrap(err, "could not read the run's state");
    }
    if (PQntuples(result) == 0) {
        return run_missing(run_id, err);
    }
    *ret_state = arena_must_strdup(arena, PQgetvalue(result, 0, 0));
    return true;
}

/* A reason belongs to the state it came with. */
bool ledger_run_set_state(struct pg *target, const char *run_id, const char *state,
                          struct error *err)
{
    static const char sql[] =
        "UPDATE rowhaul.runs SET state = $2,"
        "       reason = CASE WHEN state = $2 THEN reason END,"
        "       completed_at = CASE WHEN $2 = 'completed'"
        "                           THEN coalesce(completed_at, pg_catalog.now()) END"
        " WHERE run = $1::uuid";
    const char *const values[] = {run_id, state};
    RH_AUTO(pg_result_clear) PGresult *result = NULL;
    if (!pg_query_params(target, sql, RH_COUNT(values), values, &result, err)) {
        return error_wrap(err, "could not set the run's state to \"%s\"", state);
    }
    if (strcmp(PQcmdTuples(result), "1") != 0) {
        return run_missing(run_id, err);
    }
    return true;
}
