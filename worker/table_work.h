/*
 * table_work -- the batch's entries of one table, transformed once into COPY lines of each output.
 *
 * Made before the transaction, so that a batch that is repeated is not transformed again. Each
 * entry's lines can be cut out, because a careful attempt writes ranges of entries. Entries that a
 * rule or the message limit refuses have no lines; they become rejects. No I/O.
 */
#ifndef RH_WORKER_TABLE_WORK_H
#define RH_WORKER_TABLE_WORK_H

#include "worker/batch.h"
#include "worker/ledger_rejects.h"

#include <stdbool.h>
#include <stddef.h>

enum verdict { VERDICT_WRITE, VERDICT_REFUSED_BY_RULE, VERDICT_REFUSED_BY_TARGET };

struct output_lines {
    struct buffer text;
    size_t *ends; /* per entry: where its lines end in text; they begin where the one before ends */
    struct value *values; /* one row, while it is written */
};

struct table_work {
    const struct plan_table *table;
    struct batch_entry *const *entries; /* all of the table's, also refused ones */
    size_t entries_count;
    struct output_lines *outputs; /* as plan_table.outputs */
    enum verdict *verdicts;       /* per entry */
    struct reject *refused;       /* before the target was asked */
    size_t refused_count;
};

bool table_work_make(struct table_work *work, const struct plan_table *table,
                     struct batch_entry *const *entries, size_t entries_count, struct arena *arena,
                     struct error *err) RH_MUST_CHECK;
/* The lines of entries [from, to) for an output. */
struct bytes table_work_lines(const struct table_work *work, size_t output, size_t from, size_t to);
/* What on_error: stop makes of a row's error: a stop. Returns false. */
bool row_refusal_stops(const struct plan_table *table, struct error *err);
/* A reject of an entry from an error, its texts copied into the arena; the policy decides its kind.
 */
struct reject reject_from_error(const struct plan_table *table, const struct batch_entry *entry,
                                const char *rule, const struct error *err, struct arena *arena);

#endif
