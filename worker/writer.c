#include "worker/writer.h"

#include "common/failpoint.h"
#include "common/sql_text.h"

#include <stdlib.h>

#define SQL_BYTES_MAX  ((size_t)1 << 20) /* 1,600 columns of 63 bytes, several times */
#define COPY_PAUSE_MAX 256               /* batches */
/* Of dead rows that a staging table may hold for each attempt to read over: some 0.2 ms. */
#define DEAD_BYTES_MAX ((size_t)1 << 20)
#define PUT_BYTES                                                                                  \
    ((size_t)256 << 10) /* libpq sends what it holds; larger pieces only cost memory */

/* ---- SQL ---- */

static void write_columns(struct buffer *sql, const struct plan_output *output, const char *prefix)
{
    for (size_t i = 0; i < output->columns_count; i++) {
        write_text(sql, i > 0 ? ", " : "");
        write_text(sql, prefix);
        sql_name(sql, output->columns[i].target->name);
    }
}

static void write_key(struct buffer *sql, const struct plan_output *output)
{
    for (size_t i = 0; i < output->key_count; i++) {
        write_text(sql, i > 0 ? ", " : "");
        sql_name(sql, output->columns[output->key[i]].target->name);
    }
}

static bool is_key(const struct plan_output *output, size_t column)
{
    for (size_t i = 0; i < output->key_count; i++) {
        if (output->key[i] == column) {
            return true;
        }
    }
    return false;
}

/* GENERATED ALWAYS identity columns may be inserted (OVERRIDING) but never updated: 428C9. */
static bool is_updated(const struct plan_output *output, size_t column)
{
    return !is_key(output, column) && output->columns[column].target->identity != 'a';
}

/*
 * Unchanged rows are skipped by image: IS DISTINCT FROM would keep `bob` for citext `Bob`, 1.0 for
 * 1.00, and does not exist for json and point.
 */
static void write_conflict(struct buffer *sql, const struct plan_output *output)
{
    size_t updated = 0;
    for (size_t i = 0; i < output->columns_count; i++) {
        if (!is_updated(output, i)) {
            continue;
        }
        write_text(sql, updated++ > 0 ? ", " : " DO UPDATE SET ");
        sql_name(sql, output->columns[i].target->name);
        write_text(sql, " = EXCLUDED.");
        sql_name(sql, output->columns[i].target->name);
    }
    if (updated == 0) {
        write_text(sql, " DO NOTHING");
        return;
    }
    write_text(sql, " WHERE ROW(");
    write_columns(sql, output, "EXCLUDED.");
    write_text(sql, ")::pg_catalog.record OPERATOR(pg_catalog.*<>) ROW(");
    write_columns(sql, output, "t.");
    write_text(sql, ")::pg_catalog.record");
}

static bool key_is_built_in(const struct plan_output *output)
{
    for (size_t i = 0; i < output->key_count; i++) {
        if (!catalog_column_is_built_in(output->columns[output->key[i]].target)) {
            return false;
        }
    }
    return true;
}

/*
 * Rows that are there with the same image do not even come to the conflict, which would lock each
 * of them, and write that to the WAL. As a subquery of one row, and not as a join, because a join
 * with a table of unknown size may become a scan of the whole target.
 */
static void write_unequal(struct buffer *sql, const struct plan_output *output)
{
    if (!key_is_built_in(output)) {
        return; /* whose equality the key's index knows is not ours to say */
    }
    write_text(sql, " WHERE (SELECT ROW(");
    write_columns(sql, output, "s.");
    write_text(sql, ")::pg_catalog.record OPERATOR(pg_catalog.*=) ROW(");
    write_columns(sql, output, "u.");
    write_text(sql, ")::pg_catalog.record FROM ");
    sql_qualified(sql, output->target->schema, output->target->name);
    for (size_t i = 0; i < output->key_count; i++) {
        const char *name = output->columns[output->key[i]].target->name;
        write_text(sql, i == 0 ? " u WHERE u." : " AND u.");
        sql_name(sql, name);
        write_text(sql, " OPERATOR(pg_catalog.=) s.");
        sql_name(sql, name);
    }
    write_text(sql, ") IS NOT TRUE");
}

