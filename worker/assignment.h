/*
 * assignment -- which partitions this lane owns, and from which offset each is read.
 *
 * Kafka's group says who; the ledger says from where: a partition that comes is claimed there
 * (epoch
 * + 1) and checked against the log's ends before a message is read. Reading always starts by an
 * explicit assignment: never seek, never pause (librdkafka 2.0.2 loses positions in both).
 *
 * The group's callback only notes what happened; the lane acts between batches.
 */
#ifndef RH_WORKER_ASSIGNMENT_H
#define RH_WORKER_ASSIGNMENT_H

#include "common/kafka.h"
#include "common/run.h"
#include "worker/partition.h"

#include <stdbool.h>
#include <stddef.h>

struct assignment {
    const struct config *config;
    const struct run *run;
    rd_kafka_t *consumer;
    bool closing;                 /* what the group says is only acknowledged */
    bool in_group;                /* else --assign: one partition, ours for good */
    struct partition *partitions; /* all of the run's, flat */
    struct partition **owned;     /* what batch slots index; stable between changes */
    size_t owned_count;
    uint64_t rewinds; /* how often reading began anew: a message from before comes again */
    /* The partition found last: messages come in long runs of one. */
    const rd_kafka_topic_t *last_topic;
    int32_t last_number;
    size_t last_slot;
    /* noted by the callback */
    bool pending;
    rd_kafka_topic_partition_list_t *wanted; /* NULL: revoked */
};

/* Opens the consumer: as a group member, or of one partition (`--assign TOPIC:PARTITION`). */
bool assignment_open(struct assignment *assignment, const struct config *config,
                     const struct run *run, const char *assign, struct arena *arena,
                     struct error *err) RH_MUST_CHECK;
void assignment_close(struct assignment *assignment);

/*
 * Acts on what the group decided: drops what went, claims what came, reads from the ledger's
 * offsets. Errors  ERROR_STOP RETENTION_LOST, TOPIC_TRUNCATED, WORKER_FENCED
 */
bool assignment_change(struct assignment *assignment, struct pg *pg, const char *owner,
                       struct arena *scratch, struct error *err) RH_MUST_CHECK;
/* Reads again from the ledger's offsets (a dropped batch, a lost partition: owned = false). */
bool assignment_rewind(struct assignment *assignment, struct error *err) RH_MUST_CHECK;
/* Reads nothing until the next rewind; what is owned stays so. */
bool assignment_rest(struct assignment *assignment, struct error *err) RH_MUST_CHECK;
/* Keeps the group's membership alive while nothing is read; false: the group divides anew. */
bool assignment_stay(struct assignment *assignment);
/* Claims what is owned once more and reads from there: the target turned out to be an older one. */
bool assignment_reclaim(struct assignment *assignment, struct pg *pg, const char *owner,
                        struct arena *scratch, struct error *err) RH_MUST_CHECK;
/* The owned partition of a message, or NULL: it was given away meanwhile. */
struct partition *assignment_find(struct assignment *assignment, const rd_kafka_message_t *message,
                                  size_t *ret_slot);
/* Tells the group how far we are, for lag tools only; never read back. */
void assignment_show_progress(struct assignment *assignment);
/* Names an offset that the log does not have: RETENTION_LOST or TOPIC_TRUNCATED. */
bool assignment_check_bounds(struct assignment *assignment, const struct partition *partition,
                             struct error *err) RH_MUST_CHECK;

#endif
