/*
 * writer -- puts rows of one output into its target table: by direct COPY while the keys are new,
 * by COPY into a staging table and an upsert that skips unchanged rows otherwise.
 *
 * In:     lines of COPY text in the output's column order. Out: how many target rows changed.
 * Never:  begins or ends a transaction, judges errors, knows of Kafka.
 *
 * Measured (docs/performance.md): direct COPY costs half of an upsert on narrow rows, and an upsert
 * that compares images costs a third of one that rewrites what did not change.
 *
 * The staging table is temporary, made once per connection at its first use. ON COMMIT DELETE ROWS
 * empties it; within a transaction writer_upsert does. It is made lazily because each transaction
 * that touches one empties all of the session's.
 */
#ifndef RH_WORKER_WRITER_H
#define RH_WORKER_WRITER_H

#include "common/mapping.h"
#include "common/pg.h"

#include <stdbool.h>
#include <stdint.h>

/* A staging table comes and goes with the transaction that made it until that commits. */
enum staging_state { STAGING_NONE, STAGING_UNCOMMITTED, STAGING_READY };

struct writer {
    const char *copy_sql;       /* COPY target (…) FROM STDIN */
    const char *stage_make_sql; /* CREATE TEMP TABLE … AS … WITH NO DATA */
    const char *stage_copy_sql;
    const char *upsert_sql;
    const char *delete_sql; /* rows that have the keys of staged ones */
    const char *stage_delete_sql;
    const char *stage_truncate_sql;
    enum staging_state staging;
    size_t staged_bytes; /* at least what this transaction's rows, dead or not, take in it */
    /* Batches to go before a direct COPY is tried again, and how many that were last time. */
    uint32_t copy_after;
    uint32_t copy_pause;
};

/* SQL texts in the arena; `number` makes the staging table's name unique in the session. */
void writer_init(struct writer *writer, const struct plan_output *output, size_t number,
                 struct arena *arena);

/* Rows that are all new. 23505 says that one was not: roll back and use writer_upsert. */
bool writer_copy(struct writer *writer, struct pg *pg, struct bytes lines, uint64_t *ret_written,
                 struct error *err) RH_MUST_CHECK;
/*
 * Makes the staging table if this session has none; before any savepoint, whose rollback would take
 * it away again.
 */
bool writer_make_stage(struct writer *writer, struct pg *pg, struct error *err) RH_MUST_CHECK;
/* New and existing rows; ret_written counts inserted and changed ones, the rest was equal. */
bool writer_upsert(struct writer *writer, struct pg *pg, struct bytes lines, uint64_t *ret_written,
                   struct error *err) RH_MUST_CHECK;

/* Deletes the rows that have the keys of these lines. */
bool writer_delete(struct writer *writer, struct pg *pg, struct bytes lines,
                   struct error *err) RH_MUST_CHECK;

/*
 * Learning what to try first. A refused COPY has cost its work, so after each one in a row the next
 * is twice as far; while batches meet rows as they should be (a replay), none is tried.
 */
bool writer_expects_new(const struct writer *writer);
void writer_copy_refused(struct writer *writer);
void writer_copied(struct writer *writer);
void writer_upserted(struct writer *writer, bool met_unchanged);

/* What became of the transaction, or the connection was lost: the staging table's fate. */
void writer_committed(struct writer *writer);
void writer_rolled_back(struct writer *writer);
void writer_disconnected(struct writer *writer);

#endif
