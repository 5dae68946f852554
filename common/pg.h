/*
 * pg -- connections to PostgreSQL: session settings, queries, COPY both ways, errors classified.
 *
 * In:     conninfo strings, SQL, parameters as text.
 * Out:    results, COPY rows, errors whose action comes from the SQLSTATE table in pg_sqlstate.c.
 * Never:  retries by itself; quotes (sql_text does); puts a password or row contents in an error.
 *
 * A connection belongs to one thread. Every connection gets the session settings of the source or
 * the target role (2-correctness §14 of the design; docs/guarantees.md), by `options`.
 */
#ifndef RH_COMMON_PG_H
#define RH_COMMON_PG_H

#include "common/bytes.h"
#include "common/error.h"

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

enum pg_role { PG_SOURCE, PG_TARGET }; /* decides session settings and the exit code of failures */

struct pg {
    PGconn *conn; /* NULL = not open */
    enum pg_role role;
    const char *application; /* "rowhaul-worker": application_name, static */
    char *copy_line;         /* libpq's buffer of the line pg_copy_next gave last, or NULL */
};

/*
 * Opens a connection: one attempt, bounded by connect_timeout (10 s unless the URL says otherwise;
 * for each host of a URL that names several). The target must accept writes (libpq's
 * target_session_attrs=read-write) unless the URL says otherwise.
 *
 * Errors   ERROR_RETRY server not reachable, starting up, too many connections (RH-4001, RH-5001)
 *          ERROR_STOP  28xxx, unknown database, no password (RH-4002, RH-5002), malformed URL
 *                      (RH-4004, RH-5004): repeating cannot help, and some hosts ban the address
 */
bool pg_open(struct pg *pg, enum pg_role role, const char *url, const char *application,
             struct error *err) RH_MUST_CHECK;
void pg_close(struct pg *pg); /* also of a half-open or closed one */
bool pg_is_open(const struct pg *pg);

void pg_result_clear(PGresult **result); /* for RH_AUTO */

/* Ends a transaction without its changes. Cannot fail: a lost connection ends it as well. */
void pg_rollback(struct pg *pg);
/* Runs one or more statements without a result of interest. */
bool pg_run(struct pg *pg, const char *sql, struct error *err) RH_MUST_CHECK;
/* Runs one statement; the result is the caller's (PQclear or RH_AUTO(pg_result_clear)). */
bool pg_query(struct pg *pg, const char *sql, PGresult **ret_result,
              struct error *err) RH_MUST_CHECK;
/* The same with text parameters ($1…); a NULL pointer is SQL NULL. */
bool pg_query_params(struct pg *pg, const char *sql, int count, const char *const *values,
                     PGresult **ret_result, struct error *err) RH_MUST_CHECK;
/* A query of exactly one row and column, as text in the arena (NULL value: ret_text NULL). */
bool pg_query_text(struct pg *pg, const char *sql, struct arena *arena, const char **ret_text,
                   struct error *err) RH_MUST_CHECK;
bool pg_query_u64(struct pg *pg, const char *sql, uint64_t *ret_value,
                  struct error *err) RH_MUST_CHECK;

/*
 * COPY (…) TO STDOUT: starts; then each call gives one line without its newline, borrowed until the
 * next call; ret_line.ptr NULL is the end (and the command's success has been checked).
 */
bool pg_copy_out(struct pg *pg, const char *sql, struct error *err) RH_MUST_CHECK;
bool pg_copy_next(struct pg *pg, struct bytes *ret_line, struct error *err) RH_MUST_CHECK;
/* Ends a COPY TO STDOUT before its end (cancel and drain). */
void pg_copy_abandon(struct pg *pg);

/* COPY … FROM STDIN: start, put text in pieces of any size, finish (rows the server counted). */
bool pg_copy_in(struct pg *pg, const char *sql, struct error *err) RH_MUST_CHECK;
bool pg_copy_put(struct pg *pg, struct bytes data, struct error *err) RH_MUST_CHECK;
bool pg_copy_finish(struct pg *pg, uint64_t *ret_rows, struct error *err) RH_MUST_CHECK;
/* Ends a COPY FROM STDIN without its rows: the server fails the statement and with it the
 * transaction. For a caller that cannot produce the rest. */
void pg_copy_in_abandon(struct pg *pg);

/* SQLSTATE -> action; the table stands in pg_sqlstate.c as the design writes it. */
enum error_action pg_sqlstate_action(const char *sqlstate);
/*
 * Fills err from a failed result or (result NULL) the connection: SQLSTATE, action, constraint and
 * column, the server's primary message; never DETAIL and CONTEXT, they show rows. Returns false.
 */
bool pg_error(struct pg *pg, const PGresult *result, struct error *err);
/* The URL or conninfo without password, for messages; "host:port/database" in the arena. */
const char *pg_url_shown(const char *url, struct arena *arena);

/*
 * COPY text format, as PostgreSQL writes it: a line's fields; \N is NULL. A value without a
 * backslash (nearly all) borrows from `line`, which must live as long as the values: copy the line
 * first if it is pg_copy_next's. Other values live in the arena. On failure ret_values is
 * undefined.
 *
 * Errors   ERROR_STOP another number of columns, a backslash at the end: not a line of this query
 *          ERROR_ROW  the arena's limit is reached
 */
struct value;
bool pg_copy_line_parse(struct bytes line, size_t columns_count, struct arena *arena,
                        struct value *ret_values, struct error *err) RH_MUST_CHECK;
/* Appends a value in COPY text form (escaped, or \N), without separator. */
void pg_copy_write_value(struct buffer *buffer, struct value value);

#endif
