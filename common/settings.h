/*
 * settings -- everything of the file that is not the mapping: servers, Kafka, topics, run, log,
 * backfill, apply. One row per key (settings_table.c); the row drives parsing, checking and the
 * page docs/settings.md.
 *
 * `${NAME}` in a value reads `vars` of the file, then the environment; `file:PATH` as a whole value
 * of a secret reads that file (mode 0600).
 */
#ifndef RH_COMMON_SETTINGS_H
#define RH_COMMON_SETTINGS_H

#include "common/complaint.h"
#include "common/document.h"
#include "common/log.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum run_mode { MODE_STREAM, MODE_SNAPSHOT };
enum source_preset { PRESET_NONE, PRESET_SUPABASE };
enum oversize_policy { OVERSIZE_REJECT, OVERSIZE_STOP };

struct kafka_property {
    const char *name;
    const char *value;
    const struct node *node; /* where it stands, for librdkafka's complaint */
};

struct settings {
    const char *file; /* path as given */
    const char *name; /* of the migration */
    enum run_mode mode;
    const char *source_url;
    enum source_preset source_preset;
    const char *target_url;
    const struct kafka_property *kafka; /* any librdkafka property, name unchanged */
    size_t kafka_count;

    const char *topics_prefix;
    uint32_t topics_partitions;         /* of a large table */
    uint32_t topics_replication_factor; /* 0 = auto: min(3, brokers) */
    bool topics_allow_unsafe;           /* replication factor 1 is accepted */
    uint64_t topics_max_message_bytes;
    enum oversize_policy topics_oversize;
    uint64_t topics_small_rows; /* tables estimated below it get one partition */

    uint32_t run_workers;

    enum log_format log_format;
    enum log_level log_level;
    const char *log_file; /* NULL = stderr only; {migration} and {timestamp} already replaced */

    uint32_t backfill_page_rows; /* 0 = auto: adapted to page_ms */
    uint64_t backfill_page_ms;   /* what an adapted page may take */
    uint32_t backfill_threads;
    uint64_t backfill_range_rows;
    uint64_t backfill_rate; /* rows a second, 0 = unlimited */
    uint64_t backfill_checkpoint_ms;
    uint64_t backfill_queue_bytes; /* librdkafka's producer queue */
    uint64_t backfill_max_source_lag_ms;

    uint32_t apply_batch_rows;
    uint64_t apply_mark_ms;
    uint64_t apply_batch_bytes;
    uint64_t apply_batch_wait_ms;
    uint32_t apply_retries;
    uint64_t apply_retry_delay_ms;
    double apply_max_error_rate; /* 0.05 = 5 %; stored, takes effect with the error budget */
    uint64_t apply_max_errors;   /* UINT64_MAX = none */
    uint64_t apply_fetch_bytes;  /* librdkafka's consumer queue */
    uint64_t apply_statement_timeout_ms;
};

/*
 * Reads the non-mapping part of a parsed document into ret_settings (strings in the arena). All
 * complaints are collected; false when there was an error among them. Keys `version vars tables
 * assertions queries` are known and left to the mapping.
 */
bool settings_load(const struct document *document, struct arena *arena,
                   struct complaints *complaints, struct settings *ret_settings) RH_MUST_CHECK;

/*
 * Replaces `${name}` and `${a.b}` (vars first, then environment; `$${` is a literal) in a scalar.
 * NULL with a complaint when a name is unknown. `used` (may be NULL) is told each environment
 * variable that was read, so that a plan can keep its value.
 */
struct environment; /* name -> value pairs kept with a plan, see environment.h */
const char *interpolate(const struct document *document, const struct node *node,
                        struct arena *arena, struct complaints *complaints,
                        struct environment *used);

/* The table of settings as Markdown: docs/settings.md. */
void settings_print_markdown(FILE *stream);

#endif
