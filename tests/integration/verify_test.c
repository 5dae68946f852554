/*
 * Verification against two real servers: every mode, every kind of difference, what cannot be
 * verified, and the ledger's share in it.
 *
 * The databases, the role and the file carry the process id in their names and are removed at the
 * end. Tables are made on both sides alike and then changed on one of them.
 */
#include "reconciler/reconcile.h"
#include "reconciler/report.h"

#include "common/ledger.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct arena arena; /* of one test */
static char database[48];
static char role[48];
static char config_path[64];
static char source_url[512];
static char target_url[512];
static char role_url[512]; /* of the target, as the role that owns nothing */
static struct reconciliation all;

/* ---- fixture ---- */

static const char *environment_of(const char *name)
{
    const char *value = getenv(name);
    if (value == NULL) {
        fail_msg("%s is not set: . .local/env", name);
    }
    return value;
}

static void make_url(char *out, size_t size, const char *server)
{
    int len =
        snprintf(out, size, "%.*s/%s", (int)(strrchr(server, '/') - server), server, database);
    assert_true(len > 0 && (size_t)len < size);
}

static void execute(const char *url, const char *sql)
{
    struct pg pg;
    struct error err;
    if (!pg_open(&pg, PG_TARGET, url, "test", &err) || !pg_run(&pg, sql, &err)) {
        fail_msg("%s", err.text);
    }
    pg_close(&pg);
}

static void on_source(const char *sql)
{
    execute(source_url, sql);
}

static void on_target(const char *sql)
{
    execute(target_url, sql);
}

static void on_both(const char *sql)
{
    on_source(sql);
    on_target(sql);
}

static void on_servers(const char *verb)
{
    char sql[256];
    snprintf(sql, sizeof sql, "%s %s", verb, database);
    execute(environment_of("SOURCE_URL"), sql);
    execute(environment_of("TARGET_URL"), sql);
}

static int setup_all(void **state RH_UNUSED)
{
    long pid = (long)getpid();
    char sql[256];
    snprintf(database, sizeof database, "rowhaul_verify_%ld", pid);
    snprintf(role, sizeof role, "rowhaul_verify_r_%ld", pid);
    snprintf(config_path, sizeof config_path, "/tmp/rowhaul_verify_%ld.yaml", pid);
    make_url(source_url, sizeof source_url, environment_of("SOURCE_URL"));
    make_url(target_url, sizeof target_url, environment_of("TARGET_URL"));
    const char *host = strchr(target_url, '@');
    snprintf(role_url, sizeof role_url, "postgresql://%s:secret%s", role, host);
    on_servers("CREATE DATABASE");
    snprintf(sql, sizeof sql, "CREATE ROLE %s LOGIN PASSWORD 'secret'", role);
    execute(target_url, sql);
    return 0;
}

static int teardown_all(void **state RH_UNUSED)
{
    char sql[256];
    on_servers("DROP DATABASE");
    snprintf(sql, sizeof sql, "DROP ROLE IF EXISTS %s", role);
    execute(environment_of("TARGET_URL"), sql);
    unlink(config_path);
    return 0;
}

static int setup(void **state RH_UNUSED)
{
    arena_init(&arena, (size_t)64 << 20);
    on_both("DROP SCHEMA IF EXISTS public CASCADE; CREATE SCHEMA public;"
            "SET client_min_messages = error");
    return 0;
}

static int teardown(void **state RH_UNUSED)
{
    reconciliation_release(&all);
    arena_release(&arena);
    return 0;
}

/* ---- verifying ---- */

static struct config load(const char *target, const char *tables)
{
    struct config config;
    struct error err;
    FILE *file = fopen(config_path, "w");
    assert_non_null(file);
    fprintf(file,
            "version: 1\nname: verify_%ld\nmode: snapshot\nsource: {url: \"%s\"}\n"
            "target: {url: \"%s\"}\nkafka: {bootstrap.servers: \"%s\"}\n"
            "topics: {prefix: rowhaultest, partitions: 1, allow_unsafe: true}\ntables:\n%s",
            (long)getpid(), source_url, target, environment_of("KAFKA_BOOTSTRAP"), tables);
    fclose(file);
    if (!config_load(config_path, &arena, &config, &err)) {
        fail_msg("%s", err.text);
    }
    return config;
}

static const struct findings *verify_with(const struct config *config,
                                          struct reconcile_options options)
{
    struct error err;
    reconciliation_release(&all);
    if (!reconcile(config, &options, &arena, &all, &err)) {
        fail_msg("%s", err.text);
    }
    assert_true(all.count > 0);
    return &all.findings[0];
}

static const struct findings *verify_as(const char *tables, enum verify_mode mode)
{
    struct config config = load(target_url, tables);
    return verify_with(&config, (struct reconcile_options){.mode = mode, .differences_max = 1000});
}

