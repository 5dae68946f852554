/*
 * run -- one execution of a migration: its id, plan, topics; created once, loaded by everybody.
 *
 * Creation order (each step can be repeated after a crash): topics -> `rowhaul` schema -> `runs`
 * and `offsets` rows -> record RUN in the state topic. A data topic that is not empty while there
 * is no RUN record is TOPIC_FOREIGN (13).
 */
#ifndef RH_COMMON_RUN_H
#define RH_COMMON_RUN_H

#include "common/kafka.h"
#include "common/mapping.h"
#include "common/pg.h"
#include "common/settings.h"
#include "common/wire.h"

#include <stdbool.h>
#include <stdint.h>

struct run_topic {
    const struct plan_table *table;
    const char *name;
    uint32_t partitions;
    uint32_t first_partition; /* index of partition 0 in a flat array over all topics */
};

struct run {
    unsigned char id[RUN_ID_BYTES];
    char id_text[37];
    const char *migration;
    const char *system_identifier; /* of the source */
    struct plan plan;
    struct run_topic *topics; /* one per plan table, same order */
    size_t topics_count;
    uint32_t partitions_count; /* over all topics */
    const char *state_topic;
    const char *control_topic;
    const char *group; /* consumer group: <prefix>.<migration> */
};

/* The configuration file, read once by every program: document and settings, complaints printed. */
struct config {
    struct document document;
    struct bytes text;
    struct settings settings;
};
/* Prints complaints on stderr itself and sets err to their summary. */
bool config_load(const char *path, struct arena *arena, struct config *ret_config,
                 struct error *err) RH_MUST_CHECK;

/*
 * Reads both catalogs and compiles; complaints are printed, and nothing is created.
 */
bool run_compile(const struct config *config, struct pg *source, struct pg *target,
                 struct arena *arena, struct plan *ret_plan, struct environment *environment,
                 struct error *err) RH_MUST_CHECK;

/*
 * Finds the run of this migration (ledger on the target, then the state topic) or creates it after
 * checking what creation needs: replication factor, empty target tables, privileges, RLS, topics
 * that are not ours. A run with another mapping: MAPPING_CHANGED (13). ret_created may be NULL.
 */
bool run_create(const struct config *config, struct arena *arena, struct run *ret_run,
                bool *ret_created, struct error *err) RH_MUST_CHECK;
/*
 * From the ledger on the target, for those who only look at the run: the file's mapping may be
 * another one by now. No run: RUN_MISSING (13).
 */
bool run_load(const struct config *config, struct pg *target, struct arena *arena,
              struct run *ret_run, struct error *err) RH_MUST_CHECK;
/* As run_load, for workers and reconciler: a run with another mapping is MAPPING_CHANGED (13). */
bool run_load_same(const struct config *config, struct pg *target, struct arena *arena,
                   struct run *ret_run, struct error *err) RH_MUST_CHECK;
/* From a RUN record (the producer, which must not depend on the target). */
bool run_from_json(const struct config *config, const json_t *json, struct arena *arena,
                   struct run *ret_run, struct error *err) RH_MUST_CHECK;

/* Topic of a table, partition index in the flat arrays. */
const struct run_topic *run_topic_find(const struct run *run, struct bytes topic);

/*
 * What the state of the systems has against creating this run (exit 4), all of it: replication
 * factor, standby, privileges, row security, target tables that are not empty. Touches nothing.
 * Each finding names its object and the mend.
 */
bool run_check(const struct config *config, const struct plan *plan, struct pg *source,
               struct pg *target, uint32_t brokers, struct complaints *findings,
               struct error *err) RH_MUST_CHECK;

/*
 * Drops the foreign keys of plan.deferred and disables the BEFORE ROW triggers of tables that say
 * `triggers: off` (recorded in rowhaul.deferred_ddl first); repeatable.
 */
bool run_defer_constraints(const struct run *run, struct pg *target,
                           struct error *err) RH_MUST_CHECK;
/*
 * Adds them again NOT VALID and validates, enables the triggers; ret_failed counts the constraints
 * that stay NOT VALID (or away, on partitioned tables): why stands in rowhaul.deferred_ddl.message.
 * Repeatable: those that failed are tried again.
 */
bool run_restore_constraints(const char *run_id, struct pg *target, uint32_t *ret_failed,
                             struct error *err) RH_MUST_CHECK;

/* What `cleanup` removes: texts to show before asking, and what run_cleanup needs. */
struct cleanup {
    size_t items_count;
    const char **items;
    size_t topics_count;
    const char **topics; /* that exist */
    const char *group;
    const char *run_id; /* NULL: not in the ledger */
    bool keep_ledger;
    bool drop_schema; /* no other run is in it */
};
/* Finds it; changes nothing. items_count 0: there is nothing to remove. */
bool run_cleanup_find(const struct config *config, bool keep_ledger, struct arena *arena,
                      struct cleanup *ret_cleanup, struct error *err) RH_MUST_CHECK;
/*
 * Removes it: constraints and triggers restored first, then topics and group, the ledger last, so
 * that it can be repeated after a failure. ret_failed as run_restore_constraints counts it.
 */
bool run_cleanup(const struct config *config, const struct cleanup *cleanup, uint32_t *ret_failed,
                 struct error *err) RH_MUST_CHECK;

#endif
