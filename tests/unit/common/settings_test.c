#include "common/settings.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { ARENA_BYTES = 32 * 1024 * 1024 };

struct fixture {
    struct arena arena;
    struct document document;
    struct complaints complaints;
    struct settings settings;
};

static int set_up(void **state)
{
    static struct fixture fixture;
    static const char *const libpq_defaults[] = {
        "PGHOST", "PGHOSTADDR", "PGPORT", "PGDATABASE", "PGUSER", "PGSERVICEFILE", "PGSERVICE"};
    for (size_t i = 0; i < sizeof(libpq_defaults) / sizeof(libpq_defaults[0]); i++) {
        assert_int_equal(unsetenv(libpq_defaults[i]), 0);
    }
    memset(&fixture, 0, sizeof(fixture));
    arena_init(&fixture.arena, ARENA_BYTES);
    *state = &fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    arena_release(&fixture->arena);
    return 0;
}

static const char required[] = "name: crm\n"
                               "source: {url: postgresql://u@a/old}\n"
                               "target: {url: postgresql://u@b/new}\n"
                               "kafka: {bootstrap.servers: localhost:9092}\n";

static bool load(struct fixture *fixture, const char *yaml)
{
    struct error err = {0};
    arena_reset(&fixture->arena);
    complaints_init(&fixture->complaints, &fixture->arena, "f.yaml");
    if (!document_parse("f.yaml", bytes_of(yaml), &fixture->arena, &fixture->document, &err)) {
        fail_msg("%s", err.text);
    }
    return settings_load(&fixture->document, &fixture->arena, &fixture->complaints,
                         &fixture->settings);
}

static const struct settings *loaded(struct fixture *fixture, const char *yaml)
{
    if (!load(fixture, yaml)) {
        fail_msg("%s", fixture->complaints.first->text);
    }
    assert_int_equal(fixture->complaints.errors_count, 0);
    return &fixture->settings;
}

static char yaml_text[64 * 1024];

/* The required settings and these lines behind them. */
static const char *with(const char *lines)
{
    (void)snprintf(yaml_text, sizeof(yaml_text), "%s%s\n", required, lines);
    return yaml_text;
}

/* The required settings, but this line instead of the one that begins like it up to its colon. */
static const char *instead(const char *line)
{
    size_t key_len = strcspn(line, ":");
    char *out = yaml_text;
    for (const char *p = required; *p != '\0';) {
        size_t len = strcspn(p, "\n") + 1;
        if (strncmp(p, line, key_len + 1) == 0) {
            out += snprintf(out, 1024, "%s\n", line);
        } else {
            memcpy(out, p, len);
            out += len;
        }
        p += len;
    }
    *out = '\0';
    return yaml_text;
}

/* Exactly one complaint: "line:column code text" and, if there is one, " (hint)". */
static void complains(struct fixture *fixture, const char *yaml, const char *expected)
{
    struct settings untouched = fixture->settings;
    assert_false(load(fixture, yaml));
    const struct complaint *first = fixture->complaints.first;
    const char *hint_start = first->hint != NULL ? " (" : "";
    const char *shown = arena_must_printf(
        &fixture->arena, "%d:%d %s %s%s%s%s", first->line, first->column, first->code, first->text,
        hint_start, first->hint != NULL ? first->hint : "", first->hint != NULL ? ")" : "");
    assert_string_equal(shown, expected);
    assert_int_equal(fixture->complaints.errors_count, 1);
    assert_memory_equal(&untouched, &fixture->settings, sizeof(untouched));
}

/* A value of a setting, in the lines `section:` and `  key: value`, gives one complaint there. */
static void value_complains(struct fixture *fixture, const char *section, const char *key,
                            const char *value, const char *expected)
{
    char lines[512];
    char shown[1024];
    (void)snprintf(lines, sizeof(lines), "%s:\n  %s: %s", section, key, value);
    (void)snprintf(shown, sizeof(shown), "6:%zu %s", strlen(key) + 5, expected);
    complains(fixture, with(lines), shown);
}

static void the_required_settings_are_enough(void **state)
{
    const struct settings *settings = loaded(*state, required);
    assert_string_equal(settings->file, "f.yaml");
    assert_string_equal(settings->name, "crm");
    assert_string_equal(settings->source_url, "postgresql://u@a/old");
    assert_string_equal(settings->target_url, "postgresql://u@b/new");
    assert_int_equal(settings->kafka_count, 1);
    assert_string_equal(settings->kafka[0].name, "bootstrap.servers");
    assert_string_equal(settings->kafka[0].value, "localhost:9092");
    assert_int_equal(settings->kafka[0].node->line, 4);
}

