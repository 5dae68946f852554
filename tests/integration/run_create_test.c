/*
 * Creating, finding and removing a run against real servers, with a crash in every step.
 *
 * Databases, roles, topics and files carry the process id in their names and are removed at the
 * end. The program calls itself (`create FILE`) for what must happen in a process of its own.
 */
#include "common/arena.h"
#include "common/kafka.h"
#include "common/ledger.h"
#include "common/run.h"
#include "common/state_topic.h"

#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static const char source_sql[] =
    "CREATE TABLE public.users (id int PRIMARY KEY, name text, boss int);"
    "CREATE TABLE public.\"Odd items\" (id uuid PRIMARY KEY, note text);"
    "INSERT INTO public.users SELECT n, 'user ' || n FROM pg_catalog.generate_series(1, 200) n;"
    "ANALYZE";
static const char target_sql[] =
    "CREATE TABLE public.users (id int PRIMARY KEY, name text,"
    "  boss int CONSTRAINT \"has boss\" REFERENCES public.users);"
    "CREATE TABLE public.\"Odd items\" (id uuid PRIMARY KEY, note text)";

static const char tables_yaml[] =
    "tables:\n"
    "  - {id: users, from: public.users, to: [{table: public.users}]}\n"
    "  - {id: odd.items, from: public.Odd items, to: [{table: "
    "public.Odd items}]}\n";

static struct arena arena; /* of one test */
static char database[48];
static char other_database[48];
static char role[48];
static char config_path[64];
static char source_url[512];
static char other_url[512];
static char target_url[512];
static const char *own_path;

static void ok(bool success, const struct error *err)
{
    if (!success) {
        fail_msg("%s", err->text);
    }
}

static const char *environment_of(const char *name)
{
    const char *value = getenv(name);
    if (value == NULL) {
        fail_msg("%s is not set: . .local/env", name);
    }
    return value;
}

static void make_url(char *out, size_t size, const char *server, const char *name)
{
    size_t len = (size_t)(strrchr(server, '/') - server);
    assert_true(len + strlen(name) + 2 <= size);
    memcpy(out, server, len);
    snprintf(out + len, size - len, "/%s", name);
}

static void execute(const char *url, const char *sql)
{
    struct pg pg;
    struct error err;
    ok(pg_open(&pg, PG_TARGET, url, "test", &err), &err);
    ok(pg_run(&pg, sql, &err), &err);
    pg_close(&pg);
}

static uint64_t number(const char *url, const char *sql)
{
    struct pg pg;
    struct error err;
    uint64_t value = 0;
    ok(pg_open(&pg, PG_TARGET, url, "test", &err), &err);
    ok(pg_query_u64(&pg, sql, &value, &err), &err);
    pg_close(&pg);
    return value;
}

static void recreate(const char *server, const char *url, const char *name, const char *sql)
{
    char text[160];
    snprintf(text, sizeof(text), "DROP DATABASE IF EXISTS %s WITH (FORCE)", name);
    execute(server, text);
    snprintf(text, sizeof(text), "CREATE DATABASE %s", name);
    execute(server, text);
    execute(url, sql);
}

struct file_parts {
    const char *source, *target, *kafka, *topics, *mode, *tables;
};

/* A configuration with what the test wants to be different. */
static const char *write_config(struct file_parts parts)
{
    FILE *file = fopen(config_path, "w");
    assert_non_null(file);
    fprintf(file,
            "version: 1\nname: create_%ld\nmode: %s\nsource: {url: \"%s\"}\n"
            "target: {url: \"%s\"}\nkafka: {bootstrap.servers: \"%s\"}\n"
            "topics: {prefix: rowhaultest, partitions: 3, small_rows: 100, %s}\n%s",
            (long)getpid(), parts.mode == NULL ? "snapshot" : parts.mode,
            parts.source == NULL ? source_url : parts.source,
            parts.target == NULL ? target_url : parts.target,
            parts.kafka == NULL ? environment_of("KAFKA_BOOTSTRAP") : parts.kafka,
            parts.topics == NULL ? "allow_unsafe: true" : parts.topics,
            parts.tables == NULL ? tables_yaml : parts.tables);
    fclose(file);
    return config_path;
}

