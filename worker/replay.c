#include "worker/replay.h"

#include "common/clock.h"
#include "common/failpoint.h"

#include <inttypes.h>

#define TURN_FACTOR         16 /* memory of a turn's keys, in batches */
#define TURN_ARENA_BYTES    ((size_t)16 << 20)
#define LOOK_EVERY_MESSAGES 256
#define COUNT_EVERY_MS      1000
#define PAUSE_MAX_MS        2000 /* between tries at a batch */

/* ---- going on ---- */

/* The reason for which a pass ends early is not an error: `outcome` has it. */
static bool leave(struct replay *replay, enum replay_outcome outcome, struct error *err)
{
    replay->outcome = outcome;
    return error_set(err, ERROR_RETRY, "the replay was left");
}

static bool look_around(struct replay *replay, struct error *err)
{
    if (++replay->messages_seen % LOOK_EVERY_MESSAGES != 0) {
        return true;
    }
    if (!replay->goes_on(replay->context)) {
        return leave(replay, REPLAY_LEFT, err);
    }
    if (clock_ms() - replay->counted_ms < COUNT_EVERY_MS) {
        return true;
    }
    replay->counted_ms = clock_ms();
    struct arena_mark mark = arena_mark(&replay->arena);
    bool counted =
        ledger_request_count(replay->target, replay->request, &replay->counts, &replay->arena, err);
    arena_rollback(&replay->arena, mark);
    return counted;
}

static bool read_log(struct replay *replay, int64_t from, int64_t to, kafka_visit *visit,
                     struct error *err)
{
    const struct partition *partition = replay->partition;
    return kafka_read_partition(&replay->config->settings, partition->topic->name,
                                partition->number, from, to, visit, replay, err);
}

/* ---- the first pass: each key's newest message ---- */

static bool note_message(void *context, const rd_kafka_message_t *message, struct error *err)
{
    struct replay *replay = context;
    struct wire_message decoded;
    struct arena_mark mark = arena_mark(&replay->arena);
    if (!look_around(replay, err)) {
        return false;
    }
    replay->counts.messages += replay->first_turn;
    enum fence_verdict verdict =
        fence_read(&replay->fence, (struct bytes){message->payload, message->len}, replay->run,
                   &replay->arena, &decoded, err);
    arena_rollback(&replay->arena, mark);
    if (verdict == FENCE_FATAL) {
        return error_wrap(err, "message at offset %" PRId64, message->offset);
    }
    if (verdict != FENCE_ACCEPT || !wire_kind_is_data(decoded.header.kind) ||
        message->offset < replay->request->from_offset) {
        return true;
    }
    replay->full = !newest_note(&replay->newest, (struct bytes){message->key, message->key_len},
                                message->offset);
    return !replay->full;
}

/* The fence must have come to where the partition's own stands, or this is another log. */
static bool check_position(const struct replay *replay, struct error *err)
{
    const struct fence *ledger = &replay->partition->ledger;
    if (replay->fence.generation == ledger->generation &&
        replay->fence.sequence == ledger->sequence) {
        return true;
    }
    (void)error_stop(err, EXIT_KAFKA, "KAFKA_LOST_ACKED",
                     "the log leads to message %" PRIu64 " of generation %" PRIu64
                     ", but message %" PRIu64 " of generation %" PRIu64 " was applied",
                     replay->fence.sequence, replay->fence.generation, ledger->sequence,
                     ledger->generation);
    return error_hint(err, "the log is not the one that was applied; nothing was replayed");
}

/* Reads from a mark at or before the offset asked for, or from the log's beginning. */
static bool find_newest(struct replay *replay, uint64_t first_hash, uint64_t last_hash,
                        struct error *err)
{
    int64_t begin = 0;
    replay->fence = (struct fence){0};
    replay->full = false;
    replay->counts.messages = replay->first_turn ? 0 : replay->counts.messages;
    newest_begin(&replay->newest, first_hash, last_hash);
    if (!ledger_mark_before(replay->target, replay->run, replay->partition,
                            replay->request->from_offset, &replay->arena, &begin, &replay->fence,
                            err)) {
        return false;
    }
    begin = begin < 0 ? 0 : begin;
    bool read = read_log(replay, begin, replay->partition->next_offset, note_message, err);
    return replay->full || (read && check_position(replay, err));
}

/* ---- the second pass: what was found is applied ---- */

static void count_batch(struct replay *replay)
{
    const struct partition_counters *counters = &replay->partition->counters;
    uint64_t keys = replay->batch->rows_count;
    replay->counts.keys += keys;
    replay->counts.applied += counters->applied;
    replay->counts.unchanged += counters->unchanged;
    replay->counts.refused += keys - counters->applied - counters->unchanged;
    replay->counts.rows_written += counters->rows_written;
}

static bool apply_once(struct replay *replay, struct error *err)
{
    struct partition *partition = replay->partition;
    const struct apply_replay books = {.dry_run = replay->request->dry_run};
    enum apply_outcome outcome = APPLY_UNKNOWN;
    partition->touched = true;
    replay->apply->replay = &books;
    bool applied = apply_batch(replay->apply, replay->target, replay->batch, &partition, 1,
                               replay->batch_arena, &outcome, err);
    replay->apply->replay = NULL;
    partition->touched = false;
    if (applied && outcome == APPLY_COMMITTED) {
        count_batch(replay);
    }
    partition->counters = (struct partition_counters){0};
    if (!applied || outcome == APPLY_COMMITTED) {
        return applied;
    }
    if (outcome == APPLY_FENCED) {
        return leave(replay, REPLAY_FENCED, err);
    }
    return error_set(err, ERROR_RETRY, "the connection was lost while a batch was committed");
}

