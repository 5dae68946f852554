#include "reconciler/page_compare.h"

#include "reconciler/extras.h"
#include "reconciler/hash_sql.h"
#include "reconciler/result_value.h"

#include "common/pg_array.h"
#include "common/sql_text.h"
#include "common/transform.h"

#include <stdlib.h>
#include <string.h>

#define SQL_BYTES_MAX  ((size_t)1 << 20)
#define PAGE_BYTES_MAX ((size_t)4 << 30) /* differences of one page while they are added */

/*
 * A page is looked up by the key's index. Without statistics about the staged rows the planner
 * would rather hash the whole target for each page.
 */
static const char begin_sql[] = "BEGIN READ ONLY; "
                                "SET LOCAL enable_hashjoin = off; "
                                "SET LOCAL enable_mergejoin = off; "
                                "SET LOCAL enable_seqscan = off";

/* ---- SQL ---- */

static void write_joined(struct buffer *sql, const struct page_compare *compare, const char *join)
{
    write_format(sql, " FROM pg_temp.%s s %s ", compare->stage.name, join);
    write_relation(sql, compare->output->target);
    write_text(sql, " t ON ");
    write_stage_join(sql, compare->output);
}

static void write_target_columns(struct buffer *sql, const struct page_compare *compare)
{
    for (size_t i = 0; i < compare->output->columns_count; i++) {
        write_text(sql, i > 0 ? ", t." : "t.");
        sql_name(sql, compare->output->columns[i].target->name);
    }
}

/* Of compared columns: what a trigger changes by decision is not compared. */
static void write_image(struct buffer *sql, const struct page_compare *compare, bool staged)
{
    const struct plan_output *output = compare->output;
    const char *separator = "";
    write_text(sql, "ROW(");
    for (size_t i = 0; i < output->columns_count; i++) {
        if (column_is_fired(output, &output->columns[i])) {
            continue;
        }
        if (staged) {
            write_format(sql, "%ss.c%zu", separator, i);
        } else {
            write_format(sql, "%st.", separator);
            sql_name(sql, output->columns[i].target->name);
        }
        separator = ", ";
    }
    write_text(sql, ")::pg_catalog.record");
}

static void write_target_missing(struct buffer *sql, const struct page_compare *compare)
{
    write_text(sql, "t.");
    sql_name(sql, compare->output->columns[compare->output->key[0]].target->name);
    write_text(sql, " IS NULL");
}

/* Rows of the page whose image is not the target's, and whether the target has none at all. */
static const char *differing_text(struct page_compare *compare)
{
    struct buffer sql;
    buffer_init(&sql, &compare->arena, SQL_BYTES_MAX);
    write_text(&sql, "SELECT s.n, ");
    write_target_missing(&sql, compare);
    write_joined(&sql, compare, "LEFT JOIN");
    write_text(&sql, " WHERE ");
    write_target_missing(&sql, compare);
    write_text(&sql, " OR ");
    write_image(&sql, compare, true);
    write_text(&sql, " OPERATOR(pg_catalog.*<>) ");
    write_image(&sql, compare, false);
    write_text(&sql, " ORDER BY s.n");
    REQUIRE(!sql.failed);
    return buffer_text(&sql);
}

static const char *expected_text(struct page_compare *compare)
{
    return arena_must_printf(&compare->arena,
                             "SELECT s.* FROM pg_temp.%s s"
                             " WHERE s.n = ANY ($1::pg_catalog.int4[]) ORDER BY s.n",
                             compare->stage.name);
}

static const char *actual_text(struct page_compare *compare)
{
    struct buffer sql;
    buffer_init(&sql, &compare->arena, SQL_BYTES_MAX);
    write_text(&sql, "SELECT s.n, ");
    write_target_columns(&sql, compare);
    write_joined(&sql, compare, "JOIN");
    write_text(&sql, " WHERE s.n = ANY ($1::pg_catalog.int4[]) ORDER BY s.n");
    REQUIRE(!sql.failed);
    return buffer_text(&sql);
}

/* ---- a page's expected rows ---- */

static bool stage_row(struct page_compare *compare, const struct source_row *row, struct error *err)
{
    struct row source = {row->values, compare->table->columns_count};
    struct error refusal;
    if (transform_output(compare->output, source, &compare->row, compare->expected, NULL,
                         &refusal)) {
        return stage_add(&compare->stage, compare->expected, err);
    }
    stage_refuse(&compare->stage, refusal.text);
    return true;
}

static bool stage_page(struct page_compare *compare, struct error *err)
{
    stage_clear(&compare->stage);
    arena_reset(&compare->row);
    for (size_t i = 0; i < compare->page->count; i++) {
        if (!stage_row(compare, &compare->page->rows[i], err)) {
            return false;
        }
    }
    return stage_send(&compare->stage, &compare->sides->target, err);
}

static bool begin_page(struct page_compare *compare, struct error *err)
{
    return pg_run(&compare->sides->target, begin_sql, err) && stage_page(compare, err);
}

static bool end_page(struct page_compare *compare, struct error *err)
{
    return pg_run(&compare->sides->target, "COMMIT", err);
}

