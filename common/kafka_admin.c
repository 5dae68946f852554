/*
 * kafka_admin -- creating, checking and deleting topics and groups.
 *
 * Each request is sent with a queue of its own and waited for; the answer is an event that holds a
 * result for each topic. What counts as success differs, the waiting does not: struct request.
 */
#include "common/kafka.h"

#include "common/clock.h"
#include "common/shutdown.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CODE_UNSAFE_TOPIC "RH-6004"

#define REQUEST_MS   30000 /* the broker's time */
#define ANSWER_MS    40000 /* ours: the answer must be given up after the broker's time */
#define PATIENCE_MS  30000 /* until brokers agree on what was created or deleted */
#define PAUSE_MS     100
#define REASON_BYTES 512

/* ---- one request and its answer ---- */

struct request {
    rd_kafka_queue_t *queue;
    rd_kafka_AdminOptions_t *options;
    rd_kafka_event_t *answer;
};

static void request_init(struct request *request, rd_kafka_t *handle, rd_kafka_admin_op_t operation)
{
    char reason[REASON_BYTES];
    request->queue = rd_kafka_queue_new(handle);
    request->options = rd_kafka_AdminOptions_new(handle, operation);
    REQUIRE(rd_kafka_AdminOptions_set_request_timeout(request->options, REQUEST_MS, reason,
                                                      sizeof(reason)) ==
            RD_KAFKA_RESP_ERR_NO_ERROR);
    bool waits =
        operation == RD_KAFKA_ADMIN_OP_CREATETOPICS || operation == RD_KAFKA_ADMIN_OP_DELETETOPICS;
    REQUIRE(!waits || rd_kafka_AdminOptions_set_operation_timeout(request->options, REQUEST_MS,
                                                                  reason, sizeof(reason)) ==
                          RD_KAFKA_RESP_ERR_NO_ERROR);
}

static void request_release(struct request *request)
{
    if (request->answer != NULL) {
        rd_kafka_event_destroy(request->answer);
    }
    if (request->options != NULL) {
        rd_kafka_AdminOptions_destroy(request->options);
    }
    if (request->queue != NULL) {
        rd_kafka_queue_destroy(request->queue);
    }
    *request = (struct request){NULL, NULL, NULL};
}

/* Fails when the request as a whole did; results of single topics are the caller's. */
static bool request_wait(struct request *request, const char *what, struct error *err)
{
    request->answer = rd_kafka_queue_poll(request->queue, ANSWER_MS);
    if (request->answer == NULL) {
        return kafka_error(err, RD_KAFKA_RESP_ERR__TIMED_OUT, "could not %s", what);
    }
    rd_kafka_resp_err_t code = rd_kafka_event_error(request->answer);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return kafka_error(err, code, "could not %s", what);
    }
    return true;
}

/* The broker's own words where it has some ("Replication factor: 3 larger than available …"). */
static bool topic_error(struct error *err, rd_kafka_resp_err_t code, const char *reason,
                        const char *what, const char *topic)
{
    kafka_error(err, code, "could not %s \"%s\"", what, topic);
    if (reason != NULL && reason[0] != '\0') {
        char text[REASON_BYTES];
        snprintf(text, sizeof(text), "%s", reason);
        return error_hint(err, "the broker says: %s", text);
    }
    return false;
}

/* ---- creating ---- */

struct topic_config {
    const char *name;
    const char *value; /* NULL: max.message.bytes of the settings */
};

/* What a topic must be like; the same table creates it and checks it. */
static const struct topic_config topic_configs[] = {
    {"cleanup.policy", "delete"}, /* compaction would drop versions that are still to be applied */
    {"retention.ms", "-1"},
    {"retention.bytes", "-1"},
    {"max.message.bytes", NULL},
};

static uint64_t topic_message_bytes(const struct settings *settings)
{
    return settings->topics_max_message_bytes + UINT64_C(2) * KAFKA_OVERHEAD_BYTES;
}

/* Topics of one request: an array of bounded size on the stack instead of one for all tables. */
#define CHUNK_TOPICS 64

struct new_topics {
    rd_kafka_NewTopic_t *topics[CHUNK_TOPICS];
    size_t count;
};

static void new_topics_release(struct new_topics *new_topics)
{
    rd_kafka_NewTopic_destroy_array(new_topics->topics, new_topics->count);
    new_topics->count = 0;
}

/* One replica may be away without stopping writes, and none without two having the message. */
static uint32_t min_insync_replicas(uint32_t replication_factor)
{
    return replication_factor > 2 ? 2 : 1;
}

