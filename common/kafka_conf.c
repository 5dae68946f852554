/*
 * kafka_conf -- the properties of our librdkafka handles: ours by role, then the user's.
 *
 * What correctness depends on is a table; a user who sets such a property otherwise gets a
 * complaint with its place instead of a migration that loses rows quietly.
 */
#include "common/kafka.h"

#include "common/clock.h"
#include "common/log.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#define CODE_PROPERTY                                                                              \
    "RH-3007" /* as document_error's: a value that the room reading it refused                     \
               */

enum {
    FOR_PRODUCER = 1 << KAFKA_PRODUCER,
    FOR_CONSUMER = 1 << KAFKA_CONSUMER,
    FOR_READER = 1 << KAFKA_READER,
    FOR_BOTH_CONSUMERS = FOR_CONSUMER | FOR_READER,
    FOR_ALL = FOR_PRODUCER | FOR_BOTH_CONSUMERS,
};

struct property {
    unsigned roles;
    const char *name;
    const char *value;
};

static const struct property properties[] = {
    {FOR_ALL, "client.id", "rowhaul"},
    {FOR_ALL, "socket.nagle.disable", "true"}, /* off by default before librdkafka 2.10 */
    {FOR_ALL, "socket.keepalive.enable", "true"},
    {FOR_ALL, "reconnect.backoff.max.ms", "2000"},
    {FOR_ALL, "log.connection.close", "false"}, /* brokers close idle connections: no news */

    /* Throughput figures: docs/performance.md. Without batch.num.messages narrow rows travel in
     * batches of 10,000 at two thirds of the speed. */
    {FOR_PRODUCER, "linger.ms", "5"},
    {FOR_PRODUCER, "batch.num.messages", "100000"},
    {FOR_PRODUCER, "batch.size", "1048576"},
    {FOR_PRODUCER, "queue.buffering.max.messages", "10000000"}, /* kbytes is the bound */
    {FOR_PRODUCER, "compression.codec", "lz4"},

    /* Who reads waits for Kafka when fewer are queued: the default 100,000 halves narrow rows'
     * speed. */
    {FOR_BOTH_CONSUMERS, "queued.min.messages", "1000000"},
    {FOR_BOTH_CONSUMERS, "fetch.message.max.bytes",
     "1048576"}, /* a larger row still comes, alone */
    {FOR_CONSUMER, "session.timeout.ms", "10000"},
    {FOR_CONSUMER, "heartbeat.interval.ms", "500"}, /* peers learn of a rebalance only by it */
    {FOR_CONSUMER, "max.poll.interval.ms", "900000"},
};

/* Not for the user to change. */
struct fixed_property {
    struct property property; /* value NULL: may not be set at all */
    const char *reason;
};

static const struct fixed_property fixed_properties[] = {
    {{FOR_PRODUCER, "enable.idempotence", "true"}, "a retry would write a row twice"},
    {{FOR_PRODUCER, "acks", "all"}, "an acknowledged row could be lost with one broker"},
    {{FOR_PRODUCER, "request.required.acks", "all"},
     "an acknowledged row could be lost with one broker"},
    {{FOR_PRODUCER, "message.timeout.ms", "0"}, "a message that times out is a gap"},
    {{FOR_PRODUCER, "delivery.timeout.ms", "0"}, "a message that times out is a gap"},
    {{FOR_PRODUCER, "delivery.report.only.error", "false"}, "checkpoints wait for every delivery"},
    {{FOR_ALL, "transactional.id", NULL}, "exactly-once comes from the target's transactions"},
    {{FOR_BOTH_CONSUMERS, "enable.auto.commit", "false"}, "positions live in the target database"},
    {{FOR_BOTH_CONSUMERS, "auto.commit.enable", "false"}, "positions live in the target database"},
    {{FOR_BOTH_CONSUMERS, "enable.auto.offset.store", "false"},
     "positions live in the target database"},
    {{FOR_BOTH_CONSUMERS, "auto.offset.reset", "error"},
     "a lost position must stop the run, not skip rows"},
    {{FOR_BOTH_CONSUMERS, "isolation.level", "read_committed"}, "the message order must be final"},
    {{FOR_BOTH_CONSUMERS, "check.crcs", "true"}, "damage on the way must not reach the target"},
    {{FOR_BOTH_CONSUMERS, "partition.assignment.strategy", "range,roundrobin"},
     "workers take over partitions eagerly"},
    {{FOR_BOTH_CONSUMERS, "allow.auto.create.topics", "false"},
     "topics are created with their settings"},
    {{FOR_BOTH_CONSUMERS, "enable.partition.eof", "false"}, "the end of a partition is no message"},
    {{FOR_ALL, "group.id", NULL}, "the group is named after the migration"},
    {{FOR_ALL, "message.max.bytes", NULL}, "set topics.max_message_bytes instead"},
    {{FOR_ALL, "queue.buffering.max.kbytes", NULL}, "set backfill.queue_bytes instead"},
    {{FOR_ALL, "queued.max.messages.kbytes", NULL}, "set apply.fetch_bytes instead"},
};

