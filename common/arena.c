#include "common/arena.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#define ARENA_POISONS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_POISONS 1
#endif
#endif

#ifdef ARENA_POISONS
#include <sanitizer/asan_interface.h>
#define POISON(ptr, size)   ASAN_POISON_MEMORY_REGION((ptr), (size))
#define UNPOISON(ptr, size) ASAN_UNPOISON_MEMORY_REGION((ptr), (size))
#else
#define POISON(ptr, size)   ((void)(ptr), (void)(size))
#define UNPOISON(ptr, size) ((void)(ptr), (void)(size))
#endif

/* A new block is as large as all before it together, between these two: few mallocs for a large
 * arena, little waste for a small one. A larger object gets a block of exactly its size. */
#define BLOCK_BYTES_MIN ((size_t)64 << 10)
#define BLOCK_BYTES_MAX ((size_t)1 << 20)

/* What a reset keeps even if the cycle before it did not touch it. */
#define KEEP_BYTES ((size_t)4 << 20)

#define ALIGNMENT alignof(max_align_t)

/* The blocks after `current` are unused, and their `used` means nothing. */
struct arena_block {
    struct arena_block *next;
    size_t capacity;
    size_t used;
    alignas(max_align_t) unsigned char data[];
};

static size_t round_up(size_t offset, size_t alignment)
{
    return (offset + alignment - 1) & ~(alignment - 1);
}

static void block_free(struct arena *arena, struct arena_block *block)
{
    arena->total_bytes -= block->capacity;
    UNPOISON(block->data, block->capacity);
    free(block);
}

/* Gives the blocks from *link on back to the system, as many as lie beyond keep_bytes in total. */
static void trim(struct arena *arena, struct arena_block **link, size_t keep_bytes)
{
    while (*link != NULL && arena->total_bytes > keep_bytes) {
        struct arena_block *block = *link;

        *link = block->next;
        block_free(arena, block);
    }
}

static struct arena_block **after_current(struct arena *arena)
{
    return arena->current != NULL ? &arena->current->next : &arena->first;
}

/* Takes the first unused block that is large enough out of the list; NULL if there is none. */
static struct arena_block *take_unused(struct arena *arena, size_t size)
{
    for (struct arena_block **link = after_current(arena); *link != NULL; link = &(*link)->next) {
        struct arena_block *block = *link;

        if (block->capacity >= size) {
            *link = block->next;
            return block;
        }
    }
    return NULL;
}

static size_t clamp(size_t value, size_t least, size_t most)
{
    if (value < least) {
        return least;
    }
    return value > most ? most : value;
}

static struct arena_block *block_new(struct arena *arena, size_t size)
{
    size_t left, capacity, bytes;

    /* Unused blocks, all too small, must not make a request fail that the limit allows. */
    if (size > arena->limit_bytes - arena->total_bytes) {
        trim(arena, after_current(arena), 0);
    }
    left = arena->limit_bytes - arena->total_bytes;
    if (size > left) {
        return NULL;
    }

    capacity = clamp(arena->total_bytes, BLOCK_BYTES_MIN, BLOCK_BYTES_MAX);
    capacity = clamp(capacity, size, left);
    if (!RH_ADD(sizeof(struct arena_block), capacity, &bytes)) {
        return NULL;
    }

    struct arena_block *block = malloc(bytes);

    if (block == NULL) {
        return NULL;
    }
    block->capacity = capacity;
    arena->total_bytes += capacity;
    POISON(block->data, capacity);
    return block;
}

static bool next_block(struct arena *arena, size_t size)
{
    struct arena_block *block = take_unused(arena, size);
    struct arena_block **link;

    if (block == NULL) {
        block = block_new(arena, size);
    }
    if (block == NULL) {
        return false;
    }

    link = after_current(arena);
    block->used = 0;
    block->next = *link;
    *link = block;
    arena->current = block;
    return true;
}

static bool current_has_room(const struct arena *arena, size_t size, size_t alignment)
{
    const struct arena_block *block = arena->current;
    size_t offset;

    if (block == NULL) {
        return false;
    }
    offset = round_up(block->used, alignment);
    return offset <= block->capacity && size <= block->capacity - offset;
}