static bool new_topic_configure(rd_kafka_NewTopic_t *topic, const struct settings *settings,
                                uint32_t replication_factor, struct error *err)
{
    char number[24];
    rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR_NO_ERROR;
    for (size_t i = 0; i < RH_COUNT(topic_configs) && code == RD_KAFKA_RESP_ERR_NO_ERROR; i++) {
        const char *value = topic_configs[i].value;
        if (value == NULL) {
            snprintf(number, sizeof(number), "%" PRIu64, topic_message_bytes(settings));
            value = number;
        }
        code = rd_kafka_NewTopic_set_config(topic, topic_configs[i].name, value);
    }
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
        snprintf(number, sizeof(number), "%" PRIu32, min_insync_replicas(replication_factor));
        code = rd_kafka_NewTopic_set_config(topic, "min.insync.replicas", number);
    }
    return code == RD_KAFKA_RESP_ERR_NO_ERROR ||
           kafka_error(err, code, "could not describe a new topic");
}

static bool new_topics_add(struct new_topics *new_topics, const struct topic_spec *spec,
                           const struct settings *settings, uint32_t replication_factor,
                           struct error *err)
{
    char reason[REASON_BYTES];
    rd_kafka_NewTopic_t *topic = rd_kafka_NewTopic_new(
        spec->name, (int)spec->partitions, (int)replication_factor, reason, sizeof(reason));
    if (topic == NULL) {
        return error_stop(err, EXIT_KAFKA, "RH-6003", "could not describe topic \"%s\": %s",
                          spec->name, reason);
    }
    new_topics->topics[new_topics->count++] = topic;
    return new_topic_configure(topic, settings, replication_factor, err);
}

/* `forgiven` is no failure: another starter was faster, or this one before a crash. */
static bool check_topic_results(const rd_kafka_topic_result_t **results, size_t count,
                                rd_kafka_resp_err_t forgiven, const char *what, struct error *err)
{
    for (size_t i = 0; i < count; i++) {
        rd_kafka_resp_err_t code = rd_kafka_topic_result_error(results[i]);
        if (code != RD_KAFKA_RESP_ERR_NO_ERROR && code != forgiven) {
            return topic_error(err, code, rd_kafka_topic_result_error_string(results[i]), what,
                               rd_kafka_topic_result_name(results[i]));
        }
    }
    return true;
}

static bool new_topics_create(struct new_topics *new_topics, rd_kafka_t *handle, struct error *err)
{
    if (new_topics->count == 0) {
        return true;
    }
    RH_AUTO(request_release) struct request request = {NULL, NULL, NULL};
    request_init(&request, handle, RD_KAFKA_ADMIN_OP_CREATETOPICS);
    rd_kafka_CreateTopics(handle, new_topics->topics, new_topics->count, request.options,
                          request.queue);
    if (!request_wait(&request, "create topics", err)) {
        return false;
    }
    size_t count = 0;
    const rd_kafka_topic_result_t **results = rd_kafka_CreateTopics_result_topics(
        rd_kafka_event_CreateTopics_result(request.answer), &count);
    return check_topic_results(results, count, RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS,
                               "create topic", err);
}

/* A partition answers for its offsets only when it has a leader. */
static bool wait_for_leaders(rd_kafka_t *handle, const struct topic_spec *spec, struct error *err)
{
    for (uint32_t i = 0; i < spec->partitions; i++) {
        int64_t low = 0;
        int64_t high = 0;
        if (!kafka_watermarks(handle, spec->name, (int32_t)i, &low, &high, err)) {
            return false;
        }
    }
    return true;
}

/* Until the brokers know the topic and its partitions have leaders. */
static bool wait_for_topic(rd_kafka_t *handle, const struct topic_spec *spec, struct error *err)
{
    int64_t deadline_ms = clock_ms() + PATIENCE_MS;
    for (;;) {
        uint32_t partitions = 0;
        if (!kafka_topic_partitions(handle, spec->name, &partitions, err)) {
            return false;
        }
        if (partitions == spec->partitions) {
            return wait_for_leaders(handle, spec, err);
        }
        bool last = clock_ms() >= deadline_ms || shutdown_requested();
        if (partitions > spec->partitions || (last && partitions > 0)) {
            error_stop(err, EXIT_STATE, "TOPIC_FOREIGN",
                       "topic \"%s\" has %" PRIu32 " partitions instead of %" PRIu32, spec->name,
                       partitions, spec->partitions);
            return error_hint(err, "remove the topic if nobody needs it, or choose another "
                                   "topics.prefix");
        }
        if (last) {
            return kafka_error(err, RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART,
                               "could not find topic \"%s\" after creating it", spec->name);
        }
        clock_sleep_ms(PAUSE_MS);
    }
}

/* ---- checking ---- */

struct resources {
    rd_kafka_ConfigResource_t *resources[CHUNK_TOPICS];
    size_t count;
};

static void resources_release(struct resources *resources)
{
    rd_kafka_ConfigResource_destroy_array(resources->resources, resources->count);
    resources->count = 0;
}

