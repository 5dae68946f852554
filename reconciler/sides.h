/*
 * sides -- the connections to source and target, used at the same time.
 *
 * In:     the settings' URLs. Out: results of one statement a side, COPY on either.
 * Never:  writes: both sessions are read-only by default (TEMP tables of the target are made in a
 *         transaction that says otherwise); uses more than one backend a server.
 */
#ifndef RH_RECONCILER_SIDES_H
#define RH_RECONCILER_SIDES_H

#include "common/pg.h"
#include "common/settings.h"

#include <stdbool.h>

struct sides {
    const struct settings *settings;
    struct pg source, target;
};

/*
 * Opens what is not open. Unreachable servers are tried a few times.
 * Errors  as pg_open
 */
bool sides_open(struct sides *sides, struct error *err) RH_MUST_CHECK;
void sides_close(struct sides *sides);
struct pg *sides_get(struct sides *sides, enum pg_role side);

/* With an empty search_path every output names its schema on both servers (regclass and the like).
 */
bool sides_hide_path(struct sides *sides, struct error *err) RH_MUST_CHECK;
/* The role's own search_path again: what domains' checks may rely on. */
bool sides_show_path(struct sides *sides, struct error *err) RH_MUST_CHECK;

/*
 * One statement on each server, both running at once; the results are the caller's.
 * Errors  ERROR_RETRY "interrupted": asked to leave; both statements were cancelled
 *         as pg_query, the source's first
 */
bool sides_query(struct sides *sides, const char *source_sql, const char *target_sql,
                 PGresult **ret_source, PGresult **ret_target, struct error *err) RH_MUST_CHECK;

/* The 2 s between two readings of a difference; false when asked to leave. */
bool sides_wait(struct error *err) RH_MUST_CHECK;
/* False, ERROR_RETRY, once asked to leave: loops over pages and lines look here. */
bool sides_go_on(struct error *err) RH_MUST_CHECK;

#endif
