#include "common/pg_parts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct pg_role_names role_names[] = {
    [PG_SOURCE] = {"source", EXIT_SOURCE, "RH-4001", "RH-4002", "RH-4003", "RH-4004"},
    [PG_TARGET] = {"target", EXIT_TARGET, "RH-5001", "RH-5002", "RH-5003", "RH-5004"},
};

const struct pg_role_names *pg_names_of(const struct pg *pg)
{
    return &role_names[pg->role];
}

void pg_result_clear(PGresult **result)
{
    PQclear(*result);
    *result = NULL;
}

/* ---- errors ---- */

size_t pg_first_line_length(const char *text)
{
    return strcspn(text, "\n");
}

static void copy_field(char *out, size_t out_size, const PGresult *result, int field)
{
    const char *value = PQresultErrorField(result, field);
    size_t len = value == NULL ? 0 : strlen(value);
    len = len < out_size ? len : out_size - 1;
    memcpy(out, value == NULL ? "" : value, len);
    out[len] = '\0';
}

/* A prepared plan that DDL made stale: the new connection prepares again, so repeating helps. */
static bool is_stale_plan(const PGresult *result)
{
    const char *function = PQresultErrorField(result, PG_DIAG_SOURCE_FUNCTION);
    return function != NULL && strcmp(function, "RevalidateCachedQuery") == 0;
}

bool pg_error(struct pg *pg, const PGresult *result, struct error *err)
{
    REQUIRE(pg->conn != NULL);
    const struct pg_role_names *names = pg_names_of(pg);
    const char *primary =
        result == NULL ? NULL : PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    const char *text = primary;
    if (text == NULL) {
        text = result == NULL ? PQerrorMessage(pg->conn) : PQresultErrorMessage(result);
    }
    char sqlstate[sizeof(err->sqlstate)] = "";
    if (result != NULL) {
        copy_field(sqlstate, sizeof(sqlstate), result, PG_DIAG_SQLSTATE);
    }
    enum error_action action = pg_sqlstate_action(sqlstate);
    if (strcmp(sqlstate, "0A000") == 0 && is_stale_plan(result)) {
        action = ERROR_RETRY;
    }
    error_set(err, action, "%.*s", (int)pg_first_line_length(text),
              text[0] == '\0' ? "connection lost" : text);
    memcpy(err->sqlstate, sqlstate, sizeof(sqlstate));
    if (result != NULL) {
        copy_field(err->constraint, sizeof(err->constraint), result, PG_DIAG_CONSTRAINT_NAME);
        copy_field(err->column, sizeof(err->column), result, PG_DIAG_COLUMN_NAME);
    }
    err->exit_code = names->exit_code;
    err->code = PQstatus(pg->conn) == CONNECTION_BAD ? names->code_unreachable : names->code_failed;
    return false;
}

/* ---- queries ---- */

/* Takes over `result`: hands it to the caller when it is of the expected kind. */
static bool take_result(struct pg *pg, PGresult *result, PGresult **ret_result, struct error *err)
{
    RH_AUTO(pg_result_clear) PGresult *held = result;
    switch (PQresultStatus(held)) {
    case PGRES_TUPLES_OK:
    case PGRES_COMMAND_OK:
    case PGRES_EMPTY_QUERY:
        *ret_result = held;
        held = NULL;
        return true;
    case PGRES_COPY_OUT:
    case PGRES_COPY_IN:
    case PGRES_COPY_BOTH:
    case PGRES_BAD_RESPONSE:
    case PGRES_NONFATAL_ERROR:
    case PGRES_FATAL_ERROR:
    case PGRES_SINGLE_TUPLE:
    case PGRES_PIPELINE_SYNC:
    case PGRES_PIPELINE_ABORTED:
        break;
    }
    return pg_error(pg, held, err);
}

bool pg_query(struct pg *pg, const char *sql, PGresult **ret_result, struct error *err)
{
    REQUIRE(pg->conn != NULL);
    return take_result(pg, PQexec(pg->conn, sql), ret_result, err);
}

bool pg_run(struct pg *pg, const char *sql, struct error *err)
{
    RH_AUTO(pg_result_clear) PGresult *result = NULL;
    return pg_query(pg, sql, &result, err);
}

void pg_rollback(struct pg *pg)
{
    if (pg_is_open(pg)) {
        PQclear(PQexec(pg->conn, "ROLLBACK"));
    }
}

bool pg_query_params(struct pg *pg, const char *sql, int count, const char *const *values,
                     PGresult **ret_result, struct error *err)
{
    REQUIRE(pg->conn != NULL);
    PGresult *result = PQexecParams(pg->conn, sql, count, NULL, values, NULL, NULL, 0);
    return take_result(pg, result, ret_result, err);
}

/* The one value of a result; NULL stays NULL. */
static bool single_value(const PGresult *result, const char **ret_text, struct error *err)
{
    if (PQntuples(result) != 1 || PQnfields(result) != 1) {
        return error_set(err, ERROR_STOP, "query returned %d rows and %d columns instead of one",
                         PQntuples(result), PQnfields(result));
    }
    *ret_text = PQgetisnull(result, 0, 0) ? NULL : PQgetvalue(result, 0, 0);
    return true;
}

