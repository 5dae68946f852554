#include "reconciler/sides.h"

#include "common/clock.h"
#include "common/shutdown.h"

#include <errno.h>
#include <poll.h>

#define APPLICATION       "rowhaul-reconciler"
#define OPEN_ATTEMPTS     3
#define OPEN_BACKOFF_MS   500
#define OPEN_BACKOFF_MAX  5000
#define POLL_MS           200  /* how often a wait looks at the shutdown flag */
#define SECOND_READING_MS 2000 /* what is on its way has arrived by then, or stands */

/*
 * One backend a server, so that a verification has a known price. Expressions over a hundred
 * columns are compiled for longer than they run.
 */
static const char session_sql[] = "SET default_transaction_read_only = on; "
                                  "SET max_parallel_workers_per_gather = 0; "
                                  "SET jit = off";

struct pg *sides_get(struct sides *sides, enum pg_role side)
{
    return side == PG_SOURCE ? &sides->source : &sides->target;
}

bool sides_go_on(struct error *err)
{
    return !shutdown_requested() || error_set(err, ERROR_RETRY, "interrupted");
}

static bool sleep_ms(int64_t ms, struct error *err)
{
    int64_t until_ms = clock_ms() + ms;
    while (clock_ms() < until_ms) {
        if (!sides_go_on(err)) {
            return false;
        }
        int64_t left_ms = until_ms - clock_ms();
        clock_sleep_ms(left_ms < POLL_MS ? left_ms : POLL_MS);
    }
    return true;
}

bool sides_wait(struct error *err)
{
    return sleep_ms(SECOND_READING_MS, err);
}

static bool open_once(struct sides *sides, enum pg_role side, struct error *err)
{
    struct pg *pg = sides_get(sides, side);
    const char *url = side == PG_SOURCE ? sides->settings->source_url : sides->settings->target_url;
    pg_close(pg);
    return pg_open(pg, side, url, APPLICATION, err) && pg_run(pg, session_sql, err);
}

static bool open_side(struct sides *sides, enum pg_role side, struct error *err)
{
    struct backoff backoff;
    backoff_init(&backoff, OPEN_BACKOFF_MS, OPEN_BACKOFF_MAX);
    for (int attempt = 1; !open_once(sides, side, err); attempt++) {
        struct error interrupted;
        if (err->action != ERROR_RETRY || attempt == OPEN_ATTEMPTS ||
            !sleep_ms(backoff_next_ms(&backoff), &interrupted)) {
            pg_close(sides_get(sides, side));
            return false;
        }
    }
    return true;
}

bool sides_open(struct sides *sides, struct error *err)
{
    return (pg_is_open(&sides->source) || open_side(sides, PG_SOURCE, err)) &&
           (pg_is_open(&sides->target) || open_side(sides, PG_TARGET, err));
}

void sides_close(struct sides *sides)
{
    pg_close(&sides->source);
    pg_close(&sides->target);
}

bool sides_hide_path(struct sides *sides, struct error *err)
{
    return pg_run(&sides->target, "SET search_path = ''", err);
}

bool sides_show_path(struct sides *sides, struct error *err)
{
    return pg_run(&sides->target, "RESET search_path", err);
}

/* ---- two statements at once ---- */

static void cancel(struct pg *pg)
{
    PGcancel *handle = PQgetCancel(pg->conn);
    char message[256];
    if (handle != NULL) {
        /* A refused cancel only means that the statement's end is waited for. */
        (void)PQcancel(handle, message, sizeof message);
        PQfreeCancel(handle);
    }
}

static bool send(struct pg *pg, const char *sql, struct error *err)
{
    return PQsendQuery(pg->conn, sql) == 1 || pg_error(pg, NULL, err);
}

/* Waits until the statement's result can be taken without blocking. */
static bool await(struct pg *pg, struct error *err)
{
    while (PQisBusy(pg->conn) != 0) {
        struct pollfd wait = {PQsocket(pg->conn), POLLIN, 0};
        if (!sides_go_on(err)) {
            return false;
        }
        int ready = poll(&wait, 1, POLL_MS);
        if (ready < 0 && errno != EINTR) {
            return error_set(err, ERROR_RETRY, "could not wait for the server");
        }
        if (ready > 0 && PQconsumeInput(pg->conn) != 1) {
            return pg_error(pg, NULL, err);
        }
    }
    return true;
}

/* Takes the one result and the NULL behind it, so that the connection is free again. */
static bool take(struct pg *pg, PGresult **ret_result, struct error *err)
{
    PGresult *result = PQgetResult(pg->conn);
    bool ok = PQresultStatus(result) == PGRES_TUPLES_OK || pg_error(pg, result, err);
    for (PGresult *rest = PQgetResult(pg->conn); rest != NULL; rest = PQgetResult(pg->conn)) {
        PQclear(rest);
    }
    if (!ok) {
        PQclear(result);
        return false;
    }
    *ret_result = result;
    return true;
}

/* A statement whose answer nobody wants any more. */
static void drop(struct pg *pg)
{
    if (PQtransactionStatus(pg->conn) != PQTRANS_ACTIVE) {
        return;
    }
    cancel(pg);
    for (PGresult *rest = PQgetResult(pg->conn); rest != NULL; rest = PQgetResult(pg->conn)) {
        PQclear(rest);
    }
}

bool sides_query(struct sides *sides, const char *source_sql, const char *target_sql,
                 PGresult **ret_source, PGresult **ret_target, struct error *err)
{
    RH_AUTO(pg_result_clear) PGresult *source = NULL;
    RH_AUTO(pg_result_clear) PGresult *target = NULL;
    bool ok = send(&sides->source, source_sql, err) && send(&sides->target, target_sql, err) &&
              await(&sides->source, err) && take(&sides->source, &source, err) &&
              await(&sides->target, err) && take(&sides->target, &target, err);
    if (!ok) {
        drop(&sides->source);
        drop(&sides->target);
        return false;
    }
    *ret_source = source;
    *ret_target = target;
    source = target = NULL;
    return true;
}
