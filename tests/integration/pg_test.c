/*
 * The pg room against a real server: session settings, refusals, errors, COPY both ways.
 *
 * Everything happens in a database of its own on the source server, dropped at the end.
 */
#include "common/pg.h"
#include "common/row.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char database[64];
static char url[1024];

static const char *server_url(void)
{
    const char *value = getenv("SOURCE_URL");
    if (value == NULL) {
        fail_msg("SOURCE_URL is not set: . .local/env");
    }
    return value;
}

/* The server's URL with another database, and with parameters appended. */
static void make_url(char *out, size_t size, const char *name, const char *parameters)
{
    const char *server = server_url();
    size_t len = (size_t)(strrchr(server, '/') - server);
    assert_true(len + strlen(name) + strlen(parameters) + 2 <= size);
    memcpy(out, server, len);
    snprintf(out + len, size - len, "/%s%s", name, parameters);
}

static void open_ok(struct pg *pg, enum pg_role role, const char *where)
{
    struct error err;
    if (!pg_open(pg, role, where, "rowhaul-test", &err)) {
        fail_msg("%s", err.text);
    }
}

static void run_ok(struct pg *pg, const char *sql)
{
    struct error err;
    if (!pg_run(pg, sql, &err)) {
        fail_msg("%s: %s", sql, err.text);
    }
}

static void assert_setting(struct pg *pg, const char *name, const char *expected)
{
    RH_AUTO(arena_release) struct arena arena;
    arena_init(&arena, 4096);
    char sql[128];
    snprintf(sql, sizeof(sql), "SELECT pg_catalog.current_setting('%s')", name);
    const char *value = NULL;
    struct error err;
    assert_true(pg_query_text(pg, sql, &arena, &value, &err));
    assert_string_equal(value, expected);
}

static int create_database(void **state RH_UNUSED)
{
    snprintf(database, sizeof(database), "rowhaul_pg_test_%ld", (long)getpid());
    make_url(url, sizeof(url), database, "");
    struct pg pg;
    open_ok(&pg, PG_SOURCE, server_url());
    char sql[128];
    snprintf(sql, sizeof(sql), "CREATE DATABASE %s", database);
    run_ok(&pg, sql);
    pg_close(&pg);
    return 0;
}

static int drop_database(void **state RH_UNUSED)
{
    struct pg pg;
    open_ok(&pg, PG_SOURCE, server_url());
    char sql[128];
    snprintf(sql, sizeof(sql), "DROP DATABASE IF EXISTS %s WITH (FORCE)", database);
    run_ok(&pg, sql);
    pg_close(&pg);
    return 0;
}

static void a_source_session_has_one_text_form_and_no_search_path(void **state RH_UNUSED)
{
    struct pg pg;
    open_ok(&pg, PG_SOURCE, url);
    assert_setting(&pg, "client_encoding", "UTF8");
    assert_setting(&pg, "IntervalStyle", "postgres");
    assert_setting(&pg, "extra_float_digits", "3");
    assert_setting(&pg, "bytea_output", "hex");
    assert_setting(&pg, "TimeZone", "UTC");
    assert_setting(&pg, "search_path", "");
    assert_setting(&pg, "row_security", "off");
    assert_setting(&pg, "lc_monetary", "C");
    assert_setting(&pg, "xmloption", "content");
    assert_setting(&pg, "array_nulls", "on");
    assert_setting(&pg, "jit", "off");
    assert_setting(&pg, "statement_timeout", "0");
    assert_setting(&pg, "lock_timeout", "10s");
    assert_setting(&pg, "application_name", "rowhaul-test");
    pg_close(&pg);
}

static void a_target_session_keeps_the_roles_search_path(void **state RH_UNUSED)
{
    struct pg pg;
    open_ok(&pg, PG_TARGET, url);
    assert_setting(&pg, "search_path", "\"$user\", public");
    assert_setting(&pg, "row_security", "off");
    assert_setting(&pg, "lock_timeout", "1min");
    pg_close(&pg);
}

