/*
 * rowhaul-producer against a real source and a real broker: killed at every place, it sends every
 * row at least once, under numbers a worker's fence accepts; it stands still where it must.
 *
 * The target's part (barriers seen) is played by the test. Each test has a migration of its own in
 * databases of this file, dropped at the end.
 */
#include "producer/pager.h"

#include "common/clock.h"
#include "common/kafka.h"
#include "common/run.h"
#include "common/state_topic.h"

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

#define ITEMS           300000
#define LINES           2000
#define PARTITIONS_MAX  16
#define GENERATIONS_MAX 32
#define ARENA_BYTES     ((size_t)256 << 20)
#define EXIT_WAIT_MS    60000

static struct world {
    char database[64];
    char source_url[1024], target_url[1024];
    char folder[64];
    struct pg source, target;

    /* Of the current test. */
    struct arena arena;
    char config_path[128], log_path[128];
    struct config config;
    struct run run;
} w;

/* ---- the world ---- */

static const char *from_environment(const char *name)
{
    const char *value = getenv(name);

    if (value == NULL)
        fail_msg("%s is not set: . .local/env", name);
    return value;
}

static void must(bool ok, const struct error *err)
{
    if (!ok)
        fail_msg("%s", err->text);
}

static void run_sql(struct pg *pg, const char *sql)
{
    struct error err;

    if (!pg_run(pg, sql, &err))
        fail_msg("%s: %s", sql, err.text);
}

static void make_url(char *out, size_t size, const char *server)
{
    size_t len = (size_t)(strrchr(server, '/') + 1 - server);

    assert_true(len + sizeof(w.database) <= size);
    memcpy(out, server, len);
    memcpy(out + len, w.database, strlen(w.database) + 1);
}

static void on_server(enum pg_role role, const char *url, const char *verb, const char *options)
{
    char sql[160];
    struct error err;
    struct pg pg;

    must(pg_open(&pg, role, url, "producer_test", &err), &err);
    (void)snprintf(sql, sizeof(sql), "%s DATABASE %s %s", verb, w.database, options);
    run_sql(&pg, sql);
    pg_close(&pg);
}

static const char tables_sql[] =
    "CREATE TABLE public.items (id bigint PRIMARY KEY, name text NOT NULL, note text);"
    "CREATE TABLE public.lines (item_id bigint REFERENCES public.items, code text COLLATE \"C\","
    " price numeric(10,2), PRIMARY KEY (item_id, code))";

static const char rows_sql[] =
    "INSERT INTO public.items SELECT i, 'name of ' || i, CASE WHEN i % 3 > 0 THEN E'a\\tb' END"
    " FROM generate_series(1, 300000) i;"
    "INSERT INTO public.lines SELECT 1 + i / 2, 'c' || i, i / 7.0 FROM generate_series(0, 1999) i;"
    "CREATE TABLE public.parts (id bigint, day date, PRIMARY KEY (day, id))"
    " PARTITION BY RANGE (day);"
    "CREATE TABLE public.parts_1 PARTITION OF public.parts"
    " FOR VALUES FROM ('2024-01-01') TO ('2024-07-01');"
    "CREATE TABLE public.parts_2 PARTITION OF public.parts"
    " FOR VALUES FROM ('2024-07-01') TO ('2025-01-01');"
    "INSERT INTO public.parts SELECT i, date '2024-01-01' + (i % 366)::int"
    " FROM generate_series(1, 20000) i;"
    "CREATE TABLE public.drifting (id bigint PRIMARY KEY, name text);"
    "INSERT INTO public.drifting SELECT i, 'x' FROM generate_series(1, 1000) i;"
    "ANALYZE";

