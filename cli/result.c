#include "cli/result.h"

#include "cli/human.h"
#include "cli/output.h"
#include "cli/text_table.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What was taken off the target and is not as it was. */
struct unrestored {
    const char *schema, *table, *name, *message; /* message: PostgreSQL's, or "" */
};

struct result {
    const struct run *run;
    const struct accounting *tables; /* as plan.tables */
    uint64_t rejects;
    const struct unrestored *constraints;
    size_t constraints_not_valid;
    bool balanced;
};

static bool balances(const struct accounting *a)
{
    return accounting_producer_balances(a) && accounting_worker_balances(a);
}

static uint64_t rejects_of(const struct accounting *a)
{
    return a->rejected + a->parked + a->oversize;
}

/* ---- text ---- */

static void print_work(const struct result *result)
{
    static const struct text_column columns[] = {
        {"table", TEXT_LEFT},    {"rows", TEXT_RIGHT},   {"written", TEXT_RIGHT},
        {"rejects", TEXT_RIGHT}, {"bytes", TEXT_RIGHT},  {"time", TEXT_RIGHT},
        {"rate", TEXT_RIGHT},    {"verdict", TEXT_LEFT},
    };
    RH_AUTO(text_table_release) struct text_table table;
    text_table_init(&table, columns, RH_COUNT(columns));
    for (size_t t = 0; t < result->run->plan.tables_count; t++) {
        const struct accounting *a = &result->tables[t];
        char text[HUMAN_BYTES];
        text_table_cell(&table, result->run->plan.tables[t].id);
        text_table_cell(&table, human_thousands(text, a->rows_read));
        text_table_cell(&table, human_thousands(text, a->rows_written));
        text_table_cell(&table, human_thousands(text, rejects_of(a)));
        text_table_cell(&table, human_bytes(text, a->bytes_applied));
        text_table_cell(&table, human_duration(text, (int64_t)a->apply_ms));
        text_table_cell(&table, a->apply_ms == 0 ? NULL
                                                 : human_rate(text, (double)a->accepted * 1000.0 /
                                                                        (double)a->apply_ms));
        text_table_cell(&table, !balances(a)        ? "does not balance"
                                : rejects_of(a) > 0 ? "rejects left"
                                                    : "applied");
    }
    text_table_print(&table, stdout);
}

/* A term of an identity; those that are always shown keep their place when they are 0. */
struct term {
    const char *name;
    size_t offset;
};

static const struct term producer_terms[] = {
    {"enqueued", offsetof(struct accounting, rows_enqueued)},
    {"dropped", offsetof(struct accounting, rows_dropped)},
    {"filtered", offsetof(struct accounting, rows_filtered)},
};

static const struct term worker_terms[] = {
    {"applied", offsetof(struct accounting, applied)},
    {"unchanged", offsetof(struct accounting, unchanged)},
    {"deleted", offsetof(struct accounting, deleted)},
    {"folded", offsetof(struct accounting, folded)},
    {"filtered", offsetof(struct accounting, filtered)},
    {"deduplicated", offsetof(struct accounting, deduplicated)},
    {"superseded", offsetof(struct accounting, superseded)},
    {"rejected", offsetof(struct accounting, rejected)},
    {"parked", offsetof(struct accounting, parked)},
    {"oversize", offsetof(struct accounting, oversize)},
};

static uint64_t term_value(const struct accounting *a, const struct term *term)
{
    uint64_t value = 0;
    memcpy(&value, (const char *)a + term->offset, sizeof value);
    return value;
}

/* "read 1,304 = enqueued 1,304": terms that are 0 are left out, but one always stands. */
static void print_identity(const struct accounting *a, const char *sum_name, uint64_t sum,
                           const struct term *terms, size_t count)
{
    char text[HUMAN_BYTES];
    printf("%s %s =", sum_name, human_thousands(text, sum));
    size_t printed = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t value = term_value(a, &terms[i]);
        if (value != 0 || (printed == 0 && i + 1 == count)) {
            printf("%s %s %s", printed++ > 0 ? " +" : "", terms[i].name,
                   human_thousands(text, value));
        }
    }
}

static void print_accounting(const struct result *result)
{
    printf("\naccounting\n");
    for (size_t t = 0; t < result->run->plan.tables_count; t++) {
        const struct accounting *a = &result->tables[t];
        printf("  %-20s ", result->run->plan.tables[t].id);
        print_identity(a, "read", a->rows_read, producer_terms, RH_COUNT(producer_terms));
        printf("; ");
        print_identity(a, "accepted", a->accepted, worker_terms, RH_COUNT(worker_terms));
        printf("%s\n", balances(a) ? "" : "  DOES NOT BALANCE");
    }
}

