/*
 * page -- rows of one source page as Kafka messages, ready to be numbered and enqueued.
 *
 * In:     lines of COPY text (pager). Out: chunks of messages, in row order, with their partitions,
 *         in the page's own memory until the next reset; the canonical key of the last row.
 * Never:  numbers a message or knows a page's position in the WAL: the header is written when it is
 *         enqueued (publisher), over the place it has in each message.
 *
 * A row whose message would be larger than topics.max_message_bytes becomes an OVERSIZE message,
 * which carries its key, or an error, as `topics.oversize` says.
 */
#ifndef RH_PRODUCER_PAGE_H
#define RH_PRODUCER_PAGE_H

#include "common/run.h"

#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stdint.h>

/* What is enqueued under one hold of the lock: a millisecond or so. */
#define CHUNK_MESSAGES_MAX 1000

struct chunk {
    struct chunk *next;
    size_t count;
    rd_kafka_message_t messages[CHUNK_MESSAGES_MAX];
    unsigned char kinds[CHUNK_MESSAGES_MAX]; /* enum wire_kind of each */
};

struct page {
    const struct run_topic *topic;
    struct arena arena;   /* messages: reset with the page */
    struct arena scratch; /* of one row */
    struct value *values; /* of one row, wire order; in the table's arena */
    struct value *key_values;
    size_t *key_identity; /* 0, 1, 2…: key_values as key columns */
    uint64_t message_bytes_max;
    bool oversize_stops;
    uint64_t bytes_wanted; /* the page is full when it has as many */

    struct buffer block; /* where the next messages go; never moves */
    struct chunk *first, *last;
    uint64_t rows, bytes, oversize;
    struct bytes last_key;
};

/* `arena` is the table's: it outlives the page. */
void page_init(struct page *page, const struct run_topic *topic, const struct settings *settings,
               uint64_t bytes_wanted, struct arena *arena);
void page_release(struct page *page);
/* Forgets all rows. */
void page_reset(struct page *page);

/*
 * One row. ret_full: the page has the wanted bytes, take no more.
 * Errors  ERROR_STOP an oversize row where `topics.oversize` is stop; a NULL in the key.
 */
bool page_add_line(struct page *page, struct bytes line, bool *ret_full,
                   struct error *err) RH_MUST_CHECK;

/* A header that holds the place of the real one in a message that is not numbered yet. */
struct wire_header chunk_header(enum wire_kind kind);
/* Adds a message to a chunk; key (may be empty) and payload are borrowed until it was enqueued. */
void chunk_add(struct chunk *chunk, enum wire_kind kind, uint32_t partition, struct bytes key,
               struct bytes payload);

#endif
