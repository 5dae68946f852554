#include "producer/checkpoint.h"

#include <string.h>

/* What a crash may cost beside time: messages that are sent again. */
#define UNSAVED_BYTES_MAX (UINT64_C(8) << 20)
/* The record itself is a synchronous write of the loop that also serves acknowledgements. */
#define WRITTEN_MS_MIN 100

void checkpointer_init(struct checkpointer *checkpointer, const struct run *run,
                       uint64_t generation, struct arena *arena)
{
    size_t tables_count = run->plan.tables_count;

    *checkpointer = (struct checkpointer){
        .run = run,
        .generation = generation,
        .tables = arena_must_alloc(arena, tables_count * sizeof(struct table_position)),
    };
    arena_init(&checkpointer->arena,
               tables_count * POSITION_BYTES_MAX + POSITION_KEY_BYTES_MAX * 2 * CANDIDATES_MAX);
    for (size_t i = 0; i < CANDIDATES_MAX; i++) {
        buffer_init(&checkpointer->queue[i].key, &checkpointer->arena, POSITION_KEY_BYTES_MAX);
    }
    for (size_t i = 0; i < tables_count; i++) {
        double estimate = run->plan.tables[i].source->rows_estimate;

        table_position_init(&checkpointer->tables[i], estimate > 0 ? (uint64_t)estimate : 0,
                            &checkpointer->arena);
    }
}

void checkpointer_release(struct checkpointer *checkpointer)
{
    arena_release(&checkpointer->arena);
}

/* A key's values as they stand in a record, as a canonical key in the arena; none: empty. */
static bool resume_key(const struct plan_table *table, const char *const *texts, size_t count,
                       struct arena *arena, struct bytes *ret_key, struct error *err)
{
    struct value values[32]; /* INDEX_MAX_KEYS */
    size_t columns[RH_COUNT(values)];
    struct buffer key;

    if (count == 0) {
        *ret_key = BYTES_EMPTY;
        return true;
    }
    if (count != table->key_count) {
        return error_stop(err, EXIT_STATE, "STATE_FOREIGN",
                          "checkpoint has %zu key values for table \"%s\", the plan has %zu", count,
                          table->id, table->key_count);
    }
    REQUIRE(table->key_count <= RH_COUNT(values));
    for (size_t i = 0; i < table->key_count; i++) {
        values[i] = (struct value){VALUE_TEXT, bytes_of(texts[i])};
        columns[i] = i;
    }
    buffer_init(&key, arena, POSITION_KEY_BYTES_MAX);
    if (!key_write(&key, values, columns, table->key_kinds, table->key_count, err)) {
        return false;
    }
    REQUIRE(!key.failed); /* it was written from a key that was no longer */
    *ret_key = buffer_bytes(&key);
    return true;
}

static bool resume_ranges(struct table_position *to, const struct plan_table *table,
                          const struct table_state *saved, struct arena *arena, struct error *err)
{
    struct bytes bounds[RANGES_MAX];
    struct bytes key = BYTES_EMPTY;

    if (saved->ranges_count > RANGES_MAX) {
        return error_stop(
            err, EXIT_STATE, "STATE_FOREIGN",
            "checkpoint has %zu ranges of table \"%s\", more than the %d there may be",
            saved->ranges_count, table->id, RANGES_MAX);
    }
    for (size_t i = 0; i + 1 < saved->ranges_count; i++) {
        const struct range_state *range = &saved->ranges[i];

        if (!resume_key(table, range->upto, range->upto_count, arena, &bounds[i], err)) {
            return false;
        }
    }
    if (saved->ranges_count > 1) {
        table_position_divide(to, bounds, saved->ranges_count - 1);
    }
    for (size_t i = 0; i < saved->ranges_count; i++) {
        const struct range_state *range = &saved->ranges[i];

        if (!resume_key(table, range->cursor, range->cursor_count, arena, &key, err)) {
            return false;
        }
        REQUIRE(table_position_move(to, i, key, range->ended)); /* see resume_key */
    }
    return true;
}

bool checkpointer_resume(struct checkpointer *checkpointer, const struct checkpoint *saved,
                         struct error *err)
{
    RH_AUTO(arena_release) struct arena arena;

    arena_init(&arena, 2 * POSITION_BYTES_MAX);
    for (size_t i = 0; i < saved->tables_count; i++) {
        const struct table_state *state = &saved->tables[i];
        const struct plan_table *table = plan_table_find(&checkpointer->run->plan, state->id);

        if (table == NULL) {
            return error_stop(err, EXIT_STATE, "STATE_FOREIGN",
                              "checkpoint has table \"%s\", which the plan does not have",
                              state->id);
        }

        struct table_position *to = &checkpointer->tables[table->index];

        arena_reset(&arena);
        if (!resume_ranges(to, table, state, &arena, err)) {
            return false;
        }
        to->progress = state->progress;
        to->progress.done = state->done;
        to->progress.last_key = BYTES_EMPTY;
    }
    checkpointer->level = saved->level;
    checkpointer->ended = saved->ended;
    return true;
}

bool checkpointer_has_room(const struct checkpointer *checkpointer)
{
    return checkpointer->queue_count < CANDIDATES_MAX;
}

void checkpointer_divide(struct checkpointer *checkpointer, size_t table,
                         const struct bytes *bounds, size_t bounds_count)
{
    table_position_divide(&checkpointer->tables[table], bounds, bounds_count);
    checkpointer->changed = true;
}

bool checkpointer_add(struct checkpointer *checkpointer, const struct candidate *candidate,
                      struct error *err)
{
    REQUIRE(checkpointer_has_room(checkpointer));

