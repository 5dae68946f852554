/*
 * kafka -- librdkafka configured our way, admin requests, and its error codes classified.
 *
 * In:     settings (any librdkafka property, name unchanged). Out: handles the caller owns.
 * Never:  decides offsets, fences or retries; those are the worker's and the producer's.
 *
 * Callers use librdkafka's own calls on the handles; this room only adds what all of them share.
 */
#ifndef RH_COMMON_KAFKA_H
#define RH_COMMON_KAFKA_H

#include "common/arena.h"
#include "common/error.h"
#include "common/settings.h"

#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stdint.h>

enum kafka_role {
    KAFKA_PRODUCER, /* idempotent, acks=all, message.timeout.ms=0, linger 5 ms, big batches */
    KAFKA_CONSUMER, /* lane: no auto commit, offset reset = error, check.crcs, read_committed */
    KAFKA_READER,   /* a consumer without group use: the state topic, watermarks, cat */
};

/* Room for a message's key and framing beside settings.topics_max_message_bytes: clients allow that
 * much more, the topics twice as much, since the broker's limit is for a whole batch. */
#define KAFKA_OVERHEAD_BYTES 65536

/*
 * A new configuration: our properties for the role, then the user's `kafka:` block; a property that
 * correctness depends on and the user sets otherwise is a complaint (ERROR_STOP, EXIT_CONFIG), and
 * so is one librdkafka does not know, both with file:line:column. group_id may be NULL.
 */
bool kafka_conf(const struct settings *settings, enum kafka_role role, const char *group_id,
                rd_kafka_conf_t **ret_conf, struct error *err) RH_MUST_CHECK;
/* The same for the user's block alone, before anybody connects. */
bool kafka_check_properties(const struct settings *settings, struct error *err) RH_MUST_CHECK;
/* Creates the handle; takes conf in every case. librdkafka's log lines become debug/warn events. */
bool kafka_new(rd_kafka_type_t type, rd_kafka_conf_t *conf, rd_kafka_t **ret_handle,
               struct error *err) RH_MUST_CHECK;
/* Destroys and nulls; NULL inside is fine. For RH_AUTO. */
void kafka_destroy(rd_kafka_t **handle);

/* What to do about KAFKA_LOST_ACKED, whoever notices it. */
#define KAFKA_LOST_HINT                                                                            \
    "Kafka lost acknowledged messages: check its replication and min.insync.replicas, then start " \
    "over with rowhaul cleanup and run"

/* Sets err from a librdkafka code: RETRY or STOP by the table in kafka.c, EXIT_KAFKA. False. */
bool kafka_error(struct error *err, rd_kafka_resp_err_t code, const char *format, ...)
    RH_PRINTF(3, 4);

/* Unreachable brokers are an error after timeout_ms; nothing else waits for them. */
bool kafka_ping(rd_kafka_t *handle, int64_t timeout_ms, uint32_t *ret_brokers,
                struct error *err) RH_MUST_CHECK;

struct topic_spec {
    const char *name;
    uint32_t partitions;
};

/* What asks for topics uses a KAFKA_READER: a producer's question makes brokers create the topic.
 */
struct topic_info {
    bool exists;
    uint32_t partitions;
    uint64_t messages; /* sum of high - low: over all partitions */
    bool used;         /* some partition holds or has held a message: its next offset is not 0 */
};

/*
 * Creates the topics that do not exist, explicitly (delete policy, no retention by time or size,
 * max.message.bytes, replication factor), waits until each partition has a leader, reads their
 * configuration back and refuses one that could lose messages (compaction, retention).
 *
 * Errors   TOPIC_FOREIGN (13) an existing topic has another partition count
 *          RH-6004 (4) an existing topic is compacted, has a retention, or a too small row limit
 */
bool kafka_topics_create(rd_kafka_t *handle, const struct settings *settings,
                         const struct topic_spec *topics, size_t count, uint32_t replication_factor,
                         struct error *err) RH_MUST_CHECK;
/* How many partitions a topic has, from metadata alone; 0: no such topic. */
bool kafka_topic_partitions(rd_kafka_t *handle, const char *topic, uint32_t *ret_partitions,
                            struct error *err) RH_MUST_CHECK;
bool kafka_topic_info(rd_kafka_t *handle, const char *topic, struct topic_info *ret_info,
                      struct error *err) RH_MUST_CHECK;
/* Unknown topics are fine. Returns when the brokers do not list them any more. */
bool kafka_topics_delete(rd_kafka_t *handle, const char *const *names, size_t count,
                         struct error *err) RH_MUST_CHECK;
/* A group that does not exist is fine; one with members is ERROR_RETRY. */
bool kafka_group_delete(rd_kafka_t *handle, const char *group, struct error *err) RH_MUST_CHECK;
/* How many members it has; 0 also when there is no such group. */
bool kafka_group_members(rd_kafka_t *handle, const char *group, uint32_t *ret_members,
                         struct error *err) RH_MUST_CHECK;
/* low and high offsets, with bounded retries (2.0.2 can miss a leader change). */
bool kafka_watermarks(rd_kafka_t *handle, const char *topic, int32_t partition, int64_t *ret_low,
                      int64_t *ret_high, struct error *err) RH_MUST_CHECK;

/*
 * Reads a partition from `from` (absolute, or RD_KAFKA_OFFSET_BEGINNING) up to and without `to`
 * (absolute, or RD_KAFKA_OFFSET_END: the end that stood when the call began), calling `visit` for
 * each message; visit returning false stops with its error.
 *
 * Errors   RETENTION_LOST, TOPIC_TRUNCATED (13) `from` is before the first offset; `from` or `to`
 *                      is after the last
 *          ERROR_RETRY no message and no end for a minute; no such topic (kafka_code
 *                      RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART)
 */
typedef bool kafka_visit(void *context, const rd_kafka_message_t *message, struct error *err);
bool kafka_read_partition(const struct settings *settings, const char *topic, int32_t partition,
                          int64_t from, int64_t to, kafka_visit *visit, void *context,
                          struct error *err) RH_MUST_CHECK;
/* The first offset whose message is not older than time_ms (1970 epoch); the end if none is. */
bool kafka_offset_at(rd_kafka_t *handle, const char *topic, int32_t partition, int64_t time_ms,
                     int64_t *ret_offset, struct error *err) RH_MUST_CHECK;

/*
 * `<prefix>.<migration>.<suffix>` in the arena: bytes Kafka does not allow become _xHH_, over 249
 * bytes it ends in a hash. run_names.c makes a run's names from it, which must not clash.
 */
const char *kafka_topic_name(struct arena *arena, const char *prefix, const char *migration,
                             const char *suffix);
/* The same, ending in a hash of the suffix in every case. */
const char *kafka_topic_name_hashed(struct arena *arena, const char *prefix, const char *migration,
                                    const char *suffix);

#endif