static const char same_table[] = "  - {id: t, from: public.t, to: [{table: public.t}]}\n";

static void assert_counts(const struct findings *findings, uint64_t missing, uint64_t extra,
                          uint64_t different)
{
    if (findings->verdict == VERDICT_UNVERIFIED) {
        fail_msg("unverified: %s", findings->reason);
    }
    assert_int_equal(findings->missing, missing);
    assert_int_equal(findings->extra, extra);
    assert_int_equal(findings->different, different);
    bool equal = missing + extra + different == 0;
    assert_int_equal(findings->verdict, equal ? VERDICT_EQUAL : VERDICT_DIFFERENT);
}

static void assert_text(struct bytes actual, const char *expected)
{
    assert_int_equal(actual.len, strlen(expected));
    assert_memory_equal(actual.ptr, expected, actual.len);
}

static void assert_unverified(const struct findings *findings, const char *reason)
{
    assert_int_equal(findings->verdict, VERDICT_UNVERIFIED);
    assert_string_equal(findings->reason, reason);
}

/* Both modes that look at values say the same, in any order. */
static void assert_both_modes(const char *tables, uint64_t missing, uint64_t extra,
                              uint64_t different)
{
    assert_counts(verify_as(tables, VERIFY_CHECKSUM), missing, extra, different);
    assert_counts(verify_as(tables, VERIFY_ROWS), missing, extra, different);
}

/* ---- values ---- */

static const struct type_case {
    const char *type, *value, *changed, *text; /* text: what `changed` prints, NULL: the same */
} type_cases[] = {
    {"smallint", "7", "8", NULL},
    {"bigint", "1", "4294967296", NULL},
    {"numeric", "1.0", "1.00", NULL},
    {"numeric", "5", "-5", NULL},
    {"real", "0.1", "0.2", NULL},
    {"double precision", "0", "-0", NULL},
    {"text", "", NULL, NULL},
    {"text", "a", "b", NULL},
    {"varchar(9)", "a ", "a", NULL},
    {"char(5)", "a", "ab", "ab   "},
    {"\"char\"", "a", "b", NULL},
    {"name", "a", "b", NULL},
    {"boolean", "t", "f", NULL},
    {"bytea", "\\x00ff", "\\x00fe", NULL},
    {"date", "2024-02-29", "infinity", NULL},
    {"time", "12:00:00.1", "12:00:00.2", NULL},
    {"timetz", "12:00:00+00", "13:00:00+01", NULL},
    {"timestamp", "2024-01-01 00:00:00", "2024-01-01 00:00:00.000001", NULL},
    {"timestamptz", "2024-01-01 00:00:00+00", "-infinity", NULL},
    {"interval", "1 mon", "30 days", NULL},
    {"uuid", "00000000-0000-0000-0000-000000000001", "00000000-0000-0000-0000-000000000002", NULL},
    {"json", "{\"a\":1,\"b\":2}", "{\"b\":2,\"a\":1}", NULL},
    {"jsonb", "{\"a\":1.0}", "{\"a\":1.00}", "{\"a\": 1.00}"},
    {"int[]", "{1,2}", "[0:1]={1,2}", NULL},
    {"text[]", "{NULL}", "{\"NULL\"}", NULL},
    {"public.mood", "sad", "ok", NULL},
    {"public.mood[]", "{sad}", "{ok}", NULL},
    {"public.two", "(1,)", "(1,\"\")", NULL},
    {"public.two", "(,)", NULL, NULL},
    {"public.small", "1.50", "1.60", NULL},
    {"int4range", "[1,3)", "[1,4)", NULL},
    {"inet", "10.0.0.1", "10.0.0.1/24", NULL},
    {"money", "1.00", "2.00", "$2.00"},
    {"xml", "<a/>", "<b/>", NULL},
    {"bit(4)", "1010", "1011", NULL},
    {"point", "(0,0)", "(0,-0)", NULL},
    {"tsvector", "'a':1", "'a':2", NULL},
    {"public.citext", "Bob", "bob", NULL},
};

/* Enum labels are made in another order over there, so that their OIDs mean other labels. */
static void make_types(void)
{
    on_source("CREATE EXTENSION citext SCHEMA public;"
              "CREATE TYPE public.mood AS ENUM ('sad', 'ok')");
    on_target("CREATE EXTENSION citext SCHEMA public;"
              "CREATE TYPE public.filler AS ENUM ('x');"
              "CREATE TYPE public.mood AS ENUM ('ok', 'sad')");
    on_both("CREATE TYPE public.two AS (a int, b text);"
            "CREATE DOMAIN public.small AS numeric(6, 2) CHECK (VALUE > 0)");
}

static const char *literal(const char *value)
{
    struct buffer out;
    if (value == NULL) {
        return "NULL";
    }
    buffer_init(&out, &arena, 1000);
    write_text(&out, "'");
    for (; *value != '\0'; value++) {
        write_text(&out, *value == '\'' ? "'" : "");
        write_u8(&out, (uint8_t)*value);
    }
    write_text(&out, "'");
    return arena_must_strdup(&arena, buffer_text(&out));
}

