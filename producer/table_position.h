/*
 * table_position -- how far one table was read: its key ranges, and where each of them stands.
 *
 * A table is one range, from its first row to its last, until it is divided. Ranges follow one
 * another in the order of the source's index. Each holds the rows behind the `upto` of the one
 * before it, up to and including its own; the last one has no upper bound. Whatever bounds are
 * chosen, a row is in exactly one range, so bounds are only ever about speed.
 *
 * Keys are canonical and are never compared for order: only the source knows their order.
 * Never:  locks; who shares one guards it.
 */
#ifndef RH_PRODUCER_TABLE_POSITION_H
#define RH_PRODUCER_TABLE_POSITION_H

#include "common/bytes.h"
#include "common/wire.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Four for each of the 64 threads there may be. */
#define RANGES_MAX 256
/* A key's text. Index rows end at 2,704 bytes, but are compressed. */
#define POSITION_KEY_BYTES_MAX ((size_t)1 << 20)
/* What a table's keys may take in their arena: two a range, which grow by doubling. */
#define POSITION_BYTES_MAX (POSITION_KEY_BYTES_MAX * 4 * RANGES_MAX)

struct range_position {
    struct buffer key;  /* the rows behind it are to be read; empty: from the table's beginning */
    struct buffer upto; /* empty: to the table's end */
    bool ended;
};

struct table_position {
    struct arena *arena;
    size_t ranges_count; /* at least 1 */
    struct range_position *ranges;
    struct wire_progress progress; /* of the whole table; last_key is not used */
};

/* `arena` outlives it. */
void table_position_init(struct table_position *position, uint64_t rows_estimate,
                         struct arena *arena);
/* Ranges between these keys, which are in the index's order; nothing of the table was read yet. */
void table_position_divide(struct table_position *position, const struct bytes *bounds,
                           size_t bounds_count);
/* False: the key is longer than any key may be, and nothing has changed. */
bool table_position_move(struct table_position *position, size_t range, struct bytes key,
                         bool ended) RH_MUST_CHECK;
void table_position_copy(struct table_position *to, const struct table_position *from);

/* Something of it was read, or it was divided. */
bool table_position_is_begun(const struct table_position *position);
bool table_position_is_ended(const struct table_position *position);
/* All rows up to this key were read: where the first range that has not ended stands. */
struct bytes table_position_key(const struct table_position *position);

#endif
