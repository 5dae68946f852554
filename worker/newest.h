/*
 * newest -- of each key, the offset of its newest message: the first of a replay's two passes.
 *
 * In:     keys with offsets that rise, as a log gives them. Out: the offsets, in order.
 * Never:  takes more memory than its limit: keys beyond it belong to a later turn. A turn has the
 *         keys whose hash is in its range.
 *
 * Keys are compared byte for byte; the hash only finds them and cuts the ranges.
 */
#ifndef RH_WORKER_NEWEST_H
#define RH_WORKER_NEWEST_H

#include "common/arena.h"
#include "common/bytes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct newest_place {
    uint64_t hash;
    struct bytes key; /* ptr NULL: free */
    int64_t offset;
};

struct newest {
    struct arena arena;
    uint64_t first_hash, last_hash; /* of this turn, both in it */
    struct newest_place *places;    /* open addressing, a power of two */
    size_t places_count;
    size_t keys_count;
};

void newest_init(struct newest *newest, size_t bytes_max);
void newest_release(struct newest *newest);
/* A new turn; what was noted is forgotten. */
void newest_begin(struct newest *newest, uint64_t first_hash, uint64_t last_hash);
/* False: no room; begin again with a smaller range. Keys outside the range are passed over. */
bool newest_note(struct newest *newest, struct bytes key, int64_t offset) RH_MUST_CHECK;
/*
 * The offsets in rising order. They take the place of what was noted, which is forgotten, and live
 * until the next turn.
 */
void newest_offsets(struct newest *newest, int64_t **ret_offsets, size_t *ret_count);

#endif