static bool query_differing(struct page_compare *compare, PGresult **ret_result, struct error *err)
{
    return pg_query(&compare->sides->target, compare->differing_sql, ret_result, err);
}

static bool is_missing(const PGresult *differing, int row)
{
    return strcmp(PQgetvalue(differing, row, 1), "t") == 0;
}

/* ---- differences ---- */

/* The row's key as findings show it. */
static bool set_source_key(const struct page_compare *compare, const struct source_row *row,
                           struct difference *difference, struct arena *arena, struct error *err)
{
    difference->source_key_count = compare->table->key_count;
    difference->source_key =
        arena_must_alloc(arena, compare->table->key_count * sizeof *difference->source_key);
    return key_parts(row->key, difference->source_key, compare->table->key_count, err);
}

/* False when a rule of the key refuses the row: then no target row can be its own. */
static bool target_key_of(struct page_compare *compare, const struct source_row *row,
                          struct difference *difference)
{
    const struct plan_output key = key_output(compare->output, &compare->row);
    struct value *values = arena_must_alloc(&compare->row, key.columns_count * sizeof *values);
    struct row source = {row->values, compare->table->columns_count};
    struct error refusal;
    if (!transform_output(&key, source, &compare->row, values, NULL, &refusal)) {
        return false;
    }
    difference->target_key_count = key.columns_count;
    difference->target_key =
        arena_must_alloc(&compare->row, key.columns_count * sizeof *difference->target_key);
    for (size_t i = 0; i < key.columns_count; i++) {
        difference->target_key[i] = values[i].bytes;
    }
    return true;
}

static bool add_difference(struct page_compare *compare, const struct source_row *row,
                           struct difference *difference, struct error *err)
{
    if (!findings_lists(compare->findings)) {
        findings_count(compare->findings, difference->kind, 1);
        return true;
    }
    if (!set_source_key(compare, row, difference, &compare->row, err)) {
        return false;
    }
    if (difference->target_key_count == 0) {
        (void)target_key_of(compare, row, difference); /* else it stays unknown */
    }
    if (!rejects_explain(compare->rejects, difference, &compare->row, err)) {
        return false;
    }
    findings_add(compare->findings, difference);
    return true;
}

/* Column 0 of both results is n. */
static void compare_texts(const struct page_compare *compare, const PGresult *expected,
                          const PGresult *actual, int row, struct difference *difference,
                          struct arena *arena)
{
    const struct plan_output *output = compare->output;
    difference->columns =
        arena_must_alloc(arena, output->columns_count * sizeof *difference->columns);
    for (size_t i = 0; i < output->columns_count; i++) {
        struct value wanted = result_value(expected, row, (int)i + 1);
        struct value found = result_value(actual, row, (int)i + 1);
        if (!column_is_fired(output, &output->columns[i]) && !value_equal(wanted, found)) {
            difference->columns[difference->columns_count++] =
                (struct column_difference){output->columns[i].target->name, wanted, found};
        }
    }
}

static const struct source_row *staged_row(const struct page_compare *compare,
                                           const PGresult *result, int row)
{
    size_t n = (size_t)strtoul(PQgetvalue(result, row, 0), NULL, 10);
    REQUIRE(n < compare->page->count);
    return &compare->page->rows[n];
}

static bool query_rows(struct page_compare *compare, const char *sql, const char *numbers,
                       PGresult **ret_result, struct error *err)
{
    return pg_query_params(&compare->sides->target, sql, 1, &numbers, ret_result, err);
}

/* Rows whose images differ: their texts decide. */
static bool report_different(struct page_compare *compare, const PGresult *differing,
                             struct error *err)
{
    RH_AUTO(pg_result_clear) PGresult *expected = NULL;
    RH_AUTO(pg_result_clear) PGresult *actual = NULL;
    struct pg_array numbers;
    pg_array_init(&numbers, &compare->row);
    for (int i = 0; i < PQntuples(differing); i++) {
        if (!is_missing(differing, i)) {
            pg_array_add_i64(&numbers, strtoll(PQgetvalue(differing, i, 0), NULL, 10));
        }
    }
    const char *text = pg_array_text(&numbers);
    if (!query_rows(compare, compare->expected_sql, text, &expected, err) ||
        !query_rows(compare, compare->actual_sql, text, &actual, err)) {
        return false;
    }
    if (PQntuples(expected) != PQntuples(actual)) {
        return error_set(err, ERROR_RETRY, "rows of the target changed while they were compared");
    }
    for (int i = 0; i < PQntuples(expected); i++) {
        struct arena_mark mark = arena_mark(&compare->row);
        struct difference difference = {.kind = DIFFERENCE_DIFFERENT};
        compare_texts(compare, expected, actual, i, &difference, &compare->row);
        if (difference.columns_count > 0 &&
            !add_difference(compare, staged_row(compare, expected, i), &difference, err)) {
            return false;
        }
        arena_rollback(&compare->row, mark);
    }
    return true;
}

