/*
 * rows -- every source row through the plan's rules, compared with what the target holds.
 *
 * In:     an output, both connections. Out: findings.
 * Never:  writes anything but TEMP tables.
 *
 * First reading: page by page; pages in which everything is equal are done. Then, 2 s later, the
 * other pages are read again and what differs in them now is reported. Rows of the target that no
 * source row accounts for show in the counts and are then looked for (extras.h).
 */
#ifndef RH_RECONCILER_ROWS_H
#define RH_RECONCILER_ROWS_H

#include "reconciler/findings.h"
#include "reconciler/rejects.h"
#include "reconciler/sides.h"

#include <stdbool.h>

bool rows_verify(struct sides *sides, const struct rejects *rejects, struct findings *findings,
                 struct error *err) RH_MUST_CHECK;

#endif