/* One column and one row for each case: row i is changed in column i only. */
static void make_type_table(bool changed)
{
    struct buffer sql;
    buffer_init(&sql, &arena, 1 << 20);
    write_text(&sql, "CREATE TABLE public.t (id int PRIMARY KEY");
    for (size_t i = 0; i < RH_COUNT(type_cases); i++) {
        write_format(&sql, ", c%zu %s", i, type_cases[i].type);
    }
    write_text(&sql, ")");
    for (size_t row = 0; row < RH_COUNT(type_cases); row++) {
        write_format(&sql, "; INSERT INTO public.t VALUES (%zu", row);
        for (size_t i = 0; i < RH_COUNT(type_cases); i++) {
            bool here = changed && i == row;
            write_format(&sql, ", %s", literal(here ? type_cases[i].changed : type_cases[i].value));
        }
        write_text(&sql, ")");
    }
    assert_false(sql.failed);
    execute(changed ? target_url : source_url, buffer_text(&sql));
}

static void assert_type_differences(const struct findings *findings)
{
    assert_counts(findings, 0, 0, RH_COUNT(type_cases));
    size_t seen = 0;
    for (const struct difference *one = findings->first; one != NULL; one = one->next, seen++) {
        size_t row = strtoul(one->source_key[0].ptr, NULL, 10);
        assert_in_range(row, 0, RH_COUNT(type_cases) - 1);
        const struct type_case *is = &type_cases[row];
        char name[32];
        snprintf(name, sizeof name, "c%zu", row);
        assert_int_equal(one->columns_count, 1);
        assert_string_equal(one->columns[0].name, name);
        if (is->changed == NULL) {
            assert_int_equal(one->columns[0].actual.kind, VALUE_NULL);
        } else {
            assert_text(one->columns[0].actual.bytes, is->text != NULL ? is->text : is->changed);
        }
    }
    assert_int_equal(seen, RH_COUNT(type_cases));
}

static void a_changed_value_is_seen_in_every_type(void **state RH_UNUSED)
{
    make_types();
    make_type_table(false);
    make_type_table(true);
    assert_type_differences(verify_as(same_table, VERIFY_CHECKSUM));
    assert_type_differences(verify_as(same_table, VERIFY_ROWS));
}

static void equal_values_are_equal_in_every_type(void **state RH_UNUSED)
{
    make_types();
    make_type_table(false);
    struct buffer sql;
    buffer_init(&sql, &arena, 1 << 20);
    make_type_table(true);
    for (size_t i = 0; i < RH_COUNT(type_cases); i++) {
        write_format(&sql, "UPDATE public.t SET c%zu = %s;", i, literal(type_cases[i].value));
    }
    on_target(buffer_text(&sql));
    assert_both_modes(same_table, 0, 0, 0);
    assert_true(all.findings[0].counted);
    assert_int_equal(all.findings[0].source_rows, RH_COUNT(type_cases));
}

/* ---- rows ---- */

static const char people_sql[] =
    "CREATE TABLE public.t (id bigint PRIMARY KEY, name text, n int);"
    "INSERT INTO public.t SELECT g, 'name ' || g, g FROM pg_catalog.generate_series(1, 12000) g";

static void empty_tables_are_equal(void **state RH_UNUSED)
{
    on_both("CREATE TABLE public.t (id int PRIMARY KEY, x text)");
    const struct findings *findings = verify_as(same_table, VERIFY_AUTO);
    assert_int_equal(findings->mode, VERIFY_CHECKSUM);
    assert_counts(findings, 0, 0, 0);
    assert_int_equal(findings->source_checksum, findings->target_checksum);
    assert_both_modes(same_table, 0, 0, 0);
    assert_counts(verify_as(same_table, VERIFY_COUNTS), 0, 0, 0);
}

static void missing_extra_and_swapped_rows_are_told_apart(void **state RH_UNUSED)
{
    on_both(people_sql);
    on_target("DELETE FROM public.t WHERE id IN (1, 6000, 12000);"
              "INSERT INTO public.t VALUES (-1, 'x', 1), (13000, 'y', 2);"
              "UPDATE public.t SET name = CASE id WHEN 5 THEN 'name 7000' ELSE 'name 5' END"
              " WHERE id IN (5, 7000)");
    assert_both_modes(same_table, 3, 2, 2);
}

/* Both rows are in one bucket of 64: its sums must not cancel out. */
static void two_rows_of_one_bucket_that_swap_a_value_are_noticed(void **state RH_UNUSED)
{
    on_both(people_sql);
    on_target("UPDATE public.t SET n = CASE id WHEN p.a THEN p.b ELSE p.a END"
              "  FROM (SELECT min(id) AS a, max(id) AS b FROM public.t"
              "         WHERE hashint4extended(1, id) & 63 = 0) p WHERE id IN (p.a, p.b)");
    assert_counts(verify_as(same_table, VERIFY_CHECKSUM), 0, 0, 2);
}

