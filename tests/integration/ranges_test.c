/*
 * Key ranges against a real source: whatever the key's type and the bounds, the ranges together
 * hold each row once.
 *
 * Only the source takes part, and a target with the same tables for the plan. Each row has a number
 * n, by which it is recognised.
 */
#include "producer/pager.h"

#include "common/run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define ARENA_BYTES ((size_t)64 << 20)
#define ROWS        4000
#define FEW         3
#define BOUNDS_MAX  16

static struct world {
    char database[64];
    char source_url[1024], target_url[1024];
    char config_path[64];
    struct pg source, target;
    struct arena arena;
    struct config config;
    struct run run;
    struct pager pager;

    /* Of the current test. */
    struct arena keys;
    struct bytes bounds[BOUNDS_MAX];
    size_t bounds_count;
    unsigned char seen[ROWS + 1];
} w;

static void must(bool ok, const struct error *err)
{
    if (!ok)
        fail_msg("%s", err->text);
}

/* ---- the world ---- */

static const char *from_environment(const char *name)
{
    const char *value = getenv(name);

    if (value == NULL)
        fail_msg("%s is not set: . .local/env", name);
    return value;
}

static void run_sql(struct pg *pg, const char *sql)
{
    struct error err;

    if (!pg_run(pg, sql, &err))
        fail_msg("%s: %s", sql, err.text);
}

static void make_url(char *out, size_t size, const char *server)
{
    (void)snprintf(out, size, "%.*s/%s", (int)(strrchr(server, '/') - server), server, w.database);
}

static void on_server(enum pg_role role, const char *url, const char *verb, const char *options)
{
    char sql[160];
    struct error err;
    struct pg pg;

    must(pg_open(&pg, role, url, "ranges_test", &err), &err);
    (void)snprintf(sql, sizeof(sql), "%s DATABASE %s %s", verb, w.database, options);
    run_sql(&pg, sql);
    pg_close(&pg);
}

/* In words' collation a < A < ä < b and punctuation counts last; by bytes it is another order. */
static const char tables_sql[] =
    "CREATE TABLE public.words (word text COLLATE \"und-x-icu\" PRIMARY KEY, n int NOT NULL);"
    "CREATE TABLE public.ids (id uuid PRIMARY KEY, n int NOT NULL);"
    "CREATE TABLE public.pairs (tenant text COLLATE \"und-x-icu\", nr numeric(12,2), n int NOT "
    "NULL,"
    " PRIMARY KEY (tenant, nr));"
    "CREATE TABLE public.days (day date, id bigint, n int NOT NULL, PRIMARY KEY (day, id))"
    " PARTITION BY RANGE (day);"
    "CREATE TABLE public.days_1 PARTITION OF public.days FOR VALUES FROM ('2024-01-01') TO "
    "('2024-07-01');"
    "CREATE TABLE public.days_2 PARTITION OF public.days FOR VALUES FROM ('2024-07-01') TO "
    "('2026-01-01');"
    "CREATE TABLE public.few (id bigint PRIMARY KEY, n int NOT NULL);"
    "CREATE TABLE public.none (id bigint PRIMARY KEY, n int NOT NULL);";

static const char rows_sql[] =
    "INSERT INTO public.words SELECT (ARRAY['a','A','ä','-a','B b','b','Z','ß',U&'\\4E2D','#',''])"
    "  [1 + n % 11] || (n / 11), n FROM generate_series(1, 4000) n;"
    "INSERT INTO public.ids SELECT md5(n::text)::uuid, n FROM generate_series(1, 4000) n;"
    "INSERT INTO public.pairs SELECT (ARRAY['ab','Ab','áb','o''k','back\\slash'])[1 + n % 5],"
    "  (n - 2000) / 4.0, n FROM generate_series(1, 4000) n;"
    "INSERT INTO public.days SELECT date '2024-01-01' + n % 500, n, n FROM generate_series(1, "
    "4000) n;"
    "INSERT INTO public.few SELECT n, n FROM generate_series(1, 3) n;"
    "ANALYZE";

static void compile(void)
{
    static const char *const names[] = {"words", "ids", "pairs", "days", "few", "none"};
    struct environment environment = {0};
    FILE *file = fopen(w.config_path, "w");
    struct error err;

    assert_non_null(file);
    fprintf(file,
            "version: 1\nname: ranges\nmode: snapshot\nsource: {url: \"%s\"}\n"
            "target: {url: \"%s\"}\nkafka: {bootstrap.servers: \"localhost:1\"}\ntables:\n",
            w.source_url, w.target_url);
    for (size_t i = 0; i < RH_COUNT(names); i++)
        fprintf(file, "  - {id: %s, from: public.%s, to: [{table: public.%s}]}\n", names[i],
                names[i], names[i]);
    assert_int_equal(fclose(file), 0);
    must(config_load(w.config_path, &w.arena, &w.config, &err), &err);
    must(run_compile(&w.config, &w.source, &w.target, &w.arena, &w.run.plan, &environment, &err),
         &err);
    w.run.system_identifier = w.run.plan.source->system_identifier;
}

