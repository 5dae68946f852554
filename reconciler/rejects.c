#include "reconciler/rejects.h"

#include "common/pg_array.h"

#include <string.h>

static const char any_sql[] = "SELECT EXISTS (SELECT FROM rowhaul.rejects"
                              " WHERE run = $1::pg_catalog.uuid AND table_id = $2)";

static const char find_sql[] =
    "SELECT kind, nullif(sqlstate, ''), rule, constraint_name, column_name, message"
    "  FROM rowhaul.rejects"
    " WHERE run = $1::pg_catalog.uuid AND table_id = $2 AND source_key = $3::pg_catalog.text[]";

bool rejects_init(struct rejects *rejects, struct sides *sides, const char *run_id,
                  const struct plan_table *table, struct error *err)
{
    *rejects = (struct rejects){.sides = sides, .run_id = run_id, .table_id = table->id};
    if (run_id == NULL) {
        return true;
    }
    RH_AUTO(pg_result_clear) PGresult *result = NULL;
    const char *const values[] = {run_id, table->id};
    if (!pg_query_params(&sides->target, any_sql, RH_COUNT(values), values, &result, err)) {
        return error_wrap(err, "could not read the rejects of table \"%s\"", table->id);
    }
    rejects->any = strcmp(PQgetvalue(result, 0, 0), "t") == 0;
    return true;
}

static const char *text_or_null(const PGresult *result, int column, struct arena *arena)
{
    return PQgetisnull(result, 0, column) ? NULL
                                          : arena_must_strdup(arena, PQgetvalue(result, 0, column));
}

bool rejects_explain(const struct rejects *rejects, struct difference *difference,
                     struct arena *arena, struct error *err)
{
    if (!rejects->any || difference->source_key_count == 0) {
        return true;
    }
    struct pg_array key;
    pg_array_init(&key, arena);
    for (size_t i = 0; i < difference->source_key_count; i++) {
        pg_array_add_text(&key, difference->source_key[i]);
    }
    RH_AUTO(pg_result_clear) PGresult *result = NULL;
    const char *const values[] = {rejects->run_id, rejects->table_id, pg_array_text(&key)};
    if (!pg_query_params(&rejects->sides->target, find_sql, RH_COUNT(values), values, &result,
                         err)) {
        return error_wrap(err, "could not read the rejects of table \"%s\"", rejects->table_id);
    }
    if (PQntuples(result) == 0) {
        return true;
    }
    struct shown_reject *reject = arena_must_alloc(arena, sizeof *reject);
    *reject = (struct shown_reject){
        .kind = text_or_null(result, 0, arena),
        .sqlstate = text_or_null(result, 1, arena),
        .rule = text_or_null(result, 2, arena),
        .constraint = text_or_null(result, 3, arena),
        .column = text_or_null(result, 4, arena),
        .message = text_or_null(result, 5, arena),
    };
    difference->reject = reject;
    return true;
}
