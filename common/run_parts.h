/*
 * run_parts -- what the files of the run room (run_*.c, config.c) share; nobody else includes it.
 */
#ifndef RH_COMMON_RUN_PARTS_H
#define RH_COMMON_RUN_PARTS_H

#include "common/run.h"

#include <jansson.h>

/*
 * The names of a run whose plan is there: topics of all tables, state, control, group. Two names
 * that Kafka's metrics cannot tell apart ('.' and '_') end in a hash of their table id. Partition
 * counts are the caller's to set.
 */
void run_names_make(const struct settings *settings, struct arena *arena, struct run *run);
/* Once every topic has its partitions: their indexes in the flat arrays. */
void run_partitions_number(struct run *run);

/* What of the file a run keeps: the mapping and its vars as YAML, without servers and passwords. */
const char *run_mapping_text(const struct document *document, struct arena *arena);

/* The plan as the ledger and the RUN record keep it; the caller owns it. */
json_t *run_to_json(const struct run *run, const struct config *config,
                    const struct environment *environment);
/* The stored plan as JSON; the caller owns it. NULL: the migration is not in the ledger. */
bool run_ledger_json(struct pg *target, const char *migration, json_t **ret_json,
                     struct error *err) RH_MUST_CHECK;
/* Whether the file still means what the run was created with. MAPPING_CHANGED (13). */
bool run_same_mapping(const struct config *config, const struct run *run, const json_t *stored,
                      struct arena *arena, struct error *err) RH_MUST_CHECK;

void run_json_release(json_t **json); /* for RH_AUTO */

/* As the settings say, or min(3, brokers). */
uint32_t run_replication_factor(const struct settings *settings, uint32_t brokers);

/* A KAFKA_READER handle after a ping: the bootstrap servers were tried once. */
bool run_kafka_open(const struct settings *settings, rd_kafka_t **ret_handle, uint32_t *ret_brokers,
                    struct error *err) RH_MUST_CHECK;

#endif