static void options_of_the_url_are_kept_but_do_not_win(void **state RH_UNUSED)
{
    char where[1200];
    make_url(where, sizeof(where), database,
             "?options=-c%20work_mem%3D7MB%20-c%20TimeZone%3DAsia/Bangkok");
    struct pg pg;
    open_ok(&pg, PG_SOURCE, where);
    assert_setting(&pg, "work_mem", "7MB");
    assert_setting(&pg, "TimeZone", "UTC");
    pg_close(&pg);
}

static void variables_of_the_environment_do_not_win(void **state RH_UNUSED)
{
    setenv("PGTZ", "Asia/Bangkok", 1);
    setenv("PGDATESTYLE", "German", 1);
    setenv("PGCLIENTENCODING", "LATIN1", 1);
    struct pg pg;
    open_ok(&pg, PG_SOURCE, url);
    assert_setting(&pg, "TimeZone", "UTC");
    assert_setting(&pg, "client_encoding", "UTF8");
    RH_AUTO(arena_release) struct arena arena;
    arena_init(&arena, 4096);
    const char *date = NULL;
    struct error err;
    assert_true(pg_query_text(&pg, "SELECT '2026-11-20'::date", &arena, &date, &err));
    assert_string_equal(date, "2026-11-20");
    pg_close(&pg);
    unsetenv("PGTZ");
    unsetenv("PGDATESTYLE");
    unsetenv("PGCLIENTENCODING");
}

static void a_plain_database_name_in_the_environment_of_libpq_is_enough(void **state RH_UNUSED)
{
    RH_AUTO(arena_release) struct arena arena;
    arena_init(&arena, 4096);
    assert_string_equal(pg_url_shown("crm", &arena), "local:5432/crm");
    assert_string_equal(pg_url_shown("postgresql://u:secret@h:1/d?sslmode=disable", &arena),
                        "h:1/d");
    assert_string_equal(pg_url_shown("host=h user=u password=secret", &arena), "h:5432/u");
    assert_string_equal(pg_url_shown("service=crm", &arena), "service crm");
    assert_string_equal(pg_url_shown("mysql://u:secret@h/d", &arena),
                        "an unreadable connection string");
    assert_string_equal(pg_url_shown("postgresql://u:se cret@[h", &arena),
                        "an unreadable connection string");
}

/* Starts "postgresql://" + user:password, then what follows the '@' in the server's URL. */
static void make_login(char *out, size_t size, const char *login)
{
    snprintf(out, size, "postgresql://%s%s", login, strchr(url, '@'));
}

static void a_wrong_password_stops_and_is_not_shown(void **state RH_UNUSED)
{
    char where[1200];
    make_login(where, sizeof(where), "rowhaul:wrong-secret");
    struct pg pg;
    struct error err;
    assert_false(pg_open(&pg, PG_SOURCE, where, "rowhaul-test", &err));
    assert_int_equal(err.action, ERROR_STOP);
    assert_int_equal(err.exit_code, EXIT_SOURCE);
    assert_string_equal(err.code, "RH-4002");
    assert_string_equal(err.sqlstate, "28P01");
    assert_non_null(strstr(err.text, "could not connect to the source at 127.0.0.1:"));
    assert_non_null(strstr(err.text, ": password authentication failed for user \"rowhaul\""));
    assert_null(strstr(err.text, "secret"));
    assert_false(pg_is_open(&pg));
}

static void a_missing_password_stops(void **state RH_UNUSED)
{
    char where[1200];
    make_login(where, sizeof(where), "rowhaul");
    struct pg pg;
    struct error err;
    assert_false(pg_open(&pg, PG_TARGET, where, "rowhaul-test", &err));
    assert_int_equal(err.action, ERROR_STOP);
    assert_int_equal(err.exit_code, EXIT_TARGET);
    assert_string_equal(err.code, "RH-5002");
}

static void an_unknown_database_stops(void **state RH_UNUSED)
{
    char where[1200];
    make_url(where, sizeof(where), "no_such_database", "");
    struct pg pg;
    struct error err;
    assert_false(pg_open(&pg, PG_TARGET, where, "rowhaul-test", &err));
    assert_int_equal(err.action, ERROR_STOP);
    assert_string_equal(err.sqlstate, "3D000");
    assert_non_null(strstr(err.text, "database \"no_such_database\" does not exist"));
}

