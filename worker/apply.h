/*
 * apply -- a batch as one transaction on the target.
 *
 * In:     a folded batch, the partitions it came from. Out: committed, or nothing happened.
 * Order:  the ledger's compare-and-set, tables parents first, rejects, counters, COMMIT.
 *
 * The first attempt is hopeful: no savepoints, new keys by direct COPY. Should a row refuse, all is
 * rolled back and done again carefully: each table under savepoints, halved until the refusing
 * source key stands alone (all its target rows succeed or are rejected together), which is rejected
 * or parked by its SQLSTATE, while the rest of the batch commits.
 */
#ifndef RH_WORKER_APPLY_H
#define RH_WORKER_APPLY_H

#include "common/pg.h"
#include "worker/batch.h"
#include "worker/partition.h"
#include "worker/writer.h"

#include <stdbool.h>
#include <stddef.h>

struct table_writers {
    struct writer *outputs; /* as plan_table.outputs */
};

/* A replay's batch has books of its own, and may end without a trace. */
struct apply_replay {
    bool dry_run;
};

struct apply {
    const struct run *run;
    uint64_t statement_timeout_ms;
    const struct apply_replay *replay; /* NULL: an ordinary batch */
    struct table_writers *tables;      /* as plan.tables */
    size_t *order;                     /* plan table indexes, parents first */
};

void apply_init(struct apply *apply, const struct run *run, uint64_t statement_timeout_ms,
                struct arena *arena);

enum apply_outcome {
    APPLY_COMMITTED,
    APPLY_FENCED,  /* the compare-and-set missed: rolled back; read the ledger again */
    APPLY_UNKNOWN, /* COMMIT was sent and no answer came: reconnect and read the ledger again */
};

/*
 * One attempt at the whole batch. `slots` is what batch entries' slots index; touched partitions
 * among them are advanced. `arena` is the batch arena.
 * Errors  ERROR_RETRY after a rollback, or a lost connection (pg_is_open is then false)
 *         ERROR_STOP  the partition's work cannot go on
 */
bool apply_batch(struct apply *apply, struct pg *pg, struct batch *batch,
                 struct partition *const *slots, size_t slots_count, struct arena *arena,
                 enum apply_outcome *ret_outcome, struct error *err) RH_MUST_CHECK;

void apply_each_writer(struct apply *apply, void (*visit)(struct writer *));
/* The session is gone: staging tables with it. */
void apply_disconnected(struct apply *apply);

#endif