static void what_is_left_out_has_its_default(void **state)
{
    const struct settings *settings = loaded(*state, required);
    assert_int_equal(settings->mode, MODE_STREAM);
    assert_int_equal(settings->source_preset, PRESET_NONE);
    assert_string_equal(settings->topics_prefix, "rowhaul");
    assert_int_equal(settings->topics_partitions, 12);
    assert_int_equal(settings->topics_replication_factor, 0);
    assert_false(settings->topics_allow_unsafe);
    assert_int_equal(settings->topics_max_message_bytes, 8 << 20);
    assert_int_equal(settings->topics_oversize, OVERSIZE_REJECT);
    assert_int_equal(settings->topics_small_rows, 50000);
    assert_int_equal(settings->run_workers, 2);
    assert_int_equal(settings->log_format, LOG_FORMAT_TEXT);
    assert_int_equal(settings->log_level, LEVEL_INFO);
    assert_null(settings->log_file);
    assert_int_equal(settings->backfill_page_rows, 0);
    assert_int_equal(settings->backfill_page_ms, 300);
    assert_int_equal(settings->backfill_threads, 4);
    assert_int_equal(settings->backfill_range_rows, 50000);
    assert_int_equal(settings->backfill_rate, 0);
    assert_int_equal(settings->backfill_checkpoint_ms, 1000);
    assert_int_equal(settings->backfill_queue_bytes, 64 << 20);
    assert_int_equal(settings->backfill_max_source_lag_ms, 30000);
    assert_int_equal(settings->apply_batch_rows, 20000);
    assert_int_equal(settings->apply_batch_bytes, 4 << 20);
    assert_int_equal(settings->apply_batch_wait_ms, 200);
    assert_int_equal(settings->apply_retries, 3);
    assert_int_equal(settings->apply_retry_delay_ms, 5000);
    assert_true(settings->apply_max_error_rate == 0.05);
    assert_true(settings->apply_max_errors == UINT64_MAX);
    assert_int_equal(settings->apply_fetch_bytes, 32 << 20);
    assert_int_equal(settings->apply_statement_timeout_ms, 300000);
}

static void every_setting_can_be_given(void **state)
{
    const struct settings *settings = loaded(
        *state,
        with("version: 1\nmode: snapshot\n"
             "topics: {prefix: My.Co-1, partitions: 10000, replication_factor: 3,\n"
             "  allow_unsafe: true, max_message_bytes: 2MB, oversize: stop, small_rows: 0}\n"
             "run: {workers: 256}\n"
             "log: {format: json, level: error, file: run.log}\n"
             "backfill: {page: 500, page_time: 1s, threads: 64, range_rows: 7, rate: 42000,\n"
             "  checkpoint: 10min, queue_bytes: 1GiB, max_source_lag: 2h}\n"
             "apply: {batch_rows: 1, batch_bytes: 64kB, batch_wait: 0, retries: 0,\n"
             "  retry_delay: 10ms, max_error_rate: 12.5%, max_errors: 0, fetch_bytes: 2000000,\n"
             "  statement_timeout: 24h}\n"
             "tables: []\nassertions: []\nqueries: []\nvars: {a: b}"));
    assert_int_equal(settings->mode, MODE_SNAPSHOT);
    assert_string_equal(settings->topics_prefix, "My.Co-1");
    assert_int_equal(settings->topics_partitions, 10000);
    assert_int_equal(settings->topics_replication_factor, 3);
    assert_true(settings->topics_allow_unsafe);
    assert_int_equal(settings->topics_max_message_bytes, 2000000);
    assert_int_equal(settings->topics_oversize, OVERSIZE_STOP);
    assert_int_equal(settings->topics_small_rows, 0);
    assert_int_equal(settings->run_workers, 256);
    assert_int_equal(settings->log_format, LOG_FORMAT_JSON);
    assert_int_equal(settings->log_level, LEVEL_ERROR);
    assert_string_equal(settings->log_file, "run.log");
    assert_int_equal(settings->backfill_page_rows, 500);
    assert_int_equal(settings->backfill_page_ms, 1000);
    assert_int_equal(settings->backfill_threads, 64);
    assert_int_equal(settings->backfill_range_rows, 7);
    assert_int_equal(settings->backfill_rate, 42000);
    assert_int_equal(settings->backfill_checkpoint_ms, 600000);
    assert_int_equal(settings->backfill_queue_bytes, 1 << 30);
    assert_int_equal(settings->backfill_max_source_lag_ms, 7200000);
    assert_int_equal(settings->apply_batch_rows, 1);
    assert_int_equal(settings->apply_batch_bytes, 64000);
    assert_int_equal(settings->apply_batch_wait_ms, 0);
    assert_int_equal(settings->apply_retries, 0);
    assert_int_equal(settings->apply_retry_delay_ms, 10);
    assert_true(settings->apply_max_error_rate == 0.125);
    assert_true(settings->apply_max_errors == 0);
    assert_int_equal(settings->apply_fetch_bytes, 2000000);
    assert_int_equal(settings->apply_statement_timeout_ms, 86400000);
}

