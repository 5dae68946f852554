#include "producer/pager.h"

#include "common/lsn.h"
#include "common/sql_text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define APPLICATION "rowhaul-producer"
/* One page's SQL: names, 32 key values; a key value cannot be larger than an index row, compressed.
 */
#define SQL_BYTES_MAX ((size_t)8 << 20)
/* A page is sized for a fraction of a second; one that takes this long is read again, smaller. */
#define TIMEOUTS_SQL                                                                               \
    "SET LOCAL statement_timeout = '30s'; "                                                        \
    "SET LOCAL lock_timeout = '5s'; "

/*
 * A page always has an index for its order. The planner, which sees a LIMIT of a fair part of the
 * table, would rather sort it: once a page, the whole rest of the table. With the alternatives
 * disabled the costs are fantastic, so JIT has to be off too; and one page is one backend's work.
 */
const char pager_planner_sql[] = "SET LOCAL enable_seqscan = off; "
                                 "SET LOCAL enable_bitmapscan = off; "
                                 "SET LOCAL enable_sort = off; "
                                 "SET LOCAL jit = off; "
                                 "SET LOCAL max_parallel_workers_per_gather = 0; ";

void pager_init(struct pager *pager, const struct settings *settings, const struct run *run)
{
    *pager = (struct pager){.settings = settings, .run = run};
    arena_init(&pager->arena, 4 * SQL_BYTES_MAX);
    REQUIRE(pthread_mutex_init(&pager->interrupt, NULL) == 0);
}

static void set_cancel(struct pager *pager, PGcancel *cancel)
{
    REQUIRE(pthread_mutex_lock(&pager->interrupt) == 0);
    PQfreeCancel(pager->cancel);
    pager->cancel = cancel;
    REQUIRE(pthread_mutex_unlock(&pager->interrupt) == 0);
}

static void disconnect(struct pager *pager)
{
    set_cancel(pager, NULL);
    pg_close(&pager->pg);
}

void pager_release(struct pager *pager)
{
    disconnect(pager);
    arena_release(&pager->arena);
    REQUIRE(pthread_mutex_destroy(&pager->interrupt) == 0);
}

void pager_interrupt(struct pager *pager)
{
    char message[256];

    REQUIRE(pthread_mutex_lock(&pager->interrupt) == 0);
    if (pager->cancel != NULL) {
        /* A cancel that is not heard only means that the page ends by its own timeout. */
        (void)PQcancel(pager->cancel, message, sizeof(message));
    }
    REQUIRE(pthread_mutex_unlock(&pager->interrupt) == 0);
}

/* ---- the connection ---- */

static bool check_system(struct pager *pager, struct error *err)
{
    const char *identifier = NULL;

    if (!pg_query_text(&pager->pg,
                       "SELECT system_identifier::pg_catalog.text FROM "
                       "pg_catalog.pg_control_system()",
                       &pager->arena, &identifier, err)) {
        return false;
    }
    if (strcmp(identifier, pager->run->system_identifier) == 0) {
        return true;
    }
    error_stop(err, EXIT_STATE, "SOURCE_CHANGED",
               "source is another server: its system identifier is %s, the run began with %s",
               identifier, pager->run->system_identifier);
    return error_hint(err, "point source.url at the server the run was created with");
}

static bool connect_source(struct pager *pager, struct error *err)
{
    if (pg_is_open(&pager->pg)) {
        return true;
    }
    disconnect(pager);
    if (!pg_open(&pager->pg, PG_SOURCE, pager->settings->source_url, APPLICATION, err)) {
        return false;
    }
    set_cancel(pager, PQgetCancel(pager->pg.conn));
    if (check_system(pager, err)) {
        return true;
    }
    disconnect(pager);
    return false;
}

/* After a failure: the connection is kept when its transaction can be ended. */
static void recover(struct pager *pager)
{
    struct error ignored; /* the page's own error is the one that counts */

    if (!pg_is_open(&pager->pg) || !pg_run(&pager->pg, "ROLLBACK", &ignored)) {
        disconnect(pager);
    }
}

/* ---- the page's SQL ---- */