static int begin_all(void **state RH_UNUSED)
{
    struct error err;

    (void)snprintf(w.database, sizeof(w.database), "rowhaul_producer_test_%ld", (long)getpid());
    (void)snprintf(w.folder, sizeof(w.folder), "/tmp/rowhaul_producer_test_XXXXXX");
    if (mkdtemp(w.folder) == NULL)
        fail_msg("could not make %s", w.folder);
    make_url(w.source_url, sizeof(w.source_url), from_environment("SOURCE_URL"));
    make_url(w.target_url, sizeof(w.target_url), from_environment("TARGET_URL"));
    on_server(PG_SOURCE, from_environment("SOURCE_URL"), "CREATE", "");
    on_server(PG_TARGET, from_environment("TARGET_URL"), "CREATE", "");
    must(pg_open(&w.source, PG_SOURCE, w.source_url, "producer_test", &err), &err);
    must(pg_open(&w.target, PG_TARGET, w.target_url, "producer_test", &err), &err);
    run_sql(&w.source, tables_sql);
    run_sql(&w.source, rows_sql);
    run_sql(&w.target, tables_sql);
    run_sql(&w.target, "CREATE TABLE public.parts (id bigint, day date, PRIMARY KEY (day, id));"
                       "CREATE TABLE public.drifting (id bigint PRIMARY KEY, name text)");
    return 0;
}

static int end_all(void **state RH_UNUSED)
{
    pg_close(&w.source);
    pg_close(&w.target);
    on_server(PG_SOURCE, from_environment("SOURCE_URL"), "DROP", "WITH (FORCE)");
    on_server(PG_TARGET, from_environment("TARGET_URL"), "DROP", "WITH (FORCE)");
    (void)rmdir(w.folder);
    return 0;
}

/* ---- a test's migration ---- */

static void write_config(const char *name, const char *backfill, const char *tables)
{
    FILE *file;

    (void)snprintf(w.config_path, sizeof(w.config_path), "%s/%s.yaml", w.folder, name);
    (void)snprintf(w.log_path, sizeof(w.log_path), "%s/%s.log", w.folder, name);
    file = fopen(w.config_path, "w");
    assert_non_null(file);
    fprintf(file,
            "version: 1\nname: %s\nmode: snapshot\n"
            "source: {url: \"%s\"}\ntarget: {url: \"%s\"}\n"
            "kafka: {bootstrap.servers: \"%s\"}\n"
            "topics: {prefix: producer_test_%ld, partitions: 4, allow_unsafe: true}\n"
            "backfill: %s\ntables:\n%s",
            name, w.source_url, w.target_url, from_environment("KAFKA_BOOTSTRAP"), (long)getpid(),
            backfill, tables);
    assert_int_equal(fclose(file), 0);
}

#define ITEMS_AND_LINES                                                                            \
    "  - {id: items, from: public.items, to: [{table: public.items}]}\n"                           \
    "  - {id: lines, from: public.lines, to: [{table: public.lines}]}\n"

static void begin_migration(const char *name, const char *backfill, const char *tables)
{
    struct error err;

    arena_init(&w.arena, ARENA_BYTES);
    write_config(name, backfill, tables);
    must(config_load(w.config_path, &w.arena, &w.config, &err), &err);
    must(run_create(&w.config, &w.arena, &w.run, NULL, &err), &err);
}

static int end_migration(void **state RH_UNUSED)
{
    const char *topics[8] = {w.run.state_topic, w.run.control_topic};
    size_t count = 2;
    struct error err;
    RH_AUTO(kafka_destroy) rd_kafka_t *kafka = NULL;

    (void)unsetenv("ASAN_OPTIONS"); /* fails for a malformed name only */
    if (w.run.state_topic != NULL) {
        for (size_t i = 0; i < w.run.topics_count; i++)
            topics[count++] = w.run.topics[i].name;
        must(state_producer_new(&w.config.settings, &kafka, &err), &err);
        must(kafka_topics_delete(kafka, topics, count, &err), &err);
    }
    (void)unlink(w.config_path);
    (void)unlink(w.log_path);
    arena_release(&w.arena);
    memset(&w.run, 0, sizeof(w.run));
    return 0;
}

