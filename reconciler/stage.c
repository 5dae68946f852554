#include "reconciler/stage.h"

#include "reconciler/hash_sql.h"
#include "reconciler/source_page.h"

#include "common/sql_text.h"

#include <stdio.h>

#define SQL_BYTES_MAX  ((size_t)1 << 20)
#define PAGE_BYTES_MAX ((size_t)3 << 30) /* a page of one giant row, escaped and grown */
#define PUT_BYTES      ((size_t)256 << 10)

/* ---- the table ---- */

static void write_make(struct buffer *sql, const struct stage *stage, bool rows_keep)
{
    const struct plan_output *output = stage->output;
    /* Only a transaction that says so may make a table in this session. */
    write_format(sql, "BEGIN READ WRITE; DROP TABLE IF EXISTS pg_temp.%s; CREATE TEMP TABLE %s ",
                 stage->name, stage->name);
    write_text(sql, rows_keep ? "" : "ON COMMIT DELETE ROWS ");
    write_text(sql, "AS SELECT 0 AS n");
    for (size_t i = 0; i < output->columns_count; i++) {
        write_text(sql, ", ");
        sql_name(sql, output->columns[i].target->name);
        write_format(sql, " AS c%zu", i);
    }
    write_text(sql, " FROM ");
    write_relation(sql, output->target);
    write_text(sql, " WITH NO DATA; COMMIT");
}

bool stage_open(struct stage *stage, struct pg *target, const struct plan_output *output,
                const char *name, bool rows_keep, struct error *err)
{
    *stage = (struct stage){.output = output, .name = name};
    arena_init(&stage->arena, PAGE_BYTES_MAX);
    RH_AUTO(arena_release) struct arena scratch;
    struct buffer sql;
    arena_init(&scratch, 4 * SQL_BYTES_MAX);
    buffer_init(&sql, &scratch, SQL_BYTES_MAX);
    write_make(&sql, stage, rows_keep);
    REQUIRE(!sql.failed);
    stage_clear(stage);
    if (pg_run(target, buffer_text(&sql), err)) {
        return true;
    }
    return error_wrap(err, "could not make a temporary table on the target");
}

void stage_release(struct stage *stage)
{
    arena_release(&stage->arena);
}

void stage_clear(struct stage *stage)
{
    arena_reset(&stage->arena);
    stage->count = stage->refusals_count = 0;
    stage->ends = arena_must_alloc(&stage->arena, PAGE_ROWS_MAX * sizeof *stage->ends);
    stage->refusals = arena_must_alloc(&stage->arena, PAGE_ROWS_MAX * sizeof *stage->refusals);
    buffer_init(&stage->lines, &stage->arena, PAGE_BYTES_MAX);
}

/* ---- rows ---- */

bool stage_add(struct stage *stage, const struct value *values, struct error *err)
{
    REQUIRE(stage->count < PAGE_ROWS_MAX);
    write_format(&stage->lines, "%zu", stage->count);
    for (size_t i = 0; i < stage->output->columns_count; i++) {
        write_u8(&stage->lines, '\t');
        pg_copy_write_value(&stage->lines, values[i]);
    }
    write_u8(&stage->lines, '\n');
    if (stage->lines.failed) {
        return error_set(err, ERROR_STOP, "row does not fit into the memory limit");
    }
    stage->ends[stage->count++] = stage->lines.len;
    return true;
}

static void refuse(struct stage *stage, size_t row, const char *reason)
{
    stage->refusals[row] = arena_must_strdup(&stage->arena, reason);
    stage->refusals_count++;
}

void stage_refuse(struct stage *stage, const char *reason)
{
    REQUIRE(stage->count < PAGE_ROWS_MAX);
    stage->ends[stage->count] = stage->lines.len;
    refuse(stage, stage->count, reason);
    stage->count++;
}

static struct bytes lines_of(const struct stage *stage, size_t from, size_t to)
{
    size_t begin = from == 0 ? 0 : stage->ends[from - 1];
    size_t end = to == 0 ? 0 : stage->ends[to - 1];
    return (struct bytes){stage->lines.ptr + begin, end - begin};
}

static bool copy_lines(struct pg *target, const char *name, struct bytes lines, struct error *err)
{
    char sql[128];
    int len = snprintf(sql, sizeof sql, "COPY pg_temp.%s FROM STDIN", name);
    REQUIRE(len > 0 && (size_t)len < sizeof sql);
    uint64_t rows;
    if (!pg_copy_in(target, sql, err)) {
        return false;
    }
    for (size_t at = 0; at < lines.len; at += PUT_BYTES) {
        size_t left = lines.len - at;
        struct bytes piece = {lines.ptr + at, left < PUT_BYTES ? left : PUT_BYTES};
        if (!pg_copy_put(target, piece, err)) {
            return false;
        }
    }
    return pg_copy_finish(target, &rows, err);
}

/*
 * Rows [from, to): when one of them is refused the range is halved until it stands alone, since the
 * server names the line only in a text that also shows the row.
 */
static bool send_range(struct stage *stage, struct pg *target, size_t from, size_t to,
                       struct error *err)
{
    struct bytes lines = lines_of(stage, from, to);
    if (lines.len == 0) {
        return true;
    }
    if (!pg_run(target, "SAVEPOINT rowhaul_stage", err)) {
        return false;
    }
    if (copy_lines(target, stage->name, lines, err)) {
        return pg_run(target, "RELEASE SAVEPOINT rowhaul_stage", err);
    }
    struct error after;
    if (err->action != ERROR_ROW ||
        !pg_run(target, "ROLLBACK TO SAVEPOINT rowhaul_stage; RELEASE SAVEPOINT rowhaul_stage",
                &after)) {
        return false;
    }
    if (to - from == 1) {
        refuse(stage, from, err->text);
        return true;
    }
    size_t middle = from + (to - from) / 2;
    return send_range(stage, target, from, middle, err) &&
           send_range(stage, target, middle, to, err);
}

bool stage_send(struct stage *stage, struct pg *target, struct error *err)
{
    return send_range(stage, target, 0, stage->count, err);
}

/* Keys are of built-in types and enums: their equality is pg_catalog's. */
void write_stage_join(struct buffer *sql, const struct plan_output *output)
{
    for (size_t i = 0; i < output->key_count; i++) {
        const struct catalog_column *column = output->columns[output->key[i]].target;
        write_format(sql, "%ss.c%zu", i > 0 ? " AND " : "", output->key[i]);
        sql_compared_as(sql, column);
        write_text(sql, " OPERATOR(pg_catalog.=) t.");
        sql_name(sql, column->name);
        sql_compared_as(sql, column);
    }
}