static void sections_may_be_empty(void **state)
{
    assert_int_equal(loaded(*state, with("run:\nbackfill: {}\nvars:\nlog: ~"))->run_workers, 2);
}

static void the_documents_of_the_mapping_load(void **state)
{
    assert_int_equal(setenv("RH_TEST_URL", "postgresql://u:p%40@127.0.0.1:5433/x", 1), 0);
    const struct settings *settings =
        loaded(*state, "version: 1\n"
                       "name: properties_v1\n"
                       "source: {url: \"${RH_TEST_URL}\", preset: supabase}\n"
                       "target: {url: \"host=${server} dbname=y\"}\n"
                       "kafka:  {bootstrap.servers: \"${server}:9092\", linger.ms: 5}\n"
                       "run: {workers: \"${workers}\"}\n"
                       "vars: {server: 127.0.0.1, workers: 3}\n");
    assert_string_equal(settings->source_url, "postgresql://u:p%40@127.0.0.1:5433/x");
    assert_string_equal(settings->target_url, "host=127.0.0.1 dbname=y");
    assert_int_equal(settings->source_preset, PRESET_SUPABASE);
    assert_string_equal(settings->kafka[0].value, "127.0.0.1:9092");
    assert_string_equal(settings->kafka[1].name, "linger.ms");
    assert_int_equal(settings->run_workers, 3);
    assert_int_equal(unsetenv("RH_TEST_URL"), 0);
}

static void unknown_keys_find_the_one_that_was_meant(void **state)
{
    complains(*state, with("topcis: {}"),
              "5:1 RH-3101 unknown key \"topcis\" (did you mean \"topics\"?)");
    complains(*state, with("topics: {partitons: 1}"),
              "5:10 RH-3101 unknown key \"topics.partitons\" (did you mean \"partitions\"?)");
    complains(*state, with("run: {Workers: 1}"),
              "5:7 RH-3101 unknown key \"run.Workers\" (did you mean \"workers\"?)");
    complains(*state, with("workers: 1"),
              "5:1 RH-3101 unknown key \"workers\" (did you mean \"run.workers\"?)");
    complains(*state, with("run: {batch_rows: 1}"),
              "5:7 RH-3101 unknown key \"run.batch_rows\" (did you mean \"apply.batch_rows\"?)");
    complains(*state, with("something_else: 1"), "5:1 RH-3101 unknown key \"something_else\"");
}

static void missing_settings_are_all_named(void **state)
{
    struct fixture *fixture = *state;
    assert_false(load(fixture, "mode: stream\nsource: {}\n"));
    assert_int_equal(fixture->complaints.errors_count, 4);
    const struct complaint *complaint = fixture->complaints.first;
    static const char *const texts[] = {"name is missing", "target.url is missing",
                                        "kafka.bootstrap.servers is missing",
                                        "source.url is missing"};
    for (size_t i = 0; i < 4; i++, complaint = complaint->next) {
        assert_string_equal(complaint->text, texts[i]);
        assert_string_equal(complaint->code, "RH-3102");
        assert_int_equal(complaint->line, i < 3 ? 1 : 2);
    }
    complains(*state, instead("kafka: {linger.ms: 5}"),
              "4:8 RH-3102 kafka.bootstrap.servers is missing");
    complains(*state, instead("kafka: {linger.ms: 5, bootstrap.server: a}"),
              "4:23 RH-3101 unknown key \"kafka.bootstrap.server\" (did you mean "
              "\"bootstrap.servers\"?)");
    complains(*state, instead("kafka:"), "4:7 RH-3102 kafka.bootstrap.servers is missing");
}

static void the_wrong_shape_is_refused(void **state)
{
    complains(*state, "- a\n", "1:1 RH-3103 the file must be a mapping");
    complains(*state, with("run: 4"), "5:6 RH-3103 \"run\" must be a mapping");
    complains(*state, with("vars: [a]"), "5:7 RH-3103 \"vars\" must be a mapping");
    complains(*state, instead("kafka: localhost:9092"), "4:8 RH-3103 \"kafka\" must be a mapping");
    complains(*state, with("run: {workers: [1]}"),
              "5:16 RH-3103 run.workers must be a single value, not a list");
    complains(*state, with("run: {workers: {a: b}}"),
              "5:16 RH-3103 run.workers must be a single value, not a mapping");
    complains(*state, with("run: {workers: }"),
              "5:16 RH-3103 run.workers has no value (leave the key out to have its default)");
    complains(*state, with("log: {file: ''}"),
              "5:13 RH-3103 log.file has no value (leave the key out to have its default)");
    complains(*state, instead("kafka: {bootstrap: {servers: a}, bootstrap.servers: b}"),
              "4:20 RH-3103 kafka.bootstrap must be a single value, not a mapping (write the whole "
              "name of the property in one line, like bootstrap.servers: …)");
}

