/*
 * rejects -- the reject that explains a difference, from rowhaul.rejects on the target.
 *
 * In:     a table and a source key. Out: its reject, or none; none at all where there is no ledger.
 */
#ifndef RH_RECONCILER_REJECTS_H
#define RH_RECONCILER_REJECTS_H

#include "reconciler/findings.h"
#include "reconciler/sides.h"

#include <stdbool.h>

struct rejects {
    struct sides *sides;
    const char *run_id; /* NULL: no ledger */
    const char *table_id;
    bool any; /* the table has rejects at all */
};

bool rejects_init(struct rejects *rejects, struct sides *sides, const char *run_id,
                  const struct plan_table *table, struct error *err) RH_MUST_CHECK;
/* Sets difference->reject (in the arena) by its source key. */
bool rejects_explain(const struct rejects *rejects, struct difference *difference,
                     struct arena *arena, struct error *err) RH_MUST_CHECK;

#endif