static void a_server_that_is_not_there_is_retried(void **state RH_UNUSED)
{
    struct pg pg;
    struct error err;
    assert_false(pg_open(&pg, PG_SOURCE, "postgresql://u:secret@127.0.0.1:1/d", "t", &err));
    assert_int_equal(err.action, ERROR_RETRY);
    assert_int_equal(err.exit_code, EXIT_SOURCE);
    assert_string_equal(err.code, "RH-4001");
    assert_string_equal(err.text,
                        "could not connect to the source at 127.0.0.1:1/d: connection to server at "
                        "\"127.0.0.1\", port 1 failed: Connection refused");
}

static void the_second_host_of_a_url_is_tried(void **state RH_UNUSED)
{
    char where[1200];
    size_t len = (size_t)(strchr(url, '@') - url);
    memcpy(where, url, len);
    snprintf(where + len, sizeof(where) - len, "@127.0.0.1:1,%s", url + len + 1);
    struct pg pg;
    open_ok(&pg, PG_TARGET, where);
    pg_close(&pg);
}

static void a_malformed_url_is_a_matter_of_configuration(void **state RH_UNUSED)
{
    struct pg pg;
    struct error err;
    assert_false(pg_open(&pg, PG_SOURCE, "postgresql://u:secret@[h", "t", &err));
    assert_int_equal(err.exit_code, EXIT_CONFIG);
    assert_string_equal(err.code, "RH-4004");
    assert_string_equal(err.text, "could not read the connection string of the source");
}

static void a_read_only_target_is_not_accepted(void **state RH_UNUSED)
{
    char where[1200];
    make_url(where, sizeof(where), database, "?options=-c%20default_transaction_read_only%3Don");
    struct pg pg;
    struct error err;
    assert_false(pg_open(&pg, PG_TARGET, where, "t", &err));
    assert_int_equal(err.action, ERROR_RETRY);
    open_ok(&pg, PG_SOURCE, where);
    pg_close(&pg);
}

static void an_error_names_state_constraint_and_column_but_not_the_row(void **state RH_UNUSED)
{
    struct pg pg;
    open_ok(&pg, PG_TARGET, url);
    run_ok(&pg, "CREATE TABLE public.guarded (id int PRIMARY KEY, "
                "email text NOT NULL CONSTRAINT has_at CHECK (email LIKE '%@%'))");
    struct error err;
    assert_false(pg_run(&pg, "INSERT INTO public.guarded VALUES (1, 'secret-value')", &err));
    assert_int_equal(err.action, ERROR_ROW);
    assert_string_equal(err.sqlstate, "23514");
    assert_string_equal(err.constraint, "has_at");
    assert_string_equal(err.code, "RH-5003");
    assert_string_equal(err.text, "new row for relation \"guarded\" violates check constraint "
                                  "\"has_at\"");
    assert_false(pg_run(&pg, "INSERT INTO public.guarded VALUES (1, NULL)", &err));
    assert_string_equal(err.column, "email");
    run_ok(&pg, "INSERT INTO public.guarded VALUES (1, 'a@b')");
    assert_false(pg_run(&pg, "INSERT INTO public.guarded VALUES (1, 'a@b')", &err));
    assert_int_equal(err.action, ERROR_PARK);
    assert_string_equal(err.constraint, "guarded_pkey");
    pg_close(&pg);
}

static void a_lost_connection_is_retried(void **state RH_UNUSED)
{
    struct pg pg;
    open_ok(&pg, PG_TARGET, url);
    struct error err;
    assert_false(
        pg_run(&pg, "SELECT pg_catalog.pg_terminate_backend(pg_catalog.pg_backend_pid())", &err));
    assert_int_equal(err.action, ERROR_RETRY);
    assert_string_equal(err.code, "RH-5001");
    assert_false(pg_is_open(&pg));
    assert_false(pg_run(&pg, "SELECT 1", &err));
    assert_int_equal(err.action, ERROR_RETRY);
    pg_close(&pg);
    pg_close(&pg);
}