static unsigned role_bit(enum kafka_role role)
{
    return 1u << (unsigned)role;
}

/* Ours: a refusal is a librdkafka too old for us, or a bug. */
static bool set_ours(rd_kafka_conf_t *conf, const char *name, const char *value, struct error *err)
{
    char reason[256];
    if (rd_kafka_conf_set(conf, name, value, reason, sizeof(reason)) == RD_KAFKA_CONF_OK) {
        return true;
    }
    return error_stop(err, EXIT_INTERNAL, "RH-6003", "could not set Kafka property \"%s\": %s",
                      name, reason);
}

static bool set_number(rd_kafka_conf_t *conf, const char *name, uint64_t number, struct error *err)
{
    char value[24];
    snprintf(value, sizeof(value), "%" PRIu64, number);
    return set_ours(conf, name, value, err);
}

static bool set_tables(rd_kafka_conf_t *conf, enum kafka_role role, struct error *err)
{
    for (size_t i = 0; i < RH_COUNT(properties); i++) {
        const struct property *p = &properties[i];
        if ((p->roles & role_bit(role)) != 0 && !set_ours(conf, p->name, p->value, err)) {
            return false;
        }
    }
    for (size_t i = 0; i < RH_COUNT(fixed_properties); i++) {
        const struct property *p = &fixed_properties[i].property;
        bool mine = (p->roles & role_bit(role)) != 0 && p->value != NULL;
        if (mine && !set_ours(conf, p->name, p->value, err)) {
            return false;
        }
    }
    return true;
}

static uint64_t clamp_kbytes(uint64_t bytes, uint64_t kbytes_max)
{
    uint64_t kbytes = bytes / 1024;
    if (kbytes == 0) {
        return 1;
    }
    return kbytes < kbytes_max ? kbytes : kbytes_max;
}

/* librdkafka's upper bounds, in CONFIGURATION.md of 2.0.2. */
#define QUEUE_KBYTES_MAX  INT32_MAX
#define FETCH_KBYTES_MAX  2097151
#define MESSAGE_BYTES_MAX 1000000000

static bool set_from_settings(rd_kafka_conf_t *conf, const struct settings *settings,
                              enum kafka_role role, struct error *err)
{
    uint64_t message_bytes = settings->topics_max_message_bytes + KAFKA_OVERHEAD_BYTES;
    message_bytes = message_bytes < MESSAGE_BYTES_MAX ? message_bytes : MESSAGE_BYTES_MAX;
    if (!set_number(conf, "message.max.bytes", message_bytes, err)) {
        return false;
    }
    if (role == KAFKA_PRODUCER) {
        return set_number(conf, "queue.buffering.max.kbytes",
                          clamp_kbytes(settings->backfill_queue_bytes, QUEUE_KBYTES_MAX), err);
    }
    return set_number(conf, "queued.max.messages.kbytes",
                      clamp_kbytes(settings->apply_fetch_bytes, FETCH_KBYTES_MAX), err);
}