static struct config load(struct file_parts parts)
{
    struct config config;
    struct error err;
    ok(config_load(write_config(parts), &arena, &config, &err), &err);
    return config;
}

static struct run create_ok(const struct config *config, bool expected_created)
{
    struct run run;
    struct error err;
    bool created = !expected_created;
    ok(run_create(config, &arena, &run, &created, &err), &err);
    assert_int_equal(created, expected_created);
    return run;
}

/* Complaints go to stderr; here they are kept to look at. */
static void create_fails(const struct config *config, char *output, size_t size, struct error *err)
{
    fflush(stderr);
    char path[] = "/tmp/run_create_XXXXXX";
    int file = mkstemp(path);
    int saved = dup(STDERR_FILENO);
    assert_true(file >= 0 && saved >= 0);
    dup2(file, STDERR_FILENO);
    struct run run;
    bool success = run_create(config, &arena, &run, NULL, err);
    fflush(stderr);
    dup2(saved, STDERR_FILENO);
    close(saved);
    ssize_t got = pread(file, output, size - 1, 0);
    output[got > 0 ? got : 0] = '\0';
    close(file);
    unlink(path);
    assert_false(success);
}

static void cleanup(const struct config *config)
{
    struct cleanup found;
    struct error err;
    uint32_t failed = 0;
    ok(run_cleanup_find(config, false, &arena, &found, &err), &err);
    ok(run_cleanup(config, &found, &failed, &err), &err);
}

static rd_kafka_t *reader(const struct config *config)
{
    rd_kafka_conf_t *conf = NULL;
    rd_kafka_t *handle = NULL;
    struct error err;
    ok(kafka_conf(&config->settings, KAFKA_READER, NULL, &conf, &err), &err);
    ok(kafka_new(RD_KAFKA_CONSUMER, conf, &handle, &err), &err);
    return handle;
}

static void put(const struct config *config, const char *topic, const char *key, const char *value)
{
    RH_AUTO(kafka_destroy) rd_kafka_t *producer = NULL;
    struct error err;
    ok(state_producer_new(&config->settings, &producer, &err), &err);
    ok(state_put(producer, topic, key, value, 10000, &err), &err);
}

static int setup_all(void **state RH_UNUSED)
{
    snprintf(database, sizeof(database), "rowhaul_create_%ld", (long)getpid());
    snprintf(other_database, sizeof(other_database), "rowhaul_create_o_%ld", (long)getpid());
    snprintf(role, sizeof(role), "rowhaul_create_r_%ld", (long)getpid());
    snprintf(config_path, sizeof(config_path), "/tmp/run_create_%ld.yaml", (long)getpid());
    make_url(source_url, sizeof(source_url), environment_of("SOURCE_URL"), database);
    make_url(other_url, sizeof(other_url), environment_of("SOURCE_URL"), other_database);
    make_url(target_url, sizeof(target_url), environment_of("TARGET_URL"), database);
    recreate(environment_of("SOURCE_URL"), source_url, database, source_sql);
    return 0;
}

static int teardown_all(void **state RH_UNUSED)
{
    char text[160];
    snprintf(text, sizeof(text), "DROP DATABASE IF EXISTS %s WITH (FORCE)", database);
    execute(environment_of("SOURCE_URL"), text);
    execute(environment_of("TARGET_URL"), text);
    snprintf(text, sizeof(text), "DROP DATABASE IF EXISTS %s WITH (FORCE)", other_database);
    execute(environment_of("SOURCE_URL"), text);
    snprintf(text, sizeof(text), "DROP ROLE IF EXISTS %s", role);
    execute(environment_of("SOURCE_URL"), text);
    execute(environment_of("TARGET_URL"), text);
    unlink(config_path);
    return 0;
}

static int setup(void **state RH_UNUSED)
{
    arena_init(&arena, (size_t)512 << 20);
    recreate(environment_of("TARGET_URL"), target_url, database, target_sql);
    return 0;
}

static int teardown(void **state RH_UNUSED)
{
    struct config config = load((struct file_parts){.source = NULL});
    cleanup(&config);
    arena_release(&arena);
    return 0;
}

