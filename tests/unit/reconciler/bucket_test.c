#include "reconciler/bucket.h"

#include "reconciler/drill.h"

#include "fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static struct arena arena;

static int setup(void **state RH_UNUSED)
{
    arena_init(&arena, 1 << 20);
    return 0;
}

static int teardown(void **state RH_UNUSED)
{
    arena_release(&arena);
    return 0;
}

static void buckets_hold_five_thousand_rows_within_bounds(void **state RH_UNUSED)
{
    assert_int_equal(buckets_count_for(-1), 64);
    assert_int_equal(buckets_count_for(0), 64);
    assert_int_equal(buckets_count_for(320000), 64);
    assert_int_equal(buckets_count_for(320001), 128);
    assert_int_equal(buckets_count_for(327680000), 65536);
    assert_int_equal(buckets_count_for(1e12), 65536);
}

/* A result as the server would send it: one row, text values. */
static PGresult *result_of(const char *const *values)
{
    static const char *const names[] = {"b", "count", "sum", "sum"};
    PGresAttDesc columns[4];
    PGresult *result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    memset(columns, 0, sizeof columns);
    for (int i = 0; i < 4; i++) {
        columns[i].name = arena_must_strdup(&arena, names[i]);
    }
    assert_int_equal(PQsetResultAttrs(result, 4, columns), 1);
    for (int i = 0; i < 4; i++) {
        char *text = arena_must_strdup(&arena, values[i]);
        assert_int_equal(PQsetvalue(result, 0, i, text, (int)strlen(text)), 1);
    }
    return result;
}

static bool read_one(const char *const *values, struct bucket *ret_buckets, struct bucket *whole)
{
    struct error err;
    RH_AUTO(pg_result_clear) PGresult *result = result_of(values);
    bool ok = buckets_read(result, 4, ret_buckets, whole, &err);
    if (!ok) {
        assert_string_equal(err.text, "the server gave a bucket that is not one");
    }
    return ok;
}

static void sums_of_any_length_are_read_modulo_two_to_the_64(void **state RH_UNUSED)
{
    static const char *const values[] = {"3", "2", "-1", "36893488147419103239"}; /* 2^65 + 7 */
    struct bucket buckets[4] = {{0}};
    struct bucket whole;
    assert_true(read_one(values, buckets, &whole));
    assert_int_equal(buckets[3].rows, 2);
    assert_true(buckets[3].sum == UINT64_MAX);
    assert_int_equal(buckets[3].mixed_sum, 7);
    assert_int_equal(whole.rows, 2);
    assert_true(whole.sum == UINT64_MAX);
}

static void what_is_not_a_bucket_is_refused(void **state RH_UNUSED)
{
    static const char *const refused[][4] = {
        {"4", "1", "1", "1"}, {"-1", "1", "1", "1"}, {"0", "x", "1", "1"},
        {"0", "1", "", "1"},  {"0", "1", "1", "-"},  {"0", "1", "1", "1.5"},
    };
    for (size_t i = 0; i < RH_COUNT(refused); i++) {
        struct bucket buckets[4] = {{0}};
        struct bucket whole;
        assert_false(read_one(refused[i], buckets, &whole));
    }
}

static void a_bucket_differs_by_its_count_or_by_either_sum(void **state RH_UNUSED)
{
    struct bucket source[4] = {{1, 2, 3}, {1, 2, 3}, {1, 2, 3}, {1, 2, 3}};
    struct bucket target[4] = {{1, 2, 3}, {2, 2, 3}, {1, 3, 3}, {1, 2, 4}};
    struct buckets buckets = {.count = 4, .side = {source, target}};
    buckets_compare(&buckets, &arena);
    assert_int_equal(buckets.differing_count, 3);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(buckets.differing[i], i + 1);
    }
}