static void a_missing_row_shows_its_keys(void **state RH_UNUSED)
{
    on_both(people_sql);
    on_target("DELETE FROM public.t WHERE id = 77");
    const enum verify_mode modes[] = {VERIFY_CHECKSUM, VERIFY_ROWS};
    for (size_t i = 0; i < RH_COUNT(modes); i++) {
        const struct findings *findings = verify_as(same_table, modes[i]);
        assert_counts(findings, 1, 0, 0);
        assert_int_equal(findings->first->kind, DIFFERENCE_MISSING);
        assert_text(findings->first->source_key[0], "77");
        assert_text(findings->first->target_key[0], "77");
        assert_int_equal(findings->first->columns_count, 0);
    }
}

static void counts_say_which_side_has_more(void **state RH_UNUSED)
{
    on_both(people_sql);
    on_target("DELETE FROM public.t WHERE id <= 4; UPDATE public.t SET name = '' WHERE id = 9");
    const struct findings *findings = verify_as(same_table, VERIFY_COUNTS);
    assert_counts(findings, 4, 0, 0);
    assert_int_equal(findings->source_rows, 12000);
    assert_int_equal(findings->target_rows, 11996);
    assert_null(findings->first);
    assert_false(findings_truncated(findings));
}

static void the_list_ends_at_its_limit_and_the_counts_do_not(void **state RH_UNUSED)
{
    on_both(people_sql);
    on_target("UPDATE public.t SET n = n + 1 WHERE id % 10 = 0;"
              "DELETE FROM public.t WHERE id % 1000 = 1");
    struct config config = load(target_url, same_table);
    const enum verify_mode modes[] = {VERIFY_CHECKSUM, VERIFY_ROWS};
    for (size_t i = 0; i < RH_COUNT(modes); i++) {
        const struct findings *findings = verify_with(
            &config, (struct reconcile_options){.mode = modes[i], .differences_max = 3});
        assert_counts(findings, 12, 0, 1200);
        assert_int_equal(findings->listed, 3);
        assert_true(findings_truncated(findings));
    }
    const struct findings *findings =
        verify_with(&config, (struct reconcile_options){.differences_max = DIFFERENCES_ALL});
    assert_int_equal(findings->listed, 1212);
    assert_false(findings_truncated(findings));
}

/* ---- mappings ---- */

static void composite_keys_and_quoted_names_find_their_rows(void **state RH_UNUSED)
{
    on_source(
        "CREATE TABLE public.\"Odd \"\"t\"\"\" (a int, \"B 1\" char(4), c numeric, \"x'y\" text,"
        " PRIMARY KEY (a, \"B 1\", c));"
        "INSERT INTO public.\"Odd \"\"t\"\"\" SELECT g % 10, 'k' || g % 7, g, 'v' || g"
        " FROM pg_catalog.generate_series(1, 500) g");
    on_target("CREATE TABLE public.t2 (\"B 1\" char(4), c numeric, \"A\" int, \"x'y\" text,"
              " PRIMARY KEY (c, \"B 1\", \"A\"));"
              "INSERT INTO public.t2 SELECT 'k' || g % 7, g, g % 10, 'v' || g"
              " FROM pg_catalog.generate_series(1, 500) g;"
              "UPDATE public.t2 SET \"x'y\" = 'other' WHERE c = 9;"
              "DELETE FROM public.t2 WHERE c = 100;"
              "INSERT INTO public.t2 VALUES ('z', 1.50, 5, 'new')");
    static const char tables[] =
        "  - {id: t, from: 'public.Odd \"t\"', to: [{table: public.t2, columns: {A: a}}]}\n";
    assert_both_modes(tables, 1, 1, 1);
    for (const struct difference *one = all.findings[0].first; one != NULL; one = one->next) {
        assert_int_equal(one->source_key_count, 3);
        assert_int_equal(one->target_key_count, 3);
        if (one->kind == DIFFERENCE_DIFFERENT) {
            assert_text(one->source_key[0], "9");
            assert_text(one->source_key[1], "k2");
            assert_text(one->source_key[2], "9");
            assert_text(one->target_key[0], "9");
            assert_string_equal(one->columns[0].name, "x'y");
        }
    }
}

static void a_where_leaves_rows_out_on_the_source_only(void **state RH_UNUSED)
{
    on_both(people_sql);
    static const char tables[] = "  - {id: t, from: public.t, where: {id: {lte: 11000}},"
                                 " to: [{table: public.t}]}\n";
    assert_both_modes(tables, 0, 1000, 0);
    on_target("DELETE FROM public.t WHERE id > 11000");
    assert_both_modes(tables, 0, 0, 0);
    assert_counts(verify_as(tables, VERIFY_COUNTS), 0, 0, 0);
}

