/*
 * bucket -- one scan of each side, summed by bucket of the key's hash: where the sides differ.
 *
 * In:     a hash plan, both connections. Out: count and two sums of row hashes for each bucket,
 *         independent of the rows' order.
 * Never:  compares order across servers; needs memory for rows.
 *
 * The two sums are of the row's hash and of that hash mixed again; bit_xor would do as well, but
 * PostgreSQL 13 does not have it.
 */
#ifndef RH_RECONCILER_BUCKET_H
#define RH_RECONCILER_BUCKET_H

#include "reconciler/hash_sql.h"
#include "reconciler/sides.h"

#include <stdbool.h>
#include <stdint.h>

struct bucket {
    uint64_t rows, sum, mixed_sum; /* the sums modulo 2^64 */
};

struct buckets {
    uint32_t count;         /* a power of two */
    struct bucket *side[2]; /* by enum pg_role */
    struct bucket whole[2]; /* all buckets of a side together */
    uint32_t differing_count;
    uint32_t *differing; /* bucket numbers, ascending */
};

/* How many buckets for so many rows: about 5,000 rows a bucket, at most 65,536 buckets. */
uint32_t buckets_count_for(double rows_estimate);
/* The statement for one side: bucket, rows, both sums. */
void write_bucket_scan(struct buffer *sql, const struct hash_plan *hash, enum pg_role side,
                       uint32_t count);
/* "hash & mask" as a bucket number. */
void write_bucket_number(struct buffer *sql, const struct hash_plan *hash, enum pg_role side,
                         uint32_t count);
/* Reads a result of that statement into buckets[count] and their whole. */
bool buckets_read(const PGresult *result, uint32_t count, struct bucket *ret_buckets,
                  struct bucket *ret_whole, struct error *err) RH_MUST_CHECK;
/* Fills differing; the two sides must have been read. */
void buckets_compare(struct buckets *buckets, struct arena *arena);
/* Both sides at once. */
bool buckets_scan(struct sides *sides, const struct hash_plan *hash, struct arena *arena,
                  struct buckets *ret_buckets, struct error *err) RH_MUST_CHECK;

/* One number for a whole side: equal rows give equal numbers, however many buckets there were. */
uint64_t bucket_checksum(const struct bucket *whole);

#endif
