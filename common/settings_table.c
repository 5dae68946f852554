#include "common/settings_table.h"

#include "common/compiler.h"
#include "common/log.h"
#include "common/settings.h"

#define KIB ((uint64_t)1024)
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)

#define SECONDS ((uint64_t)1000)
#define MINUTES (60 * SECONDS)
#define HOURS   (60 * MINUTES)

#define STORED(member)                                                                             \
    .offset = offsetof(struct settings, member), .size = sizeof(((struct settings *)0)->member)

#define LOWER  "abcdefghijklmnopqrstuvwxyz"
#define UPPER  "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

/* It becomes part of names of slots, publications, topics and control rows. */
static const struct setting_pattern name_pattern = {LOWER, LOWER DIGITS "_", 31,
                                                    "[a-z][a-z0-9_]{0,30}"};
/* Kafka's characters; topic names have 249 bytes, the migration and the table need the rest. */
static const struct setting_pattern prefix_pattern = {
    LOWER UPPER DIGITS "_", LOWER UPPER DIGITS "._-", 100, "[A-Za-z0-9_][A-Za-z0-9._-]{0,99}"};

static const struct setting_choice version_choices[] = {{"1", 1}, {NULL, 0}};
static const struct setting_choice mode_choices[] = {
    {"stream", MODE_STREAM}, {"snapshot", MODE_SNAPSHOT}, {NULL, 0}};
static const struct setting_choice preset_choices[] = {
    {"none", PRESET_NONE}, {"supabase", PRESET_SUPABASE}, {NULL, 0}};
static const struct setting_choice oversize_choices[] = {
    {"reject", OVERSIZE_REJECT}, {"stop", OVERSIZE_STOP}, {NULL, 0}};
static const struct setting_choice log_format_choices[] = {
    {"text", LOG_FORMAT_TEXT}, {"json", LOG_FORMAT_JSON}, {NULL, 0}};
static const struct setting_choice log_level_choices[] = {{"debug", LEVEL_DEBUG},
                                                          {"info", LEVEL_INFO},
                                                          {"warn", LEVEL_WARN},
                                                          {"error", LEVEL_ERROR},
                                                          {NULL, 0}};

