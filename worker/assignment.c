#include "worker/assignment.h"

#include "common/failpoint.h"
#include "common/log.h"
#include "worker/ledger_batch.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- the group's callback ---- */

static void forget_wanted(struct assignment *assignment)
{
    if (assignment->wanted != NULL) {
        rd_kafka_topic_partition_list_destroy(assignment->wanted);
        assignment->wanted = NULL;
    }
}

static void rebalanced(rd_kafka_t *consumer, rd_kafka_resp_err_t code,
                       rd_kafka_topic_partition_list_t *partitions, void *opaque)
{
    struct assignment *assignment = opaque;
    if (assignment->closing) {
        (void)rd_kafka_assign(consumer, NULL); /* closing waits for this word and nothing else */
        return;
    }
    forget_wanted(assignment);
    if (code == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
        assignment->wanted = rd_kafka_topic_partition_list_copy(partitions);
    }
    assignment->pending = true;
}

/* ---- opening ---- */

static bool subscribe(struct assignment *assignment, struct error *err)
{
    const struct run *run = assignment->run;
    rd_kafka_topic_partition_list_t *topics =
        rd_kafka_topic_partition_list_new((int)run->topics_count);
    for (size_t t = 0; t < run->topics_count; t++) {
        rd_kafka_topic_partition_list_add(topics, run->topics[t].name, RD_KAFKA_PARTITION_UA);
    }
    rd_kafka_resp_err_t code = rd_kafka_subscribe(assignment->consumer, topics);
    rd_kafka_topic_partition_list_destroy(topics);
    return code == RD_KAFKA_RESP_ERR_NO_ERROR ||
           kafka_error(err, code, "could not join the group \"%s\"", run->group);
}

static struct partition *partition_at(struct assignment *assignment, const char *topic,
                                      int32_t number)
{
    const struct run_topic *found = run_topic_find(assignment->run, bytes_of(topic));
    if (found == NULL || number < 0 || (uint32_t)number >= found->partitions) {
        return NULL;
    }
    return &assignment->partitions[found->first_partition + (uint32_t)number];
}

/* `--assign TOPIC:PARTITION` as if the group had given it. */
static bool assign_one(struct assignment *assignment, const char *assign, struct arena *arena,
                       struct error *err)
{
    const char *colon = strrchr(assign, ':');
    char *end = NULL;
    long number = colon == NULL ? -1 : strtol(colon + 1, &end, 10);
    if (colon == NULL || end == colon + 1 || *end != '\0' || number < 0 || number > INT32_MAX) {
        return error_stop(err, EXIT_USAGE, "RH-2003", "--assign takes TOPIC:PARTITION, not \"%s\"",
                          assign);
    }
    char *topic = arena_must_strdup(arena, assign);
    topic[colon - assign] = '\0';
    if (partition_at(assignment, topic, (int32_t)number) == NULL) {
        return error_stop(err, EXIT_USAGE, "RH-2003",
                          "the run has no partition %ld of a topic \"%s\"", number, topic);
    }
    assignment->wanted = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(assignment->wanted, topic, (int32_t)number);
    assignment->pending = true;
    return true;
}

static void init_partitions(struct assignment *assignment, struct arena *arena)
{
    const struct run *run = assignment->run;
    assignment->partitions =
        arena_must_alloc(arena, run->partitions_count * sizeof *assignment->partitions);
    assignment->owned = arena_must_alloc(arena, run->partitions_count * sizeof *assignment->owned);
    for (size_t t = 0; t < run->topics_count; t++) {
        const struct run_topic *topic = &run->topics[t];
        for (uint32_t p = 0; p < topic->partitions; p++) {
            struct partition *partition = &assignment->partitions[topic->first_partition + p];
            partition->topic = topic;
            partition->number = (int32_t)p;
        }
    }
}

