/*
 * pg_sqlstate -- the table SQLSTATE -> action, as the design writes it.
 *
 * The longest prefix wins, so a line for a single state overrides the line for its class. What is
 * not listed stops: an unknown failure must never turn into rejected rows or an endless loop.
 *
 * Two lines of the design need more than the state. 23505 on the arbiter of an upsert is another
 * writer's insert between probe and COPY: only the worker knows its arbiter, compares
 * err->constraint and repeats the batch. 0A000 "cached plan must not change result type" is
 * recognised in pg_error by the server's function name, which is in no language.
 */
#include "common/pg.h"

#include "common/compiler.h"

#include <string.h>

struct sqlstate_action {
    const char *prefix;
    enum error_action action;
    const char *reason;
};

static const struct sqlstate_action sqlstate_actions[] = {
    /* The value cannot be stored, today or tomorrow: reject this row. */
    {"22", ERROR_ROW, "data exception: a value the type cannot hold"},
    {"23502", ERROR_ROW, "NOT NULL"},
    {"23514", ERROR_ROW, "CHECK, or no partition for the row"},
    {"44000", ERROR_ROW, "WITH CHECK OPTION of a view"},
    {"54000", ERROR_ROW, "index row too large"},
    {"P0", ERROR_ROW, "raised by a trigger"},

    /* Only the order is wrong: another row has to come or go first. */
    {"23503", ERROR_PARK, "foreign key: the parent is not there yet, or still has children"},
    {"23001", ERROR_PARK, "RESTRICT: still has children"},
    {"23P01", ERROR_PARK, "exclusion constraint: the other row has not moved yet"},
    {"23505", ERROR_PARK, "unique: the other row has not moved yet"},

    /* Our own mistakes. Rejecting rows for them would throw the stream away. */
    {"21000", ERROR_STOP, "one statement met a row twice: the fold is wrong"},
    {"22P04", ERROR_STOP, "malformed COPY data: our text, not a value in it"},

    /* Concurrency: the same batch succeeds later, perhaps as a smaller one. */
    {"40001", ERROR_RETRY, "serialization failure"},
    {"40P01", ERROR_RETRY, "deadlock"},
    {"55P03", ERROR_RETRY, "lock_timeout"},
    {"57014", ERROR_RETRY, "statement_timeout, or cancelled"},

    /* The server is not well, or the connection is gone: reconnect, back off, reject nothing. */
    {"08", ERROR_RETRY, "connection exception"},
    {"53", ERROR_RETRY, "disk full, out of memory, too many connections"},
    {"57P", ERROR_RETRY, "shut down, crashed, starting up"},
    {"58", ERROR_RETRY, "I/O error"},
    {"XX000", ERROR_RETRY, "internal error; poolers report lost servers so"},
    {"25006", ERROR_RETRY, "read-only: a standby after a failover; pg_open looks for the primary"},
    {"25P03", ERROR_RETRY, "our idle_in_transaction_session_timeout ended the session"},

    /* Schema, privileges, login: a person has to act. */
    {"42", ERROR_STOP, "unknown table or column, wrong type, no privilege"},
    {"3F000", ERROR_STOP, "unknown schema"},
    {"3D000", ERROR_STOP, "unknown database"},
    {"0A000", ERROR_STOP, "feature not supported"},
    {"28", ERROR_STOP, "login refused; no fast retry, some hosts ban the address after three"},
};

enum error_action pg_sqlstate_action(const char *sqlstate)
{
    REQUIRE(sqlstate != NULL);
    /* Without a state the failure is libpq's own: a lost connection. */
    if (sqlstate[0] == '\0') {
        return ERROR_RETRY;
    }
    enum error_action action = ERROR_STOP;
    size_t longest = 0;
    for (size_t i = 0; i < RH_COUNT(sqlstate_actions); i++) {
        size_t len = strlen(sqlstate_actions[i].prefix);
        if (len > longest && strncmp(sqlstate, sqlstate_actions[i].prefix, len) == 0) {
            action = sqlstate_actions[i].action;
            longest = len;
        }
    }
    return action;
}