/* What a worker does when it has applied everything before the barrier. */
static void see_barrier(uint64_t barrier, uint32_t level)
{
    char sql[512];

    for (size_t i = 0; i < w.run.topics_count; i++) {
        if (w.run.topics[i].table->level != level)
            continue;
        (void)snprintf(sql, sizeof(sql),
                       "INSERT INTO rowhaul.barrier_seen (run, barrier, topic, partition)"
                       " SELECT '%s', %llu, '%s', p FROM generate_series(0, %u) p",
                       w.run.id_text, (unsigned long long)barrier, w.run.topics[i].name,
                       w.run.topics[i].partitions - 1);
        run_sql(&w.target, sql);
    }
}

/* ---- the program ---- */

static const char *program_path(void)
{
    static char path[1024];
    ssize_t len = readlink("/proc/self/exe", path, sizeof(path) - 64);

    assert_true(len > 0);
    path[len] = '\0';
    (void)snprintf(strrchr(path, '/'), 64, "/rowhaul-producer");
    return path;
}

/*
 * rd_kafka_produce_batch of librdkafka 2.0.2 leaks the messages it refuses with "unknown
 * partition": where a topic vanishes, LeakSanitizer must not look.
 */
static void expect_leaks_of_librdkafka(void)
{
    assert_int_equal(setenv("ASAN_OPTIONS", "detect_leaks=0", 1), 0);
}

static pid_t start(const char *failpoints)
{
    const char *path = program_path();
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid > 0)
        return pid;
    if (freopen(w.log_path, "a", stderr) == NULL ||
        setenv("ROWHAUL_FAILPOINTS", failpoints, 1) != 0)
        _exit(126);
    execl(path, "rowhaul-producer", "-c", w.config_path, (char *)NULL);
    _exit(127);
}

static void show_log(void)
{
    char line[2048];
    FILE *file = fopen(w.log_path, "r");

    while (file != NULL && fgets(line, sizeof(line), file) != NULL)
        fputs(line, stderr);
    if (file != NULL)
        (void)fclose(file);
}

static int wait_for(pid_t pid)
{
    int64_t deadline_ms = clock_ms() + EXIT_WAIT_MS;
    int status;

    while (waitpid(pid, &status, WNOHANG) == 0) {
        if (clock_ms() > deadline_ms) {
            (void)kill(pid, SIGKILL);
            show_log();
            fail_msg("the producer did not end within %d ms", EXIT_WAIT_MS);
        }
        clock_sleep_ms(20);
    }
    return status;
}

static void expect_exit(pid_t pid, int code)
{
    int status = wait_for(pid);

    if (!WIFEXITED(status) || WEXITSTATUS(status) != code) {
        show_log();
        fail_msg("the producer ended with %#x instead of exit code %d", (unsigned)status, code);
    }
}

#ifdef RH_FAILPOINTS
static void expect_crash(const char *failpoints)
{
    int status = wait_for(start(failpoints));

    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL) {
        show_log();
        fail_msg("%s: the producer ended with %#x, not killed", failpoints, (unsigned)status);
    }
}
#endif

static size_t count_in_log(const char *text)
{
    char line[2048];
    size_t count = 0;
    FILE *file = fopen(w.log_path, "r");

    while (file != NULL && fgets(line, sizeof(line), file) != NULL)
        count += strstr(line, text) != NULL;
    if (file != NULL)
        (void)fclose(file);
    return count;
}

static void wait_in_log(const char *text, size_t count)
{
    int64_t deadline_ms = clock_ms() + EXIT_WAIT_MS;

    while (count_in_log(text) < count) {
        if (clock_ms() > deadline_ms) {
            show_log();
            fail_msg("the producer's log does not say %s", text);
        }
        clock_sleep_ms(50);
    }
}

/* ---- what is in Kafka ---- */

/* One partition as a worker's fence sees it, and what else must hold. */
struct partition_seen {
    struct arena arena; /* of one message */
    const struct plan_table *table;
    uint64_t generation, sequence;
    uint64_t last_sequence[GENERATIONS_MAX]; /* of each generation */
    uint64_t rows, oversize;
    uint64_t level_barriers, end_barriers;
    enum wire_kind last_kind;
};

static unsigned char items_seen[ITEMS + 1];
static unsigned char lines_seen[LINES];