bool assignment_open(struct assignment *assignment, const struct config *config,
                     const struct run *run, const char *assign, struct arena *arena,
                     struct error *err)
{
    *assignment = (struct assignment){.config = config, .run = run, .in_group = assign == NULL};
    init_partitions(assignment, arena);
    rd_kafka_conf_t *conf = NULL;
    if (!kafka_conf(&config->settings, KAFKA_CONSUMER, run->group, &conf, err)) {
        return false;
    }
    rd_kafka_conf_set_opaque(conf, assignment);
    rd_kafka_conf_set_rebalance_cb(conf, rebalanced);
    if (!kafka_new(RD_KAFKA_CONSUMER, conf, &assignment->consumer, err)) {
        return false;
    }
    (void)rd_kafka_poll_set_consumer(assignment->consumer); /* fails only without a group */
    return assign == NULL ? subscribe(assignment, err) : assign_one(assignment, assign, arena, err);
}

void assignment_close(struct assignment *assignment)
{
    if (assignment->consumer != NULL) {
        assignment->closing = true;
        (void)rd_kafka_consumer_close(assignment->consumer);
    }
    kafka_destroy(&assignment->consumer);
    forget_wanted(assignment);
}

/* ---- changes ---- */

bool assignment_check_bounds(struct assignment *assignment, const struct partition *partition,
                             struct error *err)
{
    int64_t low = 0;
    int64_t high = 0;
    if (!kafka_watermarks(assignment->consumer, partition->topic->name, partition->number, &low,
                          &high, err)) {
        return false;
    }
    if (partition->next_offset < low) {
        (void)error_stop(err, EXIT_KAFKA, "RETENTION_LOST",
                         "partition %d of topic \"%s\" begins at offset %" PRId64 ", but %" PRId64
                         " is to be applied next",
                         partition->number, partition->topic->name, low, partition->next_offset);
        return error_hint(err, "messages were removed before they were applied; check the topic's "
                               "retention, then start over with rowhaul cleanup and run");
    }
    if (partition->next_offset > high) {
        (void)error_stop(err, EXIT_KAFKA, "TOPIC_TRUNCATED",
                         "partition %d of topic \"%s\" ends at offset %" PRId64 ", but %" PRId64
                         " was applied already",
                         partition->number, partition->topic->name, high, partition->next_offset);
        return error_hint(err, "the topic was truncated or created anew; start over with rowhaul "
                               "cleanup and run");
    }
    return true;
}

/* The batch in hand is gone; what the ledger has committed is where reading starts. */
static void forget_batch(struct partition *partition)
{
    partition->touched = false;
    partition->read_offset = partition->next_offset;
    partition->ahead = partition->ledger;
    partition->counters = (struct partition_counters){0};
    partition->barriers_count = 0;
    partition->has_progress = false;
}

static void drop_all(struct assignment *assignment)
{
    assignment->last_topic = NULL;
    for (size_t i = 0; i < assignment->owned_count; i++) {
        assignment->owned[i]->owned = false;
        forget_batch(assignment->owned[i]);
    }
    assignment->owned_count = 0;
}

static void take_wanted(struct assignment *assignment)
{
    for (int i = 0; i < assignment->wanted->cnt; i++) {
        const rd_kafka_topic_partition_t *wanted = &assignment->wanted->elems[i];
        struct partition *partition = partition_at(assignment, wanted->topic, wanted->partition);
        if (partition == NULL) {
            /* The partition count is pinned by the run; rows never go to one that was added later.
             */
            log_event(LEVEL_WARN, "partition_ignored", F_STR("topic", wanted->topic),
                      F_INT("partition", wanted->partition));
            continue;
        }
        partition->owned = true;
        assignment->owned[assignment->owned_count++] = partition;
    }
}

bool assignment_rewind(struct assignment *assignment, struct error *err)
{
    size_t kept = 0;
    assignment->last_topic = NULL;
    assignment->rewinds++;
    for (size_t i = 0; i < assignment->owned_count; i++) {
        struct partition *partition = assignment->owned[i];
        forget_batch(partition);
        if (partition->owned) {
            assignment->owned[kept++] = partition;
        }
    }
    assignment->owned_count = kept;

    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)kept + 1);
    for (size_t i = 0; i < kept; i++) {
        const struct partition *partition = assignment->owned[i];
        rd_kafka_topic_partition_list_add(list, partition->topic->name, partition->number)->offset =
            partition->next_offset;
    }
    rd_kafka_resp_err_t code = rd_kafka_assign(assignment->consumer, list);
    rd_kafka_topic_partition_list_destroy(list);
    return code == RD_KAFKA_RESP_ERR_NO_ERROR ||
           kafka_error(err, code, "could not assign %zu partitions", kept);
}

