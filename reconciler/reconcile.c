#include "reconciler/reconcile.h"

#include "reconciler/bucket.h"
#include "reconciler/drill.h"
#include "reconciler/rows.h"

#include "common/clock.h"
#include "common/ledger.h"
#include "common/log.h"
#include "common/nearest.h"

#include <stdio.h>
#include <string.h>

#define SQL_BYTES_MAX    ((size_t)1 << 20)
#define SCAN_BYTES_MAX   ((size_t)64 << 20) /* buckets of both sides and the SQL */
#define TABLE_ATTEMPTS   3
#define RETRY_BACKOFF_MS 500
#define RETRY_MAX_MS     5000

static const char no_checksum[] = "columns made by rules cannot be compared by checksum: use rows";

struct job {
    struct sides sides;
    const char *run_id; /* NULL: no ledger */
    bool as_utf8;       /* the servers' encodings differ */
};

/* ---- one output in one mode ---- */

static const char *count_text(const struct findings *findings, enum pg_role side,
                              struct arena *arena)
{
    struct buffer sql;
    buffer_init(&sql, arena, SQL_BYTES_MAX);
    write_text(&sql, "SELECT pg_catalog.count(*)");
    write_from(&sql, findings->table, findings->output, side);
    REQUIRE(!sql.failed);
    return buffer_text(&sql);
}

static uint64_t count_of(const PGresult *result)
{
    struct reader reader;
    uint64_t count = 0;
    reader_init(&reader, bytes_of(PQgetvalue(result, 0, 0)));
    while (reader.left > 0) {
        count = count * 10 + (uint64_t)(read_u8(&reader) - '0');
    }
    return count;
}

static bool count_once(struct job *job, struct findings *findings, struct arena *arena,
                       struct error *err)
{
    RH_AUTO(pg_result_clear) PGresult *source = NULL;
    RH_AUTO(pg_result_clear) PGresult *target = NULL;
    if (!sides_query(&job->sides, count_text(findings, PG_SOURCE, arena),
                     count_text(findings, PG_TARGET, arena), &source, &target, err)) {
        return false;
    }
    findings->counted = true;
    findings->source_rows = count_of(source);
    findings->target_rows = count_of(target);
    return true;
}

/* Which rows it is cannot be known here: what is counted is the surplus of one side. */
static bool verify_counts(struct job *job, struct findings *findings, struct arena *arena,
                          struct error *err)
{
    if (!count_once(job, findings, arena, err)) {
        return false;
    }
    if (findings->source_rows != findings->target_rows &&
        (!sides_wait(err) || !count_once(job, findings, arena, err))) {
        return false;
    }
    uint64_t source = findings->source_rows, target = findings->target_rows;
    findings_count(findings, DIFFERENCE_MISSING, source > target ? source - target : 0);
    findings_count(findings, DIFFERENCE_EXTRA, target > source ? target - source : 0);
    return true;
}

static bool verify_checksum(struct job *job, const struct rejects *rejects,
                            struct findings *findings, struct arena *arena, struct error *err)
{
    struct hash_plan hash;
    struct buckets buckets;
    if (!hash_plan_possible(findings->table, findings->output)) {
        return error_set(err, ERROR_STOP, "%s", no_checksum);
    }
    hash_plan_init(&hash, findings->table, findings->output, job->as_utf8, arena);
    if (!sides_hide_path(&job->sides, err) ||
        !buckets_scan(&job->sides, &hash, arena, &buckets, err)) {
        return false;
    }
    findings->counted = findings->has_checksums = true;
    findings->source_rows = buckets.whole[PG_SOURCE].rows;
    findings->target_rows = buckets.whole[PG_TARGET].rows;
    findings->source_checksum = bucket_checksum(&buckets.whole[PG_SOURCE]);
    findings->target_checksum = bucket_checksum(&buckets.whole[PG_TARGET]);
    return buckets.differing_count == 0 ||
           (sides_wait(err) && drill(&job->sides, &hash, &buckets, rejects, findings, err));
}

static bool verify_once(struct job *job, struct findings *findings, struct error *err)
{
    RH_AUTO(arena_release) struct arena arena;
    struct rejects rejects;
    arena_init(&arena, SCAN_BYTES_MAX);
    if (!sides_open(&job->sides, err) ||
        !rejects_init(&rejects, &job->sides, job->run_id, findings->table, err)) {
        return false;
    }
    switch (findings->mode) {
    case VERIFY_COUNTS:
        return verify_counts(job, findings, &arena, err);
    case VERIFY_CHECKSUM:
        return verify_checksum(job, &rejects, findings, &arena, err);
    case VERIFY_ROWS:
        return rows_verify(&job->sides, &rejects, findings, err);
    case VERIFY_AUTO:
        break;
    }
    REQUIRE(findings->mode != VERIFY_AUTO);
    return false;
}

/* ---- one output, until there is a verdict ---- */

static void log_done(const struct findings *findings, int64_t began_ms)
{
    char target[2 * 64 + 2];
    (void)snprintf(target, sizeof target, "%s.%s", findings->output->target->schema,
                   findings->output->target->name);
    log_event(findings->verdict == VERDICT_EQUAL ? LEVEL_INFO : LEVEL_WARN, "verify_done",
              F_STR("table", findings->table->id), F_STR("target", target),
              F_STR("mode", verify_mode_name(findings->mode)),
              F_STR("verdict", verdict_name(findings->verdict)),
              F_INT("rows", findings->source_rows), F_STR("reason", findings->reason),
              F_INT("ms", clock_ms() - began_ms));
}

