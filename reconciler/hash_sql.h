/*
 * hash_sql -- the SQL expressions by which both servers hash the same row to the same number.
 *
 * In:     an output of the plan whose columns pass through. Out: expressions over one side's
 *         columns. No I/O.
 * Never:  hashes by SQL's equality: 1.0 and 1.00, 0 and -0, `bob` and `Bob` in citext are
 *         different here, as their texts are.
 *
 * A column's hash is 64 bits with a seed of its own, 0 for NULL. A row's hash is the exclusive or
 * of its columns' hashes, mixed once more: sums over rows then share no structure with what is
 * inside a row, and two rows that swap a value cannot cancel out. What a column's hash is made of:
 *
 *     integers          the value as bigint, as the *seed* of a hash: all 64 bits count, where
 *                       hashint8extended would fold 1 and 4294967296 into one
 *     boolean, uuid, date, bytea   the type's own hash: equality is identity
 *     timestamps        the eight bytes they are sent as
 *     text, varchar     the bytes, whatever the collation
 *     everything else, enums included: the bytes of the type's output text. `::text` is that text
 *                       for the built-in types listed in hash_sql.c; for others a cast may say
 *                       something else (char(n) loses its padding, booleans become words,
 *                       extensions bring casts of their own), but concat() always calls the output
 *                       function.
 *
 * Texts are hashed as UTF-8 where the servers' encodings differ.
 */
#ifndef RH_RECONCILER_HASH_SQL_H
#define RH_RECONCILER_HASH_SQL_H

#include "common/mapping.h"

#include <stdbool.h>
#include <stdint.h>

enum hash_kind {
    HASH_INTEGER,
    HASH_BOOLEAN,
    HASH_UUID,
    HASH_RECORD, /* date, bytea */
    HASH_TIMESTAMP,
    HASH_TIMESTAMPTZ,
    HASH_TEXT,
    HASH_OUTPUT,
};

/* A column on both sides: indexed by enum pg_role. */
struct hash_column {
    const struct catalog_column *side[2];
    enum hash_kind kind;
    uint32_t seed;
};

struct hash_plan {
    const struct plan_table *table;
    const struct plan_output *output;
    size_t columns_count;
    struct hash_column *columns; /* compared ones, output order */
    size_t key_count;
    struct hash_column *keys; /* the source key, in its order, and the columns that carry it */
    bool as_utf8;             /* the servers' encodings differ */
};

/* True when a trigger of the target changes it by decision: not compared. */
bool column_is_fired(const struct plan_output *output, const struct plan_column *column);
/* The output's column by which a source key column reaches the target, or NULL. */
const struct plan_column *key_carrier(const struct plan_output *output, size_t source_column);
/* All compared columns and the key pass through. */
bool hash_plan_possible(const struct plan_table *table, const struct plan_output *output);
/* Of an output for which it is possible; the plan lives in the arena. */
void hash_plan_init(struct hash_plan *hash, const struct plan_table *table,
                    const struct plan_output *output, bool as_utf8, struct arena *arena);

void write_row_hash(struct buffer *sql, const struct hash_plan *hash, enum pg_role side);
/* Of the key's canonical form (key.h): equal on both sides where SQL calls the keys equal. */
void write_key_hash(struct buffer *sql, const struct hash_plan *hash, enum pg_role side);
/* The canonical text of one key column. */
void write_key_text(struct buffer *sql, const struct hash_plan *hash, size_t key,
                    enum pg_role side);
/* The table as pages read it: children of a plain table are tables of their own. */
void write_relation(struct buffer *sql, const struct catalog_table *table);
/* " FROM … WHERE (…)", with the source's condition: " AND " may follow. */
void write_from(struct buffer *sql, const struct plan_table *table,
                const struct plan_output *output, enum pg_role side);

#endif