static const char *upsert_text(const struct plan_output *output, const char *stage,
                               struct arena *arena)
{
    struct buffer sql;
    buffer_init(&sql, arena, SQL_BYTES_MAX);
    write_text(&sql, "INSERT INTO ");
    sql_qualified(&sql, output->target->schema, output->target->name);
    write_text(&sql, " AS t (");
    write_columns(&sql, output, "");
    write_text(&sql, output->overriding ? ") OVERRIDING SYSTEM VALUE SELECT " : ") SELECT ");
    write_columns(&sql, output, "s.");
    write_format(&sql, " FROM pg_temp.%s s", stage);
    write_unequal(&sql, output);
    write_text(&sql, " ORDER BY ");
    write_key(&sql, output);
    write_text(&sql, " ON CONFLICT (");
    write_key(&sql, output);
    write_text(&sql, ")");
    write_conflict(&sql, output);
    return buffer_text(&sql);
}

static const char *delete_text(const struct plan_output *output, const char *stage,
                               struct arena *arena)
{
    struct buffer sql;
    buffer_init(&sql, arena, SQL_BYTES_MAX);
    write_text(&sql, "DELETE FROM ");
    sql_qualified(&sql, output->target->schema, output->target->name);
    write_format(&sql, " t USING pg_temp.%s s WHERE ", stage);
    for (size_t i = 0; i < output->key_count; i++) {
        const char *name = output->columns[output->key[i]].target->name;
        write_text(&sql, i > 0 ? " AND t." : "t.");
        sql_name(&sql, name);
        write_text(&sql, " = s.");
        sql_name(&sql, name);
    }
    return buffer_text(&sql);
}

static const char *copy_text(const struct plan_output *output, struct arena *arena)
{
    struct buffer sql;
    buffer_init(&sql, arena, SQL_BYTES_MAX);
    write_text(&sql, "COPY ");
    sql_qualified(&sql, output->target->schema, output->target->name);
    write_text(&sql, " (");
    write_columns(&sql, output, "");
    write_text(&sql, ") FROM STDIN");
    return buffer_text(&sql);
}

static const char *stage_make_text(const struct plan_output *output, const char *stage,
                                   struct arena *arena)
{
    struct buffer sql;
    buffer_init(&sql, arena, SQL_BYTES_MAX);
    write_format(&sql, "CREATE TEMP TABLE %s ON COMMIT DELETE ROWS AS SELECT ", stage);
    write_columns(&sql, output, "");
    write_text(&sql, " FROM ");
    sql_qualified(&sql, output->target->schema, output->target->name);
    write_text(&sql, " WITH NO DATA");
    return buffer_text(&sql);
}

void writer_init(struct writer *writer, const struct plan_output *output, size_t number,
                 struct arena *arena)
{
    const char *stage = arena_must_printf(arena, "rowhaul_stage_%zu", number);
    *writer = (struct writer){
        .copy_sql = copy_text(output, arena),
        .stage_make_sql = stage_make_text(output, stage, arena),
        .stage_copy_sql = arena_must_printf(arena, "COPY pg_temp.%s FROM STDIN", stage),
        .upsert_sql = upsert_text(output, stage, arena),
        .stage_delete_sql = arena_must_printf(arena, "DELETE FROM pg_temp.%s", stage),
        .stage_truncate_sql = arena_must_printf(arena, "TRUNCATE pg_temp.%s", stage),
        .delete_sql = delete_text(output, stage, arena),
    };
}

/* ---- writing ---- */

static bool copy_lines(struct pg *pg, const char *sql, struct bytes lines, uint64_t *ret_rows,
                       struct error *err)
{
    if (!pg_copy_in(pg, sql, err)) {
        return false;
    }
    for (size_t at = 0; at < lines.len; at += PUT_BYTES) {
        size_t left = lines.len - at;
        struct bytes piece = {lines.ptr + at, left < PUT_BYTES ? left : PUT_BYTES};
        if (!pg_copy_put(pg, piece, err)) {
            return false;
        }
    }
    return pg_copy_finish(pg, ret_rows, err);
}

