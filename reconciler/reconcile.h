/*
 * reconcile -- verifies every output of a plan: which mode, how often again, which verdict.
 *
 * In:     the configuration; the run's plan from the ledger, or, where there is none (any more),
 * one compiled from the file and both catalogs. Out: findings of each output, one verdict. Never:
 * takes "could not look" for "nothing found": what cannot be compared is unverified, with the
 * reason.
 */
#ifndef RH_RECONCILER_RECONCILE_H
#define RH_RECONCILER_RECONCILE_H

#include "reconciler/findings.h"

#include "common/run.h"

#include <stdbool.h>

struct reconcile_options {
    enum verify_mode mode;
    const char *table; /* NULL: all */
    uint64_t differences_max;
};

struct reconciliation {
    struct plan plan;
    size_t count;
    struct findings *findings; /* one an output, in the plan's order */
    enum verdict verdict;      /* different beats unverified beats equal */
};

/* The mode for an output when the user wants `wanted`. */
enum verify_mode mode_for(enum verify_mode wanted, const struct plan_table *table,
                          const struct plan_output *output);

/*
 * Errors  as sides_open: a server that cannot be reached at all (EXIT_SOURCE, EXIT_TARGET)
 *         as run_load, run_compile; EXIT_USAGE: no such table
 *         ERROR_RETRY "interrupted"
 */
bool reconcile(const struct config *config, const struct reconcile_options *options,
               struct arena *arena, struct reconciliation *ret, struct error *err) RH_MUST_CHECK;
void reconciliation_release(struct reconciliation *reconciliation);

#endif
