#include "producer/checkpoint.h"

#include <string.h>

/* A key's text. Index rows end at 2,704 bytes, but are compressed. */
#define KEY_BYTES_MAX ((size_t)1 << 20)
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
        .tables = arena_must_alloc(arena, tables_count * sizeof(struct table_checkpoint)),
    };
    arena_init(&checkpointer->arena, (tables_count + CANDIDATES_MAX) * 2 * KEY_BYTES_MAX);
    for (size_t i = 0; i < CANDIDATES_MAX; i++) {
        buffer_init(&checkpointer->queue[i].key, &checkpointer->arena, KEY_BYTES_MAX);
    }
    for (size_t i = 0; i < tables_count; i++) {
        const struct catalog_table *source = run->plan.tables[i].source;
        double estimate = source->rows_estimate;

        buffer_init(&checkpointer->tables[i].key, &checkpointer->arena, KEY_BYTES_MAX);
        checkpointer->tables[i].progress.rows_estimate = estimate > 0 ? (uint64_t)estimate : 0;
    }
}

void checkpointer_release(struct checkpointer *checkpointer)
{
    arena_release(&checkpointer->arena);
}

static bool resume_key(struct table_checkpoint *to, const struct plan_table *table,
                       const struct table_state *saved, struct error *err)
{
    struct value values[32]; /* INDEX_MAX_KEYS */
    size_t columns[RH_COUNT(values)];

    if (saved->cursor_count == 0) {
        return true;
    }
    if (saved->cursor_count != table->key_count) {
        return error_stop(err, EXIT_STATE, "STATE_FOREIGN",
                          "checkpoint has %zu key values for table \"%s\", the plan has %zu",
                          saved->cursor_count, table->id, table->key_count);
    }
    REQUIRE(table->key_count <= RH_COUNT(values));
    for (size_t i = 0; i < table->key_count; i++) {
        values[i] = (struct value){VALUE_TEXT, bytes_of(saved->cursor[i])};
        columns[i] = i;
    }
    return key_write(&to->key, values, columns, table->key_kinds, table->key_count, err);
}

bool checkpointer_resume(struct checkpointer *checkpointer, const struct checkpoint *saved,
                         struct error *err)
{
    for (size_t i = 0; i < saved->tables_count; i++) {
        const struct table_state *state = &saved->tables[i];
        const struct plan_table *table = plan_table_find(&checkpointer->run->plan, state->id);

        if (table == NULL) {
            return error_stop(err, EXIT_STATE, "STATE_FOREIGN",
                              "checkpoint has table \"%s\", which the plan does not have",
                              state->id);
        }

        struct table_checkpoint *to = &checkpointer->tables[table->index];

        if (!resume_key(to, table, state, err)) {
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
        struct table_checkpoint *table = &checkpointer->tables[candidate->table];

        buffer_clear(&table->key);
        write_bytes(&table->key, buffer_bytes(&queued->key));
        REQUIRE(!table->key.failed);
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

static void cursor_of(struct table_state *state, const struct plan_table *table, struct bytes key,
                      struct arena *arena)
{
    struct bytes parts[32];
    struct error err;

    if (key.len == 0) {
        return;
    }
    REQUIRE(table->key_count <= RH_COUNT(parts));
    REQUIRE(key_parts(key, parts, table->key_count, &err));

    const char **cursor = arena_must_alloc(arena, table->key_count * sizeof(*cursor));

    for (size_t i = 0; i < table->key_count; i++) {
        cursor[i] = bytes_to_text(arena, parts[i]);
        REQUIRE(cursor[i] != NULL);
    }
    state->cursor = cursor;
    state->cursor_count = table->key_count;
}

static struct table_state *table_states(const struct checkpointer *checkpointer,
                                        struct arena *arena)
{
    const struct plan *plan = &checkpointer->run->plan;
    struct table_state *states = arena_must_alloc(arena, plan->tables_count * sizeof(*states));

    for (size_t i = 0; i < plan->tables_count; i++) {
        const struct table_checkpoint *from = &checkpointer->tables[i];

        states[i].id = plan->tables[i].id;
        states[i].done = from->progress.done;
        states[i].progress = from->progress;
        states[i].progress.last_key = buffer_bytes(&from->key);
        cursor_of(&states[i], &plan->tables[i], buffer_bytes(&from->key), arena);
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
