/*
 * key -- canonical keys: one byte string per record id, equal exactly when SQL calls the keys
 * equal.
 *
 * The bytes are the Kafka message's key, decide its partition (hash.h), and identify the row in
 * fold, rejects and replay. Parts are length-prefixed (u32), in key column order:
 * integers in decimal, uuid lower case, numeric without trailing zeros and -0, timestamps in UTC
 * ISO as PostgreSQL prints them, bpchar without padding, other allowed types as their text. citext,
 * interval, float, json, and text of a non-deterministic collation cannot be keys: `1.0` -> `1.00`
 * would arrive as DEL + ROW on two partitions.
 */
#ifndef RH_COMMON_KEY_H
#define RH_COMMON_KEY_H

#include "common/error.h"
#include "common/row.h"

#include <stdbool.h>

enum key_kind {
    KEY_REFUSED,  /* this type cannot be a key */
    KEY_VERBATIM, /* integer, uuid, boolean, text, varchar, name, bytea, enum, date, time,
                     timestamp, timestamptz, inet, cidr, macaddr, oid, pg_lsn, bit…: output is
                     canonical */
    KEY_NUMERIC,  /* trailing zeros stripped */
    KEY_BPCHAR,   /* trailing blanks stripped */
};

/* By the type's schema-free name as pg_type has it ("int8", "uuid", …), category and collation. */
enum key_kind key_kind_of(const char *type_name, char type_type, bool collation_deterministic);

/*
 * Writes the canonical key of the columns `key_columns` of a row. A NULL part is an ERROR_ROW.
 */
bool key_write(struct buffer *out, const struct value *values, const size_t *key_columns,
               const enum key_kind *kinds, size_t key_count, struct error *err) RH_MUST_CHECK;
/* The parts of a canonical key, borrowed; count must match. */
bool key_parts(struct bytes key, struct bytes *ret_parts, size_t count,
               struct error *err) RH_MUST_CHECK;

#endif
