#include "common/kafka.h"

#include "common/clock.h"
#include "common/hash.h"
#include "common/shutdown.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define CODE_UNREACHABLE "RH-6001"
#define CODE_REFUSED     "RH-6002"
#define CODE_FAILED      "RH-6003"

#define REQUEST_MS       5000  /* one question to a broker */
#define PATIENCE_MS      30000 /* with repetitions, over a leader election */
#define PAUSE_MS         200   /* between repetitions */
#define SILENCE_MS       60000 /* a partition that gives neither a message nor its end */
#define POLL_MS          200
#define TOPIC_NAME_MAX   249 /* Kafka's limit, bytes */
#define TOPIC_HASH_BYTES 17  /* "_" and 16 digits */
#define ESCAPED_BYTES    5   /* "_xHH_" */

/* ---- errors ---- */

struct code_action {
    rd_kafka_resp_err_t code;
    enum error_action action;
    const char *name;
};

/*
 * What is not listed is retried: Kafka's codes are mostly about brokers that come and go. _FATAL is
 * among them: the handle is of no use any more, but a new one is (librdkafka before 2.3 sees a
 * "sequence desynchronization" now and then where there is none).
 */
static const struct code_action code_actions[] = {
    {RD_KAFKA_RESP_ERR__TRANSPORT, ERROR_RETRY, CODE_UNREACHABLE},
    {RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN, ERROR_RETRY, CODE_UNREACHABLE},
    {RD_KAFKA_RESP_ERR__RESOLVE, ERROR_RETRY, CODE_UNREACHABLE},
    {RD_KAFKA_RESP_ERR__TIMED_OUT, ERROR_RETRY, CODE_UNREACHABLE},

    /* A person has to act. */
    {RD_KAFKA_RESP_ERR__AUTHENTICATION, ERROR_STOP, CODE_REFUSED},
    {RD_KAFKA_RESP_ERR__SSL, ERROR_STOP, CODE_REFUSED},
    {RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED, ERROR_STOP, CODE_REFUSED},
    {RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, ERROR_STOP, CODE_REFUSED},
    {RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED, ERROR_STOP, CODE_REFUSED},
    {RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED, ERROR_STOP, CODE_REFUSED},
    {RD_KAFKA_RESP_ERR_POLICY_VIOLATION, ERROR_STOP, CODE_REFUSED},
    {RD_KAFKA_RESP_ERR_UNSUPPORTED_VERSION, ERROR_STOP, CODE_FAILED},
    {RD_KAFKA_RESP_ERR_INVALID_CONFIG, ERROR_STOP, CODE_FAILED},
    {RD_KAFKA_RESP_ERR_INVALID_PARTITIONS, ERROR_STOP, CODE_FAILED},
    {RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR, ERROR_STOP, CODE_FAILED},
    {RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION, ERROR_STOP, CODE_FAILED},
    {RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, ERROR_STOP, CODE_FAILED},
    {RD_KAFKA_RESP_ERR__INVALID_ARG, ERROR_STOP, CODE_FAILED},

    /* The log does not hold what we must read. */
    {RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE, ERROR_STOP, CODE_FAILED},
    {RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET, ERROR_STOP, CODE_FAILED},
    {RD_KAFKA_RESP_ERR__BAD_MSG, ERROR_STOP, CODE_FAILED},
};

bool kafka_error(struct error *err, rd_kafka_resp_err_t code, const char *format, ...)
{
    char context[sizeof(err->text)];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(context, sizeof(context), format, args); /* a long text is cut */
    va_end(args);
    enum error_action action = ERROR_RETRY;
    const char *name = CODE_FAILED;
    for (size_t i = 0; i < RH_COUNT(code_actions); i++) {
        if (code_actions[i].code == code) {
            action = code_actions[i].action;
            name = code_actions[i].name;
        }
    }
    error_set(err, action, "%s: %s", context, rd_kafka_err2str(code));
    err->exit_code = EXIT_KAFKA;
    err->kafka_code = (int)code;
    err->code = name;
    return false;
}

/* ---- handles ---- */

bool kafka_new(rd_kafka_type_t type, rd_kafka_conf_t *conf, rd_kafka_t **ret_handle,
               struct error *err)
{
    char reason[512];
    rd_kafka_t *handle = rd_kafka_new(type, conf, reason, sizeof(reason));
    if (handle == NULL) {
        rd_kafka_conf_destroy(conf);
        return error_stop(err, EXIT_CONFIG, CODE_FAILED, "could not set up a Kafka client: %s",
                          reason);
    }
    *ret_handle = handle;
    return true;
}

void kafka_destroy(rd_kafka_t **handle)
{
    if (*handle != NULL) {
        rd_kafka_destroy(*handle);
        *handle = NULL;
    }
}

