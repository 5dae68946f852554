/*
 * table_divide -- whether a table is paged in several ranges at the same time, and where they meet.
 *
 * In:     a table of which nothing was read, a pager. Out: the publisher knows its ranges, and with
 *         it the checkpoint.
 * Holds:  bounds are keys that the source found in a sample and put in the order of its own index.
 *         They need not be good ones: ranges that are unequal cost time, nothing else. So a sample
 *         that is empty, or takes too long, leaves the table in one range.
 */
#ifndef RH_PRODUCER_TABLE_DIVIDE_H
#define RH_PRODUCER_TABLE_DIVIDE_H

#include "producer/backfill.h"

#include <stdbool.h>
#include <stddef.h>

/*
 * ret_ranges: how many the table has now. One that was divided before keeps its ranges, and one of
 * which something was read stays in one.
 */
bool table_divide(struct backfill *backfill, struct pager *pager, const struct plan_table *table,
                  size_t *ret_ranges, struct error *err) RH_MUST_CHECK;

/* Into how many ranges it should be divided, by what the catalog knows; 1: it is not worth it. */
size_t table_ranges_wanted(const struct plan_table *table, const struct settings *settings);
/* The percentage of its blocks that a sample should read. */
double table_sample_percent(const struct plan_table *table, size_t ranges);

#endif
