#include "worker/fence.h"

#include "common/failpoint.h"

#include <inttypes.h>
#include <string.h>

const char *fence_verdict_name(enum fence_verdict verdict)
{
    static const char *const names[] = {
        [FENCE_ACCEPT] = "accept",       [FENCE_ZOMBIE] = "zombie", [FENCE_HELLO] = "hello",
        [FENCE_DUPLICATE] = "duplicate", [FENCE_GAP] = "gap",       [FENCE_APPLIED] = "applied",
        [FENCE_FATAL] = "fatal",
    };
    REQUIRE((size_t)verdict < RH_COUNT(names));
    return names[verdict];
}

static enum fence_verdict foreign(const unsigned char theirs[RUN_ID_BYTES],
                                  const unsigned char ours[RUN_ID_BYTES], struct error *err)
{
    char their_text[37], our_text[37];
    run_id_format(theirs, their_text);
    run_id_format(ours, our_text);
    (void)error_stop(err, EXIT_STATE, "TOPIC_FOREIGN",
                     "message belongs to run \"%s\", but this is run \"%s\"", their_text, our_text);
    (void)error_hint(err, "another migration writes to this topic: give each its own name");
    return FENCE_FATAL;
}

static enum fence_verdict remapped(uint64_t theirs, uint64_t ours, struct error *err)
{
    (void)error_stop(err, EXIT_STATE, "MAPPING_CHANGED",
                     "message was written under source plan %016" PRIx64
                     ", but this run's is %016" PRIx64,
                     theirs, ours);
    (void)error_hint(err, "start every program of the run with the same mapping");
    return FENCE_FATAL;
}

/* After error_stop has said what is missing. */
static enum fence_verdict lost(struct error *err)
{
    (void)error_hint(err, KAFKA_LOST_HINT);
    return FENCE_FATAL;
}

static enum fence_verdict check_hello(struct fence *fence, const struct wire_message *message,
                                      struct error *err)
{
    uint64_t generation = message->header.generation;
    if (generation == fence->generation) {
        return FENCE_HELLO;
    }
    if (message->previous > fence->generation ||
        (message->previous == fence->generation && fence->sequence < message->acked)) {
        (void)error_stop(
            err, EXIT_KAFKA, "KAFKA_LOST_ACKED",
            "generation %" PRIu64 " resumes after message %" PRIu64 " of generation %" PRIu64
            ", but the topic has only message %" PRIu64 " of generation %" PRIu64,
            generation, message->acked, message->previous, fence->sequence, fence->generation);
        return lost(err);
    }
    fence->generation = generation;
    fence->sequence = 0;
    fence->gap = false;
    return FENCE_HELLO;
}

static enum fence_verdict check_gap(struct fence *fence, const struct wire_message *message,
                                    struct error *err)
{
    enum wire_kind kind = message->header.kind;
    bool says_acked = kind == WIRE_HEARTBEAT || kind == WIRE_BARRIER;
    if (says_acked && message->acked > fence->sequence) {
        (void)error_stop(err, EXIT_KAFKA, "KAFKA_LOST_ACKED",
                         "message %" PRIu64 " of generation %" PRIu64
                         " is missing, though Kafka acknowledged up to message %" PRIu64,
                         fence->sequence + 1, fence->generation, message->acked);
        return lost(err);
    }
    fence->gap = true;
    return FENCE_GAP;
}

static bool is_change(const struct wire_header *header)
{
    return wire_kind_is_data(header->kind) && (header->flags & WIRE_PAGE) == 0;
}

static bool is_applied(const struct fence *fence, const struct wire_header *header)
{
    if (header->source_epoch != fence->source_epoch) {
        return header->source_epoch < fence->source_epoch;
    }
    if (header->lsn != fence->lsn) {
        return header->lsn < fence->lsn;
    }
    return header->index <= fence->index;
}

/* LSNs of two epochs have no order: a new epoch begins with none applied. */
static void enter_epoch(struct fence *fence, uint32_t source_epoch)
{
    fence->source_epoch = source_epoch;
    fence->lsn = 0;
    fence->index = 0;
    fence->applied_lsn = 0;
}

static enum fence_verdict take(struct fence *fence, const struct wire_header *header)
{
    fence->sequence = header->sequence;
    if (header->source_epoch > fence->source_epoch) {
        enter_epoch(fence, header->source_epoch);
    }
    if (is_change(header)) {
        if (is_applied(fence, header)) {
            return FENCE_APPLIED;
        }
        fence->lsn = header->lsn;
        fence->index = header->index;
    }
    if (header->source_epoch == fence->source_epoch && header->lsn > fence->applied_lsn) {
        fence->applied_lsn = header->lsn;
    }
    return FENCE_ACCEPT;
}

enum fence_verdict fence_check(struct fence *fence, const struct wire_message *message,
                               const unsigned char run[RUN_ID_BYTES], uint64_t source_fingerprint,
                               struct error *err)
{
    const struct wire_header *header = &message->header;
    if (memcmp(header->run, run, RUN_ID_BYTES) != 0) {
        return foreign(header->run, run, err);
    }
    if (header->generation < fence->generation) {
        return FENCE_ZOMBIE;
    }
    if (header->source_fingerprint != source_fingerprint) {
        return remapped(header->source_fingerprint, source_fingerprint, err);
    }
    if (header->kind == WIRE_HELLO) {
        return check_hello(fence, message, err);
    }
    if (header->generation > fence->generation) {
        (void)error_stop(err, EXIT_KAFKA, "KAFKA_LOST_ACKED",
                         "generation %" PRIu64 " begins without its HELLO", header->generation);
        return lost(err);
    }
    bool is_next = !fence->gap && header->sequence == fence->sequence + 1;
    if (is_next || RH_UNSAFE("skip_seq")) {
        return take(fence, header);
    }
    if (header->sequence <= fence->sequence) {
        return FENCE_DUPLICATE;
    }
    /* In a gap even the missing number is skipped: what follows it was already passed over. */
    return check_gap(fence, message, err);
}

enum fence_verdict fence_read(struct fence *fence, struct bytes value, const struct run *run,
                              struct arena *arena, struct wire_message *ret_message,
                              struct error *err)
{
    struct wire_message message = {0};
    if (!read_wire_header(value, &message.header, err)) {
        return FENCE_FATAL;
    }
    if (!wire_kind_is_data(message.header.kind) &&
        !read_wire_message(value, arena, &message, err)) {
        return FENCE_FATAL;
    }
    enum fence_verdict verdict =
        fence_check(fence, &message, run->id, run->plan.source_fingerprint, err);
    *ret_message = message;
    return verdict;
}