bool assignment_rest(struct assignment *assignment, struct error *err)
{
    rd_kafka_topic_partition_list_t *none = rd_kafka_topic_partition_list_new(0);
    rd_kafka_resp_err_t code = rd_kafka_assign(assignment->consumer, none);
    rd_kafka_topic_partition_list_destroy(none);
    return code == RD_KAFKA_RESP_ERR_NO_ERROR ||
           kafka_error(err, code, "could not let the partitions rest");
}

bool assignment_stay(struct assignment *assignment)
{
    /* Nothing is assigned: what comes is news of the group and of brokers that come and go. */
    rd_kafka_message_t *news = rd_kafka_consumer_poll(assignment->consumer, 0);
    if (news != NULL) {
        rd_kafka_message_destroy(news);
    }
    return !assignment->pending;
}

static bool claim(struct assignment *assignment, struct pg *pg, const char *owner,
                  struct arena *scratch, struct error *err)
{
    if (assignment->owned_count == 0) {
        return true;
    }
    if (!ledger_claim(pg, assignment->run, assignment->owned, assignment->owned_count, owner,
                      scratch, err)) {
        return false;
    }
    for (size_t i = 0; i < assignment->owned_count; i++) {
        const struct partition *partition = assignment->owned[i];
        if (!assignment_check_bounds(assignment, partition, err)) {
            return false;
        }
        log_event(LEVEL_INFO, "partition_assigned", F_STR("topic", partition->topic->name),
                  F_INT("partition", partition->number), F_INT("offset", partition->next_offset),
                  F_INT("epoch", partition->epoch));
    }
    RH_FAILPOINT("after_assign");
    return true;
}

bool assignment_change(struct assignment *assignment, struct pg *pg, const char *owner,
                       struct arena *scratch, struct error *err)
{
    drop_all(assignment);
    if (assignment->wanted == NULL) {
        assignment->pending = false;
        log_event(LEVEL_INFO, "partitions_revoked", F_STR("group", assignment->run->group));
        (void)rd_kafka_assign(assignment->consumer, NULL); /* only says that we have let go */
        return true;
    }
    take_wanted(assignment);
    if (!claim(assignment, pg, owner, scratch, err) || !assignment_rewind(assignment, err)) {
        return false;
    }
    /* Only now: a claim that failed for a lost connection is made again. */
    assignment->pending = false;
    forget_wanted(assignment);
    return true;
}

bool assignment_reclaim(struct assignment *assignment, struct pg *pg, const char *owner,
                        struct arena *scratch, struct error *err)
{
    return claim(assignment, pg, owner, scratch, err) && assignment_rewind(assignment, err);
}

/* ---- reading ---- */

struct partition *assignment_find(struct assignment *assignment, const rd_kafka_message_t *message,
                                  size_t *ret_slot)
{
    if (message->rkt == assignment->last_topic && message->partition == assignment->last_number) {
        *ret_slot = assignment->last_slot;
        return assignment->owned[assignment->last_slot];
    }
    const char *topic = rd_kafka_topic_name(message->rkt);
    for (size_t i = 0; i < assignment->owned_count; i++) {
        struct partition *partition = assignment->owned[i];
        if (partition->number == message->partition && strcmp(partition->topic->name, topic) == 0) {
            assignment->last_topic = message->rkt;
            assignment->last_number = message->partition;
            assignment->last_slot = *ret_slot = i;
            return partition;
        }
    }
    return NULL;
}

void assignment_show_progress(struct assignment *assignment)
{
    if (!assignment->in_group || assignment->owned_count == 0) {
        return;
    }
    rd_kafka_topic_partition_list_t *list =
        rd_kafka_topic_partition_list_new((int)assignment->owned_count);
    for (size_t i = 0; i < assignment->owned_count; i++) {
        const struct partition *partition = assignment->owned[i];
        rd_kafka_topic_partition_list_add(list, partition->topic->name, partition->number)->offset =
            partition->next_offset;
    }
    (void)rd_kafka_commit(assignment->consumer, list, 1); /* asynchronous; failures harm nobody */
    rd_kafka_topic_partition_list_destroy(list);
}