    size_t slot = (checkpointer->queue_first + checkpointer->queue_count) % CANDIDATES_MAX;
    struct queued_candidate *queued = &checkpointer->queue[slot];

    buffer_clear(&queued->key);
    write_bytes(&queued->key, candidate->key);
    if (queued->key.failed) {
        return error_stop(err, EXIT_SOURCE, "RH-4022", "key of %zu bytes is too long to page by",
                          candidate->key.len);
    }
    queued->candidate = *candidate;
    checkpointer->queue_count++;
    return true;
}

static void apply(struct checkpointer *checkpointer, const struct queued_candidate *queued)
{
    const struct candidate *candidate = &queued->candidate;

    switch (candidate->kind) {
    case CANDIDATE_PAGE: {
        struct table_position *table = &checkpointer->tables[candidate->table];

        REQUIRE(table_position_move(table, candidate->range, buffer_bytes(&queued->key),
                                    candidate->range_ended));
        table->progress = candidate->progress;
        table->progress.last_key = BYTES_EMPTY;
        break;
    }
    case CANDIDATE_LEVEL:
        checkpointer->level = candidate->level;
        break;
    case CANDIDATE_ENDED:
        checkpointer->ended = true;
        break;
    }
    checkpointer->bytes_unsaved += candidate->bytes;
    checkpointer->changed = true;
}

void checkpointer_advance(struct checkpointer *checkpointer, uint64_t durable_position)
{
    while (checkpointer->queue_count > 0) {
        const struct queued_candidate *queued = &checkpointer->queue[checkpointer->queue_first];

        if (queued->candidate.position > durable_position) {
            return;
        }
        apply(checkpointer, queued);
        checkpointer->queue_first = (checkpointer->queue_first + 1) % CANDIDATES_MAX;
        checkpointer->queue_count--;
    }
}

bool checkpointer_due(const struct checkpointer *checkpointer, int64_t checkpoint_ms,
                      int64_t now_ms)
{
    int64_t elapsed_ms = now_ms - checkpointer->written_ms;

    if (!checkpointer->changed) {
        return false;
    }
    return elapsed_ms >= checkpoint_ms ||
           (checkpointer->bytes_unsaved >= UNSAVED_BYTES_MAX && elapsed_ms >= WRITTEN_MS_MIN);
}

/* A canonical key as the texts of its values. */
static size_t key_texts(const struct plan_table *table, struct bytes key, struct arena *arena,
                        const char ***ret_texts)
{
    struct bytes parts[32];
    struct error err;

    if (key.len == 0) {
        return 0;
    }
    REQUIRE(table->key_count <= RH_COUNT(parts));
    REQUIRE(key_parts(key, parts, table->key_count, &err));

    const char **texts = arena_must_alloc(arena, table->key_count * sizeof(*texts));

    for (size_t i = 0; i < table->key_count; i++) {
        texts[i] = bytes_to_text(arena, parts[i]);
        REQUIRE(texts[i] != NULL);
    }
    *ret_texts = texts;
    return table->key_count;
}

static struct range_state *range_states(const struct table_position *from,
                                        const struct plan_table *table, struct arena *arena)
{
    struct range_state *states = arena_must_alloc(arena, from->ranges_count * sizeof(*states));

    for (size_t i = 0; i < from->ranges_count; i++) {
        const struct range_position *range = &from->ranges[i];

        states[i].cursor_count =
            key_texts(table, buffer_bytes(&range->key), arena, &states[i].cursor);
        states[i].upto_count = key_texts(table, buffer_bytes(&range->upto), arena, &states[i].upto);
        states[i].ended = range->ended;
    }
    return states;
}

static struct table_state *table_states(const struct checkpointer *checkpointer,
                                        struct arena *arena)
{
    const struct plan *plan = &checkpointer->run->plan;
    struct table_state *states = arena_must_alloc(arena, plan->tables_count * sizeof(*states));

    for (size_t i = 0; i < plan->tables_count; i++) {
        const struct table_position *from = &checkpointer->tables[i];

        states[i].id = plan->tables[i].id;
        states[i].done = from->progress.done;
        states[i].progress = from->progress;
        states[i].progress.last_key = table_position_key(from);
        states[i].ranges_count = from->ranges_count;
        states[i].ranges = range_states(from, &plan->tables[i], arena);
    }
    return states;
}

static struct partition_state *partition_states(const struct run *run, const uint64_t *acked,
                                                struct arena *arena)
{
    struct partition_state *states =
        arena_must_alloc(arena, run->partitions_count * sizeof(*states));
    size_t at = 0;

    for (size_t t = 0; t < run->topics_count; t++) {
        for (uint32_t p = 0; p < run->topics[t].partitions; p++, at++) {
            REQUIRE(at == run->topics[t].first_partition + p);
            states[at] = (struct partition_state){run->topics[t].name, (int32_t)p, acked[at]};
        }
    }
    return states;
}

const char *checkpointer_record(struct checkpointer *checkpointer, const uint64_t *acked,
                                int64_t now_ms, struct arena *arena)
{
    const struct run *run = checkpointer->run;
    const struct checkpoint record = {
        .generation = checkpointer->generation,
        .level = checkpointer->level,
        .ended = checkpointer->ended,
        .tables_count = run->plan.tables_count,
        .tables = table_states(checkpointer, arena),
        .partitions_count = run->partitions_count,
        .partitions = partition_states(run, acked, arena),
    };

    checkpointer->changed = false;
    checkpointer->bytes_unsaved = 0;
    checkpointer->written_ms = now_ms;
    return state_checkpoint_text(arena, &record);
}

void checkpointer_unsaved(struct checkpointer *checkpointer)
{
    checkpointer->changed = true;
}