static void an_unknown_variable_is_one_complaint_not_two(void **state)
{
    complains(*state, instead("source: {url: \"${RH_TEST_NOWHERE}\"}"),
              "2:15 RH-3121 \"${RH_TEST_NOWHERE}\" is neither in vars nor in the environment (set "
              "it in the environment or in vars; a literal ${ is written $${)");
}

static void other_sources_are_not_in_this_version(void **state)
{
    complains(*state, instead("source: {url: postgresql://a/b, rest: x}"),
              "2:39 RH-3104 source.rest is not in this version (use source.url, a PostgreSQL "
              "database)");
    complains(*state, instead("source: {url: postgresql://a/b, key: x}"),
              "2:38 RH-3104 source.key is not in this version (use source.url, a PostgreSQL "
              "database)");
    complains(*state, instead("source: {url: postgresql://a/b, files: x}"),
              "2:40 RH-3104 source.files is not in this version (use source.url, a PostgreSQL "
              "database)");
}

static void the_version_is_1(void **state)
{
    complains(*state, with("version: 2"),
              "5:10 RH-3105 version cannot be \"2\": it is 1 (did you "
              "mean \"1\"?)");
}

static void names_have_31_characters_at_most(void **state)
{
    assert_string_equal(loaded(*state, instead("name: a234567890123456789012345678901"))->name,
                        "a234567890123456789012345678901");
    static const char *const wrong[] = {
        "a2345678901234567890123456789012", "1a", "Crm", "a-b", "_a", "a.b"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        char line[64];
        char shown[128];
        (void)snprintf(line, sizeof(line), "name: %s", wrong[i]);
        (void)snprintf(shown, sizeof(shown),
                       "1:7 RH-3107 name cannot be \"%s\": it is a name like [a-z][a-z0-9_]{0,30}",
                       wrong[i]);
        complains(*state, instead(line), shown);
    }
    value_complains(*state, "topics", "prefix", "a/b",
                    "RH-3107 topics.prefix cannot be \"a/b\": it is a name like "
                    "[A-Za-z0-9_][A-Za-z0-9._-]{0,99}");
}