bool writer_copy(struct writer *writer, struct pg *pg, struct bytes lines, uint64_t *ret_written,
                 struct error *err)
{
    if (!copy_lines(pg, writer->copy_sql, lines, ret_written, err)) {
        return false;
    }
    RH_FAILPOINT("after_copy");
    return true;
}

bool writer_make_stage(struct writer *writer, struct pg *pg, struct error *err)
{
    if (writer->staging != STAGING_NONE) {
        return true;
    }
    if (!pg_run(pg, writer->stage_make_sql, err)) {
        return error_wrap(err, "could not create a staging table");
    }
    writer->staging = STAGING_UNCOMMITTED;
    return true;
}

/*
 * Deleting is cheap and leaves dead rows, which every later statement reads over: thousands of
 * attempts at the halves of a batch would take quadratic time. Truncating makes a new file.
 */
static bool clear_stage(struct writer *writer, struct pg *pg, size_t bytes, struct error *err)
{
    if (writer->staged_bytes == 0) {
        return true;
    }
    if (writer->staged_bytes < DEAD_BYTES_MAX || writer->staged_bytes / 4 < bytes) {
        return pg_run(pg, writer->stage_delete_sql, err);
    }
    if (!pg_run(pg, writer->stage_truncate_sql, err)) {
        return false;
    }
    writer->staged_bytes = 0;
    return true;
}

/* Stages the lines and runs a statement over them; ret_rows is what it tells. */
static bool run_staged(struct writer *writer, struct pg *pg, struct bytes lines, const char *sql,
                       uint64_t *ret_rows, struct error *err)
{
    size_t before = writer->staged_bytes;
    uint64_t staged = 0;
    RH_AUTO(pg_result_clear) PGresult *result = NULL;
    REQUIRE(writer->staging != STAGING_NONE);
    bool ok = clear_stage(writer, pg, lines.len, err) &&
              copy_lines(pg, writer->stage_copy_sql, lines, &staged, err) &&
              pg_query(pg, sql, &result, err);
    /* A savepoint that is rolled back takes a TRUNCATE back too, and leaves its rows as dead ones.
     */
    writer->staged_bytes = (ok ? writer->staged_bytes : before) + lines.len;
    if (ok) {
        *ret_rows = strtoull(PQcmdTuples(result), NULL, 10);
    }
    return ok;
}

bool writer_upsert(struct writer *writer, struct pg *pg, struct bytes lines, uint64_t *ret_written,
                   struct error *err)
{
    if (!run_staged(writer, pg, lines, writer->upsert_sql, ret_written, err)) {
        return false;
    }
    RH_FAILPOINT("after_copy");
    return true;
}

bool writer_delete(struct writer *writer, struct pg *pg, struct bytes lines, struct error *err)
{
    uint64_t deleted = 0; /* what is not there need not go */
    return run_staged(writer, pg, lines, writer->delete_sql, &deleted, err);
}

bool writer_expects_new(const struct writer *writer)
{
    return writer->copy_after == 0;
}

void writer_copy_refused(struct writer *writer)
{
    uint32_t pause = writer->copy_pause * 2 + 1;
    writer->copy_pause = pause < COPY_PAUSE_MAX ? pause : COPY_PAUSE_MAX;
    writer->copy_after = writer->copy_pause;
}

void writer_copied(struct writer *writer)
{
    writer->copy_pause = 0;
}

void writer_upserted(struct writer *writer, bool met_unchanged)
{
    if (!met_unchanged && writer->copy_after > 0) {
        writer->copy_after--;
    }
}

void writer_committed(struct writer *writer)
{
    if (writer->staging == STAGING_UNCOMMITTED) {
        writer->staging = STAGING_READY;
    }
    writer->staged_bytes = 0;
}

void writer_rolled_back(struct writer *writer)
{
    if (writer->staging == STAGING_UNCOMMITTED) {
        writer->staging = STAGING_NONE;
    }
    writer->staged_bytes = 0;
}

void writer_disconnected(struct writer *writer)
{
    writer->staging = STAGING_NONE;
    writer->staged_bytes = 0;
}
