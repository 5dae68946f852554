#include "worker/batch.h"

#include <string.h>

/* Numbers of entries are u32; far above what one transaction should hold. */
#define ROWS_MAX ((size_t)1 << 28)

static size_t places_for(size_t rows_max)
{
    size_t count = 1;
    while (count < 2 * rows_max) {
        count *= 2;
    }
    return count;
}

bool batch_init(struct batch *batch, const struct batch_limits *limits, struct arena *fixed,
                struct arena *arena, struct error *err)
{
    REQUIRE(limits->rows_max > 0 && limits->rows_max <= ROWS_MAX);
    struct batch b = {.arena = arena, .limits = *limits};
    b.places_count = places_for(limits->rows_max);
    b.entries = arena_alloc(fixed, limits->rows_max * sizeof(*b.entries));
    b.order = arena_alloc(fixed, limits->rows_max * sizeof(*b.order));
    b.places = arena_alloc(fixed, b.places_count * sizeof(*b.places));
    b.chains = arena_alloc(fixed, limits->tables_count * sizeof(*b.chains));
    b.folded = arena_alloc(fixed, limits->partitions_count * sizeof(*b.folded));
    b.slot_ends = arena_alloc(fixed, limits->partitions_count * sizeof(*b.slot_ends));
    if (b.entries == NULL || b.order == NULL || b.places == NULL || b.chains == NULL ||
        b.folded == NULL || b.slot_ends == NULL) {
        return error_stop(err, EXIT_INTERNAL, "RH-7001",
                          "a batch of %zu rows does not fit into its memory limit",
                          limits->rows_max);
    }
    *batch = b;
    return true;
}

void batch_reset(struct batch *batch)
{
    memset(batch->places, 0, batch->places_count * sizeof(*batch->places));
    memset(batch->chains, 0, batch->limits.tables_count * sizeof(*batch->chains));
    memset(batch->folded, 0, batch->limits.partitions_count * sizeof(*batch->folded));
    batch->rows_count = 0;
    batch->bytes_count = 0;
}

bool batch_has_room(const struct batch *batch, size_t message_bytes)
{
    size_t bytes;
    if (batch->rows_count == 0) {
        return true;
    }
    return batch->rows_count < batch->limits.rows_max &&
           RH_ADD(batch->bytes_count, message_bytes, &bytes) && bytes <= batch->limits.bytes_max;
}

/* ---- folding ---- */

/* Golden ratio: tables whose keys are alike spread over the whole hash table. */
static uint32_t hash_of(size_t table, struct bytes key)
{
    uint64_t hash = bytes_hash(key) ^ (uint64_t)table * UINT64_C(0x9e3779b97f4a7c15);
    return (uint32_t)(hash ^ hash >> 32);
}

/* The place of this key, or the free one where it belongs. Half of the places are free. */
static struct batch_place *find_place(const struct batch *batch, const struct batch_entry *entry)
{
    size_t mask = batch->places_count - 1;
    for (size_t i = entry->hash & mask;; i = (i + 1) & mask) {
        struct batch_place *place = &batch->places[i];
        if (place->number == 0) {
            return place;
        }
        const struct batch_entry *other = &batch->entries[place->number - 1];
        if (place->hash == entry->hash && other->table == entry->table &&
            bytes_equal(other->key, entry->key)) {
            return place;
        }
    }
}

static void fold(struct batch *batch, struct batch_entry *older)
{
    older->folded = true;
    batch->chains[older->table].surviving--;
    batch->folded[older->slot]++;
}

static void append(struct batch *batch, const struct batch_entry *entry)
{
    uint32_t number = (uint32_t)batch->rows_count + 1;
    struct batch_place *place = find_place(batch, entry);
    if (place->number != 0) {
        fold(batch, &batch->entries[place->number - 1]);
    }
    *place = (struct batch_place){.hash = entry->hash, .number = number};

    struct batch_chain *chain = &batch->chains[entry->table];
    if (chain->first == 0) {
        chain->first = number;
    } else {
        batch->entries[chain->last - 1].next = number;
    }
    chain->last = number;
    chain->surviving++;
    batch->entries[batch->rows_count++] = *entry;
    batch->bytes_count += entry->key.len + entry->value.len;
}

/* ---- taking a message ---- */

/* One copy of key and value together; false: the arena cannot hold them. */
static bool copy_message(struct arena *arena, const struct batch_message *message,
                         struct bytes *ret_key, struct bytes *ret_value)
{
    size_t size;
    char *copy =
        RH_ADD(message->key.len, message->value.len, &size) ? arena_alloc_bytes(arena, size) : NULL;
    if (copy == NULL) {
        return false;
    }
    if (message->key.len > 0) {
        memcpy(copy, message->key.ptr, message->key.len);
    }
    if (message->value.len > 0) {
        memcpy(copy + message->key.len, message->value.ptr, message->value.len);
    }
    *ret_key = (struct bytes){copy, message->key.len};
    *ret_value = (struct bytes){copy + message->key.len, message->value.len};
    return true;
}