static void a_plan_made_stale_by_ddl_is_retried(void **state RH_UNUSED)
{
    struct pg pg;
    open_ok(&pg, PG_TARGET, url);
    run_ok(&pg, "CREATE TABLE public.changing (a int); PREPARE p AS SELECT * FROM public.changing");
    run_ok(&pg, "EXECUTE p");
    run_ok(&pg, "ALTER TABLE public.changing ALTER a TYPE text");
    struct error err;
    assert_false(pg_run(&pg, "EXECUTE p", &err));
    assert_string_equal(err.sqlstate, "0A000");
    assert_int_equal(err.action, ERROR_RETRY);
    pg_close(&pg);
}

static void single_values_are_read_and_anything_else_is_refused(void **state RH_UNUSED)
{
    struct pg pg;
    open_ok(&pg, PG_SOURCE, url);
    struct error err;
    uint64_t number = 0;
    assert_true(pg_query_u64(&pg, "SELECT 18446744073709551615", &number, &err));
    assert_true(number == UINT64_MAX);
    assert_false(pg_query_u64(&pg, "SELECT -1", &number, &err));
    assert_string_equal(err.text, "query returned \"-1\" instead of a number");
    assert_false(pg_query_u64(&pg, "SELECT NULL", &number, &err));
    assert_string_equal(err.text, "query returned \"NULL\" instead of a number");
    assert_false(pg_query_u64(&pg, "SELECT 1 WHERE false", &number, &err));
    assert_string_equal(err.text, "query returned 0 rows and 1 columns instead of one");
    RH_AUTO(arena_release) struct arena arena;
    arena_init(&arena, 4096);
    const char *text = "";
    assert_true(pg_query_text(&pg, "SELECT NULL", &arena, &text, &err));
    assert_null(text);
    const char *const values[] = {"a'b", NULL};
    RH_AUTO(pg_result_clear) PGresult *result = NULL;
    assert_true(
        pg_query_params(&pg, "SELECT $1::text, $2::text IS NULL", 2, values, &result, &err));
    assert_string_equal(PQgetvalue(result, 0, 0), "a'b");
    assert_string_equal(PQgetvalue(result, 0, 1), "t");
    pg_close(&pg);
}

/* Out of one table, parsed, written again, into another: both must be equal byte for byte. */
static void every_byte_survives_copy_both_ways(void **state RH_UNUSED)
{
    struct pg from;
    struct pg to;
    open_ok(&from, PG_SOURCE, url);
    open_ok(&to, PG_TARGET, url);
    run_ok(&to, "CREATE TABLE public.a (id int, t text, j jsonb, b bytea); "
                "CREATE TABLE public.b (LIKE public.a)");
    run_ok(&to, "INSERT INTO public.a "
                "SELECT n, pg_catalog.repeat(pg_catalog.chr(n), n % 19), NULL, NULL "
                "FROM pg_catalog.generate_series(1, 300) n "
                "UNION ALL VALUES (301, '', '{\"k\": \"tab\\t quote\\\" back\\\\slash\"}'::jsonb, "
                "'\\x00ff5c'::bytea), (302, '\\N', NULL, NULL), (303, '\\.', 'null', ''), "
                "(304, NULL, NULL, NULL)");
    RH_AUTO(arena_release) struct arena arena;
    arena_init(&arena, (size_t)16 << 20);
    struct error err;
    assert_true(pg_copy_out(&from, "COPY public.a TO STDOUT", &err));
    assert_true(pg_copy_in(&to, "COPY public.b FROM STDIN", &err));
    for (;;) {
        struct bytes line = BYTES_EMPTY;
        assert_true(pg_copy_next(&from, &line, &err));
        if (line.ptr == NULL) {
            break;
        }
        struct value values[4];
        assert_true(pg_copy_line_parse(line, RH_COUNT(values), &arena, values, &err));
        struct buffer out;
        buffer_init(&out, &arena, 1 << 16);
        for (size_t i = 0; i < RH_COUNT(values); i++) {
            write_text(&out, i == 0 ? "" : "\t");
            pg_copy_write_value(&out, values[i]);
        }
        write_text(&out, "\n");
        assert_true(pg_copy_put(&to, buffer_bytes(&out), &err));
    }
    uint64_t rows = 0;
    assert_true(pg_copy_finish(&to, &rows, &err));
    assert_int_equal(rows, 304);
    uint64_t different = 1;
    assert_true(pg_query_u64(&to,
                             "SELECT pg_catalog.count(*) FROM public.a FULL JOIN public.b "
                             "USING (id) WHERE (a.t, a.j, a.b) IS DISTINCT FROM (b.t, b.j, b.b)",
                             &different, &err));
    assert_int_equal(different, 0);
    pg_close(&from);
    pg_close(&to);
}