/* False only when asked to leave: everything else is a verdict. */
static bool verify_output(struct job *job, struct findings *findings, struct error *err)
{
    int64_t began_ms = clock_ms();
    struct backoff backoff;
    backoff_init(&backoff, RETRY_BACKOFF_MS, RETRY_MAX_MS);
    bool done = verify_once(job, findings, err);
    for (int attempt = 1; !done; attempt++) {
        struct error failure = *err;
        /* What a half-done attempt left open (transaction, COPY, TEMP table) goes with it. */
        sides_close(&job->sides);
        if (!sides_go_on(err)) {
            return false;
        }
        if (failure.action != ERROR_RETRY || attempt == TABLE_ATTEMPTS) {
            findings_unverified(findings, failure.text);
            break;
        }
        clock_sleep_ms(backoff_next_ms(&backoff));
        findings_reset(findings);
        done = verify_once(job, findings, err);
    }
    if (done) {
        findings_judge(findings);
    }
    log_done(findings, began_ms);
    return true;
}

/* ---- the plan ---- */

/* The ledger goes with `cleanup`; verifying works afterwards too. */
static bool load_plan(const struct config *config, struct job *job, struct arena *arena,
                      struct plan *ret_plan, struct error *err)
{
    bool ledger = false;
    if (!ledger_exists(&job->sides.target, &ledger, err)) {
        return false;
    }
    if (!ledger) {
        struct environment *environment = arena_must_alloc(arena, sizeof *environment);
        environment->arena = arena;
        return run_compile(config, &job->sides.source, &job->sides.target, arena, ret_plan,
                           environment, err);
    }
    struct run *run = arena_must_alloc(arena, sizeof *run);
    if (!run_load_same(config, &job->sides.target, arena, run, err)) {
        return false;
    }
    job->run_id = run->id_text;
    *ret_plan = run->plan;
    return true;
}

static bool no_table(const struct plan *plan, const char *id, struct arena *arena,
                     struct error *err)
{
    const char **ids = arena_must_alloc(arena, plan->tables_count * sizeof *ids);
    for (size_t i = 0; i < plan->tables_count; i++) {
        ids[i] = plan->tables[i].id;
    }
    const char *nearest = nearest_name(id, ids, plan->tables_count);
    (void)error_stop(err, EXIT_USAGE, "RH-2011", "no table of the mapping has the id \"%s\"", id);
    return nearest == NULL ? false : error_hint(err, "did you mean \"%s\"?", nearest);
}

enum verify_mode mode_for(enum verify_mode wanted, const struct plan_table *table,
                          const struct plan_output *output)
{
    if (wanted != VERIFY_AUTO) {
        return wanted;
    }
    return hash_plan_possible(table, output) ? VERIFY_CHECKSUM : VERIFY_ROWS;
}

static void add_findings(const struct reconcile_options *options, struct arena *arena,
                         struct reconciliation *all)
{
    size_t outputs_count = 0;
    for (size_t i = 0; i < all->plan.tables_count; i++) {
        outputs_count += all->plan.tables[i].outputs_count;
    }
    all->findings = arena_must_alloc(arena, (outputs_count + 1) * sizeof *all->findings);
    for (size_t i = 0; i < all->plan.tables_count; i++) {
        const struct plan_table *table = &all->plan.tables[i];
        if (options->table != NULL && strcmp(table->id, options->table) != 0) {
            continue;
        }
        for (size_t j = 0; j < table->outputs_count; j++) {
            const struct plan_output *output = &table->outputs[j];
            findings_init(&all->findings[all->count++], table, output,
                          mode_for(options->mode, table, output), options->differences_max);
        }
    }
}

static bool verify_all(struct job *job, struct reconciliation *all, struct error *err)
{
    int64_t began_ms = clock_ms();
    uint64_t rows = 0;
    for (size_t i = 0; i < all->count; i++) {
        if (!verify_output(job, &all->findings[i], err)) {
            return false;
        }
        all->verdict = verdict_worse(all->verdict, all->findings[i].verdict);
        rows += all->findings[i].source_rows;
    }
    log_event(all->verdict == VERDICT_EQUAL ? LEVEL_INFO : LEVEL_WARN, "verify_done",
              F_STR("verdict", verdict_name(all->verdict)), F_INT("tables", all->count),
              F_INT("rows", rows), F_INT("ms", clock_ms() - began_ms));
    return true;
}

static bool work(const struct config *config, const struct reconcile_options *options,
                 struct job *job, struct arena *arena, struct reconciliation *all,
                 struct error *err)
{
    if (!sides_open(&job->sides, err) || !load_plan(config, job, arena, &all->plan, err)) {
        return false;
    }
    if (options->table != NULL && plan_table_find(&all->plan, options->table) == NULL) {
        return no_table(&all->plan, options->table, arena, err);
    }
    job->as_utf8 =
        strcmp(all->plan.source->server_encoding, all->plan.target->server_encoding) != 0;
    add_findings(options, arena, all);
    return verify_all(job, all, err);
}

bool reconcile(const struct config *config, const struct reconcile_options *options,
               struct arena *arena, struct reconciliation *ret, struct error *err)
{
    struct job job = {.sides = {.settings = &config->settings}};
    struct reconciliation all = {.verdict = VERDICT_EQUAL};
    bool ok = work(config, options, &job, arena, &all, err);
    sides_close(&job.sides);
    if (!ok) {
        reconciliation_release(&all);
        return false;
    }
    *ret = all;
    return true;
}

void reconciliation_release(struct reconciliation *reconciliation)
{
    for (size_t i = 0; i < reconciliation->count; i++) {
        findings_release(&reconciliation->findings[i]);
    }
    reconciliation->count = 0;
}
