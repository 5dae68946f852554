/*
 * wire -- the bytes of a Kafka message: a fixed header, then what its kind carries.
 *
 * docs/wire-format.md is the specification (big endian, version rules, example bytes);
 * tests/vectors/wire.txt holds vectors a second implementation could use. The Kafka message's key
 * is the canonical key (key.h) for ROW, DEL and OVERSIZE, and empty for the others.
 */
#ifndef RH_COMMON_WIRE_H
#define RH_COMMON_WIRE_H

#include "common/bytes.h"
#include "common/error.h"
#include "common/row.h"

#include <stdbool.h>
#include <stdint.h>

#define WIRE_VERSION      1
#define WIRE_HEADER_BYTES 68
#define RUN_ID_BYTES      16

enum wire_kind {
    WIRE_ROW = 'R',
    WIRE_DEL = 'D',
    WIRE_HELLO = 'H',
    WIRE_HEARTBEAT = 'T',
    WIRE_BARRIER = 'B',
    WIRE_OVERSIZE = 'O',
};

enum wire_flags {
    WIRE_PAGE =
        1, /* from a page, not from the change stream: the (lsn, index) rule does not apply */
};

struct wire_header {
    enum wire_kind kind;
    uint16_t flags;
    unsigned char run[RUN_ID_BYTES];
    uint64_t generation;
    uint64_t sequence; /* from 1 in each partition and generation; 0 in HELLO */
    uint32_t source_epoch;
    uint64_t lsn;
    uint32_t index;    /* within the commit */
    int64_t commit_us; /* of the source transaction, 1970 epoch; 0 for pages */
    uint64_t source_fingerprint;
};

/* What a producer has done for one table; travels in heartbeats and barriers of its topic. */
struct wire_progress {
    uint64_t rows_read;
    uint64_t rows_enqueued;
    uint64_t rows_dropped;  /* by a window */
    uint64_t rows_filtered; /* at the source */
    uint64_t rows_estimate; /* of the table; exact once it has ended */
    bool done;              /* the table's backfill has ended */
    struct bytes
        last_key; /* canonical key of the last page's last row, for display; may be empty */
};

struct wire_message {
    struct wire_header header;
    struct row row;          /* ROW: all mapped source columns; DEL, OVERSIZE: the key columns */
    uint64_t oversize_bytes; /* OVERSIZE: what the value would have taken */
    uint64_t previous;       /* HELLO: generation of the checkpoint resumed from */
    uint64_t acked;   /* HELLO: that checkpoint's acked sequence; HEARTBEAT, BARRIER: acked now */
    uint64_t barrier; /* BARRIER: its id */
    struct wire_progress progress; /* HEARTBEAT, BARRIER */
};

/* Barrier ids: levels count from 1; the end barrier closes the run. */
#define BARRIER_END UINT64_C(0xffffffff)

/*
 * A header that no reader would accept (unknown kind or flags, generation 0, a sequence that is 0
 * outside HELLO) is a bug and aborts; so is a kind that is not the function's.
 */
void write_wire_header(struct buffer *out, const struct wire_header *header);
void write_wire_row(struct buffer *out, const struct wire_header *header,
                    const struct value *values, size_t count);
void write_wire_oversize(struct buffer *out, const struct wire_header *header,
                         const struct value *key_values, size_t count, uint64_t oversize_bytes);
void write_wire_hello(struct buffer *out, const struct wire_header *header, uint64_t previous,
                      uint64_t acked);
void write_wire_heartbeat(struct buffer *out, const struct wire_header *header, uint64_t acked,
                          const struct wire_progress *progress);
void write_wire_barrier(struct buffer *out, const struct wire_header *header, uint64_t barrier,
                        uint64_t acked, const struct wire_progress *progress);
/* DEL has ROW's layout with the key columns. */

/*
 * The header alone: enough for the fence's verdict on ROW, DEL and OVERSIZE.
 *
 * Errors of both readers  ERROR_STOP  WIRE_VERSION, WIRE_MALFORMED (EXIT_STATE)
 *                         ERROR_RETRY the arena cannot hold the row's values
 */
bool read_wire_header(struct bytes value, struct wire_header *ret_header,
                      struct error *err) RH_MUST_CHECK;
/* The whole message; row values borrow from `value`, the array of values lives in the arena. */
bool read_wire_message(struct bytes value, struct arena *arena, struct wire_message *ret_message,
                       struct error *err) RH_MUST_CHECK;

const char *wire_kind_name(enum wire_kind kind); /* "ROW"… */
/* ROW, DEL and OVERSIZE speak of a row; the others are between producer and worker. */
bool wire_kind_is_data(enum wire_kind kind);
void run_id_format(const unsigned char run[RUN_ID_BYTES], char text[37]); /* as uuid */
bool run_id_parse(const char *text, unsigned char run[RUN_ID_BYTES]) RH_MUST_CHECK;

#endif