static bool make_entry(struct batch *batch, const struct batch_message *message,
                       struct batch_entry *ret_entry, struct error *err)
{
    struct batch_entry entry = {
        .table = message->table, .slot = message->slot, .offset = message->offset};
    struct wire_message wire;
    if (!copy_message(batch->arena, message, &entry.key, &entry.value)) {
        return error_set(err, ERROR_RETRY, "message of %zu bytes does not fit into memory",
                         message->value.len);
    }
    if (!read_wire_message(entry.value, batch->arena, &wire, err)) {
        return false;
    }
    REQUIRE(wire_kind_is_data(wire.header.kind)); /* control messages are the lane's */
    if (entry.key.len == 0) {
        return error_stop(err, EXIT_STATE, "WIRE_MALFORMED", "%s message has no key",
                          wire_kind_name(wire.header.kind));
    }
    entry.kind = wire.header.kind;
    entry.generation = wire.header.generation;
    entry.sequence = wire.header.sequence;
    entry.lsn = wire.header.lsn;
    entry.commit_us = wire.header.commit_us;
    entry.oversize_bytes = wire.oversize_bytes;
    entry.row = wire.row;
    entry.hash = hash_of(entry.table, entry.key);
    *ret_entry = entry;
    return true;
}

/* A message that does not fit closes the batch; one that an empty batch cannot hold never will. */
static enum batch_result does_not_fit(const struct batch *batch, struct error *err)
{
    if (batch->rows_count > 0) {
        return BATCH_FULL;
    }
    err->action = ERROR_STOP;
    err->exit_code = EXIT_INTERNAL;
    err->code = "RH-7001";
    return BATCH_FAILED;
}

enum batch_result batch_add(struct batch *batch, const struct batch_message *message,
                            struct error *err)
{
    REQUIRE(message->table < batch->limits.tables_count);
    REQUIRE(message->slot < batch->limits.partitions_count);
    size_t message_bytes;
    if (!RH_ADD(message->key.len, message->value.len, &message_bytes) ||
        !batch_has_room(batch, message_bytes)) {
        return BATCH_FULL;
    }

    struct batch_entry entry = {0};
    struct arena_mark mark = arena_mark(batch->arena);
    if (!make_entry(batch, message, &entry, err)) {
        arena_rollback(batch->arena, mark);
        return err->action == ERROR_RETRY ? does_not_fit(batch, err) : BATCH_FAILED;
    }
    append(batch, &entry);
    return BATCH_TAKEN;
}

/* ---- what survives ---- */

static struct batch_entry *entry_at(const struct batch *batch, uint32_t number)
{
    return number == 0 ? NULL : &batch->entries[number - 1];
}

/* Where each slot's share begins among the table's survivors. */
static void count_slots(struct batch *batch, uint32_t first)
{
    size_t slots_count = batch->limits.partitions_count;
    memset(batch->slot_ends, 0, slots_count * sizeof(*batch->slot_ends));
    for (struct batch_entry *e = entry_at(batch, first); e != NULL; e = entry_at(batch, e->next)) {
        if (!e->folded) {
            batch->slot_ends[e->slot]++;
        }
    }
    size_t begin = 0;
    for (size_t slot = 0; slot < slots_count; slot++) {
        size_t count = batch->slot_ends[slot];
        batch->slot_ends[slot] = begin;
        begin += count;
    }
}

/*
 * A counting sort by slot. Within a slot the order of arrival, which the chain keeps, is already
 * that of the offsets. Each table has its own stretch of `order`, so that all of them can be in the
 * caller's hands at once.
 */
void batch_table(struct batch *batch, size_t table, struct batch_entry ***ret_entries,
                 size_t *ret_count)
{
    REQUIRE(table < batch->limits.tables_count);
    const struct batch_chain *chain = &batch->chains[table];
    struct batch_entry **order = batch->order;
    for (size_t t = 0; t < table; t++) {
        order += batch->chains[t].surviving;
    }
    count_slots(batch, chain->first);
    for (struct batch_entry *e = entry_at(batch, chain->first); e != NULL;
         e = entry_at(batch, e->next)) {
        if (!e->folded) {
            order[batch->slot_ends[e->slot]++] = e;
        }
    }
    *ret_entries = order;
    *ret_count = chain->surviving;
}

uint64_t batch_folded(const struct batch *batch, size_t slot)
{
    REQUIRE(slot < batch->limits.partitions_count);
    return batch->folded[slot];
}