static void *allocate(struct arena *arena, size_t size, size_t alignment)
{
    struct arena_block *block;
    size_t offset;

    /* A pointer of its own even for nothing: NULL means the limit. */
    if (size == 0) {
        size = 1;
    }
    if (!current_has_room(arena, size, alignment) && !next_block(arena, size)) {
        return NULL;
    }

    block = arena->current;
    offset = round_up(block->used, alignment);
    block->used = offset + size;
    arena->used_bytes += size;
    UNPOISON(block->data + offset, size);
    return block->data + offset;
}

/* Makes everything behind (block, used) unused; block NULL: everything. */
static void rewind_to(struct arena *arena, struct arena_block *block, size_t used)
{
    const struct arena_block *last = arena->current;

    for (struct arena_block *b = block; b != last;) {
        b = b != NULL ? b->next : arena->first;
        POISON(b->data, b->capacity);
    }
    if (block != NULL) {
        POISON(block->data + used, block->capacity - used);
        block->used = used;
    }
    arena->current = block;
}

void arena_init(struct arena *arena, size_t limit_bytes)
{
    *arena = (struct arena){.limit_bytes = limit_bytes};
}

void arena_reset(struct arena *arena)
{
    trim(arena, after_current(arena), KEEP_BYTES);
    rewind_to(arena, NULL, 0);
    arena->used_bytes = 0;
}

void arena_release(struct arena *arena)
{
    trim(arena, &arena->first, 0);
    arena->current = NULL;
    arena->used_bytes = 0;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    void *ptr = allocate(arena, size, ALIGNMENT);

    if (ptr != NULL) {
        memset(ptr, 0, size);
    }
    return ptr;
}

void *arena_alloc_bytes(struct arena *arena, size_t size)
{
    return allocate(arena, size, 1);
}

static bool is_newest(const struct arena *arena, const void *ptr, size_t size)
{
    const struct arena_block *block = arena->current;

    return block != NULL && size > 0 &&
           (const unsigned char *)ptr + size == block->data + block->used;
}

void *arena_grow(struct arena *arena, void *ptr, size_t old_size, size_t new_size)
{
    REQUIRE(ptr != NULL || old_size == 0);
    if (ptr != NULL && new_size <= old_size) {
        return ptr;
    }

    if (is_newest(arena, ptr, old_size) && current_has_room(arena, new_size - old_size, 1)) {
        arena->current->used += new_size - old_size;
        arena->used_bytes += new_size - old_size;
        UNPOISON((unsigned char *)ptr + old_size, new_size - old_size);
        memset((unsigned char *)ptr + old_size, 0, new_size - old_size);
        return ptr;
    }

    unsigned char *copy = allocate(arena, new_size, ALIGNMENT);

    if (copy == NULL) {
        return NULL;
    }
    if (old_size > 0) {
        memcpy(copy, ptr, old_size);
    }
    memset(copy + old_size, 0, new_size - old_size);
    return copy;
}

void *arena_must_alloc(struct arena *arena, size_t size)
{
    void *ptr = arena_alloc(arena, size);

    REQUIRE(ptr != NULL);
    return ptr;
}

char *arena_must_strdup(struct arena *arena, const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = arena_alloc_bytes(arena, size);

    REQUIRE(copy != NULL);
    return memcpy(copy, text, size);
}

char *arena_must_printf(struct arena *arena, const char *format, ...)
{
    va_list args, again;
    int len;

    va_start(args, format);
    va_copy(again, args);
    len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    REQUIRE(len >= 0);

    size_t size = (size_t)len + 1;
    char *text = arena_alloc_bytes(arena, size);

    REQUIRE(text != NULL);
    (void)vsnprintf(text, size, format, again); /* the same arguments: the same length */
    va_end(again);
    return text;
}

struct arena_mark arena_mark(const struct arena *arena)
{
    struct arena_block *block = arena->current;

    return (struct arena_mark){block, block != NULL ? block->used : 0, arena->used_bytes};
}

void arena_rollback(struct arena *arena, struct arena_mark mark)
{
    /* A mark does not survive a reset. */
    REQUIRE(mark.used_bytes <= arena->used_bytes);
    rewind_to(arena, mark.block, mark.block_used);
    arena->used_bytes = mark.used_bytes;
}