/* A conflict with somebody else's transaction may be gone at the next try. */
static bool flush(struct replay *replay, struct error *err)
{
    struct backoff pause;
    backoff_init(&pause, 1 + (int64_t)replay->config->settings.apply_retry_delay_ms / 50,
                 PAUSE_MAX_MS);
    if (replay->batch->rows_count == 0) {
        return true;
    }
    for (uint64_t tries = 1; !apply_once(replay, err); tries++) {
        if (err->action != ERROR_RETRY || replay->outcome != REPLAY_DONE ||
            !pg_is_open(replay->target) || tries > replay->config->settings.apply_retries) {
            return false;
        }
        clock_sleep_ms(backoff_next_ms(&pause));
        if (!replay->goes_on(replay->context)) {
            return leave(replay, REPLAY_LEFT, err);
        }
    }
    batch_reset(replay->batch);
    arena_reset(replay->batch_arena);
    RH_FAILPOINT("after_replayed_batch");
    return true;
}

static bool add(struct replay *replay, const rd_kafka_message_t *message, struct error *err)
{
    struct batch_message taken = {
        .table = replay->partition->topic->table->index,
        .offset = message->offset,
        .key = {message->key, message->key_len},
        .value = {message->payload, message->len},
    };
    enum batch_result result = batch_add(replay->batch, &taken, err);
    if (result == BATCH_FULL) {
        if (!flush(replay, err)) {
            return false;
        }
        result = batch_add(replay->batch, &taken, err);
    }
    REQUIRE(result != BATCH_FULL); /* an empty batch takes anything, or says why not */
    return result == BATCH_TAKEN;
}

static bool is_missing(const struct replay *replay, int64_t offset, struct error *err)
{
    return error_stop(err, EXIT_STATE, "RETENTION_LOST",
                      "message at offset %" PRId64 " of partition %" PRId32
                      " of topic \"%s\" is not in the log any more",
                      offset, replay->partition->number, replay->partition->topic->name);
}

static bool take_message(void *context, const rd_kafka_message_t *message, struct error *err)
{
    struct replay *replay = context;
    if (!look_around(replay, err)) {
        return false;
    }
    replay->counts.messages += replay->request->only_failed;
    if (replay->offsets_taken == replay->offsets_count ||
        message->offset < replay->offsets[replay->offsets_taken]) {
        return true;
    }
    if (message->offset > replay->offsets[replay->offsets_taken]) {
        return is_missing(replay, replay->offsets[replay->offsets_taken], err);
    }
    replay->offsets_taken++;
    return add(replay, message, err);
}

static bool apply_offsets(struct replay *replay, const int64_t *offsets, size_t count,
                          struct error *err)
{
    if (count == 0) {
        return true;
    }
    replay->offsets = offsets;
    replay->offsets_count = count;
    replay->offsets_taken = 0;
    if (!read_log(replay, offsets[0], offsets[count - 1] + 1, take_message, err)) {
        return false;
    }
    if (replay->offsets_taken < count) {
        return is_missing(replay, offsets[replay->offsets_taken], err);
    }
    return flush(replay, err);
}

/* ---- turns ---- */

static bool replay_failed(struct replay *replay, struct error *err)
{
    int64_t after = -1;
    for (size_t count = 1; count > 0;) {
        int64_t *offsets = NULL;
        arena_reset(&replay->arena);
        if (!ledger_failed_offsets(replay->target, replay->run, replay->partition, after,
                                   &replay->arena, &offsets, &count, err) ||
            !apply_offsets(replay, offsets, count, err)) {
            return false;
        }
        after = count > 0 ? offsets[count - 1] : after;
    }
    return true;
}

/* All keys in one turn; should they not fit, half of the range, and then as much each turn. */
static bool replay_all(struct replay *replay, struct error *err)
{
    uint64_t first = 0;
    uint64_t width = UINT64_MAX; /* last - first */
    for (;;) {
        uint64_t last = width > UINT64_MAX - first ? UINT64_MAX : first + width;
        int64_t *offsets = NULL;
        size_t count = 0;
        arena_reset(&replay->arena);
        if (!find_newest(replay, first, last, err)) {
            return false;
        }
        if (replay->full) {
            if (first == last) {
                return error_stop(err, EXIT_INTERNAL, "RH-7001",
                                  "the keys of a replay do not fit into their memory limit");
            }
            width = (last - first) / 2;
            continue;
        }
        replay->first_turn = false;
        newest_offsets(&replay->newest, &offsets, &count);
        if (!apply_offsets(replay, offsets, count, err)) {
            return false;
        }
        if (last == UINT64_MAX) {
            return true;
        }
        first = last + 1;
    }
}

bool replay_run(struct replay *replay, enum replay_outcome *ret_outcome, struct error *err)
{
    replay->counts = (struct replay_counts){0};
    replay->outcome = REPLAY_DONE;
    replay->first_turn = true;
    replay->messages_seen = 0;
    replay->counted_ms = clock_ms();
    arena_init(&replay->arena, TURN_ARENA_BYTES);
    newest_init(&replay->newest, TURN_FACTOR * (size_t)replay->config->settings.apply_batch_bytes);
    bool done = replay->request->only_failed ? replay_failed(replay, err) : replay_all(replay, err);
    newest_release(&replay->newest);
    arena_release(&replay->arena);
    *ret_outcome = replay->outcome;
    return done || replay->outcome != REPLAY_DONE;
}