static bool set_group(rd_kafka_conf_t *conf, const struct settings *settings, const char *group_id,
                      struct error *err)
{
    if (group_id != NULL) {
        return set_ours(conf, "group.id", group_id, err);
    }
    char group[256];
    snprintf(group, sizeof(group), "%s.%s", settings->topics_prefix, settings->name);
    return set_ours(conf, "group.id", group, err);
}

/* A complaint with the property's place in the file. */
static bool property_error(const struct settings *settings, const struct kafka_property *property,
                           const char *text, struct error *err)
{
    const struct document document = {settings->file, NULL};
    return document_error(&document, property->node, err, "%s", text);
}

static bool check_not_fixed(const struct settings *settings, const struct kafka_property *property,
                            struct error *err)
{
    for (size_t i = 0; i < RH_COUNT(fixed_properties); i++) {
        const struct fixed_property *fixed = &fixed_properties[i];
        const char *value = fixed->property.value;
        if (strcmp(fixed->property.name, property->name) != 0 ||
            (value != NULL && strcmp(value, property->value) == 0)) {
            continue;
        }
        char text[256];
        if (value == NULL) {
            snprintf(text, sizeof(text), "kafka property \"%s\" cannot be set: %s", property->name,
                     fixed->reason);
        } else {
            snprintf(text, sizeof(text), "kafka property \"%s\" must stay \"%s\": %s",
                     property->name, value, fixed->reason);
        }
        return property_error(settings, property, text, err);
    }
    return true;
}

static bool set_users(rd_kafka_conf_t *conf, const struct settings *settings, struct error *err)
{
    for (size_t i = 0; i < settings->kafka_count; i++) {
        const struct kafka_property *property = &settings->kafka[i];
        char reason[256];
        if (!check_not_fixed(settings, property, err)) {
            return false;
        }
        if (rd_kafka_conf_set(conf, property->name, property->value, reason, sizeof(reason)) !=
            RD_KAFKA_CONF_OK) {
            return property_error(settings, property, reason, err);
        }
    }
    return true;
}

/*
 * librdkafka says the same about an absent broker several times a second, on threads of its own:
 * one line in ten seconds is a warning, the rest is for --log-level debug.
 */
static void log_received(const rd_kafka_t *handle RH_UNUSED, int level, const char *facility,
                         const char *text)
{
    const int syslog_error = 3; /* librdkafka's levels are syslog's: lower is worse */
    const int64_t quiet_ms = 10000;
    static _Atomic int64_t next_warning_ms;
    enum log_level our_level = LEVEL_DEBUG;
    int64_t now_ms = clock_ms();
    int64_t due_ms = atomic_load(&next_warning_ms);
    if (level <= syslog_error && now_ms >= due_ms &&
        atomic_compare_exchange_strong(&next_warning_ms, &due_ms, now_ms + quiet_ms)) {
        our_level = LEVEL_WARN;
    }
    log_event(our_level, "kafka_log", F_STR("facility", facility), F_STR("text", text));
}

static void conf_destroy(rd_kafka_conf_t **conf)
{
    if (*conf != NULL) {
        rd_kafka_conf_destroy(*conf);
        *conf = NULL;
    }
}

bool kafka_conf(const struct settings *settings, enum kafka_role role, const char *group_id,
                rd_kafka_conf_t **ret_conf, struct error *err)
{
    RH_AUTO(conf_destroy) rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set_log_cb(conf, log_received);
    bool ok = set_tables(conf, role, err) && set_users(conf, settings, err) &&
              set_from_settings(conf, settings, role, err);
    if (!ok || (role != KAFKA_PRODUCER && !set_group(conf, settings, group_id, err))) {
        return false;
    }
    *ret_conf = conf;
    conf = NULL;
    return true;
}

bool kafka_check_properties(const struct settings *settings, struct error *err)
{
    RH_AUTO(conf_destroy) rd_kafka_conf_t *conf = rd_kafka_conf_new();
    return set_users(conf, settings, err);
}