static bool report_missing(struct page_compare *compare, const PGresult *differing,
                           uint64_t *ret_missing, struct error *err)
{
    for (int i = 0; i < PQntuples(differing); i++) {
        struct difference difference = {.kind = DIFFERENCE_MISSING};
        if (!is_missing(differing, i)) {
            continue;
        }
        if (!add_difference(compare, staged_row(compare, differing, i), &difference, err)) {
            return false;
        }
        (*ret_missing)++;
    }
    return true;
}

static const char *probe_text(const struct page_compare *compare,
                              const struct difference *difference, struct arena *arena)
{
    struct buffer sql;
    buffer_init(&sql, arena, PAGE_BYTES_MAX);
    write_text(&sql, "SELECT pg_catalog.count(*) FROM ");
    write_relation(&sql, compare->output->target);
    write_text(&sql, " t WHERE ");
    for (size_t i = 0; i < difference->target_key_count; i++) {
        const struct catalog_column *column =
            compare->output->columns[compare->output->key[i]].target;
        write_text(&sql, i > 0 ? " AND t." : "t.");
        sql_name(&sql, column->name);
        sql_compared_as(&sql, column);
        write_text(&sql, " OPERATOR(pg_catalog.=) ");
        sql_typed_literal(&sql, difference->target_key[i], column);
    }
    REQUIRE(!sql.failed);
    return buffer_text(&sql);
}

/* Has the target a row of this key, stale as it must be? A key it cannot read it cannot have. */
static bool probe(struct page_compare *compare, const struct difference *difference,
                  bool *ret_there, struct error *err)
{
    struct pg *target = &compare->sides->target;
    uint64_t count = 0;
    struct error after;
    *ret_there = false;
    if (difference->target_key_count == 0) {
        return true;
    }
    if (!pg_run(target, "SAVEPOINT rowhaul_probe", err)) {
        return false;
    }
    if (pg_query_u64(target, probe_text(compare, difference, &compare->row), &count, err)) {
        *ret_there = count > 0;
        return pg_run(target, "RELEASE SAVEPOINT rowhaul_probe", err);
    }
    return err->action == ERROR_ROW &&
           pg_run(target, "ROLLBACK TO SAVEPOINT rowhaul_probe; RELEASE SAVEPOINT rowhaul_probe",
                  &after);
}

/* Rows that have no image the target could hold. */
static bool report_refused(struct page_compare *compare, uint64_t *ret_missing, struct error *err)
{
    for (size_t i = 0; i < compare->page->count; i++) {
        struct arena_mark mark = arena_mark(&compare->row);
        struct difference difference = {.kind = DIFFERENCE_DIFFERENT,
                                        .reason = compare->stage.refusals[i]};
        bool there;
        if (difference.reason == NULL) {
            continue;
        }
        (void)target_key_of(compare, &compare->page->rows[i], &difference);
        if (!probe(compare, &difference, &there, err)) {
            return false;
        }
        if (!there) {
            difference.kind = DIFFERENCE_MISSING;
            (*ret_missing)++;
        }
        if (!add_difference(compare, &compare->page->rows[i], &difference, err)) {
            return false;
        }
        arena_rollback(&compare->row, mark);
    }
    return true;
}

/* ---- a page ---- */

bool page_glance(struct page_compare *compare, const struct source_page *page, bool *ret_equal,
                 struct error *err)
{
    RH_AUTO(pg_result_clear) PGresult *differing = NULL;
    compare->page = page;
    if (!begin_page(compare, err) || !query_differing(compare, &differing, err) ||
        !end_page(compare, err)) {
        return false;
    }
    *ret_equal = PQntuples(differing) == 0 && compare->stage.refusals_count == 0;
    return true;
}

bool page_report(struct page_compare *compare, const struct source_page *page,
                 uint64_t *ret_missing, struct error *err)
{
    RH_AUTO(pg_result_clear) PGresult *differing = NULL;
    uint64_t missing = 0;
    compare->page = page;
    if (!begin_page(compare, err) || !query_differing(compare, &differing, err) ||
        !report_missing(compare, differing, &missing, err) ||
        !report_different(compare, differing, err) || !report_refused(compare, &missing, err) ||
        !end_page(compare, err)) {
        return false;
    }
    *ret_missing = missing;
    return true;
}

bool page_compare_open(struct page_compare *compare, struct sides *sides,
                       const struct rejects *rejects, struct findings *findings, struct error *err)
{
    *compare = (struct page_compare){.sides = sides,
                                     .rejects = rejects,
                                     .findings = findings,
                                     .table = findings->table,
                                     .output = findings->output};
    arena_init(&compare->arena, 8 * SQL_BYTES_MAX);
    arena_init(&compare->row, PAGE_BYTES_MAX);
    compare->expected =
        arena_must_alloc(&compare->arena, compare->output->columns_count * sizeof(struct value));
    if (!stage_open(&compare->stage, &sides->target, compare->output, "rowhaul_expected", false,
                    err)) {
        return false;
    }
    compare->differing_sql = differing_text(compare);
    compare->expected_sql = expected_text(compare);
    compare->actual_sql = actual_text(compare);
    return true;
}

void page_compare_release(struct page_compare *compare)
{
    stage_release(&compare->stage);
    arena_release(&compare->row);
    arena_release(&compare->arena);
}
