#include "producer/table_position.h"

static void make_ranges(struct table_position *position, size_t count)
{
    position->ranges = arena_must_alloc(position->arena, count * sizeof(*position->ranges));
    position->ranges_count = count;
    for (size_t i = 0; i < count; i++) {
        buffer_init(&position->ranges[i].key, position->arena, POSITION_KEY_BYTES_MAX);
        buffer_init(&position->ranges[i].upto, position->arena, POSITION_KEY_BYTES_MAX);
    }
}

static void set_key(struct buffer *key, struct bytes value)
{
    REQUIRE(value.len <= POSITION_KEY_BYTES_MAX);
    buffer_clear(key);
    write_bytes(key, value);
    REQUIRE(!key->failed);
}

void table_position_init(struct table_position *position, uint64_t rows_estimate,
                         struct arena *arena)
{
    *position = (struct table_position){.arena = arena};
    position->progress.rows_estimate = rows_estimate;
    make_ranges(position, 1);
}

void table_position_divide(struct table_position *position, const struct bytes *bounds,
                           size_t bounds_count)
{
    REQUIRE(!table_position_is_begun(position));
    REQUIRE(bounds_count < RANGES_MAX);
    make_ranges(position, bounds_count + 1);
    for (size_t i = 0; i < bounds_count; i++) {
        set_key(&position->ranges[i].upto, bounds[i]);
        set_key(&position->ranges[i + 1].key, bounds[i]);
    }
}

bool table_position_move(struct table_position *position, size_t range, struct bytes key,
                         bool ended)
{
    REQUIRE(range < position->ranges_count);
    if (key.len > POSITION_KEY_BYTES_MAX) {
        return false;
    }
    set_key(&position->ranges[range].key, key);
    position->ranges[range].ended = ended;
    return true;
}

void table_position_copy(struct table_position *to, const struct table_position *from)
{
    if (to->ranges_count != from->ranges_count) {
        make_ranges(to, from->ranges_count);
    }
    for (size_t i = 0; i < from->ranges_count; i++) {
        set_key(&to->ranges[i].key, buffer_bytes(&from->ranges[i].key));
        set_key(&to->ranges[i].upto, buffer_bytes(&from->ranges[i].upto));
        to->ranges[i].ended = from->ranges[i].ended;
    }
    to->progress = from->progress;
}

bool table_position_is_begun(const struct table_position *position)
{
    return position->ranges_count > 1 || position->ranges[0].ended ||
           position->ranges[0].key.len > 0;
}

static const struct range_position *first_at_work(const struct table_position *position)
{
    for (size_t i = 0; i < position->ranges_count; i++) {
        if (!position->ranges[i].ended) {
            return &position->ranges[i];
        }
    }
    return NULL;
}

bool table_position_is_ended(const struct table_position *position)
{
    return first_at_work(position) == NULL;
}

struct bytes table_position_key(const struct table_position *position)
{
    const struct range_position *range = first_at_work(position);

    if (range == NULL) {
        range = &position->ranges[position->ranges_count - 1];
    }
    return buffer_bytes(&range->key);
}
