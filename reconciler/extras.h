/*
 * extras -- the target's rows that no source row accounts for.
 *
 * In:     an output for which the counts say that there are some. Out: findings of kind extra.
 *
 * The source is read once more, only what makes the target's keys; the keys are collected in a TEMP
 * table of the target, and the target's rows that are not in it are the answer. That serves every
 * rule that a key may be made by; asking the source for each key would need a way back through
 * them.
 */
#ifndef RH_RECONCILER_EXTRAS_H
#define RH_RECONCILER_EXTRAS_H

#include "reconciler/findings.h"
#include "reconciler/rejects.h"
#include "reconciler/sides.h"

#include <stdbool.h>

/* The output reduced to its key columns, in the arbiter's order. */
struct plan_output key_output(const struct plan_output *output, struct arena *arena);
bool extras_find(struct sides *sides, const struct rejects *rejects, struct findings *findings,
                 struct error *err) RH_MUST_CHECK;

#endif