static const char ruled_tables[] =
    "  - id: t\n"
    "    from: public.t\n"
    "    to:\n"
    "      - table: public.people\n"
    "        drop: [name, n]\n"
    "        columns:\n"
    "          full_name: name\n"
    "          origin: {const: crm}\n"
    "          tier: {map: {from: n, values: {'1': none, '2': gold}, otherwise: keep}}\n";

static void make_ruled(void)
{
    on_source(people_sql);
    on_target("CREATE TABLE public.people (id text PRIMARY KEY, full_name varchar(12),"
              " origin text, tier text);"
              "INSERT INTO public.people SELECT g, 'name ' || g, 'crm',"
              " CASE g WHEN 1 THEN 'none' WHEN 2 THEN 'gold' ELSE g::text END"
              " FROM pg_catalog.generate_series(1, 12000) g");
}

static void columns_made_by_rules_are_compared_by_rows(void **state RH_UNUSED)
{
    make_ruled();
    const struct findings *findings = verify_as(ruled_tables, VERIFY_AUTO);
    assert_int_equal(findings->mode, VERIFY_ROWS);
    assert_counts(findings, 0, 0, 0);
    on_target("UPDATE public.people SET tier = 'silver', origin = 'x' WHERE id = '2';"
              "UPDATE public.people SET id = '0' WHERE id = '3'");
    findings = verify_as(ruled_tables, VERIFY_AUTO);
    assert_counts(findings, 1, 1, 1);
    assert_int_equal(findings->first->kind, DIFFERENCE_MISSING);
    assert_text(findings->first->target_key[0], "3");
    const struct difference *different = findings->first->next;
    assert_int_equal(different->columns_count, 2);
    assert_string_equal(different->columns[0].name, "origin");
    assert_string_equal(different->columns[1].name, "tier");
    assert_text(different->columns[1].expected.bytes, "gold");
    assert_text(different->columns[1].actual.bytes, "silver");
    assert_text(different->next->target_key[0], "0");
    assert_text(different->next->source_key[0], "0");
}

static void a_key_with_a_part_that_is_made_has_extras_too(void **state RH_UNUSED)
{
    on_source(people_sql);
    on_target("CREATE TABLE public.t (tenant text, id bigint, name text, n int,"
              " PRIMARY KEY (tenant, id));"
              "INSERT INTO public.t SELECT 'a', g, 'name ' || g, g"
              " FROM pg_catalog.generate_series(1, 12000) g;"
              "INSERT INTO public.t VALUES ('b', 7, 'name 7', 7)");
    const struct findings *findings = verify_as(
        "  - {id: t, from: public.t, to: [{table: public.t, columns: {tenant: {const: a}}}]}\n",
        VERIFY_AUTO);
    assert_int_equal(findings->mode, VERIFY_ROWS);
    assert_counts(findings, 0, 1, 0);
    assert_text(findings->first->target_key[0], "b");
    assert_text(findings->first->target_key[1], "7");
    assert_text(findings->first->source_key[0], "7");
}

static void servers_of_different_encodings_are_compared_by_characters(void **state RH_UNUSED)
{
    static const char table_sql[] =
        "CREATE TABLE public.t (k text PRIMARY KEY, c char(6), j jsonb);"
        "INSERT INTO public.t VALUES ('gr\xc3\xbcn', '\xc3\xa9', '{\"\xc3"
        "\xa4\": 1}'), ('a', NULL, NULL)";
    char latin[64];
    char kept_url[sizeof source_url];
    memcpy(kept_url, source_url, sizeof kept_url);
    snprintf(latin, sizeof latin, "%s_latin1", database);
    execute(environment_of("SOURCE_URL"),
            arena_must_printf(&arena,
                              "CREATE DATABASE %s TEMPLATE template0 ENCODING 'LATIN1'"
                              " LC_COLLATE 'C' LC_CTYPE 'C'",
                              latin));
    memcpy(strrchr(source_url, '/') + 1, latin, strlen(latin) + 1);
    on_both(table_sql);
    assert_both_modes(same_table, 0, 0, 0);
    on_target("UPDATE public.t SET c = 'e'");
    assert_both_modes(same_table, 0, 0, 2);
    memcpy(source_url, kept_url, sizeof source_url);
    execute(environment_of("SOURCE_URL"),
            arena_must_printf(&arena, "DROP DATABASE %s WITH (FORCE)", latin));
}