static const char *entry_value(const rd_kafka_ConfigResource_t *resource, const char *name)
{
    size_t count = 0;
    const rd_kafka_ConfigEntry_t **entries = rd_kafka_ConfigResource_configs(resource, &count);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(rd_kafka_ConfigEntry_name(entries[i]), name) == 0) {
            return rd_kafka_ConfigEntry_value(entries[i]);
        }
    }
    return NULL;
}

static bool unsafe_topic(const char *topic, const char *config, const char *value,
                         const char *expected, struct error *err)
{
    error_stop(err, EXIT_CHECK, CODE_UNSAFE_TOPIC, "topic \"%s\" has %s=%s instead of %s", topic,
               config, value == NULL ? "" : value, expected);
    return error_hint(err,
                      "kafka-configs --alter --entity-type topics --entity-name %s "
                      "--add-config %s=%s",
                      topic, config, expected);
}

static bool check_topic_config(const rd_kafka_ConfigResource_t *resource,
                               const struct settings *settings, struct error *err)
{
    const char *topic = rd_kafka_ConfigResource_name(resource);
    for (size_t i = 0; i < RH_COUNT(topic_configs); i++) {
        const char *name = topic_configs[i].name;
        const char *expected = topic_configs[i].value;
        const char *value = entry_value(resource, name);
        if (expected != NULL && (value == NULL || strcmp(value, expected) != 0)) {
            return unsafe_topic(topic, name, value, expected, err);
        }
        /* A larger limit is no harm; a smaller one would refuse rows after they got a sequence. */
        uint64_t limit = topic_message_bytes(settings);
        if (expected == NULL && (value == NULL || strtoull(value, NULL, 10) < limit)) {
            char number[24];
            snprintf(number, sizeof(number), "%" PRIu64, limit);
            return unsafe_topic(topic, name, value, number, err);
        }
    }
    return true;
}

static bool check_configs(rd_kafka_t *handle, const struct settings *settings,
                          const struct topic_spec *topics, size_t count, struct error *err)
{
    RH_AUTO(resources_release) struct resources resources = {.count = 0};
    for (size_t i = 0; i < count; i++) {
        resources.resources[resources.count++] =
            rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topics[i].name);
    }
    RH_AUTO(request_release) struct request request = {NULL, NULL, NULL};
    request_init(&request, handle, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS);
    rd_kafka_DescribeConfigs(handle, resources.resources, resources.count, request.options,
                             request.queue);
    if (!request_wait(&request, "read the configuration of topics", err)) {
        return false;
    }
    size_t results_count = 0;
    const rd_kafka_ConfigResource_t **results = rd_kafka_DescribeConfigs_result_resources(
        rd_kafka_event_DescribeConfigs_result(request.answer), &results_count);
    for (size_t i = 0; i < results_count; i++) {
        rd_kafka_resp_err_t code = rd_kafka_ConfigResource_error(results[i]);
        if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
            return topic_error(err, code, rd_kafka_ConfigResource_error_string(results[i]),
                               "read the configuration of topic",
                               rd_kafka_ConfigResource_name(results[i]));
        }
        if (!check_topic_config(results[i], settings, err)) {
            return false;
        }
    }
    return true;
}

/* At most CHUNK_TOPICS of them. */
static bool create_chunk(rd_kafka_t *handle, const struct settings *settings,
                         const struct topic_spec *topics, size_t count, uint32_t replication_factor,
                         struct error *err)
{
    RH_AUTO(new_topics_release) struct new_topics missing = {.count = 0};
    for (size_t i = 0; i < count; i++) {
        uint32_t partitions = 0;
        if (!kafka_topic_partitions(handle, topics[i].name, &partitions, err) ||
            (partitions == 0 &&
             !new_topics_add(&missing, &topics[i], settings, replication_factor, err))) {
            return false;
        }
    }
    if (!new_topics_create(&missing, handle, err)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (!wait_for_topic(handle, &topics[i], err)) {
            return false;
        }
    }
    return check_configs(handle, settings, topics, count, err);
}

bool kafka_topics_create(rd_kafka_t *handle, const struct settings *settings,
                         const struct topic_spec *topics, size_t count, uint32_t replication_factor,
                         struct error *err)
{
    REQUIRE(replication_factor > 0);
    for (size_t i = 0; i < count; i += CHUNK_TOPICS) {
        size_t chunk = count - i < CHUNK_TOPICS ? count - i : CHUNK_TOPICS;
        if (!create_chunk(handle, settings, &topics[i], chunk, replication_factor, err)) {
            return false;
        }
    }
    return true;
}

/* ---- deleting ---- */

struct deleted_topics {
    rd_kafka_DeleteTopic_t *topics[CHUNK_TOPICS];
    size_t count;
};