static void metadata_destroy(const rd_kafka_metadata_t **metadata)
{
    if (*metadata != NULL) {
        rd_kafka_metadata_destroy(*metadata);
        *metadata = NULL;
    }
}

static void topic_destroy(rd_kafka_topic_t **topic)
{
    if (*topic != NULL) {
        rd_kafka_topic_destroy(*topic);
        *topic = NULL;
    }
}

static void message_destroy(rd_kafka_message_t **message)
{
    if (*message != NULL) {
        rd_kafka_message_destroy(*message);
        *message = NULL;
    }
}

static void partitions_destroy(rd_kafka_topic_partition_list_t **list)
{
    if (*list != NULL) {
        rd_kafka_topic_partition_list_destroy(*list);
        *list = NULL;
    }
}

/* ---- questions to the cluster ---- */

static void bootstrap_of(rd_kafka_t *handle, char *text, size_t size)
{
    if (rd_kafka_conf_get(rd_kafka_conf(handle), "bootstrap.servers", text, &size) !=
        RD_KAFKA_CONF_OK) {
        text[0] = '\0';
    }
}

bool kafka_ping(rd_kafka_t *handle, int64_t timeout_ms, uint32_t *ret_brokers, struct error *err)
{
    REQUIRE(timeout_ms > 0 && timeout_ms <= INT32_MAX);
    RH_AUTO(metadata_destroy) const rd_kafka_metadata_t *metadata = NULL;
    rd_kafka_resp_err_t code = rd_kafka_metadata(handle, 0, NULL, &metadata, (int)timeout_ms);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
        *ret_brokers = (uint32_t)metadata->broker_cnt;
        return true;
    }
    char bootstrap[256] = "";
    bootstrap_of(handle, bootstrap, sizeof(bootstrap));
    kafka_error(err, code, "could not reach Kafka at %s", bootstrap);
    if (err->action == ERROR_RETRY) {
        err->code = CODE_UNREACHABLE;
    }
    return error_hint(err, "check that the brokers run and that kafka.bootstrap.servers and the "
                           "security properties are right");
}

/* What metadata says about one topic. */
struct topic_metadata {
    rd_kafka_resp_err_t code;
    uint32_t partitions;
};

static rd_kafka_resp_err_t read_metadata(rd_kafka_t *handle, const char *topic,
                                         struct topic_metadata *ret)
{
    RH_AUTO(topic_destroy) rd_kafka_topic_t *local = rd_kafka_topic_new(handle, topic, NULL);
    if (local == NULL) {
        return rd_kafka_last_error();
    }
    RH_AUTO(metadata_destroy) const rd_kafka_metadata_t *metadata = NULL;
    rd_kafka_resp_err_t code = rd_kafka_metadata(handle, 0, local, &metadata, REQUEST_MS);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return code;
    }
    if (metadata->topic_cnt != 1) {
        return RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC;
    }
    const rd_kafka_metadata_topic_t *found = &metadata->topics[0];
    *ret = (struct topic_metadata){found->err, (uint32_t)found->partition_cnt};
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

/* Any answer but a temporary one ends the wait: an unknown topic is an answer. */
static bool stable_metadata(rd_kafka_t *handle, const char *topic, struct topic_metadata *ret,
                            struct error *err)
{
    int64_t deadline_ms = clock_ms() + PATIENCE_MS;
    for (;;) {
        struct topic_metadata found = {RD_KAFKA_RESP_ERR_NO_ERROR, 0};
        rd_kafka_resp_err_t code = read_metadata(handle, topic, &found);
        code = code == RD_KAFKA_RESP_ERR_NO_ERROR ? found.code : code;
        bool unknown = code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART ||
                       code == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC;
        if (unknown || code == RD_KAFKA_RESP_ERR_NO_ERROR) {
            found.code = code;
            *ret = found;
            return true;
        }
        kafka_error(err, code, "could not look up topic \"%s\"", topic);
        if (err->action == ERROR_STOP || clock_ms() >= deadline_ms || shutdown_requested()) {
            return false;
        }
        clock_sleep_ms(PAUSE_MS);
    }
}

bool kafka_topic_partitions(rd_kafka_t *handle, const char *topic, uint32_t *ret_partitions,
                            struct error *err)
{
    struct topic_metadata metadata;
    if (!stable_metadata(handle, topic, &metadata, err)) {
        return false;
    }
    *ret_partitions = metadata.code == RD_KAFKA_RESP_ERR_NO_ERROR ? metadata.partitions : 0;
    return true;
}