static void note_key(const struct partition_seen *seen, const struct wire_message *message)
{
    RH_AUTO(arena_release) struct arena scratch;

    arena_init(&scratch, 65536);
    if (strcmp(seen->table->id, "items") == 0) {
        long id = strtol(bytes_to_text(&scratch, message->row.values[0].bytes), NULL, 10);
        char name[64];

        assert_in_range(id, 1, ITEMS);
        items_seen[id] = 1;
        (void)snprintf(name, sizeof(name), "name of %ld", id);
        assert_true(bytes_is(message->row.values[1].bytes, name));
        assert_int_equal(message->row.values[2].kind, id % 3 > 0 ? VALUE_TEXT : VALUE_NULL);
    } else {
        long i = strtol(bytes_to_text(&scratch, message->row.values[1].bytes) + 1, NULL, 10);

        assert_in_range(i, 0, LINES - 1);
        lines_seen[i] = 1;
    }
}

static void note_hello(struct partition_seen *seen, const struct wire_message *message)
{
    assert_true(message->header.generation > seen->generation);
    assert_true(message->header.generation < GENERATIONS_MAX);
    assert_true(message->previous <= seen->generation);
    /* Everything acknowledged in the generation resumed from stands in the log. */
    assert_true(message->previous == 0 || message->acked <= seen->last_sequence[message->previous]);
    seen->generation = message->header.generation;
    seen->sequence = 0;
}

static void note_sequence(struct partition_seen *seen, const struct wire_header *header)
{
    assert_int_equal(header->generation, seen->generation);
    assert_int_equal(header->sequence, seen->sequence + 1);
    seen->sequence = header->sequence;
    seen->last_sequence[header->generation] = header->sequence;
}

static bool visit(void *context, const rd_kafka_message_t *message, struct error *err)
{
    struct partition_seen *seen = context;
    struct wire_message read;

    arena_reset(&seen->arena);
    if (!read_wire_message((struct bytes){message->payload, message->len}, &seen->arena, &read,
                           err))
        return false;
    assert_memory_equal(read.header.run, w.run.id, RUN_ID_BYTES);
    if (read.header.kind == WIRE_HELLO)
        note_hello(seen, &read);
    else
        note_sequence(seen, &read.header);
    if (read.header.kind == WIRE_ROW) {
        seen->rows++;
        note_key(seen, &read);
        assert_true(read.header.lsn > 0);
    }
    if (read.header.kind == WIRE_BARRIER) {
        seen->end_barriers += read.barrier == BARRIER_END;
        seen->level_barriers += read.barrier != BARRIER_END;
    }
    seen->last_kind = read.header.kind;
    return true;
}

static struct partition_seen read_partition(size_t topic, uint32_t partition)
{
    struct partition_seen seen = {.table = w.run.topics[topic].table};
    struct error err;

    arena_init(&seen.arena, (size_t)16 << 20);
    must(kafka_read_partition(&w.config.settings, w.run.topics[topic].name, (int32_t)partition,
                              RD_KAFKA_OFFSET_BEGINNING, RD_KAFKA_OFFSET_END, visit, &seen, &err),
         &err);
    arena_release(&seen.arena);
    return seen;
}

static void read_state(struct state_fold *fold)
{
    struct error err;

    state_fold_init(fold, &w.arena);
    must(state_fold_read(fold, &w.config.settings, w.run.state_topic, &err), &err);
}

static size_t count_seen(const unsigned char *seen, size_t count)
{
    size_t n = 0;

    for (size_t i = 0; i < count; i++)
        n += seen[i];
    return n;
}

static void check_ended(uint64_t generation)
{
    struct state_fold fold;

    read_state(&fold);
    assert_int_equal(fold.generation, generation);
    assert_true(fold.has_checkpoint && fold.checkpoint.ended);
    assert_int_equal(fold.checkpoint.tables[0].progress.rows_read, ITEMS);
    assert_int_equal(fold.checkpoint.tables[0].progress.rows_enqueued, ITEMS);
    assert_int_equal(fold.checkpoint.tables[1].progress.rows_read, LINES);
    assert_true(fold.checkpoint.tables[0].done && fold.checkpoint.tables[1].done);
    state_fold_release(&fold);
}

