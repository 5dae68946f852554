#include "producer/page.h"

#include "common/hash.h"

#include <inttypes.h>

/* Messages are written into blocks of this size, so that a row costs no allocation. */
#define BLOCK_BYTES ((size_t)256 << 10)
/* What the wire adds to a row at most: the header and a count, and for each value a kind and a
 * length. A generous bound: a block that is too small after all is a bug, not a lost row. */
#define WIRE_ROW_EXTRA   (WIRE_HEADER_BYTES + 32)
#define WIRE_VALUE_EXTRA 16

void page_init(struct page *page, const struct run_topic *topic, const struct settings *settings,
               uint64_t bytes_wanted, struct arena *arena)
{
    const struct plan_table *table = topic->table;
    size_t row_bytes_max = 4 * (size_t)settings->topics_max_message_bytes;

    *page = (struct page){
        .topic = topic,
        .values = arena_must_alloc(arena, table->columns_count * sizeof(struct value)),
        .key_values = arena_must_alloc(arena, table->key_count * sizeof(struct value)),
        .key_identity = arena_must_alloc(arena, table->key_count * sizeof(size_t)),
        .message_bytes_max = settings->topics_max_message_bytes,
        .oversize_stops = settings->topics_oversize == OVERSIZE_STOP,
        .bytes_wanted = bytes_wanted,
    };
    for (size_t i = 0; i < table->key_count; i++) {
        page->key_identity[i] = i;
    }
    /* Twice the wanted bytes leaves room for the chunks' own arrays. */
    arena_init(&page->arena, 2 * bytes_wanted + row_bytes_max + BLOCK_BYTES);
    arena_init(&page->scratch, row_bytes_max + BLOCK_BYTES);
}

void page_release(struct page *page)
{
    arena_release(&page->arena);
    arena_release(&page->scratch);
}

void page_reset(struct page *page)
{
    arena_reset(&page->arena);
    buffer_init(&page->block, &page->arena, 0);
    page->first = page->last = NULL;
    page->rows = page->bytes = page->oversize = 0;
    page->last_key = BYTES_EMPTY;
}

static bool does_not_fit(const struct page *page, struct error *err)
{
    return error_stop(err, EXIT_SOURCE, "RH-4020",
                      "row of %" PRIu64 " bytes does not fit into the memory of a page",
                      page->bytes);
}

/* Room for `needed` bytes in a block that will not grow: pointers into it stay. */
static bool block_ready(struct page *page, size_t needed, struct error *err)
{
    struct buffer *block = &page->block;

    if (block->max_bytes - block->len >= needed && block->ptr != NULL) {
        return true;
    }

    size_t size = needed > BLOCK_BYTES ? needed : BLOCK_BYTES;

    buffer_init(block, &page->arena, size);
    return buffer_reserve(block, size) != NULL || does_not_fit(page, err);
}

struct wire_header chunk_header(enum wire_kind kind)
{
    return (struct wire_header){
        .kind = kind, .generation = 1, .sequence = kind == WIRE_HELLO ? 0 : 1};
}

void chunk_add(struct chunk *chunk, enum wire_kind kind, uint32_t partition, struct bytes key,
               struct bytes payload)
{
    REQUIRE(chunk->count < CHUNK_MESSAGES_MAX);
    REQUIRE(payload.len >= WIRE_HEADER_BYTES);

    rd_kafka_message_t *message = &chunk->messages[chunk->count];

    /* librdkafka's struct has no const; F_COPY copies both and changes neither. */
    message->partition = (int32_t)partition;
    message->payload = (void *)(uintptr_t)payload.ptr;
    message->len = payload.len;
    message->key = key.len > 0 ? (void *)(uintptr_t)key.ptr : NULL;
    message->key_len = key.len;
    chunk->kinds[chunk->count] = (unsigned char)kind;
    chunk->count++;
}

static bool add_message(struct page *page, enum wire_kind kind, struct bytes key,
                        struct bytes payload, struct error *err)
{
    if (page->last == NULL || page->last->count == CHUNK_MESSAGES_MAX) {
        struct chunk *chunk = arena_alloc(&page->arena, sizeof(*chunk));

        if (chunk == NULL) {
            return does_not_fit(page, err);
        }
        if (page->last == NULL) {
            page->first = chunk;
        } else {
            page->last->next = chunk;
        }
        page->last = chunk;
    }
    chunk_add(page->last, kind, hash_partition(key, page->topic->partitions), key, payload);
    page->rows++;
    page->bytes += key.len + payload.len;
    page->last_key = key;
    return true;
}

/* A NULL in a key is a unique key that is not NOT NULL: the plan should not have it. */
static bool write_key(struct page *page, const struct value *values, const size_t *columns,
                      struct bytes *ret_key, struct error *err)
{
    const struct plan_table *table = page->topic->table;
    size_t begin = page->block.len;

