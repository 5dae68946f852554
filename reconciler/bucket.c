#include "reconciler/bucket.h"

#include "common/hash.h"

#include <inttypes.h>
#include <string.h>

#define SQL_BYTES_MAX   ((size_t)4 << 20) /* 1,600 columns, a few hundred bytes each */
#define ROWS_PER_BUCKET 5000.0            /* what one differing row costs to look at */
#define COUNT_MIN       64                /* an estimate may be zero for a large table */
#define COUNT_MAX       65536             /* a result of a few MB */
#define U64_BYTES       8
#define BYTE_BITS       8

uint32_t buckets_count_for(double rows_estimate)
{
    uint32_t count = COUNT_MIN;
    while (count < COUNT_MAX && (double)count * ROWS_PER_BUCKET < rows_estimate) {
        count *= 2;
    }
    return count;
}

void write_bucket_number(struct buffer *sql, const struct hash_plan *hash, enum pg_role side,
                         uint32_t count)
{
    write_text(sql, "(");
    write_key_hash(sql, hash, side);
    write_format(sql, " & %" PRIu32 ")", count - 1);
}

/* OFFSET 0 keeps the hash from being computed once for each sum. */
void write_bucket_scan(struct buffer *sql, const struct hash_plan *hash, enum pg_role side,
                       uint32_t count)
{
    write_text(sql, "SELECT r.b, pg_catalog.count(*), pg_catalog.sum(r.h), "
                    "pg_catalog.sum(pg_catalog.hashint4extended(1, r.h)) FROM (SELECT ");
    write_bucket_number(sql, hash, side, count);
    write_text(sql, " AS b, ");
    write_row_hash(sql, hash, side);
    write_text(sql, " AS h");
    write_from(sql, hash->table, hash->output, side);
    write_text(sql, " OFFSET 0) r GROUP BY r.b");
}

/* A numeric without decimals, of any length, modulo 2^64. */
static bool parse_wrapped(const char *text, uint64_t *ret_value)
{
    bool negative = text[0] == '-';
    const char *digits = negative ? text + 1 : text;
    uint64_t value = 0;
    if (digits[0] == '\0' || digits[strspn(digits, "0123456789")] != '\0') {
        return false;
    }
    for (; *digits != '\0'; digits++) {
        value = value * 10 + (uint64_t)(*digits - '0');
    }
    *ret_value = negative ? 0 - value : value;
    return true;
}

static bool read_bucket(const PGresult *result, int row, uint32_t count, uint64_t *ret_number,
                        struct bucket *ret_bucket)
{
    return parse_wrapped(PQgetvalue(result, row, 0), ret_number) && *ret_number < count &&
           parse_wrapped(PQgetvalue(result, row, 1), &ret_bucket->rows) &&
           parse_wrapped(PQgetvalue(result, row, 2), &ret_bucket->sum) &&
           parse_wrapped(PQgetvalue(result, row, 3), &ret_bucket->mixed_sum);
}

bool buckets_read(const PGresult *result, uint32_t count, struct bucket *ret_buckets,
                  struct bucket *ret_whole, struct error *err)
{
    *ret_whole = (struct bucket){0};
    for (int row = 0; row < PQntuples(result); row++) {
        struct bucket bucket;
        uint64_t number;
        if (!read_bucket(result, row, count, &number, &bucket)) {
            return error_set(err, ERROR_STOP, "the server gave a bucket that is not one");
        }
        ret_buckets[number] = bucket;
        ret_whole->rows += bucket.rows;
        ret_whole->sum += bucket.sum;
        ret_whole->mixed_sum += bucket.mixed_sum;
    }
    return true;
}

static bool equal(const struct bucket *a, const struct bucket *b)
{
    return a->rows == b->rows && a->sum == b->sum && a->mixed_sum == b->mixed_sum;
}

void buckets_compare(struct buckets *buckets, struct arena *arena)
{
    buckets->differing = arena_must_alloc(arena, buckets->count * sizeof *buckets->differing);
    buckets->differing_count = 0;
    for (uint32_t i = 0; i < buckets->count; i++) {
        if (!equal(&buckets->side[PG_SOURCE][i], &buckets->side[PG_TARGET][i])) {
            buckets->differing[buckets->differing_count++] = i;
        }
    }
}

static const char *scan_text(const struct hash_plan *hash, enum pg_role side, uint32_t count,
                             struct arena *arena)
{
    struct buffer sql;
    buffer_init(&sql, arena, SQL_BYTES_MAX);
    write_bucket_scan(&sql, hash, side, count);
    REQUIRE(!sql.failed);
    return buffer_text(&sql);
}

bool buckets_scan(struct sides *sides, const struct hash_plan *hash, struct arena *arena,
                  struct buckets *ret_buckets, struct error *err)
{
    double source_rows = hash->table->source->rows_estimate;
    double target_rows = hash->output->target->rows_estimate;
    struct buckets buckets = {
        .count = buckets_count_for(source_rows > target_rows ? source_rows : target_rows)};
    RH_AUTO(pg_result_clear) PGresult *source = NULL;
    RH_AUTO(pg_result_clear) PGresult *target = NULL;
    for (int side = PG_SOURCE; side <= PG_TARGET; side++) {
        buckets.side[side] = arena_must_alloc(arena, buckets.count * sizeof(struct bucket));
    }
    if (!sides_query(sides, scan_text(hash, PG_SOURCE, buckets.count, arena),
                     scan_text(hash, PG_TARGET, buckets.count, arena), &source, &target, err) ||
        !buckets_read(source, buckets.count, buckets.side[PG_SOURCE], &buckets.whole[PG_SOURCE],
                      err) ||
        !buckets_read(target, buckets.count, buckets.side[PG_TARGET], &buckets.whole[PG_TARGET],
                      err)) {
        return false;
    }
    buckets_compare(&buckets, arena);
    *ret_buckets = buckets;
    return true;
}

uint64_t bucket_checksum(const struct bucket *whole)
{
    const uint64_t parts[] = {whole->rows, whole->sum, whole->mixed_sum};
    char bytes[sizeof parts];
    for (size_t i = 0; i < sizeof parts; i++) {
        bytes[i] = (char)(parts[i / U64_BYTES] >> (BYTE_BITS * (i % U64_BYTES)) & 0xff);
    }
    return fingerprint_add(FINGERPRINT_START, (struct bytes){bytes, sizeof bytes});
}