static void print_verdict(const struct result *result)
{
    char text[HUMAN_BYTES];
    if (!result->balanced) {
        printf("\nthe accounting does not balance: this is a bug, please report it\n");
        return;
    }
    printf("\nbackfilled, the accounting balances");
    if (result->rejects > 0) {
        printf("; rows rejected: %s (rowhaul rejects list)",
               human_thousands(text, result->rejects));
    }
    if (result->constraints_not_valid > 0) {
        printf("; constraints that do not hold, NOT VALID or away: %s (rowhaul.deferred_ddl)",
               human_thousands(text, result->constraints_not_valid));
    }
    printf("\n");
    for (size_t i = 0; i < result->constraints_not_valid; i++) {
        const struct unrestored *c = &result->constraints[i];
        printf("  %s.%s, %s: %s\n", c->schema, c->table, c->name, c->message);
    }
}

/* ---- JSON ---- */

static json_t *table_json(const struct plan_table *table, const struct accounting *a)
{
    json_t *object =
        json_pack("{s:s, s:I, s:I, s:I, s:I, s:b}", "id", table->id, "rows_read",
                  (json_int_t)a->rows_read, "rows_written", (json_int_t)a->rows_written, "accepted",
                  (json_int_t)a->accepted, "ms", (json_int_t)a->apply_ms, "balanced", balances(a));
    for (size_t i = 0; i < RH_COUNT(worker_terms); i++) {
        json_object_set_new(object, worker_terms[i].name,
                            json_integer((json_int_t)term_value(a, &worker_terms[i])));
    }
    json_object_set_new(object, "rows_enqueued", json_integer((json_int_t)a->rows_enqueued));
    json_object_set_new(object, "rows_dropped", json_integer((json_int_t)a->rows_dropped));
    json_object_set_new(object, "rows_filtered", json_integer((json_int_t)a->rows_filtered));
    return object;
}

static void print_json(const struct result *result, int code)
{
    json_t *tables = json_array();
    for (size_t t = 0; t < result->run->plan.tables_count; t++) {
        json_array_append_new(tables, table_json(&result->run->plan.tables[t], &result->tables[t]));
    }
    json_t *object = json_pack(
        "{s:s, s:s, s:s, s:o, s:{s:b}, s:I, s:I, s:i}", "migration", result->run->migration, "run",
        result->run->id_text, "state", "completed", "tables", tables, "accounting", "balanced",
        result->balanced, "rejects", (json_int_t)result->rejects, "constraints_not_valid",
        (json_int_t)result->constraints_not_valid, "exit", code);
    char *text = json_dumps(object, JSON_INDENT(2));
    printf("%s\n", text);
    free(text);
    json_decref(object);
}

/* ---- both ---- */

static bool read_tables(const struct run *run, struct pg *target, struct accounting *tables,
                        struct error *err)
{
    for (size_t t = 0; t < run->plan.tables_count; t++) {
        if (!ledger_accounting(target, run, t, &tables[t], err)) {
            return false;
        }
    }
    return true;
}

static bool read_constraints(struct pg *target, struct arena *arena, struct result *result,
                             struct error *err)
{
    /* 'dropped': of a partitioned table, which cannot have one that is NOT VALID. */
    static const char sql[] = "SELECT schema_name, table_name, object_name, message"
                              " FROM rowhaul.deferred_ddl"
                              " WHERE run = $1::uuid AND state <> 'restored' ORDER BY 1, 2, 3";
    const char *values[] = {result->run->id_text};
    RH_AUTO(pg_result_clear) PGresult *rows = NULL;
    if (!pg_query_params(target, sql, 1, values, &rows, err)) {
        return false;
    }
    size_t count = (size_t)PQntuples(rows);
    struct unrestored *list = arena_must_alloc(arena, (count + 1) * sizeof *list);
    for (size_t i = 0; i < count; i++) {
        list[i] = (struct unrestored){
            .schema = arena_must_strdup(arena, PQgetvalue(rows, (int)i, 0)),
            .table = arena_must_strdup(arena, PQgetvalue(rows, (int)i, 1)),
            .name = arena_must_strdup(arena, PQgetvalue(rows, (int)i, 2)),
            .message = arena_must_strdup(arena, PQgetvalue(rows, (int)i, 3)),
        };
    }
    result->constraints = list;
    result->constraints_not_valid = count;
    return true;
}

static int code_of(const struct result *result)
{
    if (!result->balanced) {
        return EXIT_INTERNAL;
    }
    return result->rejects > 0 || result->constraints_not_valid > 0 ? EXIT_WARNINGS : EXIT_DONE;
}

bool result_print(const struct run *run, struct pg *target, const struct common_options *options,
                  struct arena *arena, int *ret_code, struct error *err)
{
    size_t count = run->plan.tables_count;
    struct accounting *tables = arena_must_alloc(arena, count * sizeof *tables);
    struct result result = {.run = run, .tables = tables, .balanced = true};
    if (!read_tables(run, target, tables, err) || !read_constraints(target, arena, &result, err)) {
        return error_wrap(err, "could not read the result");
    }
    for (size_t t = 0; t < count; t++) {
        result.balanced = result.balanced && balances(&tables[t]);
        result.rejects += rejects_of(&tables[t]);
    }
    *ret_code = code_of(&result);
    if (options->format != NULL && strcmp(options->format, "json") == 0) {
        print_json(&result, *ret_code);
    } else {
        print_work(&result);
        print_accounting(&result);
        print_verdict(&result);
    }
    return output_flush(err) || output_closed();
}