bool kafka_topic_info(rd_kafka_t *handle, const char *topic, struct topic_info *ret_info,
                      struct error *err)
{
    struct topic_info info = {.exists = false};
    if (!kafka_topic_partitions(handle, topic, &info.partitions, err)) {
        return false;
    }
    info.exists = info.partitions > 0;
    for (uint32_t i = 0; i < info.partitions; i++) {
        int64_t low = 0;
        int64_t high = 0;
        if (!kafka_watermarks(handle, topic, (int32_t)i, &low, &high, err)) {
            return false;
        }
        info.messages += (uint64_t)(high - low);
        info.used = info.used || high > 0;
    }
    *ret_info = info;
    return true;
}

bool kafka_watermarks(rd_kafka_t *handle, const char *topic, int32_t partition, int64_t *ret_low,
                      int64_t *ret_high, struct error *err)
{
    int64_t deadline_ms = clock_ms() + PATIENCE_MS;
    for (;;) {
        int64_t low = 0;
        int64_t high = 0;
        rd_kafka_resp_err_t code =
            rd_kafka_query_watermark_offsets(handle, topic, partition, &low, &high, REQUEST_MS);
        if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
            *ret_low = low;
            *ret_high = high;
            return true;
        }
        kafka_error(err, code, "could not read the offsets of %s:%" PRId32, topic, partition);
        if (err->action == ERROR_STOP || clock_ms() >= deadline_ms || shutdown_requested()) {
            return false;
        }
        /* 2.0.2 keeps asking a former leader until somebody refreshes the metadata. */
        struct topic_metadata ignored;
        (void)read_metadata(handle, topic, &ignored);
        clock_sleep_ms(PAUSE_MS);
    }
}

bool kafka_offset_at(rd_kafka_t *handle, const char *topic, int32_t partition, int64_t time_ms,
                     int64_t *ret_offset, struct error *err)
{
    int64_t low = 0;
    int64_t high = 0;
    if (!kafka_watermarks(handle, topic, partition, &low, &high, err)) {
        return false;
    }
    RH_AUTO(partitions_destroy)
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_t *asked = rd_kafka_topic_partition_list_add(list, topic, partition);
    asked->offset = time_ms; /* the question; the answer takes its place */
    rd_kafka_resp_err_t code = rd_kafka_offsets_for_times(handle, list, PATIENCE_MS);
    code = code == RD_KAFKA_RESP_ERR_NO_ERROR ? asked->err : code;
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return kafka_error(err, code, "could not find an offset of %s:%" PRId32 " by time", topic,
                           partition);
    }
    *ret_offset = asked->offset >= 0 ? asked->offset : high;
    return true;
}

/* ---- reading a partition ---- */

/* Where to begin, checked against what the log holds; ret_end the first offset not to be read. */
static bool read_range(rd_kafka_t *handle, const char *topic, int32_t partition, int64_t from,
                       int64_t to, int64_t *ret_begin, int64_t *ret_end, struct error *err)
{
    int64_t low = 0;
    int64_t high = 0;
    if (!kafka_watermarks(handle, topic, partition, &low, &high, err)) {
        return false;
    }
    if (from == RD_KAFKA_OFFSET_BEGINNING) {
        from = low;
    }
    if (to == RD_KAFKA_OFFSET_END) {
        to = from > high ? from : high;
    }
    REQUIRE(from >= 0 && to >= from);
    if (from < low) {
        return error_stop(err, EXIT_STATE, "RETENTION_LOST",
                          "%s:%" PRId32 " begins at offset %" PRId64 ", %" PRId64 " is gone", topic,
                          partition, low, from);
    }
    if (to > high) {
        return error_stop(err, EXIT_STATE, "TOPIC_TRUNCATED",
                          "%s:%" PRId32 " ends at offset %" PRId64 ", before %" PRId64, topic,
                          partition, high, to);
    }
    *ret_begin = from;
    *ret_end = to;
    return true;
}

static bool assign(rd_kafka_t *handle, const char *topic, int32_t partition, int64_t begin,
                   struct error *err)
{
    RH_AUTO(partitions_destroy)
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic, partition)->offset = begin;
    rd_kafka_resp_err_t code = rd_kafka_assign(handle, list);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return kafka_error(err, code, "could not read %s:%" PRId32, topic, partition);
    }
    return true;
}

enum polled { POLLED_NOTHING, POLLED_MESSAGE, POLLED_END, POLLED_FAILURE };

/* One message, or the end of the partition at or behind `end`. */
static enum polled poll_once(rd_kafka_t *handle, int64_t end, kafka_visit *visit, void *context,
                             int64_t *position, struct error *err)
{
    RH_AUTO(message_destroy) rd_kafka_message_t *message = rd_kafka_consumer_poll(handle, POLL_MS);
    if (message == NULL) {
        return POLLED_NOTHING;
    }
    if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        return message->offset >= end ? POLLED_END : POLLED_NOTHING;
    }
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        kafka_error(err, message->err, "could not read from Kafka");
        /* Brokers that come and go are librdkafka's to wait for; SILENCE_MS bounds it. */
        return err->action == ERROR_STOP ? POLLED_FAILURE : POLLED_NOTHING;
    }
    if (message->offset >= end) {
        return POLLED_END;
    }
    *position = message->offset + 1;
    return visit(context, message, err) ? POLLED_MESSAGE : POLLED_FAILURE;
}