static void rows_that_cannot_be_stored_are_differences_with_their_reason(void **state RH_UNUSED)
{
    make_ruled();
    on_source("UPDATE public.t SET name = 'far too long for it' WHERE id IN (10, 20, 21)");
    on_target("DELETE FROM public.people WHERE id = '20';"
              "UPDATE public.people SET full_name = 'far too long' WHERE id = '10'");
    const struct findings *findings = verify_as(ruled_tables, VERIFY_AUTO);
    assert_counts(findings, 1, 0, 2);
    assert_text(findings->first->source_key[0], "10");
    assert_string_equal(findings->first->reason, "value too long for type character varying(12)");
    assert_int_equal(findings->first->next->kind, DIFFERENCE_MISSING);
    assert_text(findings->first->next->target_key[0], "20");
}

static void a_row_that_a_rule_refuses_is_a_difference_with_its_reason(void **state RH_UNUSED)
{
    on_source("CREATE TABLE public.t (id int PRIMARY KEY, s text);"
              "INSERT INTO public.t VALUES (1, 'a'), (2, 'b'), (3, 'c')");
    on_target("CREATE TABLE public.t (id int PRIMARY KEY, s text);"
              "INSERT INTO public.t VALUES (1, 'A'), (2, 'stale')");
    const struct findings *findings =
        verify_as("  - {id: t, from: public.t, to: [{table: public.t, columns: {s: {map: {from: s,"
                  " values: {a: A}, otherwise: reject}}}}]}\n",
                  VERIFY_AUTO);
    assert_counts(findings, 1, 0, 1);
    assert_string_equal(findings->first->reason,
                        "rule \"t.s\": value \"b\" of column \"s\" is not in the map");
    assert_int_equal(findings->first->kind, DIFFERENCE_DIFFERENT);
    assert_int_equal(findings->first->next->kind, DIFFERENCE_MISSING);
}

static void columns_that_a_trigger_changes_are_not_compared(void **state RH_UNUSED)
{
    on_both("CREATE TABLE public.t (id int PRIMARY KEY, x int, at int);"
            "INSERT INTO public.t VALUES (1, 1, 1), (2, 2, 2)");
    on_target("UPDATE public.t SET at = 99");
    static const char tables[] = "  - {id: t, from: public.t, to: [{table: public.t,"
                                 " triggers: {fire: [at]}}]}\n";
    assert_both_modes(tables, 0, 0, 0);
    on_target("UPDATE public.t SET x = 99 WHERE id = 2");
    assert_both_modes(tables, 0, 0, 1);
}

static void partitions_are_read_and_children_of_plain_tables_are_not(void **state RH_UNUSED)
{
    on_source("CREATE TABLE public.t (id int PRIMARY KEY, x text);"
              "CREATE TABLE public.child () INHERITS (public.t);"
              "INSERT INTO public.t VALUES (1, 'a'), (2, 'b');"
              "INSERT INTO public.child VALUES (3, 'c')");
    on_target(
        "CREATE TABLE public.t (id int PRIMARY KEY, x text) PARTITION BY HASH (id);"
        "CREATE TABLE public.p0 PARTITION OF public.t FOR VALUES WITH (modulus 2, remainder 0);"
        "CREATE TABLE public.p1 PARTITION OF public.t FOR VALUES WITH (modulus 2, remainder 1);"
        "INSERT INTO public.t VALUES (1, 'a'), (2, 'b')");
    assert_both_modes(same_table, 0, 0, 0);
}

/* ---- what cannot be verified ---- */

static void checksum_of_made_columns_is_refused_not_passed(void **state RH_UNUSED)
{
    make_ruled();
    assert_unverified(verify_as(ruled_tables, VERIFY_CHECKSUM),
                      "columns made by rules cannot be compared by checksum: use rows");
    assert_int_equal(all.verdict, VERDICT_UNVERIFIED);
}

static void grant(const char *sql)
{
    on_target(arena_must_printf(&arena, "GRANT %s TO %s", sql, role));
}

static const struct findings *verify_as_role(enum verify_mode mode)
{
    struct config config = load(role_url, same_table);
    return verify_with(&config, (struct reconcile_options){.mode = mode, .differences_max = 10});
}

static void without_select_nothing_is_verified(void **state RH_UNUSED)
{
    on_both("CREATE TABLE public.t (id int PRIMARY KEY, x text)");
    grant("USAGE ON SCHEMA public");
    assert_unverified(verify_as_role(VERIFY_CHECKSUM), "permission denied for table t");
    assert_unverified(verify_as_role(VERIFY_COUNTS), "permission denied for table t");
}

static void without_temporary_tables_rows_are_not_verified(void **state RH_UNUSED)
{
    on_both("CREATE TABLE public.t (id int PRIMARY KEY, x text)");
    grant("USAGE ON SCHEMA public");
    grant("SELECT ON public.t");
    on_target(arena_must_printf(&arena, "REVOKE TEMP ON DATABASE %s FROM PUBLIC", database));
    const char *reason =
        arena_must_printf(&arena,
                          "could not make a temporary table on the target: permission denied to "
                          "create temporary tables in database \"%s\"",
                          database);
    assert_unverified(verify_as_role(VERIFY_ROWS), reason);
    assert_counts(verify_as_role(VERIFY_CHECKSUM), 0, 0, 0);
}