static void numbers_are_whole_and_decimal(void **state)
{
    static const struct {
        const char *value, *mend;
    } rows[] = {
        {"\"04\"", "4"},   {"0x10", "16"},    {"1_0", "10"}, {"\"+3\"", "3"},
        {"1,000", "1000"}, {"\"1 0\"", "10"}, {"00", "0"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char expected[256];
        char plain[32];
        (void)snprintf(plain, sizeof(plain), "%s", rows[i].value + (rows[i].value[0] == '"'));
        plain[strcspn(plain, "\"")] = '\0';
        (void)snprintf(expected, sizeof(expected),
                       "RH-3105 run.workers cannot be \"%s\": it is a number (did you mean "
                       "\"%s\"?)",
                       plain, rows[i].mend);
        value_complains(*state, "run", "workers", rows[i].value, expected);
    }
    value_complains(*state, "run", "workers", "many",
                    "RH-3105 run.workers cannot be \"many\": it is a number");
    value_complains(*state, "run", "workers", "-1",
                    "RH-3105 run.workers cannot be \"-1\": it is a number");
    value_complains(*state, "run", "workers", "1.5",
                    "RH-3105 run.workers cannot be \"1.5\": it is a number");
    value_complains(*state, "run", "workers", "1,5",
                    "RH-3105 run.workers cannot be \"1,5\": it is a number");
    value_complains(*state, "run", "workers", "0x",
                    "RH-3105 run.workers cannot be \"0x\": it is a number");
}

static void numbers_have_a_range(void **state)
{
    assert_int_equal(loaded(*state, with("run: {workers: 1}"))->run_workers, 1);
    assert_int_equal(loaded(*state, with("run: {workers: 256}"))->run_workers, 256);
    value_complains(*state, "run", "workers", "0",
                    "RH-3106 run.workers cannot be 0: it is 1 to 256");
    value_complains(*state, "run", "workers", "257",
                    "RH-3106 run.workers cannot be 257: it is 1 to 256");
    value_complains(*state, "run", "workers", "99999999999999999999",
                    "RH-3106 run.workers cannot be 99999999999999999999: it is 1 to 256");
    value_complains(*state, "backfill", "rate", "0",
                    "RH-3106 backfill.rate cannot be 0: it is 1 or more, or unlimited");
    value_complains(*state, "apply", "fetch_bytes", "2GiB",
                    "RH-3106 apply.fetch_bytes cannot be 2GiB: it is 1MiB to 2047MiB");
    value_complains(*state, "apply", "fetch_bytes", "18014398509481984KiB",
                    "RH-3106 apply.fetch_bytes cannot be 18014398509481984KiB: it is 1MiB to "
                    "2047MiB");
    value_complains(*state, "backfill", "max_source_lag", "999ms",
                    "RH-3106 backfill.max_source_lag cannot be 999ms: it is 1s to 24h");
    value_complains(*state, "apply", "batch_wait", "2min",
                    "RH-3106 apply.batch_wait cannot be 2min: it is 0ms to 1min");
    value_complains(*state, "apply", "max_error_rate", "100.1%",
                    "RH-3106 apply.max_error_rate cannot be 100.1%: it is 0% to 100%");
}

static void words_stand_for_numbers_where_the_table_says_so(void **state)
{
    const struct settings *settings =
        loaded(*state, with("topics: {replication_factor: auto}\n"
                            "backfill: {page: auto, rate: unlimited}\napply: {max_errors: none}"));
    assert_int_equal(settings->backfill_page_rows, 0);
    assert_true(settings->apply_max_errors == UINT64_MAX);
    value_complains(*state, "backfill", "rate", "unlimitd",
                    "RH-3105 backfill.rate cannot be \"unlimitd\": it is a number or unlimited "
                    "(did you mean \"unlimited\"?)");
    value_complains(*state, "run", "workers", "auto",
                    "RH-3105 run.workers cannot be \"auto\": it is a number");
}

static void a_wrong_unit_finds_the_right_one(void **state)
{
    static const struct {
        const char *section, *key, *value, *kind, *mend;
    } rows[] = {
        {"topics", "max_message_bytes", "10mb", "a size like 8MiB", "10MB"},
        {"topics", "max_message_bytes", "10mib", "a size like 8MiB", "10MiB"},
        {"topics", "max_message_bytes", "10M", "a size like 8MiB", "10MiB"},
        {"topics", "max_message_bytes", "4 MiB", "a size like 8MiB", "4MiB"},
        {"topics", "max_message_bytes", "64KB", "a size like 8MiB", "64kB"},
        {"topics", "max_message_bytes", "5000b", "a size like 8MiB", "5000B"},
        {"apply", "retry_delay", "5", "a duration like 30s", "5s"},
        {"backfill", "page_time", "300", "a duration like 30s", "300ms"},
        {"backfill", "page_time", "60", "a duration like 30s", "60s"},
        {"backfill", "page_time", "300 seconds", "a duration like 30s", "300s"},
        {"apply", "retry_delay", "5m", "a duration like 30s", "5min"},
        {"apply", "retry_delay", "5 seconds", "a duration like 30s", "5s"},
        {"apply", "retry_delay", "5S", "a duration like 30s", "5s"},
        {"apply", "retry_delay", "05s", "a duration like 30s", "5s"},
        {"apply", "retry_delay", "2hr", "a duration like 30s", "2h"},
        {"apply", "max_error_rate", "5", "a percentage like 5%", "5%"},
        {"apply", "max_error_rate", "0.05", "a percentage like 5%", "5%"},
        {"apply", "max_error_rate", "5 %", "a percentage like 5%", "5%"},
        {"apply", "max_error_rate", "12.3456789 %", "a percentage like 5%", "12.3456789%"},
        {"apply", "max_error_rate", "05%", "a percentage like 5%", "5%"},
        {"topics", "allow_unsafe", "yes", "true or false", "true"},
        {"topics", "allow_unsafe", "True", "true or false", "true"},
        {"topics", "allow_unsafe", "off", "true or false", "false"},
        {"topics", "allow_unsafe", "flase", "true or false", "false"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char expected[256];
        (void)snprintf(expected, sizeof(expected),
                       "RH-3105 %s.%s cannot be \"%s\": it is %s (did you mean \"%s\"?)",
                       rows[i].section, rows[i].key, rows[i].value, rows[i].kind, rows[i].mend);
        value_complains(*state, rows[i].section, rows[i].key, rows[i].value, expected);
    }
    value_complains(*state, "apply", "retry_delay", "5x",
                    "RH-3105 apply.retry_delay cannot be \"5x\": it is a duration like 30s");
    value_complains(*state, "apply", "retry_delay", "s",
                    "RH-3105 apply.retry_delay cannot be \"s\": it is a duration like 30s");
    value_complains(*state, "apply", "max_error_rate", "5.%",
                    "RH-3105 apply.max_error_rate cannot be \"5.%\": it is a percentage like 5%");
    value_complains(*state, "apply", "max_error_rate", "few",
                    "RH-3105 apply.max_error_rate cannot be \"few\": it is a percentage like 5%");
    value_complains(*state, "topics", "allow_unsafe", "maybe",
                    "RH-3105 topics.allow_unsafe cannot be \"maybe\": it is true or false");
}

static void a_choice_names_what_there_is(void **state)
{
    value_complains(*state, "topics", "oversize", "rejct",
                    "RH-3105 topics.oversize cannot be \"rejct\": it is reject or stop (did you "
                    "mean \"reject\"?)");
    value_complains(*state, "log", "level", "verbose",
                    "RH-3105 log.level cannot be \"verbose\": it is debug, info, warn or error");
}

static void connection_strings_are_checked(void **state)
{
    static const char *const right[] = {
        "postgresql://a/b",          "postgres://u:p@a:5432/b?sslmode=require",
        "host=a dbname=b",           "postgresql:///b?host=/run/postgresql",
        "password='a://b' host=c",   "postgresql://u:p%40%2f?x@a:1,b:2/c?application_name=d@e",
        "postgresql://a?user=b%40c", "host=a user=b@c password=/@ port=1"};
    for (size_t i = 0; i < sizeof(right) / sizeof(right[0]); i++) {
        char line[128];
        (void)snprintf(line, sizeof(line), "source: {url: \"%s\"}", right[i]);
        assert_string_equal(loaded(*state, instead(line))->source_url, right[i]);
    }
    complains(*state, instead("source: {url: \"mysql://a/b\"}"),
              "2:15 RH-3109 source.url is not a URL of PostgreSQL (it begins with postgresql:// or "
              "postgres://)");
    complains(*state, instead("source: {url: \"mydb\"}"),
              "2:15 RH-3109 source.url is not a connection string of PostgreSQL (write "
              "postgresql://user@host:port/database or host=… dbname=…)");
    complains(*state, instead("source: {url: \"host=a slmode=b\"}"),
              "2:15 RH-3109 source.url is not a connection string: invalid connection option "
              "\"…\" (did you mean \"sslmode\"?)");
    complains(*state, instead("source: {url: \"postgresql://a/b?sslmod=require\"}"),
              "2:15 RH-3109 source.url is not a connection string: invalid URI query parameter: "
              "\"…\" (did you mean \"sslmode\"?)");
}

static void a_complaint_never_shows_a_password(void **state)
{
    struct fixture *fixture = *state;
    static const char *const urls[] = {
        "postgresql://u:hunter2@[::1/b",
        "postgresql://u:hunter2%zz@a/b",
        "postgresql://u:hunter2@[a]x/b",
        "postgresql://u:hunter2@a/b?hunter2=x=hunter2",
        "postgresql://u:x@a/b?hunter2",
        "host=a password=x hunter2",
        "host=a password=x hunter2=3",
        "host=a password='hunter2",
        "postgresql://u:hunter2%00@a/b",
        "http://u:hunter2@a/b",
        "u:hunter2@a/b",
        "postgresql://u:a\\\"hunter2@[a\\\"hunter2/b",
        "postgresql://u:p@a/b?a=b=\\\"hunter2",
        "host=a password=x hunter2\\\" x",
        "postgresql://u:hunter2/x@a/b",
        "postgresql://u:x/hunter2@a/b",
        "postgresql://u:12/hunter2@a/b",
        "postgresql://u:x@hunter2@a/b",
        "postgresql://u:@x/hunter2@a/b",
        "postgresql://u:x@hunter2@a?connect_timeout=1",
        "host=a port=hunter2",
        "host=a s\\\"hunter2=x",
        "host=a hunter2\\ny=x",
        "postgresql://u@[::1]\\\"hunter2\\\":5/b",
    };
    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        char line[256];
        (void)snprintf(line, sizeof(line), "source: {url: \"%s\"}", urls[i]);
        assert_false(load(fixture, instead(line)));
        assert_string_equal(fixture->complaints.first->code, "RH-3109");
        assert_null(strstr(fixture->complaints.first->text, "hunter"));
        const char *hint = fixture->complaints.first->hint;
        assert_true(hint == NULL || strstr(hint, "hunter") == NULL);
    }
    complains(fixture, instead("source: {url: \"host=a password=x hunter2\"}"),
              "2:15 RH-3109 source.url is not a connection string: missing \"=\" after \"…\" in "
              "connection info string");
}

static const char *two_urls(const char *source, const char *target)
{
    (void)snprintf(yaml_text, sizeof(yaml_text),
                   "name: crm\nsource:\n  url: \"%s\"\ntarget:\n  url: \"%s\"\n"
                   "kafka: {bootstrap.servers: a}\n",
                   source, target);
    return yaml_text;
}

static void source_and_target_must_be_two_databases(void **state)
{
    static const struct {
        const char *source, *target;
        bool same;
    } rows[] = {
        {"postgresql://u@a/b", "postgresql://u@a/b", true},
        {"postgresql://u@a/b", "postgres://v:p@A:5432/b?sslmode=disable", true},
        {"postgresql://u@a/b", "host=a port=5432 dbname=b", true},
        {"postgresql://localhost/b", "host=127.0.0.1 dbname=b", true},
        {"postgresql://b@a", "postgresql://u@a/b", true},
        {"service=x dbname=b", "service=x dbname=b", true},
        {"postgresql:///b?host=/run", "host=/run dbname=b", true},
        {"postgresql://u@a/b", "postgresql://u@a/B", false},
        {"postgresql://u@a/b", "postgresql://u@a:5433/b", false},
        {"postgresql://u@a/b", "postgresql://u@c/b", false},
        {"service=x dbname=b", "service=y dbname=b", false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *yaml = two_urls(rows[i].source, rows[i].target);
        if (rows[i].same) {
            complains(*state, yaml,
                      "5:8 RH-3110 target.url is the same server, port and database as source.url "
                      "(source and target must be two databases)");
        } else {
            (void)loaded(*state, yaml);
        }
    }
}

/* Writes a secret file and gives its path; the caller unlinks it. */
static const char *secret_file(const char *contents, mode_t mode)
{
    static char path[64];
    (void)snprintf(path, sizeof(path), "/tmp/settings_test_XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, contents, strlen(contents)), strlen(contents));
    assert_int_equal(fchmod(fd, mode), 0);
    assert_int_equal(close(fd), 0);
    return path;
}

static void a_secret_is_the_first_line_of_a_file(void **state)
{
    static const struct {
        const char *contents;
        mode_t mode;
    } rows[] = {{"postgresql://a/s\n", 0600},
                {"postgresql://a/s", 0400},
                {"postgresql://a/s\r\nmore\n", 0600}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char line[128];
        const char *path = secret_file(rows[i].contents, rows[i].mode);
        (void)snprintf(line, sizeof(line), "source: {url: \"file:%s\"}", path);
        assert_string_equal(loaded(*state, instead(line))->source_url, "postgresql://a/s");
        assert_int_equal(unlink(path), 0);
    }
}

static void a_secret_file_that_others_may_read_is_refused(void **state)
{
    static const mode_t modes[] = {0640, 0604, 0700, 0660, 0444};
    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        char line[128];
        char expected[512];
        const char *path = secret_file("postgresql://a/s\n", modes[i]);
        (void)snprintf(line, sizeof(line), "source: {url: \"file:%s\"}", path);
        (void)snprintf(expected, sizeof(expected),
                       "2:15 RH-3112 source.url: secret file \"%s\" has mode %04o: only its owner "
                       "may have access (chmod 600 %s)",
                       path, (unsigned)modes[i], path);
        complains(*state, instead(line), expected);
        assert_int_equal(unlink(path), 0);
    }
}

static void a_secret_file_must_have_something_to_read(void **state)
{
    static const struct {
        const char *contents, *text;
    } rows[] = {{"", "is empty"}, {"\nx\n", "is empty"}, {"\r\n", "is empty"}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char line[128];
        char expected[256];
        const char *path = secret_file(rows[i].contents, 0600);
        (void)snprintf(line, sizeof(line), "source: {url: \"file:%s\"}", path);
        (void)snprintf(expected, sizeof(expected),
                       "2:15 RH-3111 source.url: first line of secret file \"%s\" %s", path,
                       rows[i].text);
        complains(*state, instead(line), expected);
        assert_int_equal(unlink(path), 0);
    }
    complains(*state, instead("source: {url: \"file:/nowhere\"}"),
              "2:15 RH-3111 source.url: could not open secret file \"/nowhere\": No such file or "
              "directory");
    complains(*state, instead("source: {url: \"file:/tmp\"}"),
              "2:15 RH-3112 source.url: secret file \"/tmp\" is not a regular file");
}

static void a_secret_line_has_a_limit(void **state)
{
    enum { LIMIT = 16 * 1024 };
    static char contents[LIMIT + 1];
    char line[128];
    char expected[256];
    memset(contents, 'x', LIMIT);
    const char *path = secret_file(contents, 0600);
    (void)snprintf(line, sizeof(line), "source: {url: \"file:%s\"}", path);
    (void)snprintf(expected, sizeof(expected),
                   "2:15 RH-3111 source.url: first line of secret file \"%s\" is not a text of at "
                   "most 16383 bytes",
                   path);
    complains(*state, instead(line), expected);
    assert_int_equal(unlink(path), 0);
}

static void only_secret_properties_of_kafka_come_from_files(void **state)
{
    char line[512];
    const char *path = secret_file("s3cret\n", 0600);
    (void)snprintf(line, sizeof(line),
                   "kafka: {bootstrap.servers: a, sasl.password: \"file:%s\", ssl.key.password: "
                   "\"file:%s\", a.key: \"file:%s\", sasl.username: \"file:%s\", client.id: "
                   "\"file:%s\"}",
                   path, path, path, path, path);
    const struct settings *settings = loaded(*state, instead(line));
    assert_int_equal(settings->kafka_count, 6);
    for (size_t i = 1; i < 5; i++) {
        assert_string_equal(settings->kafka[i].value, "s3cret");
    }
    assert_string_equal(settings->kafka[5].value + strlen("file:"), path);
    assert_int_equal(unlink(path), 0);
}

static void queues_must_hold_the_largest_row(void **state)
{
    (void)loaded(*state, with("topics: {max_message_bytes: 32MiB}"));
    complains(*state, with("backfill: {queue_bytes: 7MiB}"),
              "5:25 RH-3113 backfill.queue_bytes is less than topics.max_message_bytes (make the "
              "queue larger)");
    complains(*state, with("topics: {max_message_bytes: 33MiB}\nbackfill: {queue_bytes: 1GiB}"),
              "5:29 RH-3113 apply.fetch_bytes is less than topics.max_message_bytes (make the "
              "queue larger)");
}

static void the_log_file_knows_migration_and_time(void **state)
{
    const char *file = loaded(*state, with("log: {file: \"logs/{migration}.log\"}"))->log_file;
    assert_string_equal(file, "logs/crm.log");
    file = loaded(*state, with("log: {file: \"{migration}-{timestamp}\"}"))->log_file;
    assert_int_equal(strlen(file), strlen("crm-20261120T101112Z"));
    assert_int_equal(strncmp(file, "crm-20", 6), 0);
    assert_int_equal(file[12], 'T');
    assert_int_equal(file[19], 'Z');
    complains(*state, with("log: {file: \"{pid}.log\"}"),
              "5:13 RH-3114 log.file has the unknown placeholder \"{pid}\" (there are {migration} "
              "and {timestamp})");
    complains(*state, with("log: {file: \"a{migration\"}"),
              "5:13 RH-3114 log.file has the unknown placeholder \"{migration\" (there are "
              "{migration} and {timestamp})");
}

static void all_complaints_are_collected(void **state)
{
    struct fixture *fixture = *state;
    assert_false(load(fixture, with("run: {workers: 0, wrkers: 1}\nmode: strem\n"
                                    "apply: {batch_bytes: 4mb}\ntopics: 3")));
    assert_int_equal(fixture->complaints.errors_count, 5);
}

static void the_page_in_docs_is_what_the_table_prints(void **state)
{
    (void)state;
    char *printed = NULL;
    size_t printed_len = 0;
    FILE *stream = open_memstream(&printed, &printed_len);
    assert_non_null(stream);
    settings_print_markdown(stream);
    assert_int_equal(fclose(stream), 0);

    static char page[256 * 1024];
    FILE *file = fopen(TESTS_DIR "/../docs/settings.md", "r");
    assert_non_null(file);
    size_t len = fread(page, 1, sizeof(page) - 1, file);
    assert_int_equal(fclose(file), 0);
    page[len] = '\0';
    assert_string_equal(page, printed);
    free(printed);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_required_settings_are_enough),
        TEST(what_is_left_out_has_its_default),
        TEST(every_setting_can_be_given),
        TEST(sections_may_be_empty),
        TEST(the_documents_of_the_mapping_load),
        TEST(unknown_keys_find_the_one_that_was_meant),
        TEST(missing_settings_are_all_named),
        TEST(the_wrong_shape_is_refused),
        TEST(an_unknown_variable_is_one_complaint_not_two),
        TEST(other_sources_are_not_in_this_version),
        TEST(the_version_is_1),
        TEST(names_have_31_characters_at_most),
        TEST(numbers_are_whole_and_decimal),
        TEST(numbers_have_a_range),
        TEST(words_stand_for_numbers_where_the_table_says_so),
        TEST(a_wrong_unit_finds_the_right_one),
        TEST(a_choice_names_what_there_is),
        TEST(connection_strings_are_checked),
        TEST(a_complaint_never_shows_a_password),
        TEST(source_and_target_must_be_two_databases),
        TEST(a_secret_is_the_first_line_of_a_file),
        TEST(a_secret_file_that_others_may_read_is_refused),
        TEST(a_secret_file_must_have_something_to_read),
        TEST(a_secret_line_has_a_limit),
        TEST(only_secret_properties_of_kafka_come_from_files),
        TEST(queues_must_hold_the_largest_row),
        TEST(the_log_file_knows_migration_and_time),
        TEST(all_complaints_are_collected),
        TEST(the_page_in_docs_is_what_the_table_prints),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
