/*
 * overview -- what `status` says: numbers that were read become states, sums, and the answer to
 * "can I cut over now, and if not, why".
 *
 * In:     what the ledger and Kafka say about a run. Out: JSON with fixed names, or text.
 * Never:  reads anything itself (status.c does).
 *
 * A table's states, from the barriers its partitions have applied, since only a barrier says that
 * nothing before it is missing:
 *
 *     waiting   nothing of it was read yet
 *     backfill  it is being read
 *     applying  read to its end; the barrier behind it is not applied by all partitions yet
 *     done      it is: nothing of the table is missing
 */
#ifndef RH_CLI_OVERVIEW_H
#define RH_CLI_OVERVIEW_H

#include "common/ledger.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum table_stage { TABLE_WAITING, TABLE_BACKFILL, TABLE_APPLYING, TABLE_DONE };
#define TABLE_STAGES 4

#define OFFSET_UNKNOWN INT64_C(-1)

struct overview_partition {
    size_t table; /* index in overview.tables */
    const char *topic;
    int64_t partition;
    int64_t next_offset;
    int64_t high_offset; /* OFFSET_UNKNOWN: Kafka did not answer */
    int64_t epoch;
    const char *owner; /* NULL: nobody yet */
    int64_t generation, sequence;
    const char *applied_lsn;
};

struct overview_table {
    const char *id;
    struct accounting accounting;
    bool barrier_passed; /* all have applied its level's barrier, or the end */
    double per_second;   /* messages applied; 0: not known */
    /* judged */
    enum table_stage stage;
    int64_t pending; /* messages in Kafka that are not applied; OFFSET_UNKNOWN */
};

struct overview {
    const char *migration;
    const char *run;
    const char *state;  /* of the run, as the ledger has it */
    const char *reason; /* of failed and paused, or NULL */
    size_t tables_count;
    struct overview_table *tables;
    size_t partitions_count;
    struct overview_partition *partitions;
    uint64_t barriers_missing; /* partitions that have not applied the end barrier */
    /* judged */
    int64_t generation; /* highest of the partitions */
    bool balanced;      /* both identities, of every table */
    uint64_t rejects;   /* dead rows, oversize ones among them */
    uint64_t parked;
    bool ready; /* to cut over */
    size_t reasons_count;
    const char **reasons; /* why not; empty when ready */
};

const char *table_stage_name(enum table_stage stage);
/* Fills what is marked as judged; the reasons live in the arena. */
void overview_judge(struct overview *overview, struct arena *arena);
/* {migration, run, state, generation, tables, partitions, accounting, rejects, parked, …}. */
json_t *overview_to_json(const struct overview *overview);
void overview_print(const struct overview *overview, FILE *stream);

#endif