static void check_topics(void)
{
    memset(items_seen, 0, sizeof(items_seen));
    memset(lines_seen, 0, sizeof(lines_seen));
    for (size_t t = 0; t < w.run.topics_count; t++) {
        for (uint32_t p = 0; p < w.run.topics[t].partitions; p++) {
            struct partition_seen seen = read_partition(t, p);

            assert_true(seen.end_barriers >= 1);
            assert_int_equal(seen.last_kind, WIRE_BARRIER);
            assert_int_equal(seen.level_barriers > 0, t == 0);
        }
    }
    assert_int_equal(count_seen(items_seen, ITEMS + 1), ITEMS);
    assert_int_equal(count_seen(lines_seen, LINES), LINES);
}

/* ---- tests ---- */

#ifdef RH_FAILPOINTS
/* A level that a checkpoint has is not closed again: the end's barrier is then the first. */
static void expect_crash_at_the_end_barrier(const char *failpoint)
{
    struct state_fold fold;
    char failpoints[64];

    read_state(&fold);
    (void)snprintf(failpoints, sizeof(failpoints), "%s=crash@%d", failpoint,
                   fold.checkpoint.level > 0 ? 1 : 2);
    state_fold_release(&fold);
    expect_crash(failpoints);
}
#endif

static void killed_at_every_place_it_sends_every_row_under_numbers_a_fence_accepts(void **state)
{
#ifdef RH_FAILPOINTS
    static const char *const before_barrier[] = {
        "after_claim=crash",        "after_hello=crash",      "after_divide=crash",
        "after_page_read=crash@20", "after_enqueue=crash@20", "before_checkpoint=crash@3",
        "after_checkpoint=crash@3", "before_barrier=crash",   "after_barrier=crash",
    };
    static const size_t after_barrier = 3;

    (void)state;
    begin_migration("kills", "{page: 5000, rate: 300000, checkpoint: 50ms}", ITEMS_AND_LINES);
    for (size_t i = 0; i < RH_COUNT(before_barrier); i++)
        expect_crash(before_barrier[i]);
    see_barrier(1, 0);
    expect_crash("after_enqueue=crash");
    expect_crash_at_the_end_barrier("before_barrier");
    expect_crash_at_the_end_barrier("after_barrier");
    expect_exit(start(""), 0);
    check_ended(RH_COUNT(before_barrier) + after_barrier + 1);
    check_topics();

    /* What has ended is said again, nothing is claimed. */
    expect_exit(start(""), 0);
    assert_int_equal(count_in_log("run_done"), 2);
    check_ended(RH_COUNT(before_barrier) + after_barrier + 1);
#else
    (void)state;
    skip();
#endif
}

/* ITEMS / backfill.range_rows */
#define RANGES 6

static void a_large_table_is_read_in_ranges_and_each_row_once(void **state)
{
    struct state_fold fold;
    uint64_t rows = 0;

    (void)state;
    begin_migration("ranges", "{page: 7000}", ITEMS_AND_LINES);
    see_barrier(1, 0);
    expect_exit(start(""), 0);
    check_ended(1);
    check_topics();
    for (uint32_t p = 0; p < w.run.topics[0].partitions; p++)
        rows += read_partition(0, p).rows;
    assert_int_equal(rows, ITEMS);
    assert_int_equal(count_in_log("table_divided table=items ranges=6"), 1);
    assert_int_equal(count_in_log("table_divided"), 1);
    assert_int_equal(count_in_log("backfill_done table=items rows=300000"), 1);
    read_state(&fold);
    assert_int_equal(fold.checkpoint.tables[0].ranges_count, RANGES);
    for (size_t i = 0; i < RANGES; i++)
        assert_true(fold.checkpoint.tables[0].ranges[i].ended);
    assert_int_equal(fold.checkpoint.tables[1].ranges_count, 1);
    state_fold_release(&fold);
}