static void a_run_is_created_once_and_found_afterwards(void **state RH_UNUSED)
{
    struct config config = load((struct file_parts){.source = NULL});
    struct run first = create_ok(&config, true);
    assert_int_equal(first.topics_count, 2);
    assert_int_equal(first.topics[0].partitions, 3);
    assert_int_equal(first.topics[1].partitions, 1);
    assert_int_equal(first.partitions_count, 4);
    assert_non_null(strstr(first.topics[1].name, ".odd.items"));
    struct run again = create_ok(&config, false);
    assert_string_equal(again.id_text, first.id_text);
    assert_true(again.plan.source_fingerprint == first.plan.source_fingerprint);
    assert_int_equal(number(target_url, "SELECT pg_catalog.count(*) FROM rowhaul.offsets"), 4);

    struct pg target;
    struct error err;
    ok(pg_open(&target, PG_TARGET, target_url, "test", &err), &err);
    struct run loaded;
    ok(run_load(&config, &target, &arena, &loaded, &err), &err);
    assert_string_equal(loaded.id_text, first.id_text);
    assert_string_equal(loaded.topics[1].name, first.topics[1].name);
    pg_close(&target);
}

static void no_password_is_stored(void **state RH_UNUSED)
{
    struct config config = load((struct file_parts){.source = NULL});
    (void)create_ok(&config, true);
    const char *from = strchr(strstr(source_url, "//"), ':') + 1;
    char password[128] = "";
    size_t len = (size_t)(strchr(from, '@') - from);
    assert_true(len > 0 && len < sizeof(password));
    memcpy(password, from, len);
    char sql[512];
    snprintf(sql, sizeof(sql),
             "SELECT pg_catalog.count(*) FROM rowhaul.runs WHERE plan::text LIKE '%%%s%%'",
             password);
    assert_int_equal(number(target_url, sql), 0);
}

static void a_second_name_has_no_run(void **state RH_UNUSED)
{
    struct config config = load((struct file_parts){.source = NULL});
    struct pg target;
    struct run run;
    struct error err;
    ok(pg_open(&target, PG_TARGET, target_url, "test", &err), &err);
    assert_false(run_load(&config, &target, &arena, &run, &err));
    assert_string_equal(err.code, "RUN_MISSING");
    assert_int_equal(err.exit_code, EXIT_STATE);
    pg_close(&target);
}