    if (!key_write(&page->block, values, columns, table->key_kinds, table->key_count, err)) {
        err->action = ERROR_STOP;
        err->exit_code = EXIT_SOURCE;
        return false;
    }
    REQUIRE(!page->block.failed);
    *ret_key = (struct bytes){page->block.ptr + begin, page->block.len - begin};
    return true;
}

static bool add_oversize(struct page *page, uint64_t oversize_bytes, struct error *err)
{
    const struct plan_table *table = page->topic->table;
    const struct wire_header header = chunk_header(WIRE_OVERSIZE);
    size_t needed = WIRE_ROW_EXTRA;
    struct bytes key;

    for (size_t i = 0; i < table->key_count; i++) {
        needed += 2 * (page->key_values[i].bytes.len + WIRE_VALUE_EXTRA);
    }
    if (!block_ready(page, needed, err) ||
        !write_key(page, page->key_values, page->key_identity, &key, err)) {
        return false;
    }
    if (page->oversize_stops) {
        error_stop(err, EXIT_SOURCE, "RH-4021",
                   "a row of %" PRIu64 " bytes is more than a message may have (%" PRIu64
                   " with its key)",
                   oversize_bytes, page->message_bytes_max);
        return error_hint(err, "raise topics.max_message_bytes, or set topics.oversize to reject");
    }

    size_t begin = page->block.len;

    write_wire_oversize(&page->block, &header, page->key_values, table->key_count, oversize_bytes);
    REQUIRE(!page->block.failed);
    page->oversize++;
    return add_message(page, WIRE_OVERSIZE, key,
                       (struct bytes){page->block.ptr + begin, page->block.len - begin}, err);
}

static bool add_row(struct page *page, struct error *err)
{
    const struct plan_table *table = page->topic->table;
    const struct wire_header header = chunk_header(WIRE_ROW);
    size_t needed = WIRE_ROW_EXTRA;
    struct bytes key;

    for (size_t i = 0; i < table->columns_count; i++) {
        needed += page->values[i].bytes.len + WIRE_VALUE_EXTRA;
    }
    for (size_t i = 0; i < table->key_count; i++) {
        needed += page->values[table->key[i]].bytes.len + WIRE_VALUE_EXTRA;
    }
    if (!block_ready(page, needed, err)) {
        return false;
    }

    size_t begin = page->block.len;

    if (!write_key(page, page->values, table->key, &key, err)) {
        return false;
    }

    size_t payload_begin = page->block.len;

    write_wire_row(&page->block, &header, page->values, table->columns_count);
    REQUIRE(!page->block.failed);

    size_t payload_bytes = page->block.len - payload_begin;

    if (key.len + payload_bytes > page->message_bytes_max) {
        page->block.len = begin;
        for (size_t i = 0; i < table->key_count; i++) {
            page->key_values[i] = page->values[table->key[i]];
        }
        return add_oversize(page, payload_bytes, err);
    }
    return add_message(page, WIRE_ROW, key,
                       (struct bytes){page->block.ptr + payload_begin, payload_bytes}, err);
}

/* The index-th field of a line, still escaped. */
static struct bytes line_field(struct bytes line, size_t index)
{
    const char *end = line.ptr + line.len;
    const char *from = line.ptr;

    for (size_t i = 0;; i++) {
        const char *to = from;
        while (to < end && *to != '\t') {
            to++;
        }
        if (i == index || to == end) {
            return (struct bytes){from, (size_t)(to - from)};
        }
        from = to + 1;
    }
}

/* A row that is certainly too large is not unescaped, which would need as much memory again. */
static bool add_giant(struct page *page, struct bytes line, struct error *err)
{
    const struct plan_table *table = page->topic->table;

    for (size_t i = 0; i < table->key_count; i++) {
        struct bytes field = line_field(line, table->key[i]);

        if (!pg_copy_line_parse(field, 1, &page->scratch, &page->key_values[i], err)) {
            return false;
        }
    }
    return add_oversize(page, line.len, err);
}

bool page_add_line(struct page *page, struct bytes line, bool *ret_full, struct error *err)
{
    const struct plan_table *table = page->topic->table;
    /* Escapes at most double a value, and \N stands for nothing. */
    size_t giant_bytes = 2 * ((size_t)page->message_bytes_max + 2 * table->columns_count);
    bool ok;

    if (page->scratch.used_bytes > 0) {
        arena_reset(&page->scratch);
    }
    if (line.len > giant_bytes) {
        ok = add_giant(page, line, err);
    } else {
        ok = pg_copy_line_parse(line, table->columns_count, &page->scratch, page->values, err) &&
             add_row(page, err);
    }
    if (!ok) {
        return error_wrap(err, "table \"%s\"", table->id);
    }
    *ret_full = page->bytes >= page->bytes_wanted;
    return true;
}
