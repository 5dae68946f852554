#include "reconciler/source_page.h"

#include "reconciler/hash_sql.h"

#include "common/sql_text.h"

#define SQL_BYTES_MAX ((size_t)8 << 20) /* names, and two keys of 32 values */
#define PAGE_BYTES    ((size_t)8 << 20) /* a page ends when it has as many */
#define ROW_BYTES_MAX ((size_t)1 << 30) /* what a field of PostgreSQL may hold */
#define KEY_BYTES_MAX ((size_t)8 << 20) /* an index row is smaller, uncompressed */
#define KEY_PARTS_MAX 32                /* INDEX_MAX_KEYS */

/*
 * A page always has an index for its order; the planner, which sees a LIMIT of a fair part of the
 * table, would rather sort the whole rest of it once a page.
 */
static const char begin_sql[] = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; "
                                "SET LOCAL enable_seqscan = off; "
                                "SET LOCAL enable_bitmapscan = off; "
                                "SET LOCAL enable_sort = off";

void source_page_init(struct source_page *page)
{
    *page = (struct source_page){.count = 0};
    arena_init(&page->arena, PAGE_BYTES + 2 * ROW_BYTES_MAX);
}

void source_page_release(struct source_page *page)
{
    arena_release(&page->arena);
}

/* ---- SQL ---- */

static bool is_key(const struct plan_table *table, size_t column)
{
    for (size_t i = 0; i < table->key_count; i++) {
        if (table->key[i] == column) {
            return true;
        }
    }
    return false;
}

static void write_key_columns(struct buffer *sql, const struct plan_table *table)
{
    for (size_t i = 0; i < table->key_count; i++) {
        write_text(sql, i > 0 ? ", " : "");
        sql_name(sql, table->columns[table->key[i]]->name);
    }
}

/* " AND (k1, k2) > ('…'::t1, '…'::t2)": one condition that the index answers. */
static bool write_bound(struct buffer *sql, const struct plan_table *table, const char *operator,
                        struct bytes key, struct error *err)
{
    struct bytes parts[KEY_PARTS_MAX];
    if (key.len == 0) {
        return true;
    }
    REQUIRE(table->key_count <= KEY_PARTS_MAX);
    if (!key_parts(key, parts, table->key_count, err)) {
        return false;
    }
    write_text(sql, " AND (");
    for (size_t i = 0; i < table->key_count; i++) {
        const struct catalog_column *column = table->columns[table->key[i]];
        write_text(sql, i > 0 ? ", " : "");
        sql_name(sql, column->name);
        sql_compared_as(sql, column);
    }
    write_format(sql, ") %s (", operator);
    for (size_t i = 0; i < table->key_count; i++) {
        write_text(sql, i > 0 ? ", " : "");
        sql_typed_literal(sql, parts[i], table->columns[table->key[i]]);
    }
    write_text(sql, ")");
    return true;
}

bool write_source_page(struct buffer *sql, const struct plan_table *table, const bool *wanted,
                       struct bytes after, struct bytes last, struct error *err)
{
    write_text(sql, "SELECT ");
    for (size_t i = 0; i < table->columns_count; i++) {
        write_text(sql, i > 0 ? ", " : "");
        if (wanted == NULL || wanted[i] || is_key(table, i)) {
            sql_name(sql, table->columns[i]->name);
        } else {
            write_text(sql, "NULL");
        }
    }
    write_from(sql, table, NULL, PG_SOURCE);
    if (!write_bound(sql, table, ">", after, err) || !write_bound(sql, table, "<=", last, err)) {
        return false;
    }
    write_text(sql, " ORDER BY ");
    write_key_columns(sql, table);
    write_format(sql, " LIMIT %d", PAGE_ROWS_MAX);
    return !sql->failed || error_stop(err, EXIT_SOURCE, "RH-4022",
                                      "table \"%s\": a key is too long to page by", table->id);
}

/* ---- rows ---- */

static bool too_large(struct error *err)
{
    return error_set(err, ERROR_STOP, "row does not fit into the memory limit");
}

static bool add_row(struct source_page *page, const struct plan_table *table, struct bytes line,
                    struct error *err)
{
    REQUIRE(page->count < PAGE_ROWS_MAX); /* the statement has that LIMIT */
    struct source_row *row = &page->rows[page->count];
    struct buffer key;
    line = bytes_copy(&page->arena, line);
    row->values = arena_alloc(&page->arena, table->columns_count * sizeof(struct value));
    if (line.ptr == NULL || row->values == NULL) {
        return too_large(err);
    }
    if (!pg_copy_line_parse(line, table->columns_count, &page->arena, row->values, err)) {
        return false;
    }
    buffer_init(&key, &page->arena, KEY_BYTES_MAX);
    if (!key_write(&key, row->values, table->key, table->key_kinds, table->key_count, err)) {
        return false;
    }
    row->key = buffer_bytes(&key);
    page->count++;
    return true;
}

/* ret_cut: the page was full before the statement's end. */
static bool read_lines(struct source_page *page, struct pg *source, const struct plan_table *table,
                       bool *ret_cut, struct error *err)
{
    while (page->arena.used_bytes < PAGE_BYTES) {
        struct bytes line;
        if (!pg_copy_next(source, &line, err)) {
            return false;
        }
        if (line.ptr == NULL) {
            return true;
        }
        if (!add_row(page, table, line, err)) {
            pg_copy_abandon(source);
            return false;
        }
    }
    pg_copy_abandon(source);
    *ret_cut = true;
    return true;
}

static bool read_page(struct source_page *page, struct pg *source, const struct plan_table *table,
                      const char *sql, struct error *err)
{
    bool cut = false;
    return pg_run(source, begin_sql, err) && pg_copy_out(source, sql, err) &&
           read_lines(page, source, table, &cut, err) &&
           pg_run(source, cut ? "ROLLBACK" : "COMMIT", err);
}

bool source_page_read(struct source_page *page, struct pg *source, const struct plan_table *table,
                      const bool *wanted, struct bytes after, struct bytes last, struct error *err)
{
    RH_AUTO(arena_release) struct arena scratch;
    struct buffer sql;
    arena_init(&scratch, 2 * SQL_BYTES_MAX);
    buffer_init(&sql, &scratch, SQL_BYTES_MAX);
    write_text(&sql, "COPY (");
    if (!write_source_page(&sql, table, wanted, after, last, err)) {
        return false;
    }
    write_text(&sql, ") TO STDOUT");
    /* after and last may stand in the page that is read over: they are in the SQL by now. */
    arena_reset(&page->arena);
    page->count = 0;
    page->rows = arena_must_alloc(&page->arena, PAGE_ROWS_MAX * sizeof *page->rows);
    if (!read_page(page, source, table, buffer_text(&sql), err)) {
        page->count = 0;
        return error_wrap(err, "could not read a page of source table \"%s\"", table->source->name);
    }
    return true;
}