static int begin_all(void **state RH_UNUSED)
{
    struct error err;

    (void)snprintf(w.database, sizeof(w.database), "rowhaul_ranges_test_%ld", (long)getpid());
    (void)snprintf(w.config_path, sizeof(w.config_path), "/tmp/%s.yaml", w.database);
    make_url(w.source_url, sizeof(w.source_url), from_environment("SOURCE_URL"));
    make_url(w.target_url, sizeof(w.target_url), from_environment("TARGET_URL"));
    on_server(PG_SOURCE, from_environment("SOURCE_URL"), "CREATE", "");
    on_server(PG_TARGET, from_environment("TARGET_URL"), "CREATE", "");
    must(pg_open(&w.source, PG_SOURCE, w.source_url, "ranges_test", &err), &err);
    must(pg_open(&w.target, PG_TARGET, w.target_url, "ranges_test", &err), &err);
    run_sql(&w.source, tables_sql);
    run_sql(&w.source, rows_sql);
    run_sql(&w.target, tables_sql);
    arena_init(&w.arena, ARENA_BYTES);
    compile();
    pager_init(&w.pager, &w.config.settings, &w.run);
    return 0;
}

static int end_all(void **state RH_UNUSED)
{
    pager_release(&w.pager);
    pg_close(&w.source);
    pg_close(&w.target);
    on_server(PG_SOURCE, from_environment("SOURCE_URL"), "DROP", "WITH (FORCE)");
    on_server(PG_TARGET, from_environment("TARGET_URL"), "DROP", "WITH (FORCE)");
    (void)unlink(w.config_path);
    arena_release(&w.arena);
    return 0;
}

static int begin(void **state RH_UNUSED)
{
    arena_init(&w.keys, ARENA_BYTES);
    w.bounds_count = 0;
    memset(w.seen, 0, sizeof(w.seen));
    return 0;
}

static int end(void **state RH_UNUSED)
{
    arena_release(&w.keys);
    return 0;
}

/* ---- sampling and walking ---- */

static const struct plan_table *find(const char *id)
{
    const struct plan_table *table = plan_table_find(&w.run.plan, id);

    assert_non_null(table);
    return table;
}

static struct bytes key_of(const struct plan_table *table, const struct value *values,
                           const size_t *columns)
{
    struct buffer key;
    struct error err;

    buffer_init(&key, &w.keys, 10000);
    must(key_write(&key, values, columns, table->key_kinds, table->key_count, &err), &err);
    return buffer_bytes(&key);
}

static void add_bound(const struct plan_table *table, const char *first, const char *second)
{
    const struct value values[] = {{VALUE_TEXT, bytes_of(first)}, {VALUE_TEXT, bytes_of(second)}};
    const size_t columns[] = {0, 1};

    assert_true(w.bounds_count < BOUNDS_MAX);
    w.bounds[w.bounds_count++] = key_of(table, values, columns);
}

static bool visit_bound(void *context, struct bytes line, bool *ret_enough, struct error *err)
{
    const struct plan_table *table = context;
    const size_t columns[] = {0, 1};
    struct value values[2];

    if (!pg_copy_line_parse(line, table->key_count, &w.keys, values, err))
        return false;
    assert_true(w.bounds_count < BOUNDS_MAX);
    w.bounds[w.bounds_count++] = key_of(table, values, columns);
    *ret_enough = false;
    return true;
}

/* Of all blocks: what a real sample leaves to chance is nothing that tests could look at. */
static void sample(const struct plan_table *table, size_t ranges)
{
    struct error err;

    must(pager_sample(&w.pager, table, 100, ranges, visit_bound, (void *)(uintptr_t)table, &err),
         &err);
}

struct walked {
    const struct plan_table *table;
    struct bytes last_key;
    uint64_t rows;
};

static bool visit_row(void *context, struct bytes line, bool *ret_enough, struct error *err)
{
    struct walked *walked = context;
    const struct plan_table *table = walked->table;
    struct value values[3];
    long n;

    line = bytes_copy(&w.keys, line);
    if (!pg_copy_line_parse(line, table->columns_count, &w.keys, values, err))
        return false;
    n = strtol(bytes_to_text(&w.keys, values[table->columns_count - 1].bytes), NULL, 10);
    assert_in_range(n, 1, ROWS);
    w.seen[n]++;
    walked->rows++;
    walked->last_key = key_of(table, values, table->key);
    *ret_enough = false;
    return true;
}