/* The bounds between the ranges, as the last checkpoint has them; it must have some. */
static const char *read_bounds(void)
{
    struct state_fold fold;
    struct buffer bounds;

    read_state(&fold);
    buffer_init(&bounds, &w.arena, 10000);
    assert_true(fold.has_checkpoint);
    assert_int_equal(fold.checkpoint.tables[0].ranges_count, RANGES);
    for (size_t i = 0; i + 1 < RANGES; i++)
        write_format(&bounds, "%s ", fold.checkpoint.tables[0].ranges[i].upto[0]);
    state_fold_release(&fold);
    return buffer_text(&bounds);
}

static void a_killed_producer_goes_on_with_the_same_ranges(void **state)
{
    const char *bounds;
    pid_t pid;

    (void)state;
    begin_migration("bounds", "{page: 1000, rate: 100000, checkpoint: 50ms}", ITEMS_AND_LINES);
    see_barrier(1, 0);
    pid = start("");
    wait_in_log("page_done table=items", 3);
    assert_int_equal(kill(pid, SIGKILL), 0);
    (void)wait_for(pid);
    bounds = read_bounds();
    expect_exit(start(""), 0);
    assert_string_equal(read_bounds(), bounds);
    assert_int_equal(count_in_log("table_divided"), 1);
    check_ended(2);
    check_topics();
}

static void children_wait_for_the_barrier_behind_their_parents(void **state)
{
    pid_t pid;

    (void)state;
    begin_migration("levels", "{page: 50000}", ITEMS_AND_LINES);
    pid = start("");
    wait_in_log("backfill_done table=items", 1);
    clock_sleep_ms(1500);
    assert_int_equal(count_in_log("table=lines"), 0);
    for (uint32_t p = 0; p < w.run.topics[1].partitions; p++)
        assert_int_equal(read_partition(1, p).rows, 0);
    see_barrier(1, 0);
    expect_exit(pid, 0);
    check_ended(1);
    check_topics();
}

static void a_signal_ends_it_with_a_checkpoint_and_the_next_start_goes_on(void **state)
{
    struct state_fold fold;
    uint64_t rows_read;
    int64_t began_ms;
    pid_t pid;

    (void)state;
    begin_migration("signals", "{page: 1000, rate: 20000, checkpoint: 10min, threads: 1}",
                    ITEMS_AND_LINES);
    see_barrier(1, 0);
    pid = start("");
    wait_in_log("page_done table=items", 3);
    began_ms = clock_ms();
    assert_int_equal(kill(pid, SIGTERM), 0);
    expect_exit(pid, 0);
    assert_true(clock_ms() - began_ms < 10000);
    read_state(&fold);
    assert_true(fold.has_checkpoint && !fold.checkpoint.ended);
    rows_read = fold.checkpoint.tables[0].progress.rows_read;
    assert_in_range(rows_read, 3000, ITEMS - 1000);
    assert_int_equal(strtoull(fold.checkpoint.tables[0].ranges[0].cursor[0], NULL, 10), rows_read);
    state_fold_release(&fold);
}

static void a_higher_claim_ends_it(void **state)
{
    RH_AUTO(kafka_destroy) rd_kafka_t *kafka = NULL;
    struct error err;
    pid_t pid;

    (void)state;
    begin_migration("fenced", "{page: 50000}", ITEMS_AND_LINES);
    pid = start("");
    wait_in_log("backfill_done table=items", 1);
    must(state_producer_new(&w.config.settings, &kafka, &err), &err);
    must(state_put(kafka, w.run.state_topic, "claim/2",
                   state_claim_text(&w.arena, 2, "somebody else"), 10000, &err),
         &err);
    expect_exit(pid, EXIT_STATE);
    assert_int_equal(count_in_log("PRODUCER_FENCED"), 1);
}

static void a_second_producer_is_refused_while_the_first_lives(void **state)
{
    pid_t first, second;

    (void)state;
    begin_migration("second", "{page: 50000}", ITEMS_AND_LINES);
    first = start("");
    wait_in_log("backfill_done table=items", 1);
    second = start("");
    expect_exit(second, EXIT_STATE);
    assert_int_equal(count_in_log("PRODUCER_FENCED"), 1);
    assert_int_equal(waitpid(first, NULL, WNOHANG), 0);
    assert_int_equal(kill(first, SIGTERM), 0);
    expect_exit(first, 0);
}