#ifdef RH_FAILPOINTS
/* Creates in a process of its own, which kills itself at the failpoint. */
static void crash_at(const char *failpoint)
{
    write_config((struct file_parts){.source = NULL});
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        char rule[64];
        snprintf(rule, sizeof(rule), "%s=crash", failpoint);
        setenv("ROWHAUL_FAILPOINTS", rule, 1);
        execl(own_path, own_path, "create", config_path, (char *)NULL);
        _exit(127);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void a_crash_in_any_step_is_repaired_by_the_next_start(void **state RH_UNUSED)
{
    static const char *const failpoints[] = {"after_topics_created", "after_schema_installed",
                                             "after_run_row", "before_run_record"};
    struct config config = load((struct file_parts){.source = NULL});
    for (size_t i = 0; i < RH_COUNT(failpoints); i++) {
        crash_at(failpoints[i]);
        struct run run = create_ok(&config, true);
        struct run again = create_ok(&config, false);
        assert_string_equal(run.id_text, again.id_text);
        assert_int_equal(number(target_url, "SELECT pg_catalog.count(*) FROM rowhaul.runs"), 1);
        cleanup(&config);
    }
    /* Again, and cleaned up without being finished. */
    for (size_t i = 0; i < RH_COUNT(failpoints); i++) {
        crash_at(failpoints[i]);
        cleanup(&config);
        struct cleanup found;
        struct error err;
        ok(run_cleanup_find(&config, false, &arena, &found, &err), &err);
        assert_int_equal(found.items_count, 0);
    }
}
#endif

static void a_target_that_was_reset_gets_its_ledger_from_the_record(void **state RH_UNUSED)
{
    struct config config = load((struct file_parts){.source = NULL});
    struct run first = create_ok(&config, true);
    recreate(environment_of("TARGET_URL"), target_url, database, target_sql);
    struct run again = create_ok(&config, false);
    assert_string_equal(again.id_text, first.id_text);
    assert_int_equal(number(target_url, "SELECT pg_catalog.count(*) FROM rowhaul.offsets"), 4);
}

static void another_mapping_is_refused_another_setting_is_not(void **state RH_UNUSED)
{
    struct config config = load((struct file_parts){.source = NULL});
    (void)create_ok(&config, true);
    struct config tuned =
        load((struct file_parts){.topics = "allow_unsafe: true, max_message_bytes: 1MiB"});
    (void)create_ok(&tuned, false);
    struct config changed = load((struct file_parts){
        .tables = "tables:\n"
                  "  - {id: users, from: public.users, to: [{table: public.users}]}\n"});
    char output[4096];
    struct error err;
    create_fails(&changed, output, sizeof(output), &err);
    assert_string_equal(err.code, "MAPPING_CHANGED");
    assert_int_equal(err.exit_code, EXIT_STATE);
    assert_string_equal(output, "");
}

static void another_source_is_refused(void **state RH_UNUSED)
{
    struct config config = load((struct file_parts){.source = NULL});
    (void)create_ok(&config, true);
    recreate(environment_of("SOURCE_URL"), other_url, other_database, source_sql);
    struct config swapped = load((struct file_parts){.source = other_url});
    char output[4096];
    struct error err;
    create_fails(&swapped, output, sizeof(output), &err);
    assert_string_equal(err.code, "SOURCE_SWAPPED");
    assert_int_equal(err.exit_code, EXIT_STATE);
}

static void rows_that_are_not_ours_are_a_finding_and_nothing_is_made(void **state RH_UNUSED)
{
    execute(target_url, "INSERT INTO public.users VALUES (1, 'here before')");
    struct config config = load((struct file_parts){.topics = "allow_unsafe: false"});
    char output[4096];
    struct error err;
    create_fails(&config, output, sizeof(output), &err);
    assert_int_equal(err.exit_code, EXIT_CHECK);
    assert_non_null(strstr(output, "RH-4106: target table \"public.users\" is not empty"));
    assert_non_null(strstr(output, "empty it, together with the tables that refer to it"));
    /* A broker alone holds each message once; with more of them there is nothing to find. */
    rd_kafka_t *handle = reader(&config);
    uint32_t brokers = 0;
    ok(kafka_ping(handle, 5000, &brokers, &err), &err);
    if (brokers == 1) {
        assert_non_null(strstr(output, "RH-4101: replication factor 1"));
    }
    uint32_t partitions = 1;
    char topic[64];
    snprintf(topic, sizeof(topic), "rowhaultest.create_%ld.users", (long)getpid());
    ok(kafka_topic_partitions(handle, topic, &partitions, &err), &err);
    assert_int_equal(partitions, 0);
    kafka_destroy(&handle);
    assert_int_equal(
        number(target_url, "SELECT (pg_catalog.to_regnamespace('rowhaul') IS NULL)::int"), 1);
}

static void missing_privileges_are_all_found(void **state RH_UNUSED)
{
    char sql[256];
    snprintf(sql, sizeof(sql), "DROP ROLE IF EXISTS %s; CREATE ROLE %s LOGIN PASSWORD 'test'", role,
             role);
    execute(environment_of("SOURCE_URL"), sql);
    execute(environment_of("TARGET_URL"), sql);
    char source[512];
    char target[512];
    snprintf(source, sizeof(source), "postgresql://%s:test%s", role, strchr(source_url, '@'));
    snprintf(target, sizeof(target), "postgresql://%s:test%s", role, strchr(target_url, '@'));
    struct config config = load((struct file_parts){.source = source, .target = target});
    char output[8192];
    struct error err;
    create_fails(&config, output, sizeof(output), &err);
    assert_int_equal(err.exit_code, EXIT_CHECK);
    static const struct {
        const char *code, *text;
    } findings[] = {
        {"RH-4102", "cannot read source table \"public.users\""},
        {"RH-4104", "cannot read and write target table \"public.users\""},
        {"RH-4105", "cannot create the rowhaul schema on the target"},
        {"RH-4109", "does not own target table \"public.users\""},
    };
    for (size_t i = 0; i < RH_COUNT(findings); i++) {
        snprintf(sql, sizeof(sql), "%s: role %s %s", findings[i].code, role, findings[i].text);
        assert_non_null(strstr(output, sql));
    }
}

static void a_topic_with_messages_and_no_run_is_foreign(void **state RH_UNUSED)
{
    struct config config = load((struct file_parts){.source = NULL});
    struct run run = create_ok(&config, true);
    put(&config, run.topics[0].name, "k", "somebody's");
    /* The state topic and the ledger are lost, the data topic is not. */
    rd_kafka_t *handle = reader(&config);
    struct error err;
    ok(kafka_topics_delete(handle, &run.state_topic, 1, &err), &err);
    char output[4096];
    create_fails(&config, output, sizeof(output), &err);
    assert_string_equal(err.code, "TOPIC_FOREIGN");
    assert_int_equal(err.exit_code, EXIT_STATE);
    execute(target_url, "DROP SCHEMA rowhaul CASCADE");
    create_fails(&config, output, sizeof(output), &err);
    assert_string_equal(err.code, "TOPIC_FOREIGN");
    assert_non_null(strstr(err.text, "has messages, but there is no run they belong to"));
    kafka_destroy(&handle);
}

static void each_server_has_its_exit_code(void **state RH_UNUSED)
{
    char output[4096];
    struct error err;
    const char *nobody = "postgresql://u:secret@127.0.0.1:1/d";
    struct config config = load((struct file_parts){.source = nobody});
    create_fails(&config, output, sizeof(output), &err);
    assert_int_equal(err.exit_code, EXIT_SOURCE);
    config = load((struct file_parts){.target = nobody});
    create_fails(&config, output, sizeof(output), &err);
    assert_int_equal(err.exit_code, EXIT_TARGET);
    assert_null(strstr(err.text, "secret"));
    config = load((struct file_parts){.kafka = "127.0.0.1:1"});
    create_fails(&config, output, sizeof(output), &err);
    assert_int_equal(err.exit_code, EXIT_KAFKA);
    assert_string_equal(err.code, "RH-6001");
}

static void a_stream_is_not_in_this_version(void **state RH_UNUSED)
{
    struct config config;
    struct error err;
    write_config((struct file_parts){.mode = "stream"});
    assert_false(config_load(config_path, &arena, &config, &err));
    assert_int_equal(err.exit_code, EXIT_CONFIG);
    assert_string_equal(err.code, "RH-3130");
    assert_non_null(strstr(err.text, ":3:"));
    assert_non_null(strstr(err.text, "mode: stream is not in this version"));
    assert_string_equal(err.hint, "write mode: snapshot");
}

static uint64_t constraints(const char *condition)
{
    char sql[256];
    snprintf(sql, sizeof(sql),
             "SELECT pg_catalog.count(*) FROM pg_catalog.pg_constraint WHERE conname = 'has boss'"
             " AND %s",
             condition);
    return number(target_url, sql);
}

static void a_self_reference_comes_off_and_back(void **state RH_UNUSED)
{
    struct config config = load((struct file_parts){.source = NULL});
    struct run run = create_ok(&config, true);
    struct pg target;
    struct error err;
    uint32_t failed = 7;
    ok(pg_open(&target, PG_TARGET, target_url, "test", &err), &err);
    ok(run_defer_constraints(&run, &target, &err), &err);
    ok(run_defer_constraints(&run, &target, &err), &err);
    assert_int_equal(constraints("true"), 0);
    execute(target_url, "INSERT INTO public.users VALUES (1, 'orphan', 99), (2, 'fine', 1)");
    ok(run_restore_constraints(run.id_text, &target, &failed, &err), &err);
    assert_int_equal(failed, 1);
    assert_int_equal(constraints("NOT convalidated"), 1);
    assert_int_equal(number(target_url, "SELECT pg_catalog.count(*) FROM rowhaul.deferred_ddl"
                                        " WHERE state = 'not valid' AND message LIKE '%has boss%'"),
                     1);
    execute(target_url, "UPDATE public.users SET boss = NULL WHERE id = 1");
    ok(run_restore_constraints(run.id_text, &target, &failed, &err), &err);
    assert_int_equal(failed, 0);
    assert_int_equal(constraints("convalidated"), 1);
    ok(run_restore_constraints(run.id_text, &target, &failed, &err), &err);
    assert_int_equal(failed, 0);
    /* Taken off again, cleanup brings it back before the ledger goes. */
    ok(run_defer_constraints(&run, &target, &err), &err);
    assert_int_equal(constraints("true"), 0);
    pg_close(&target);
    cleanup(&config);
    assert_int_equal(constraints("convalidated"), 1);
}

static void the_ledger_counts_and_knows_the_state(void **state RH_UNUSED)
{
    struct config config = load((struct file_parts){.source = NULL});
    struct run run = create_ok(&config, true);
    struct pg target;
    struct error err;
    ok(pg_open(&target, PG_TARGET, target_url, "test", &err), &err);
    struct accounting a;
    ok(ledger_accounting(&target, &run, 0, &a, &err), &err);
    assert_int_equal(a.accepted, 0);
    assert_true(accounting_worker_balances(&a) && accounting_producer_balances(&a));
    ok(pg_run(&target,
              "UPDATE rowhaul.offsets SET accepted = 5, applied = 1, unchanged = 1,"
              " skipped = 9 WHERE table_id = 'users' AND partition < 2;"
              "INSERT INTO rowhaul.progress (run, table_id, rows_read, rows_enqueued, done)"
              " SELECT run, 'users', 7, 7, true FROM rowhaul.runs;"
              "INSERT INTO rowhaul.rejects (run, table_id, source_key, kind, kafka_topic,"
              " kafka_partition, kafka_offset, generation, sequence, lsn, rule, message, payload)"
              " SELECT run, 'users', ARRAY[n::text], k, 't', 0, 0, 1, 1, '0/0', r, '', ''"
              " FROM rowhaul.runs, (VALUES (1, 'dead', NULL), (2, 'parked', NULL),"
              " (3, 'dead', 'oversize'), (4, 'dead', 'users.name')) v (n, k, r)",
              &err),
       &err);
    ok(ledger_accounting(&target, &run, 0, &a, &err), &err);
    assert_int_equal(a.accepted, 10);
    assert_int_equal(a.applied, 2);
    assert_int_equal(a.skipped, 18);
    assert_int_equal(a.rejected, 2);
    assert_int_equal(a.parked, 1);
    assert_int_equal(a.oversize, 1);
    assert_int_equal(a.rows_read, 7);
    assert_true(a.backfill_done);
    assert_true(accounting_producer_balances(&a));
    assert_false(accounting_worker_balances(&a));
    a.folded = 2;
    assert_true(accounting_worker_balances(&a));

    uint64_t missing = 0;
    ok(ledger_barrier_missing(&target, &run, BARRIER_END, NULL, 0, &missing, &err), &err);
    assert_int_equal(missing, 4);
    const struct run_topic *const topics[] = {&run.topics[1]};
    ok(ledger_barrier_missing(&target, &run, BARRIER_END, topics, 1, &missing, &err), &err);
    assert_int_equal(missing, 1);
    ok(pg_run(&target,
              "INSERT INTO rowhaul.barrier_seen (run, barrier, topic, partition)"
              " SELECT run, 4294967295, topic, partition FROM rowhaul.offsets WHERE partition > 0",
              &err),
       &err);
    ok(ledger_barrier_missing(&target, &run, BARRIER_END, NULL, 0, &missing, &err), &err);
    assert_int_equal(missing, 2);

    const char *run_state = NULL;
    ok(ledger_run_state(&target, run.id_text, &arena, &run_state, &err), &err);
    assert_string_equal(run_state, "created");
    ok(ledger_run_set_state(&target, run.id_text, "completed", &err), &err);
    ok(ledger_run_state(&target, run.id_text, &arena, &run_state, &err), &err);
    assert_string_equal(run_state, "completed");
    assert_int_equal(number(target_url, "SELECT pg_catalog.count(*) FROM rowhaul.migration_state"
                                        " WHERE status = 'completed' AND completed_at IS NOT NULL"),
                     1);
    assert_false(ledger_run_state(&target, "00000000-0000-4000-8000-000000000000", &arena,
                                  &run_state, &err));
    assert_string_equal(err.code, "RUN_MISSING");
    pg_close(&target);
}

static void cleanup_says_what_it_removes_and_leaves_nothing(void **state RH_UNUSED)
{
    struct config config = load((struct file_parts){.source = NULL});
    struct run run = create_ok(&config, true);
    struct cleanup found;
    struct error err;
    ok(run_cleanup_find(&config, true, &arena, &found, &err), &err);
    assert_false(found.drop_schema);
    ok(run_cleanup_find(&config, false, &arena, &found, &err), &err);
    assert_int_equal(found.items_count, 8);
    assert_non_null(strstr(found.items[0], "restore foreign key \"has boss\""));
    assert_non_null(strstr(found.items[1], ".state\""));
    assert_non_null(strstr(found.items[5], "delete consumer group \"rowhaultest.create_"));
    assert_non_null(strstr(found.items[6], run.id_text));
    assert_string_equal(found.items[7],
                        "drop schema \"rowhaul\" with all it holds from the target");
    uint32_t failed = 0;
    ok(run_cleanup(&config, &found, &failed, &err), &err);
    ok(run_cleanup_find(&config, false, &arena, &found, &err), &err);
    assert_int_equal(found.items_count, 0);
    assert_int_equal(
        number(target_url, "SELECT (pg_catalog.to_regnamespace('rowhaul') IS NULL)::int"), 1);
}

static void the_schema_stays_while_another_run_is_in_it(void **state RH_UNUSED)
{
    struct config config = load((struct file_parts){.source = NULL});
    (void)create_ok(&config, true);
    execute(target_url, "INSERT INTO rowhaul.runs (run, migration, plan, system_identifier)"
                        " VALUES (pg_catalog.gen_random_uuid(), 'other', '{}', '1')");
    cleanup(&config);
    assert_int_equal(number(target_url, "SELECT pg_catalog.count(*) FROM rowhaul.runs"), 1);
}

/* The child of crash_at. */
static int create_and_exit(const char *path)
{
    struct config config;
    struct run run;
    struct error err;
    arena_init(&arena, (size_t)256 << 20);
    if (!config_load(path, &arena, &config, &err) ||
        !run_create(&config, &arena, &run, NULL, &err)) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    return 0;
}

#define RUN_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(int argc, char **argv)
{
    own_path = argv[0];
    if (argc == 3 && strcmp(argv[1], "create") == 0) {
        return create_and_exit(argv[2]);
    }
    const struct CMUnitTest tests[] = {
        RUN_TEST(a_run_is_created_once_and_found_afterwards),
        RUN_TEST(no_password_is_stored),
        RUN_TEST(a_second_name_has_no_run),
#ifdef RH_FAILPOINTS
        RUN_TEST(a_crash_in_any_step_is_repaired_by_the_next_start),
#endif
        RUN_TEST(a_target_that_was_reset_gets_its_ledger_from_the_record),
        RUN_TEST(another_mapping_is_refused_another_setting_is_not),
        RUN_TEST(another_source_is_refused),
        RUN_TEST(rows_that_are_not_ours_are_a_finding_and_nothing_is_made),
        RUN_TEST(missing_privileges_are_all_found),
        RUN_TEST(a_topic_with_messages_and_no_run_is_foreign),
        RUN_TEST(each_server_has_its_exit_code),
        RUN_TEST(a_stream_is_not_in_this_version),
        RUN_TEST(a_self_reference_comes_off_and_back),
        RUN_TEST(the_ledger_counts_and_knows_the_state),
        RUN_TEST(cleanup_says_what_it_removes_and_leaves_nothing),
        RUN_TEST(the_schema_stays_while_another_run_is_in_it),
    };
    return cmocka_run_group_tests(tests, setup_all, teardown_all);
}