/* The role has no right beyond this: nothing but its TEMP table can have been written. */
static void select_and_temp_are_all_that_rows_needs(void **state RH_UNUSED)
{
    on_both("CREATE TABLE public.t (id int PRIMARY KEY, x text);"
            "INSERT INTO public.t VALUES (1, 'a'), (2, 'b')");
    on_target("INSERT INTO public.t VALUES (3, 'c')");
    grant("USAGE ON SCHEMA public");
    grant("SELECT ON public.t");
    grant(arena_must_printf(&arena, "TEMP ON DATABASE %s", database));
    assert_counts(verify_as_role(VERIFY_ROWS), 0, 1, 0);
}

static void row_security_that_hides_rows_is_no_pass(void **state RH_UNUSED)
{
    on_both("CREATE TABLE public.t (id int PRIMARY KEY, x text)");
    on_target("ALTER TABLE public.t ENABLE ROW LEVEL SECURITY");
    grant("USAGE ON SCHEMA public");
    grant("SELECT ON public.t");
    assert_unverified(verify_as_role(VERIFY_CHECKSUM),
                      "query would be affected by row-level security policy for table \"t\"");
}

static void one_table_that_fails_does_not_hide_the_others(void **state RH_UNUSED)
{
    on_both("CREATE TABLE public.t (id int PRIMARY KEY, x text);"
            "CREATE TABLE public.u (id int PRIMARY KEY, x text);"
            "INSERT INTO public.u VALUES (1, 'a')");
    on_target("UPDATE public.u SET x = 'b'");
    grant("USAGE ON SCHEMA public");
    grant("SELECT ON public.u");
    struct config config = load(role_url, "  - {id: t, from: public.t, to: [{table: public.t}]}\n"
                                          "  - {id: u, from: public.u, to: [{table: public.u}]}\n");
    verify_with(&config, (struct reconcile_options){.differences_max = 10});
    assert_int_equal(all.findings[0].verdict, VERDICT_UNVERIFIED);
    assert_int_equal(all.findings[1].verdict, VERDICT_DIFFERENT);
    assert_int_equal(all.verdict, VERDICT_DIFFERENT);
    verify_with(&config, (struct reconcile_options){.table = "t", .differences_max = 10});
    assert_int_equal(all.count, 1);
    assert_int_equal(all.verdict, VERDICT_UNVERIFIED);
}

static void an_unknown_table_is_a_usage_error(void **state RH_UNUSED)
{
    on_both("CREATE TABLE public.t (id int PRIMARY KEY, x text)");
    struct config config = load(target_url, "  - {id: users, from: public.t, to: [{table: "
                                            "public.t}]}\n");
    struct reconcile_options options = {.table = "usrs"};
    struct error err;
    assert_false(reconcile(&config, &options, &arena, &all, &err));
    assert_int_equal(err.exit_code, EXIT_USAGE);
    assert_string_equal(err.text, "no table of the mapping has the id \"usrs\"");
    assert_string_equal(err.hint, "did you mean \"users\"?");
}

static void a_target_that_cannot_be_reached_is_its_own_failure(void **state RH_UNUSED)
{
    struct config config =
        load("postgresql://nobody@127.0.0.1:1/none?connect_timeout=2", same_table);
    struct reconcile_options options = {.mode = VERIFY_COUNTS};
    struct error err;
    assert_false(reconcile(&config, &options, &arena, &all, &err));
    assert_int_equal(err.exit_code, EXIT_TARGET);
}

/* ---- the ledger ---- */

static void add_reject(const char *run_id)
{
    on_target(arena_must_printf(
        &arena,
        "INSERT INTO rowhaul.rejects (run, table_id, source_key, kind, kafka_topic,"
        " kafka_partition, kafka_offset, generation, sequence, lsn, sqlstate, constraint_name,"
        " message, payload) VALUES ('%s', 't', '{2}', 'dead', 'topic', 0, 1, 1, 1, '0/0', '23514',"
        " 't_x_check', 'violates check constraint', '')",
        run_id));
}

static void remove_run(const struct config *config)
{
    struct cleanup found;
    struct error err;
    uint32_t failed = 0;
    if (!run_cleanup_find(config, false, &arena, &found, &err) ||
        !run_cleanup(config, &found, &failed, &err)) {
        fail_msg("%s", err.text);
    }
}