static void the_checksum_depends_on_all_three_numbers(void **state RH_UNUSED)
{
    const struct bucket base = {1, 2, 3};
    const struct bucket others[] = {{2, 2, 3}, {1, 3, 3}, {1, 2, 4}, {1, 3, 2}};
    assert_true(bucket_checksum(&base) == bucket_checksum(&(struct bucket){1, 2, 3}));
    for (size_t i = 0; i < RH_COUNT(others); i++) {
        assert_true(bucket_checksum(&base) != bucket_checksum(&others[i]));
    }
}

static struct hash_plan simple_plan(struct fixture *f)
{
    struct hash_plan hash;
    fixture_init(f);
    fixture_add(f, "id", "id", "int8");
    fixture_key(f, KEY_VERBATIM);
    hash_plan_init(&hash, &f->table, &f->output, false, &arena);
    return hash;
}

#define ID_HASH "coalesce(pg_catalog.hashint4extended(1, \"id\"::pg_catalog.int8), 0)"

static void a_scan_computes_each_hash_once(void **state RH_UNUSED)
{
    struct fixture f;
    struct hash_plan hash = simple_plan(&f);
    struct buffer sql;
    buffer_init(&sql, &arena, 1 << 16);
    write_bucket_scan(&sql, &hash, PG_TARGET, 64);
    assert_string_equal(
        buffer_text(&sql),
        "SELECT r.b, pg_catalog.count(*), pg_catalog.sum(r.h),"
        " pg_catalog.sum(pg_catalog.hashint4extended(1, r.h)) FROM (SELECT ((" ID_HASH ") & 63)"
        " AS b, pg_catalog.hashint4extended(0, " ID_HASH ") AS h"
        " FROM ONLY \"app\".\"new\" WHERE (true) OFFSET 0) r GROUP BY r.b");
}

static void a_drill_reads_differing_buckets_in_the_order_of_the_hash(void **state RH_UNUSED)
{
    struct fixture f;
    struct hash_plan hash = simple_plan(&f);
    uint32_t differing[] = {3, 5};
    struct buckets buckets = {.count = 64, .differing_count = 2, .differing = differing};
    struct buffer sql;
    buffer_init(&sql, &arena, 1 << 16);
    f.table.where_sql = "a = 1";
    write_drill(&sql, &hash, &buckets, PG_SOURCE);
    assert_string_equal(
        buffer_text(&sql),
        "SELECT (" ID_HASH ") AS kh, pg_catalog.hashint4extended(0, " ID_HASH ") AS h,"
        " (\"id\"::pg_catalog.text) COLLATE pg_catalog.\"C\" AS k0"
        " FROM ONLY \"public\".\"old\" WHERE (a = 1)"
        " AND ((" ID_HASH ") & 63) = ANY ('{3,5}'::pg_catalog.int8[]) ORDER BY 1, 3");
}

static void places_are_ordered_by_hash_and_then_by_bytes(void **state RH_UNUSED)
{
    const struct value a = {VALUE_TEXT, BYTES_LITERAL("a")};
    const struct value b = {VALUE_TEXT, BYTES_LITERAL("b")};
    const struct drill_place low = {-5, 1, &b}, high = {7, 1, &a}, higher = {7, 1, &b};
    assert_true(drill_compare(&low, &high) < 0);
    assert_true(drill_compare(&high, &low) > 0);
    assert_true(drill_compare(&high, &higher) < 0);
    assert_int_equal(drill_compare(&high, &high), 0);
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(buckets_hold_five_thousand_rows_within_bounds),
        TEST(sums_of_any_length_are_read_modulo_two_to_the_64),
        TEST(what_is_not_a_bucket_is_refused),
        TEST(a_bucket_differs_by_its_count_or_by_either_sum),
        TEST(the_checksum_depends_on_all_three_numbers),
        TEST(a_scan_computes_each_hash_once),
        TEST(a_drill_reads_differing_buckets_in_the_order_of_the_hash),
        TEST(places_are_ordered_by_hash_and_then_by_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
