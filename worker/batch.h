/*
 * batch -- collects accepted data messages of several partitions and folds them: of each source key
 * only the last message survives.
 *
 * In:     messages that the fence accepted, each partition's in offset order.
 * Out:    for each table of the plan, its surviving entries; how many each partition lost to
 *         folding.
 * Never:  does I/O; keeps a pointer into the caller's message.
 *
 * Folding is lossless because every message is a full image (ROW) or the end of one (DEL), and a
 * key has one partition, hence one order.
 *
 * Lifetimes: the tables that settings bound (entries, hash slots) are made once, in the arena given
 * to batch_init for them. Each message's key and value are copied once, into the batch arena, and
 * the values of its row borrow from that copy; so everything an entry points to lives until the
 * batch arena is reset. The caller resets it, together with batch_reset. Entries themselves live
 * until batch_reset.
 */
#ifndef RH_WORKER_BATCH_H
#define RH_WORKER_BATCH_H

#include "common/arena.h"
#include "common/error.h"
#include "common/row.h"
#include "common/wire.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct batch_limits {
    size_t rows_max;         /* messages taken, folded ones too */
    size_t bytes_max;        /* of their keys and values; one message alone may be larger */
    size_t tables_count;     /* of the plan */
    size_t partitions_count; /* slots the caller may use */
};

struct batch_entry {
    size_t table; /* index in the plan */
    size_t slot;  /* of the partition, as the caller numbers them */
    int64_t offset;
    enum wire_kind kind; /* ROW, DEL, OVERSIZE */
    uint64_t generation;
    uint64_t sequence;
    uint64_t lsn;
    int64_t commit_us;       /* 0 for pages */
    uint64_t oversize_bytes; /* OVERSIZE */
    struct bytes key;        /* canonical */
    struct bytes value;      /* the message as it stands in Kafka: what a reject keeps */
    struct row row;          /* DEL, OVERSIZE: the key columns */
    uint32_t hash;           /* of table and key */
    uint32_t next;           /* of this table, in order of arrival: its number, from 1; 0: none */
    bool folded;             /* a later message of the key is in the batch */
};

struct batch_chain {
    uint32_t first, last; /* numbers of entries, from 1; 0: none */
    size_t surviving;
};

/* A place of the hash table; the entry's own hash is beside its number to spare a cache miss. */
struct batch_place {
    uint32_t hash;
    uint32_t number; /* from 1; 0: free */
};

struct batch {
    struct arena *arena; /* of keys, values and rows; borrowed */
    struct batch_limits limits;
    size_t rows_count; /* messages taken since the last reset */
    size_t bytes_count;
    struct batch_entry *entries; /* rows_max of them, in order of arrival */
    struct batch_place *places;  /* open addressing; at least twice rows_max, a power of two */
    size_t places_count;
    struct batch_chain *chains; /* by table */
    uint64_t *folded;           /* by slot */
    size_t *slot_ends;          /* by slot: scratch of batch_table */
    struct batch_entry **order; /* rows_max pointers: what batch_table hands out */
};

/*
 * Makes the fixed tables in `fixed`, which must outlive the batch: about 190 bytes for each of
 * rows_max. `arena` is the batch arena.
 * Errors  ERROR_STOP  `fixed` cannot hold them.
 */
bool batch_init(struct batch *batch, const struct batch_limits *limits, struct arena *fixed,
                struct arena *arena, struct error *err) RH_MUST_CHECK;
/* Forgets all entries. The caller resets the batch arena in the same breath. */
void batch_reset(struct batch *batch);

/* All of it is borrowed for the call. */
struct batch_message {
    size_t table;
    size_t slot;
    int64_t offset;
    struct bytes key;
    struct bytes value;
};

enum batch_result {
    BATCH_TAKEN,
    BATCH_FULL,   /* not taken: apply the batch, reset, offer it again */
    BATCH_FAILED, /* not taken: err is set */
};

/* Whether a message of this size (key and value) would not be BATCH_FULL by rows_max or bytes_max;
 * so that a caller can ask before it moves the fence. */
bool batch_has_room(const struct batch *batch, size_t message_bytes);
/*
 * Takes one data message. An empty batch takes it however large it is, if it fits into the arena at
 * all; the arena's limit, too, closes a batch that is not empty.
 * Errors  ERROR_STOP  not a well-formed data message; or one that an empty batch cannot hold.
 */
enum batch_result batch_add(struct batch *batch, const struct batch_message *message,
                            struct error *err) RH_MUST_CHECK;

/*
 * The surviving entries of a table, by (slot, offset). The array is the batch's, and the caller may
 * reorder it until the next batch_add or batch_table of the same table.
 */
void batch_table(struct batch *batch, size_t table, struct batch_entry ***ret_entries,
                 size_t *ret_count);
/* How many messages of this partition a later one of the batch has made superfluous. */
uint64_t batch_folded(const struct batch *batch, size_t slot);

#endif