bool pg_query_text(struct pg *pg, const char *sql, struct arena *arena, const char **ret_text,
                   struct error *err)
{
    RH_AUTO(pg_result_clear) PGresult *result = NULL;
    const char *value = NULL;
    if (!pg_query(pg, sql, &result, err) || !single_value(result, &value, err)) {
        return false;
    }
    if (value == NULL) {
        *ret_text = NULL;
        return true;
    }
    const char *copy = bytes_to_text(arena, bytes_of(value));
    if (copy == NULL) {
        return error_set(err, ERROR_STOP, "query result does not fit into the memory limit");
    }
    *ret_text = copy;
    return true;
}

static bool parse_u64(const char *text, uint64_t *ret_value)
{
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || text[digits] != '\0') {
        return false;
    }
    errno = 0;
    uint64_t value = strtoull(text, NULL, 10);
    if (errno != 0) {
        return false;
    }
    *ret_value = value;
    return true;
}

bool pg_query_u64(struct pg *pg, const char *sql, uint64_t *ret_value, struct error *err)
{
    RH_AUTO(pg_result_clear) PGresult *result = NULL;
    const char *text = NULL;
    if (!pg_query(pg, sql, &result, err) || !single_value(result, &text, err)) {
        return false;
    }
    if (text == NULL || !parse_u64(text, ret_value)) {
        return error_set(err, ERROR_STOP, "query returned \"%s\" instead of a number",
                         text == NULL ? "NULL" : text);
    }
    return true;
}

/* ---- COPY ---- */

static bool copy_begin(struct pg *pg, const char *sql, ExecStatusType expected, struct error *err)
{
    REQUIRE(pg->conn != NULL);
    RH_AUTO(pg_result_clear) PGresult *result = PQexec(pg->conn, sql);
    return PQresultStatus(result) == expected || pg_error(pg, result, err);
}

/* Reads the command's end; ret_rows may be NULL. The first failure counts. */
static bool copy_end(struct pg *pg, uint64_t *ret_rows, struct error *err)
{
    bool ok = true;
    for (;;) {
        RH_AUTO(pg_result_clear) PGresult *result = PQgetResult(pg->conn);
        if (result == NULL) {
            return ok;
        }
        if (PQresultStatus(result) != PGRES_COMMAND_OK) {
            ok = ok && pg_error(pg, result, err);
            /* A COPY state that does not end: libpq would give it again for ever. */
            if (PQresultStatus(result) != PGRES_FATAL_ERROR) {
                return false;
            }
        } else if (ret_rows != NULL && !parse_u64(PQcmdTuples(result), ret_rows)) {
            ok = error_set(err, ERROR_STOP, "the server did not count the rows of a COPY");
        }
    }
}

bool pg_copy_out(struct pg *pg, const char *sql, struct error *err)
{
    return copy_begin(pg, sql, PGRES_COPY_OUT, err);
}

bool pg_copy_next(struct pg *pg, struct bytes *ret_line, struct error *err)
{
    PQfreemem(pg->copy_line);
    pg->copy_line = NULL;
    int len = PQgetCopyData(pg->conn, &pg->copy_line, 0);
    if (len > 0) {
        *ret_line = (struct bytes){pg->copy_line, (size_t)len - 1};
        return true;
    }
    if (len == -1) {
        if (!copy_end(pg, NULL, err)) {
            return false;
        }
        *ret_line = (struct bytes){NULL, 0};
        return true;
    }
    return pg_error(pg, NULL, err);
}

void pg_copy_abandon(struct pg *pg)
{
    PGcancel *cancel = PQgetCancel(pg->conn);
    if (cancel != NULL) {
        char message[256];
        /* A refused cancel only means that the rest of the rows is read and dropped. */
        (void)PQcancel(cancel, message, sizeof(message));
        PQfreeCancel(cancel);
    }
    int len = 0;
    while (len >= 0) {
        PQfreemem(pg->copy_line);
        pg->copy_line = NULL;
        len = PQgetCopyData(pg->conn, &pg->copy_line, 0);
    }
    struct error ignored; /* "canceling statement due to user request" */
    (void)copy_end(pg, NULL, &ignored);
}

bool pg_copy_in(struct pg *pg, const char *sql, struct error *err)
{
    return copy_begin(pg, sql, PGRES_COPY_IN, err);
}

bool pg_copy_put(struct pg *pg, struct bytes data, struct error *err)
{
    const size_t piece_max = (size_t)1 << 30; /* libpq counts in int */
    while (data.len > 0) {
        size_t len = data.len < piece_max ? data.len : piece_max;
        if (PQputCopyData(pg->conn, data.ptr, (int)len) != 1) {
            return pg_error(pg, NULL, err);
        }
        data = (struct bytes){data.ptr + len, data.len - len};
    }
    return true;
}

bool pg_copy_finish(struct pg *pg, uint64_t *ret_rows, struct error *err)
{
    if (PQputCopyEnd(pg->conn, NULL) != 1) {
        return pg_error(pg, NULL, err);
    }
    return copy_end(pg, ret_rows, err);
}

void pg_copy_in_abandon(struct pg *pg)
{
    struct error ignored; /* the server repeats our reason */
    if (PQputCopyEnd(pg->conn, "abandoned by the client") == 1) {
        (void)copy_end(pg, NULL, &ignored);
    }
}