static void deleted_topics_release(struct deleted_topics *deleted)
{
    rd_kafka_DeleteTopic_destroy_array(deleted->topics, deleted->count);
    deleted->count = 0;
}

/* Brokers delete behind the scenes: the name is free only when none lists it any more. */
static bool wait_for_absence(rd_kafka_t *handle, const char *topic, struct error *err)
{
    int64_t deadline_ms = clock_ms() + PATIENCE_MS;
    for (;;) {
        uint32_t partitions = 0;
        if (kafka_topic_partitions(handle, topic, &partitions, err) && partitions == 0) {
            return true;
        }
        if (clock_ms() >= deadline_ms || shutdown_requested()) {
            return kafka_error(err, RD_KAFKA_RESP_ERR__TIMED_OUT, "could not delete topic \"%s\"",
                               topic);
        }
        clock_sleep_ms(PAUSE_MS);
    }
}

static bool delete_chunk(rd_kafka_t *handle, const char *const *names, size_t count,
                         struct error *err)
{
    RH_AUTO(deleted_topics_release) struct deleted_topics deleted = {.count = 0};
    for (size_t i = 0; i < count; i++) {
        deleted.topics[deleted.count++] = rd_kafka_DeleteTopic_new(names[i]);
    }
    RH_AUTO(request_release) struct request request = {NULL, NULL, NULL};
    request_init(&request, handle, RD_KAFKA_ADMIN_OP_DELETETOPICS);
    rd_kafka_DeleteTopics(handle, deleted.topics, deleted.count, request.options, request.queue);
    if (!request_wait(&request, "delete topics", err)) {
        return false;
    }
    size_t results_count = 0;
    const rd_kafka_topic_result_t **results = rd_kafka_DeleteTopics_result_topics(
        rd_kafka_event_DeleteTopics_result(request.answer), &results_count);
    if (!check_topic_results(results, results_count, RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART,
                             "delete topic", err)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (!wait_for_absence(handle, names[i], err)) {
            return false;
        }
    }
    return true;
}

bool kafka_topics_delete(rd_kafka_t *handle, const char *const *names, size_t count,
                         struct error *err)
{
    for (size_t i = 0; i < count; i += CHUNK_TOPICS) {
        size_t chunk = count - i < CHUNK_TOPICS ? count - i : CHUNK_TOPICS;
        if (!delete_chunk(handle, &names[i], chunk, err)) {
            return false;
        }
    }
    return true;
}

static void group_destroy(rd_kafka_DeleteGroup_t **group)
{
    if (*group != NULL) {
        rd_kafka_DeleteGroup_destroy(*group);
        *group = NULL;
    }
}

bool kafka_group_delete(rd_kafka_t *handle, const char *group, struct error *err)
{
    RH_AUTO(group_destroy) rd_kafka_DeleteGroup_t *deleted = rd_kafka_DeleteGroup_new(group);
    RH_AUTO(request_release) struct request request = {NULL, NULL, NULL};
    request_init(&request, handle, RD_KAFKA_ADMIN_OP_DELETEGROUPS);
    rd_kafka_DeleteGroups(handle, &deleted, 1, request.options, request.queue);
    if (!request_wait(&request, "delete a consumer group", err)) {
        return false;
    }
    size_t count = 0;
    const rd_kafka_group_result_t **results = rd_kafka_DeleteGroups_result_groups(
        rd_kafka_event_DeleteGroups_result(request.answer), &count);
    REQUIRE(count == 1);
    const rd_kafka_error_t *error = rd_kafka_group_result_error(results[0]);
    rd_kafka_resp_err_t code =
        error == NULL ? RD_KAFKA_RESP_ERR_NO_ERROR : rd_kafka_error_code(error);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR || code == RD_KAFKA_RESP_ERR_GROUP_ID_NOT_FOUND) {
        return true;
    }
    kafka_error(err, code, "could not delete consumer group \"%s\"", group);
    if (code == RD_KAFKA_RESP_ERR_NON_EMPTY_GROUP) {
        return error_hint(err, "stop its workers first; a killed one leaves after 10 s");
    }
    return false;
}

static void groups_destroy(const struct rd_kafka_group_list **groups)
{
    if (*groups != NULL) {
        rd_kafka_group_list_destroy(*groups);
        *groups = NULL;
    }
}

bool kafka_group_members(rd_kafka_t *handle, const char *group, uint32_t *ret_members,
                         struct error *err)
{
    RH_AUTO(groups_destroy) const struct rd_kafka_group_list *groups = NULL;
    rd_kafka_resp_err_t code = rd_kafka_list_groups(handle, group, &groups, REQUEST_MS);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return kafka_error(err, code, "could not look up consumer group \"%s\"", group);
    }
    *ret_members = groups->group_cnt > 0 ? (uint32_t)groups->groups[0].member_cnt : 0;
    return true;
}