static void a_lost_source_is_waited_for(void **state)
{
    pid_t pid;

    (void)state;
    begin_migration("lost", "{page: 1000, rate: 100000}", ITEMS_AND_LINES);
    see_barrier(1, 0);
    pid = start("");
    wait_in_log("page_done table=items", 2);
    run_sql(&w.source, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                       " WHERE datname = current_database() AND application_name LIKE 'rowhaul-%'");
    expect_exit(pid, 0);
    assert_in_range(count_in_log("source_lost"), 1, 4);
    assert_int_equal(count_in_log("source_back"), count_in_log("source_lost"));
    check_ended(1);
    check_topics();
}

static void delete_topic(size_t topic)
{
    RH_AUTO(kafka_destroy) rd_kafka_t *kafka = NULL;
    struct error err;

    must(state_producer_new(&w.config.settings, &kafka, &err), &err);
    must(kafka_topics_delete(kafka, &w.run.topics[topic].name, 1, &err), &err);
}

static void create_topic(size_t topic)
{
    const struct topic_spec spec = {w.run.topics[topic].name, w.run.topics[topic].partitions};
    RH_AUTO(kafka_destroy) rd_kafka_t *kafka = NULL;
    struct error err;

    must(state_producer_new(&w.config.settings, &kafka, &err), &err);
    must(kafka_topics_create(kafka, &w.config.settings, &spec, 1, 1, &err), &err);
}

/* The workers will find that the topic lost what it held; here it is a handle that fails. */
static void a_failed_delivery_begins_a_new_generation_in_the_same_process(void **state)
{
    pid_t pid;

    (void)state;
    begin_migration("again", "{page: 1000, rate: 50000, checkpoint: 100ms}", ITEMS_AND_LINES);
    see_barrier(1, 0);
    expect_leaks_of_librdkafka();
    pid = start("");
    wait_in_log("page_done table=items", 2);
    delete_topic(0);
    wait_in_log("generation_lost", 1);
    create_topic(0);
    expect_exit(pid, 0);
    assert_int_equal(count_in_log("generation_claimed"), 2);
    assert_int_equal(count_in_log("previous=1"), 1);
    check_ended(2);
}

static void a_topic_that_is_gone_stops_it(void **state)
{
    pid_t pid;

    (void)state;
    begin_migration("gone", "{page: 1000, rate: 20000}", ITEMS_AND_LINES);
    expect_leaks_of_librdkafka();
    pid = start("");
    wait_in_log("page_done table=items", 2);
    delete_topic(0);
    expect_exit(pid, EXIT_STATE);
    assert_int_equal(count_in_log("code=TOPIC_MISSING"), 1);
}

static void a_changed_table_stops_it(void **state)
{
    pid_t pid;

    (void)state;
    begin_migration("drift", "{page: 10, rate: 40}",
                    "  - {id: drifting, from: public.drifting, to: [{table: public.drifting}]}\n");
    pid = start("");
    wait_in_log("page_done table=drifting", 1);
    run_sql(&w.source, "ALTER TABLE public.drifting ALTER COLUMN name TYPE varchar(10)");
    expect_exit(pid, EXIT_STATE);
    assert_int_equal(count_in_log("SCHEMA_DRIFT"), 1);
    assert_int_equal(count_in_log("it has another type of column \\\"name\\\"") +
                         count_in_log("it has another type of column \"name\""),
                     1);
}

/* ---- the plan of a page's query ---- */

static bool write_cursor(struct buffer *key, const struct plan_table *table,
                         const char *const *values, struct error *err)
{
    struct value parts[2];
    const size_t columns[2] = {0, 1};

    for (size_t i = 0; i < table->key_count; i++)
        parts[i] = (struct value){VALUE_TEXT, bytes_of(values[i])};
    return key_write(key, parts, columns, table->key_kinds, table->key_count, err);
}

