/*
 * state_topic -- what the producer must not forget, as records of `<prefix>.<migration>.state`.
 *
 * Records (JSON; the Kafka key tells them apart): `run` the run and its plan; `claim/<g>` a
 * generation claimed by an instance; `ckpt/<g>` a checkpoint of generation g. Folded in log order:
 * the first CLAIM(g) wins, and a checkpoint counts only if g is the highest generation claimed
 * before it, so a zombie's late checkpoint is ignored. The fold is pure (tests feed it records).
 *
 * A checkpoint is durable state only for messages that were acknowledged (I6: 2-correctness, §2).
 */
#ifndef RH_COMMON_STATE_TOPIC_H
#define RH_COMMON_STATE_TOPIC_H

#include "common/kafka.h"
#include "common/mapping.h"
#include "common/wire.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* A part of a table, in the order of the source's index: rows behind `cursor`, up to `upto`. */
struct range_state {
    size_t cursor_count; /* 0: from the table's beginning */
    const char **cursor; /* the last row's key values, PostgreSQL text, in key order */
    size_t upto_count;   /* 0: to the table's end */
    const char **upto;   /* as the cursor; that row belongs to the range */
    bool ended;          /* nothing is left in it */
};

struct table_state {
    const char *id;
    bool done;           /* all ranges have ended */
    size_t ranges_count; /* at least 1 */
    struct range_state *ranges;
    struct wire_progress progress; /* lifetime counters up to the cursors */
};

struct partition_state {
    const char *topic;
    int32_t partition;
    uint64_t acked; /* sequences acknowledged in the checkpoint's generation */
};

struct checkpoint {
    uint64_t generation;
    uint64_t safe_lsn; /* mode: stream */
    uint32_t level;    /* tables of lower levels are done and their barriers were applied */
    bool ended;        /* the end barrier was acknowledged */
    size_t tables_count;
    struct table_state *tables;
    size_t partitions_count;
    struct partition_state *partitions;
};

struct state_fold {
    struct arena *arena;
    json_t *run;            /* owned, the last one; NULL: no RUN record */
    uint64_t generation;    /* highest claimed, 0: none */
    const char *claimed_by; /* instance uuid of that claim; NULL: none */
    bool has_checkpoint;
    struct checkpoint checkpoint;   /* the last that counts; lives until the next one is folded */
    struct arena checkpoint_memory; /* of it alone: a log of many hours holds many */
    int64_t next_offset;            /* where to go on reading */
};

void state_fold_init(struct state_fold *fold, struct arena *arena);
void state_fold_release(struct state_fold *fold);
/* One record; an unknown key or unreadable JSON is ERROR_STOP (STATE_FOREIGN). */
bool state_fold_record(struct state_fold *fold, int64_t offset, struct bytes key,
                       struct bytes value, struct error *err) RH_MUST_CHECK;
/* Reads the topic from fold->next_offset to its end. A topic that does not exist: nothing read. */
bool state_fold_read(struct state_fold *fold, const struct settings *settings, const char *topic,
                     struct error *err) RH_MUST_CHECK;

/* Any JSON as a record's value. */
const char *state_json_text(struct arena *arena, const json_t *json);
/* The records' values as JSON texts in the arena; the keys are "run", "claim/<g>", "ckpt/<g>". */
const char *state_claim_text(struct arena *arena, uint64_t generation, const char *instance);
const char *state_checkpoint_text(struct arena *arena, const struct checkpoint *checkpoint);
/*
 * A producer handle for state_put alone: it takes its delivery reports as events, where the data
 * producer has a callback. It is an idempotent producer of its own; that Kafka cannot fence it is
 * what the fold's rules are for.
 */
bool state_producer_new(const struct settings *settings, rd_kafka_t **ret_handle,
                        struct error *err) RH_MUST_CHECK;
/*
 * Produces one record and waits for its acknowledgement (timeout_ms). After a failure the record
 * may still arrive; read the topic to know. Takes handles of state_producer_new only.
 */
bool state_put(rd_kafka_t *producer, const char *topic, const char *key, const char *value,
               int64_t timeout_ms, struct error *err) RH_MUST_CHECK;

#endif