/* Children of a plain table are tables of their own; a partitioned table is its partitions. */
static void write_relation(struct buffer *sql, const struct catalog_table *source)
{
    if (source->kind == 'r') {
        write_text(sql, "ONLY ");
    }
    sql_qualified(sql, source->schema, source->name);
}

static bool sql_done(const struct buffer *sql, const struct plan_table *table, struct error *err)
{
    return !sql->failed || error_stop(err, EXIT_SOURCE, "RH-4022",
                                      "table \"%s\": a key is too long to page by", table->id);
}

/*
 * The head's one result: the columns as they are now, one a row, each with the server's state. On a
 * standby pg_current_wal_lsn() fails, so CASE keeps it away.
 */
static bool write_head(struct buffer *sql, const struct plan_table *table, struct error *err)
{
    struct arena scratch;
    struct buffer name;

    arena_init(&scratch, 4096);
    buffer_init(&name, &scratch, 1024);
    sql_qualified(&name, table->source->schema, table->source->name);

    write_text(sql, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; " TIMEOUTS_SQL);
    write_text(sql, pager_planner_sql);
    write_text(sql, "LOCK TABLE ");
    write_relation(sql, table->source);
    write_text(
        sql, " IN ACCESS SHARE MODE; "
             "SELECT a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod),"
             " s.in_recovery, s.timeline"
             " FROM (SELECT pg_catalog.pg_is_in_recovery() AS in_recovery,"
             " CASE WHEN pg_catalog.pg_is_in_recovery() THEN '' ELSE"
             " pg_catalog.substr(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 1, 8)"
             " END AS timeline) s"
             " LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = ");
    sql_literal(sql, buffer_bytes(&name));
    write_text(sql, "::pg_catalog.regclass AND a.attnum > 0 AND NOT a.attisdropped"
                    " ORDER BY a.attnum");
    arena_release(&scratch);
    return sql_done(sql, table, err);
}

static void write_key_columns(struct buffer *sql, const struct plan_table *table)
{
    for (size_t i = 0; i < table->key_count; i++) {
        write_text(sql, i == 0 ? "" : ", ");
        sql_name(sql, table->columns[table->key[i]]->name);
    }
}

/* (k1, k2) > ('…'::t1, '…'::t2): one condition that the index answers, in the columns' collation.
 */
static bool write_bound(struct buffer *sql, const struct plan_table *table, const char *operator,
                        struct bytes key, struct error *err)
{
    struct bytes parts[32]; /* INDEX_MAX_KEYS */

    REQUIRE(table->key_count <= RH_COUNT(parts));
    if (!key_parts(key, parts, table->key_count, err)) {
        return false;
    }
    write_text(sql, "(");
    for (size_t i = 0; i < table->key_count; i++) {
        const struct catalog_column *column = table->columns[table->key[i]];

        write_text(sql, i == 0 ? "" : ", ");
        sql_name(sql, column->name);
        sql_compared_as(sql, column);
    }
    write_format(sql, ") %s (", operator);
    for (size_t i = 0; i < table->key_count; i++) {
        write_text(sql, i == 0 ? "" : ", ");
        sql_typed_literal(sql, parts[i], table->columns[table->key[i]]);
    }
    write_text(sql, ")");
    return true;
}

static bool write_conditions(struct buffer *sql, const struct plan_table *table,
                             struct key_range range, struct error *err)
{
    const char *before = " WHERE ";

    if (range.after.len > 0) {
        write_text(sql, before);
        before = " AND ";
        if (!write_bound(sql, table, ">", range.after, err)) {
            return false;
        }
    }
    if (range.upto.len > 0) {
        write_text(sql, before);
        before = " AND ";
        if (!write_bound(sql, table, "<=", range.upto, err)) {
            return false;
        }
    }
    if (table->where_sql[0] != '\0') {
        write_format(sql, "%s(%s)", before, table->where_sql);
    }
    return true;
}

bool pager_write_query(struct buffer *sql, const struct plan_table *table, struct key_range range,
                       uint32_t rows_max, struct error *err)
{
    write_text(sql, "SELECT ");
    for (size_t i = 0; i < table->columns_count; i++) {
        write_text(sql, i == 0 ? "" : ", ");
        sql_name(sql, table->columns[i]->name);
    }
    write_text(sql, " FROM ");
    write_relation(sql, table->source);
    if (!write_conditions(sql, table, range, err)) {
        return false;
    }
    write_text(sql, " ORDER BY ");
    write_key_columns(sql, table);
    write_format(sql, " LIMIT %" PRIu32, rows_max);
    return sql_done(sql, table, err);
}

static bool write_page(struct buffer *sql, const struct plan_table *table, struct key_range range,
                       uint32_t rows_max, struct error *err)
{
    write_text(sql, "COPY (");
    if (!pager_write_query(sql, table, range, rows_max, err)) {
        return false;
    }
    write_text(sql, ") TO STDOUT");
    return sql_done(sql, table, err);
}

/*
 * Of a sample in key order, the rows at which one of `ranges_count` equal shares ends, but for the
 * last. The table's condition is left out: a walk along the index passes the rows it hides as well.
 */
static bool write_sample(struct buffer *sql, const struct plan_table *table, double percent,
                         size_t ranges_count, struct error *err)
{
    write_text(sql, "COPY (SELECT ");
    for (size_t i = 0; i < table->key_count; i++) {
        write_format(sql, "%sk%zu", i == 0 ? "" : ", ", i);
    }
    write_text(sql, " FROM (SELECT ");
    for (size_t i = 0; i < table->key_count; i++) {
        sql_name(sql, table->columns[table->key[i]]->name);
        write_format(sql, " AS k%zu, ", i);
    }
    write_text(sql, "pg_catalog.row_number() OVER (ORDER BY ");
    write_key_columns(sql, table);
    write_text(sql, ") AS place, pg_catalog.count(*) OVER () AS places FROM ");
    write_relation(sql, table->source);
    write_format(sql,
                 " TABLESAMPLE SYSTEM (%.9f)) s WHERE place < places"
                 " AND place * %zu / places > (place - 1) * %zu / places ORDER BY place) TO STDOUT",
                 percent, ranges_count, ranges_count);
    return sql_done(sql, table, err);
}

/* ---- what the head says ---- */

static bool drift(struct error *err, const struct plan_table *table, const char *what,
                  const char *column)
{
    error_stop(err, EXIT_STATE, "SCHEMA_DRIFT",
               "source table \"%s\" is not as the run was planned: %s \"%s\"", table->id, what,
               column);
    return error_hint(err, "undo the change on the source, or plan a new run");
}

static bool check_columns(const PGresult *head, const struct plan_table *table, struct error *err)
{
    const struct catalog_table *source = table->source;
    size_t count = PQgetisnull(head, 0, 0) ? 0 : (size_t)PQntuples(head);

    for (size_t i = 0; i < source->columns_count && i < count; i++) {
        const struct catalog_column *column = &source->columns[i];

        if (strcmp(PQgetvalue(head, (int)i, 0), column->name) != 0) {
            return drift(err, table, "it had another column in the place of",
                         PQgetvalue(head, (int)i, 0));
        }
        if (strcmp(PQgetvalue(head, (int)i, 1), column->type) != 0) {
            return drift(err, table, "it has another type of column", column->name);
        }
    }
    if (count > source->columns_count) {
        return drift(err, table, "it has a new column",
                     PQgetvalue(head, (int)source->columns_count, 0));
    }
    if (count < source->columns_count) {
        return drift(err, table, "it lacks column", source->columns[count].name);
    }
    return true;
}

static bool check_server(struct pager *pager, const PGresult *head, struct error *err)
{
    const char *timeline = PQgetvalue(head, 0, 3);

    if (strcmp(PQgetvalue(head, 0, 2), "f") != 0) {
        error_stop(err, EXIT_SOURCE, "SOURCE_STANDBY", "source is a standby");
        return error_hint(err, "point source.url at the primary: a standby's snapshots say less "
                               "than they seem to");
    }
    if (pager->timeline[0] != '\0' && strcmp(pager->timeline, timeline) != 0) {
        error_stop(err, EXIT_STATE, "SOURCE_CHANGED",
                   "source is on timeline %s, pages before were read on timeline %s", timeline,
                   pager->timeline);
        return error_hint(err, "after a failover or a restore of the source the run must be "
                               "rebuilt");
    }
    REQUIRE(strlen(timeline) < sizeof(pager->timeline));
    memcpy(pager->timeline, timeline, strlen(timeline) + 1);
    return true;
}

static bool begin_page(struct pager *pager, const struct plan_table *table, struct error *err)
{
    RH_AUTO(pg_result_clear) PGresult *head = NULL;
    struct buffer sql;

    buffer_init(&sql, &pager->arena, SQL_BYTES_MAX);
    return write_head(&sql, table, err) && pg_query(&pager->pg, buffer_text(&sql), &head, err) &&
           check_server(pager, head, err) && check_columns(head, table, err);
}

/* ---- the rows ---- */

/* ret_cut: the visitor had enough before the query's end, so the transaction is aborted. */
static bool copy_rows(struct pager *pager, pager_visit *visit, void *context, uint64_t *ret_rows,
                      bool *ret_cut, struct error *err)
{
    bool enough = false;
    uint64_t rows = 0;

    while (!enough) {
        struct bytes line;

        if (!pg_copy_next(&pager->pg, &line, err)) {
            return false;
        }
        if (line.ptr == NULL) {
            break;
        }
        if (!visit(context, line, &enough, err)) {
            pg_copy_abandon(&pager->pg);
            return false;
        }
        rows++;
    }
    if (enough) {
        pg_copy_abandon(&pager->pg);
    }
    *ret_rows = rows;
    *ret_cut = enough;
    return true;
}

/* Later than the snapshot is all that L has to be, so one round trip can end the page before it. */
static bool end_page(struct pager *pager, bool cut, uint64_t *ret_lsn, struct error *err)
{
    const char *sql = cut ? "ROLLBACK; SELECT pg_catalog.pg_current_wal_insert_lsn()"
                          : "COMMIT; SELECT pg_catalog.pg_current_wal_insert_lsn()";
    const char *text = NULL;

    if (!pg_query_text(&pager->pg, sql, &pager->arena, &text, err)) {
        return false;
    }
    *ret_lsn = lsn_parse(text);
    return true;
}

static bool read_lines(struct pager *pager, const struct plan_table *table, const char *copy_sql,
                       pager_visit *visit, void *context, struct page_info *ret_info,
                       struct error *err)
{
    struct page_info info;
    bool cut;

    if (!connect_source(pager, err) || !begin_page(pager, table, err) ||
        !pg_copy_out(&pager->pg, copy_sql, err) ||
        !copy_rows(pager, visit, context, &info.rows, &cut, err) ||
        !end_page(pager, cut, &info.lsn, err)) {
        return false;
    }
    *ret_info = info;
    return true;
}

bool pager_read(struct pager *pager, const struct plan_table *table, struct key_range range,
                uint32_t rows_max, pager_visit *visit, void *context, struct page_info *ret_info,
                struct error *err)
{
    struct buffer sql;

    REQUIRE(rows_max > 0);
    arena_reset(&pager->arena);
    buffer_init(&sql, &pager->arena, SQL_BYTES_MAX);
    if (write_page(&sql, table, range, rows_max, err) &&
        read_lines(pager, table, buffer_text(&sql), visit, context, ret_info, err)) {
        return true;
    }
    recover(pager);
    return error_wrap(err, "could not read a page of table \"%s\"", table->id);
}

bool pager_sample(struct pager *pager, const struct plan_table *table, double percent,
                  size_t ranges_count, pager_visit *visit, void *context, struct error *err)
{
    struct page_info info;
    struct buffer sql;

    REQUIRE(ranges_count > 1);
    arena_reset(&pager->arena);
    buffer_init(&sql, &pager->arena, SQL_BYTES_MAX);
    if (write_sample(&sql, table, percent, ranges_count, err) &&
        read_lines(pager, table, buffer_text(&sql), visit, context, &info, err)) {
        return true;
    }
    recover(pager);
    return error_wrap(err, "could not sample table \"%s\"", table->id);
}