/* One range page by page until one is empty; returns its rows. */
static uint64_t walk(const struct plan_table *table, struct bytes after, struct bytes upto,
                     uint32_t rows_max)
{
    struct walked walked = {.table = table, .last_key = after};
    struct page_info info = {.rows = 1};
    struct error err;

    while (info.rows > 0) {
        const struct key_range left = {walked.last_key, upto};

        must(pager_read(&w.pager, table, left, rows_max, visit_row, &walked, &info, &err), &err);
    }
    return walked.rows;
}

/* All ranges, the last one first: they do not depend on one another. */
static void walk_all(const struct plan_table *table, uint32_t rows_max, uint64_t *ret_rows)
{
    for (size_t i = w.bounds_count + 1; i-- > 0;) {
        ret_rows[i] = walk(table, i == 0 ? BYTES_EMPTY : w.bounds[i - 1],
                           i == w.bounds_count ? BYTES_EMPTY : w.bounds[i], rows_max);
    }
}

static void expect_each_row_once(size_t rows)
{
    for (size_t n = 1; n <= ROWS; n++) {
        if (w.seen[n] != (n <= rows))
            fail_msg("row %zu came %d times", n, w.seen[n]);
    }
}

/* ---- tests ---- */

static void check_sampled(const char *id)
{
    const struct plan_table *table = find(id);
    uint64_t rows[BOUNDS_MAX + 1];

    sample(table, 8);
    assert_int_equal(w.bounds_count, 7);
    walk_all(table, 333, rows);
    expect_each_row_once(ROWS);
    for (size_t i = 0; i <= w.bounds_count; i++)
        assert_int_equal(rows[i], ROWS / 8);
}

static void text_is_divided_in_the_order_of_its_collation(void **state)
{
    (void)state;
    check_sampled("words");
}

static void uuids_are_divided(void **state)
{
    (void)state;
    check_sampled("ids");
}

static void keys_of_several_columns_are_divided(void **state)
{
    (void)state;
    check_sampled("pairs");
}

static void a_partitioned_table_is_divided_as_one(void **state)
{
    (void)state;
    check_sampled("days");
}

/* Pages of one row: each of them begins at an edge and ends at one. */
static void a_bound_belongs_to_the_range_before_it(void **state)
{
    const struct plan_table *table = find("few");
    uint64_t rows[BOUNDS_MAX + 1];

    (void)state;
    add_bound(table, "1", "");
    add_bound(table, "2", "");
    walk_all(table, 1, rows);
    expect_each_row_once(FEW);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(rows[i], 1);
}

static void all_rows_may_be_in_one_range_and_the_others_empty(void **state)
{
    static const struct {
        const char *first, *second;
        size_t full;
    } cases[] = {{"-7", "0", 2}, {"0", "3", 1}, {"0", "9", 1}, {"3", "4", 0}, {"9", "10", 0}};
    const struct plan_table *table = find("few");

    (void)state;
    for (size_t i = 0; i < RH_COUNT(cases); i++) {
        uint64_t rows[BOUNDS_MAX + 1];

        w.bounds_count = 0;
        memset(w.seen, 0, sizeof(w.seen));
        add_bound(table, cases[i].first, "");
        add_bound(table, cases[i].second, "");
        walk_all(table, 2, rows);
        expect_each_row_once(FEW);
        for (size_t range = 0; range < 3; range++)
            assert_int_equal(rows[range], range == cases[i].full ? FEW : 0);
    }
}

static void fewer_rows_than_ranges_give_a_range_each(void **state)
{
    const struct plan_table *table = find("few");
    uint64_t rows[BOUNDS_MAX + 1];

    (void)state;
    sample(table, 16);
    assert_int_equal(w.bounds_count, FEW - 1);
    walk_all(table, 10, rows);
    expect_each_row_once(FEW);
}

static void a_sample_of_nothing_has_no_bounds(void **state)
{
    const struct plan_table *table = find("none");
    uint64_t rows[BOUNDS_MAX + 1];
    struct error err;

    (void)state;
    sample(table, 16);
    assert_int_equal(w.bounds_count, 0);
    walk_all(table, 10, rows);
    assert_int_equal(rows[0], 0);
    /* Nearly no block of a table that has some. */
    must(pager_sample(&w.pager, find("few"), 0.000000001, 16, visit_bound,
                      (void *)(uintptr_t)find("few"), &err),
         &err);
    assert_int_equal(w.bounds_count, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(text_is_divided_in_the_order_of_its_collation),
        TEST(uuids_are_divided),
        TEST(keys_of_several_columns_are_divided),
        TEST(a_partitioned_table_is_divided_as_one),
        TEST(a_bound_belongs_to_the_range_before_it),
        TEST(all_rows_may_be_in_one_range_and_the_others_empty),
        TEST(fewer_rows_than_ranges_give_a_range_each),
        TEST(a_sample_of_nothing_has_no_bounds),
    };

    return cmocka_run_group_tests(tests, begin_all, end_all);
}
