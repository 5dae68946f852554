/*
 * fence -- which messages of a partition are applied, which are skipped, and when to stop.
 *
 * In:     the partition's state and one message after the other, in offset order.
 * Out:    a verdict for each; the state moved on.
 * Never:  does I/O; looks at rows or offsets (those are guarded by the ledger's compare-and-set).
 *
 * The rules, in order (docs/wire-format.md; design: "Fence per message"):
 *
 *   run differs                             stop TOPIC_FOREIGN
 *   generation lower                        skip: a producer that was replaced writes on
 *   source-plan fingerprint differs         stop MAPPING_CHANGED: columns would be mistaken
 *   HELLO of ours                           skip
 *   HELLO of a higher generation            stop KAFKA_LOST_ACKED when the checkpoint it resumes
 *                                           from saw more acknowledged than has arrived here;
 *                                           otherwise that generation begins at sequence 0
 *   higher generation without HELLO         stop KAFKA_LOST_ACKED: the HELLO was acknowledged
 *   sequence + 1                            accept
 *   lower or equal                          skip: Kafka's duplicate
 *   higher                                  a gap: skip the rest of this generation; its producer
 *                                           met a delivery error and comes again with another
 *   HEARTBEAT, BARRIER in a gap             stop KAFKA_LOST_ACKED when what is missing was
 *                                           acknowledged: nobody would send it again, and the
 *                                           partition would stall in silence
 *   accepted change not above the last      skip: applied before a producer restarted. Safe only
 *   applied (source epoch, lsn, index)      behind the sequence rule: an event that Kafka lost and
 *                                           that is sent again would otherwise be skipped for ever
 *
 * Pages are not subject to the last rule and do not move its position: a page read again after a
 * restart must be applied, and a page's lsn says nothing about changes. tests/unit/worker/
 * fence_test.c explores every interleaving of crashes and losses, and shows what each rule is for.
 */
#ifndef RH_WORKER_FENCE_H
#define RH_WORKER_FENCE_H

#include "common/error.h"
#include "common/run.h"
#include "common/wire.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * Plain data: a batch keeps a copy and puts it back when it fails. All but `gap` is persisted with
 * the batch; a gap is found again by the next message, since the sequence stands still in it.
 */
struct fence {
    uint64_t generation; /* 0: none seen */
    uint64_t sequence;   /* of this generation, last seen without a gap */
    uint32_t source_epoch;
    uint64_t lsn; /* with index: the last applied change of this source epoch */
    uint32_t index;
    bool gap;
    uint64_t applied_lsn; /* highest lsn accepted in this source epoch, of whatever kind: for
                             people, and for verification to wait on */
};

enum fence_verdict {
    FENCE_ACCEPT,
    FENCE_ZOMBIE,    /* skip: of a generation that was replaced */
    FENCE_HELLO,     /* skip: nothing to apply; the generation may have changed */
    FENCE_DUPLICATE, /* skip: this sequence was seen */
    FENCE_GAP,       /* skip: something before it is missing */
    FENCE_APPLIED,   /* skip: this change was applied before */
    FENCE_FATAL,     /* stop: err is set, the state is untouched */
};

/*
 * The verdict about the next message. Of the message, the header counts, and for HELLO, HEARTBEAT
 * and BARRIER also `previous` and `acked`: for the other kinds a header from read_wire_header in an
 * otherwise empty message will do.
 *
 * The state moves on ACCEPT, APPLIED and HELLO; on GAP only `gap` is set. The caller raises the
 * alarm when a GAP is the first (fence->gap was false before).
 * Errors  ERROR_STOP with TOPIC_FOREIGN or MAPPING_CHANGED (EXIT_STATE), KAFKA_LOST_ACKED
 *         (EXIT_KAFKA).
 */
enum fence_verdict fence_check(struct fence *fence, const struct wire_message *message,
                               const unsigned char run[RUN_ID_BYTES], uint64_t source_fingerprint,
                               struct error *err) RH_MUST_CHECK;

/*
 * The same about a message's bytes. Of data messages only the header is read, the others whole:
 * what they carry lives in the arena and borrows from `value`. Errors also those of the readers of
 * wire.h, with FENCE_FATAL.
 */
enum fence_verdict fence_read(struct fence *fence, struct bytes value, const struct run *run,
                              struct arena *arena, struct wire_message *ret_message,
                              struct error *err) RH_MUST_CHECK;

const char *fence_verdict_name(enum fence_verdict verdict); /* "accept", "zombie"… for logs */

#endif