static void a_copy_that_is_abandoned_leaves_a_usable_connection(void **state RH_UNUSED)
{
    struct pg pg;
    open_ok(&pg, PG_TARGET, url);
    struct error err;
    struct bytes line = BYTES_EMPTY;
    assert_true(pg_copy_out(&pg,
                            "COPY (SELECT * FROM pg_catalog.generate_series(1, 3000000)) "
                            "TO STDOUT",
                            &err));
    assert_true(pg_copy_next(&pg, &line, &err));
    assert_true(bytes_is(line, "1"));
    pg_copy_abandon(&pg);
    run_ok(&pg, "CREATE TABLE public.kept (a int)");
    assert_true(pg_copy_in(&pg, "COPY public.kept FROM STDIN", &err));
    assert_true(pg_copy_put(&pg, bytes_of("1\n"), &err));
    pg_copy_in_abandon(&pg);
    uint64_t count = 1;
    assert_true(pg_query_u64(&pg, "SELECT pg_catalog.count(*) FROM public.kept", &count, &err));
    assert_int_equal(count, 0);
    pg_close(&pg);
}

static void a_row_the_server_refuses_ends_the_copy_with_its_state(void **state RH_UNUSED)
{
    struct pg pg;
    open_ok(&pg, PG_TARGET, url);
    struct error err;
    run_ok(&pg, "CREATE TABLE public.numbers (a int)");
    assert_true(pg_copy_in(&pg, "COPY public.numbers FROM STDIN", &err));
    assert_true(pg_copy_put(&pg, bytes_of("1\nnot a number\n"), &err));
    uint64_t rows = 7;
    assert_false(pg_copy_finish(&pg, &rows, &err));
    assert_string_equal(err.sqlstate, "22P02");
    assert_int_equal(err.action, ERROR_ROW);
    assert_int_equal(rows, 7);
    assert_false(pg_copy_in(&pg, "SELECT 1", &err));
    pg_close(&pg);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_source_session_has_one_text_form_and_no_search_path),
        cmocka_unit_test(a_target_session_keeps_the_roles_search_path),
        cmocka_unit_test(options_of_the_url_are_kept_but_do_not_win),
        cmocka_unit_test(variables_of_the_environment_do_not_win),
        cmocka_unit_test(a_plain_database_name_in_the_environment_of_libpq_is_enough),
        cmocka_unit_test(a_wrong_password_stops_and_is_not_shown),
        cmocka_unit_test(a_missing_password_stops),
        cmocka_unit_test(an_unknown_database_stops),
        cmocka_unit_test(a_server_that_is_not_there_is_retried),
        cmocka_unit_test(the_second_host_of_a_url_is_tried),
        cmocka_unit_test(a_malformed_url_is_a_matter_of_configuration),
        cmocka_unit_test(a_read_only_target_is_not_accepted),
        cmocka_unit_test(an_error_names_state_constraint_and_column_but_not_the_row),
        cmocka_unit_test(a_lost_connection_is_retried),
        cmocka_unit_test(a_plan_made_stale_by_ddl_is_retried),
        cmocka_unit_test(single_values_are_read_and_anything_else_is_refused),
        cmocka_unit_test(every_byte_survives_copy_both_ways),
        cmocka_unit_test(a_copy_that_is_abandoned_leaves_a_usable_connection),
        cmocka_unit_test(a_row_the_server_refuses_ends_the_copy_with_its_state),
    };
    return cmocka_run_group_tests(tests, create_database, drop_database);
}