/* The lines of EXPLAIN, joined. */
static const char *explain(const char *table_id, const char *const *after, const char *const *upto,
                           uint32_t rows_max)
{
    const struct plan_table *table = plan_table_find(&w.run.plan, table_id);
    RH_AUTO(pg_result_clear) PGresult *result = NULL;
    struct buffer key, end, sql, plan;
    struct key_range range;
    struct error err;

    buffer_init(&key, &w.arena, 1000);
    buffer_init(&end, &w.arena, 1000);
    buffer_init(&sql, &w.arena, 10000);
    buffer_init(&plan, &w.arena, 100000);
    must(write_cursor(&key, table, after, &err), &err);
    if (upto != NULL)
        must(write_cursor(&end, table, upto, &err), &err);
    range = (struct key_range){buffer_bytes(&key), buffer_bytes(&end)};
    write_text(&sql, "BEGIN; ");
    write_text(&sql, pager_planner_sql);
    write_text(&sql, "EXPLAIN ");
    must(pager_write_query(&sql, table, range, rows_max, &err), &err);
    must(pg_query(&w.source, buffer_text(&sql), &result, &err), &err);
    for (int i = 0; i < PQntuples(result); i++)
        write_format(&plan, "%s\n", PQgetvalue(result, i, 0));
    run_sql(&w.source, "ROLLBACK");
    return buffer_text(&plan);
}

static void expect_index_walk(const char *plan, const char *index_condition)
{
    if (strstr(plan, index_condition) == NULL || strstr(plan, "Sort") != NULL ||
        strstr(plan, "Seq Scan") != NULL || strstr(plan, "JIT") != NULL)
        fail_msg("not one walk along the index:\n%s", plan);
}

static void a_page_is_one_walk_along_the_index_however_large_it_is(void **state)
{
    static const char *const item[] = {"1000"};
    static const char *const line[] = {"10", "c9"};
    static const char *const part[] = {"2024-03-01", "77"};
    static const char *const item_end[] = {"2000"};
    static const char *const line_end[] = {"20", "c1"};

    (void)state;
    begin_migration("plans", "{}",
                    ITEMS_AND_LINES
                    "  - {id: parts, from: public.parts, to: [{table: public.parts}]}\n");
    expect_index_walk(explain("items", item, NULL, 200000), "Index Cond: (id > '1000'::bigint)");
    expect_index_walk(explain("lines", line, NULL, 200000),
                      "Index Cond: (ROW(item_id, code) > ROW('10'::bigint, 'c9'::text))");
    expect_index_walk(explain("parts", part, NULL, 200000),
                      "Index Cond: (ROW(day, id) > ROW('2024-03-01'::date, '77'::bigint))");
    expect_index_walk(explain("items", item, item_end, 200000),
                      "Index Cond: ((id > '1000'::bigint) AND (id <= '2000'::bigint))");
    expect_index_walk(explain("lines", line, line_end, 200000),
                      "Index Cond: ((ROW(item_id, code) > ROW('10'::bigint, 'c9'::text)) AND "
                      "(ROW(item_id, code) <= ROW('20'::bigint, 'c1'::text)))");
}

#define TEST(name) cmocka_unit_test_teardown(name, end_migration)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_page_is_one_walk_along_the_index_however_large_it_is),
        TEST(killed_at_every_place_it_sends_every_row_under_numbers_a_fence_accepts),
        TEST(a_large_table_is_read_in_ranges_and_each_row_once),
        TEST(a_killed_producer_goes_on_with_the_same_ranges),
        TEST(children_wait_for_the_barrier_behind_their_parents),
        TEST(a_signal_ends_it_with_a_checkpoint_and_the_next_start_goes_on),
        TEST(a_higher_claim_ends_it),
        TEST(a_second_producer_is_refused_while_the_first_lives),
        TEST(a_lost_source_is_waited_for),
        TEST(a_failed_delivery_begins_a_new_generation_in_the_same_process),
        TEST(a_topic_that_is_gone_stops_it),
        TEST(a_changed_table_stops_it),
    };

    return cmocka_run_group_tests(tests, begin_all, end_all);
}