/* clang-format off */
const struct setting settings_table[] = {
    {.path = "version", .kind = SETTING_ENUM, .default_text = "1", .choices = version_choices,
     .help = "of the file's form"},
    {.path = "name", .kind = SETTING_TEXT, .pattern = &name_pattern, .required = true,
     STORED(name),
     .help = "of the migration; names its topics, slot, publication and control rows"},
    {.path = "mode", .kind = SETTING_ENUM, .default_text = "stream", .choices = mode_choices,
     STORED(mode),
     .help = "`stream` copies and then follows by logical replication; `snapshot` copies data that "
             "does not change meanwhile; only `snapshot` can run in this version"},

    {.path = "source.url", .kind = SETTING_URL, .required = true, .secret = true,
     STORED(source_url),
     .help = "libpq URL or `key=value` connection string of the database to read"},
    {.path = "source.preset", .kind = SETTING_ENUM, .default_text = "none",
     .choices = preset_choices, STORED(source_preset),
     .help = "a hosting service whose peculiarities `check` knows"},
    {.path = "source.rest", .kind = SETTING_REFUSED, .help = "PostgREST as the source"},
    {.path = "source.key", .kind = SETTING_REFUSED, .help = "API key of `source.rest`"},
    {.path = "source.files", .kind = SETTING_REFUSED, .help = "an export's files as the source"},
    {.path = "target.url", .kind = SETTING_URL, .required = true, .secret = true,
     STORED(target_url),
     .help = "libpq URL or `key=value` connection string of the database to write"},

    {.path = "kafka.*", .kind = SETTING_KAFKA,
     .help = "any librdkafka property, name unchanged; `bootstrap.servers` is required"},

    {.path = "topics.prefix", .kind = SETTING_TEXT, .default_text = "rowhaul",
     .pattern = &prefix_pattern, STORED(topics_prefix),
     .help = "topics are called `<prefix>.<name>.<table id>`"},
    {.path = "topics.partitions", .kind = SETTING_COUNT, .unit = "partitions",
     .default_text = "12", .min = 1, .max = 10000, STORED(topics_partitions),
     .help = "of a large table's topic, fixed when the run is created; as many workers can share "
             "the table"},
    {.path = "topics.replication_factor", .kind = SETTING_COUNT, .unit = "replicas",
     .default_text = "auto", .min = 1, .max = INT16_MAX, .word = {"auto", 0},
     STORED(topics_replication_factor),
     .help = "of new topics; `auto` is 3, or the number of brokers when there are fewer"},
    {.path = "topics.allow_unsafe", .kind = SETTING_BOOL, .default_text = "false",
     STORED(topics_allow_unsafe),
     .help = "accept replication factor 1, with which losing one broker's disk loses messages"},
    {.path = "topics.max_message_bytes", .kind = SETTING_BYTES, .default_text = "8MiB",
     .min = KIB, .max = 512 * MIB, STORED(topics_max_message_bytes),
     .help = "largest row, set on the topics and the clients"},
    {.path = "topics.oversize", .kind = SETTING_ENUM, .default_text = "reject",
     .choices = oversize_choices, STORED(topics_oversize),
     .help = "what happens to a row larger than that: `reject` records it, `stop` ends the run"},
    {.path = "topics.small_rows", .kind = SETTING_COUNT, .unit = "rows", .default_text = "50000",
     .max = UINT64_MAX, STORED(topics_small_rows),
     .help = "a table estimated below it gets one partition"},

    {.path = "run.workers", .kind = SETTING_COUNT, .unit = "processes", .default_text = "2",
     .min = 1, .max = 256, STORED(run_workers), .help = "that `rowhaul run` starts"},

    {.path = "log.format", .kind = SETTING_ENUM, .default_text = "text",
     .choices = log_format_choices, STORED(log_format), .help = "of events"},
    {.path = "log.level", .kind = SETTING_ENUM, .default_text = "info",
     .choices = log_level_choices, STORED(log_level), .help = "events below it are left out"},
    {.path = "log.file", .kind = SETTING_TEXT, STORED(log_file),
     .help = "a file that takes the events instead of stderr; `{migration}` and `{timestamp}` are replaced"},

    {.path = "backfill.page", .kind = SETTING_COUNT, .unit = "rows", .default_text = "auto",
     .min = 1, .max = 1000000, .word = {"auto", 0}, STORED(backfill_page_rows),
     .help = "read from the source at once; `auto` adapts it to `backfill.page_time`"},
    {.path = "backfill.page_time", .kind = SETTING_MILLISECONDS, .default_text = "300ms",
     .min = 10, .max = MINUTES, STORED(backfill_page_ms), .help = "what an adapted page may take"},
    {.path = "backfill.threads", .kind = SETTING_COUNT, .unit = "threads", .default_text = "4",
     .min = 1, .max = 64, STORED(backfill_threads),
     .help = "that read the source, with one connection each"},
    {.path = "backfill.range_rows", .kind = SETTING_COUNT, .unit = "rows", .default_text = "50000",
     .min = 1, .max = UINT64_MAX, STORED(backfill_range_rows),
     .help = "a table estimated at twice as many (or as many KiB) or more is divided into ranges of at "
             "least so many, which the threads read at the same time"},
    {.path = "backfill.rate", .kind = SETTING_COUNT, .unit = "rows/s",
     .default_text = "unlimited", .min = 1, .max = UINT64_MAX, .word = {"unlimited", 0},
     STORED(backfill_rate), .help = "at most, over all threads"},
    {.path = "backfill.checkpoint", .kind = SETTING_MILLISECONDS, .default_text = "1s",
     .min = 10, .max = 10 * MINUTES, STORED(backfill_checkpoint_ms),
     .help = "how often the position is recorded"},
    {.path = "backfill.queue_bytes", .kind = SETTING_BYTES, .default_text = "64MiB",
     .min = MIB, .max = 16 * GIB, STORED(backfill_queue_bytes),
     .help = "rows read and not yet acknowledged by Kafka"},
    {.path = "backfill.max_source_lag", .kind = SETTING_MILLISECONDS, .default_text = "30s",
     .min = SECONDS, .max = 24 * HOURS, STORED(backfill_max_source_lag_ms),
     .help = "pages wait while the change stream is further behind"},

    {.path = "apply.batch_rows", .kind = SETTING_COUNT, .unit = "rows", .default_text = "20000",
     .min = 1, .max = 1000000, STORED(apply_batch_rows), .help = "in one target transaction"},
    {.path = "apply.mark_interval", .kind = SETTING_MILLISECONDS, .default_text = "3min",
     .min = 10, .max = HOURS, STORED(apply_mark_ms),
     .help = "how often a partition's position is kept, for `replay` to begin at"},
    {.path = "apply.batch_bytes", .kind = SETTING_BYTES, .default_text = "4MiB",
     .min = KIB, .max = GIB, STORED(apply_batch_bytes),
     .help = "in one target transaction; a single larger row is a batch of its own"},
    {.path = "apply.batch_wait", .kind = SETTING_MILLISECONDS, .default_text = "200ms",
     .max = MINUTES, STORED(apply_batch_wait_ms), .help = "how long a batch waits to be filled"},
    {.path = "apply.retries", .kind = SETTING_COUNT, .default_text = "3", .max = 1000,
     STORED(apply_retries), .help = "of a batch whose failure may pass"},
    {.path = "apply.retry_delay", .kind = SETTING_MILLISECONDS, .default_text = "5s",
     .max = HOURS, STORED(apply_retry_delay_ms), .help = "between them"},
    {.path = "apply.max_error_rate", .kind = SETTING_PERCENT, .default_text = "5%", .max = 100,
     STORED(apply_max_error_rate),
     .help = "rejected rows among those applied, above which the run pauses; checked here, obeyed "
             "by a later version"},
    {.path = "apply.max_errors", .kind = SETTING_COUNT, .unit = "rows", .default_text = "none",
     .max = UINT64_MAX - 1, .word = {"none", UINT64_MAX}, STORED(apply_max_errors),
     .help = "rejected, above which the run pauses; checked here, obeyed by a later version"},
    {.path = "apply.fetch_bytes", .kind = SETTING_BYTES, .default_text = "32MiB",
     .min = MIB, .max = 2047 * MIB, STORED(apply_fetch_bytes),
     .help = "read from Kafka ahead of the batch"},
    {.path = "apply.statement_timeout", .kind = SETTING_MILLISECONDS, .default_text = "5min",
     .min = 100, .max = 24 * HOURS, STORED(apply_statement_timeout_ms),
     .help = "of one statement on the target"},

    {.path = "vars", .kind = SETTING_ELSEWHERE,
     .help = "values for `${name}`; a mapping of texts, may be nested (`${company.name}`)"},
    {.path = "tables", .kind = SETTING_ELSEWHERE, .help = "the mapping: what moves where"},
    {.path = "assertions", .kind = SETTING_ELSEWHERE, .help = "SQL that must hold afterwards"},
    {.path = "queries", .kind = SETTING_ELSEWHERE,
     .help = "the application's own queries, compared on both sides"},
};
/* clang-format on */

const size_t settings_table_count = RH_COUNT(settings_table);
