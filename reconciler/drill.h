/*
 * drill -- from differing buckets to the rows that differ, and from those to their columns.
 *
 * In:     the buckets of a scan. Out: findings: exact counts, the first differences with both
 *         rows' texts.
 * Never:  holds a bucket in memory: both servers send (key, row hash) in the order of the key's
 *         hash, which is a number and has one order everywhere, and the streams are merged.
 *
 * This is the second reading of whatever the scan found; the rows that are listed are read a third
 * time, a few at once, and what is equal by then is not a difference.
 */
#ifndef RH_RECONCILER_DRILL_H
#define RH_RECONCILER_DRILL_H

#include "reconciler/bucket.h"
#include "reconciler/findings.h"
#include "reconciler/rejects.h"

#include <stdbool.h>

/* (key hash, key texts): where a row stands in a stream. */
struct drill_place {
    int64_t hash;
    size_t key_count;
    const struct value *key;
};
/* Negative, 0, positive, as memcmp. */
int drill_compare(const struct drill_place *a, const struct drill_place *b);

/* The statement of one side, within COPY (…) TO STDOUT. */
void write_drill(struct buffer *sql, const struct hash_plan *hash, const struct buckets *buckets,
                 enum pg_role side);
bool drill(struct sides *sides, const struct hash_plan *hash, const struct buckets *buckets,
           const struct rejects *rejects, struct findings *findings,
           struct error *err) RH_MUST_CHECK;

#endif