static bool read_to(rd_kafka_t *handle, const char *topic, int32_t partition, int64_t begin,
                    int64_t end, kafka_visit *visit, void *context, struct error *err)
{
    int64_t position = begin;
    int64_t silent_from_ms =
        0; /* 0: it spoke last; a look at the clock costs as much as a message */
    while (position < end) {
        switch (poll_once(handle, end, visit, context, &position, err)) {
        case POLLED_END:
            return true;
        case POLLED_FAILURE:
            return false;
        case POLLED_MESSAGE:
            silent_from_ms = 0;
            break;
        case POLLED_NOTHING:
            silent_from_ms = silent_from_ms == 0 ? clock_ms() : silent_from_ms;
            if (clock_ms() - silent_from_ms > SILENCE_MS || shutdown_requested()) {
                return kafka_error(err, RD_KAFKA_RESP_ERR__TIMED_OUT,
                                   "could not read %s:%" PRId32 " from offset %" PRId64, topic,
                                   partition, position);
            }
            break;
        }
    }
    return true;
}

bool kafka_read_partition(const struct settings *settings, const char *topic, int32_t partition,
                          int64_t from, int64_t to, kafka_visit *visit, void *context,
                          struct error *err)
{
    rd_kafka_conf_t *conf = NULL;
    if (!kafka_conf(settings, KAFKA_READER, NULL, &conf, err)) {
        return false;
    }
    /* Without it the end behind a control record would never show: it has an offset, no message. */
    char ignored[64];
    REQUIRE(rd_kafka_conf_set(conf, "enable.partition.eof", "true", ignored, sizeof(ignored)) ==
            RD_KAFKA_CONF_OK);
    RH_AUTO(kafka_destroy) rd_kafka_t *handle = NULL;
    uint32_t partitions = 0;
    if (!kafka_new(RD_KAFKA_CONSUMER, conf, &handle, err) ||
        !kafka_topic_partitions(handle, topic, &partitions, err)) {
        return false;
    }
    if (partitions == 0) {
        return kafka_error(err, RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART,
                           "could not read topic \"%s\"", topic);
    }
    int64_t begin = 0;
    int64_t end = 0;
    if (!read_range(handle, topic, partition, from, to, &begin, &end, err)) {
        return false;
    }
    if (begin == end) {
        return true;
    }
    return assign(handle, topic, partition, begin, err) &&
           read_to(handle, topic, partition, begin, end, visit, context, err);
}

/* ---- names ---- */

static bool is_topic_byte(unsigned char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9') || byte == '.' || byte == '_' || byte == '-';
}

static void write_escaped(struct buffer *out, const char *text)
{
    for (; *text != '\0'; text++) {
        unsigned char byte = (unsigned char)*text;
        if (is_topic_byte(byte)) {
            write_u8(out, byte);
        } else {
            write_format(out, "_x%02x_", byte);
        }
    }
}

static const char *topic_name(struct arena *arena, const char *prefix, const char *migration,
                              const char *suffix, bool hashed)
{
    size_t escaped_max =
        (strlen(prefix) + strlen(migration) + strlen(suffix)) * ESCAPED_BYTES + 2 + 1;
    struct buffer name;
    buffer_init(&name, arena, escaped_max + TOPIC_HASH_BYTES);
    write_escaped(&name, prefix);
    write_text(&name, ".");
    write_escaped(&name, migration);
    write_text(&name, ".");
    write_escaped(&name, suffix);
    if (hashed || name.len > TOPIC_NAME_MAX) {
        const size_t kept_max = TOPIC_NAME_MAX - TOPIC_HASH_BYTES;
        name.len = name.len < kept_max ? name.len : kept_max;
        write_format(&name, "_%016" PRIx64, fingerprint_add(FINGERPRINT_START, bytes_of(suffix)));
    }
    REQUIRE(!name.failed); /* the arena of a run holds a few names */
    return buffer_text(&name);
}

const char *kafka_topic_name(struct arena *arena, const char *prefix, const char *migration,
                             const char *suffix)
{
    return topic_name(arena, prefix, migration, suffix, false);
}

const char *kafka_topic_name_hashed(struct arena *arena, const char *prefix, const char *migration,
                                    const char *suffix)
{
    return topic_name(arena, prefix, migration, suffix, true);
}