static void a_reject_explains_its_row_and_cleanup_does_not_end_verifying(void **state RH_UNUSED)
{
    on_both("CREATE TABLE public.t (id int PRIMARY KEY, x text)");
    on_source("INSERT INTO public.t VALUES (1, 'a'), (2, 'b'), (3, 'c')");
    struct config config = load(target_url, same_table);
    struct reconcile_options options = {.differences_max = 10};
    struct run run;
    struct error err;
    if (!run_create(&config, &arena, &run, NULL, &err)) {
        fail_msg("%s", err.text);
    }
    on_target("INSERT INTO public.t VALUES (1, 'a'), (3, 'c')");
    add_reject(run.id_text);
    const enum verify_mode modes[] = {VERIFY_CHECKSUM, VERIFY_ROWS};
    for (size_t i = 0; i < RH_COUNT(modes); i++) {
        options.mode = modes[i];
        const struct findings *findings = verify_with(&config, options);
        assert_counts(findings, 1, 0, 0);
        assert_non_null(findings->first->reject);
        assert_string_equal(findings->first->reject->kind, "dead");
        assert_string_equal(findings->first->reject->constraint, "t_x_check");
        assert_null(findings->first->reject->rule);
    }
    remove_run(&config);
    const struct findings *findings = verify_with(&config, options);
    assert_counts(findings, 1, 0, 0);
    assert_null(findings->first->reject);
}

static void a_ledger_without_this_run_is_said(void **state RH_UNUSED)
{
    on_both("CREATE TABLE public.t (id int PRIMARY KEY, x text)");
    struct config config = load(target_url, same_table);
    struct reconcile_options options = {.mode = VERIFY_COUNTS};
    struct pg pg;
    struct error err;
    assert_true(pg_open(&pg, PG_TARGET, target_url, "test", &err));
    assert_true(ledger_install(&pg, &err));
    pg_close(&pg);
    assert_false(reconcile(&config, &options, &arena, &all, &err));
    assert_int_equal(err.exit_code, EXIT_STATE);
    assert_string_equal(err.code, "RUN_MISSING");
    on_target("DROP SCHEMA rowhaul CASCADE");
}

/* ---- the report ---- */

static void the_report_has_the_documented_keys(void **state RH_UNUSED)
{
    on_both("CREATE TABLE public.t (id int PRIMARY KEY, x text);"
            "INSERT INTO public.t VALUES (1, NULL)");
    on_target("UPDATE public.t SET x = 'y'");
    verify_as(same_table, VERIFY_AUTO);
    json_t *json = report_to_json(&all);
    char *text = json_dumps(json, JSON_COMPACT);
    const char *begin = "{\"verdict\":\"different\",\"tables\":[{\"id\":\"t\",\"target\":"
                        "\"public.t\",\"mode\":\"checksum\",\"verdict\":\"different\","
                        "\"source_rows\":1,\"target_rows\":1,\"source_checksum\":\"";
    const char *end = "\"missing\":0,\"extra\":0,\"different\":1,\"differences\":[{\"kind\":"
                      "\"different\",\"source_key\":[\"1\"],\"target_key\":[\"1\"],\"columns\":"
                      "[{\"name\":\"x\",\"expected\":null,\"actual\":\"y\"}]}],\"truncated\":false}"
                      "],\"assertions\":[]}";
    assert_memory_equal(text, begin, strlen(begin));
    assert_non_null(strstr(text, end));
    free(text);
    json_decref(json);
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_changed_value_is_seen_in_every_type),
        TEST(equal_values_are_equal_in_every_type),
        TEST(empty_tables_are_equal),
        TEST(missing_extra_and_swapped_rows_are_told_apart),
        TEST(two_rows_of_one_bucket_that_swap_a_value_are_noticed),
        TEST(a_missing_row_shows_its_keys),
        TEST(counts_say_which_side_has_more),
        TEST(the_list_ends_at_its_limit_and_the_counts_do_not),
        TEST(composite_keys_and_quoted_names_find_their_rows),
        TEST(a_where_leaves_rows_out_on_the_source_only),
        TEST(columns_made_by_rules_are_compared_by_rows),
        TEST(a_key_with_a_part_that_is_made_has_extras_too),
        TEST(servers_of_different_encodings_are_compared_by_characters),
        TEST(rows_that_cannot_be_stored_are_differences_with_their_reason),
        TEST(a_row_that_a_rule_refuses_is_a_difference_with_its_reason),
        TEST(columns_that_a_trigger_changes_are_not_compared),
        TEST(partitions_are_read_and_children_of_plain_tables_are_not),
        TEST(checksum_of_made_columns_is_refused_not_passed),
        TEST(without_select_nothing_is_verified),
        TEST(without_temporary_tables_rows_are_not_verified),
        TEST(select_and_temp_are_all_that_rows_needs),
        TEST(row_security_that_hides_rows_is_no_pass),
        TEST(one_table_that_fails_does_not_hide_the_others),
        TEST(an_unknown_table_is_a_usage_error),
        TEST(a_target_that_cannot_be_reached_is_its_own_failure),
        TEST(a_reject_explains_its_row_and_cleanup_does_not_end_verifying),
        TEST(a_ledger_without_this_run_is_said),
        TEST(the_report_has_the_documented_keys),
    };
    return cmocka_run_group_tests(tests, setup_all, teardown_all);
}
