/*
 * arena -- memory with one lifetime and a limit; the only room that calls malloc.
 *
 * In:     sizes. Out: zeroed, suitably aligned memory that lives until reset or release.
 * Never:  frees a single object; exceeds its limit. Not for two threads at once.
 *
 * Reaching the limit is an ordinary failure (NULL), which the caller turns into an error: a batch
 * that does not fit is split, a row that does not fit is rejected. arena_must_* are for small
 * things whose size settings bound; they abort instead.
 *
 * In AddressSanitizer builds what was reset is poisoned: a stale pointer reports use-after-poison.
 */
#ifndef RH_COMMON_ARENA_H
#define RH_COMMON_ARENA_H

#include "common/compiler.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena_block;

struct arena {
    struct arena_block *first; /* in the order of use; those behind `current` are unused */
    struct arena_block *current;
    size_t limit_bytes; /* sum of all blocks' payloads */
    size_t total_bytes; /* of all blocks held */
    size_t used_bytes;  /* handed out since the last reset */
};

/*
 * A position to roll back to: everything allocated after it is given back, and so is what an older
 * allocation grew by. A mark ends with the next reset.
 */
struct arena_mark {
    struct arena_block *block;
    size_t block_used;
    size_t used_bytes;
};

void arena_init(struct arena *arena, size_t limit_bytes);
/*
 * Gives everything back for reuse. Blocks that were used since the last reset are kept, so that a
 * steady loop does not malloc; those that were not go back to the system, down to 4 MiB in all, so
 * that one large batch is not paid for for ever.
 */
void arena_reset(struct arena *arena);
/* Gives everything back to the system. Zero is a valid argument state; may be called twice. */
void arena_release(struct arena *arena);

/* Zeroed memory, aligned for any type; NULL when the limit is reached. */
void *arena_alloc(struct arena *arena, size_t size) RH_MUST_CHECK;
/* The same without zeroing and with alignment 1: for bytes that are overwritten at once. */
void *arena_alloc_bytes(struct arena *arena, size_t size) RH_MUST_CHECK;
/*
 * Grows the newest allocation in place when it can, else copies it; NULL when the limit is reached.
 * What is added is zeroed; a copied one's old place counts until the next reset. ptr NULL with
 * old_size 0 allocates; a new_size that is not larger changes nothing.
 */
void *arena_grow(struct arena *arena, void *ptr, size_t old_size, size_t new_size) RH_MUST_CHECK;
/* As arena_alloc; reaching the limit is a bug. */
void *arena_must_alloc(struct arena *arena, size_t size);
char *arena_must_strdup(struct arena *arena, const char *text);
char *arena_must_printf(struct arena *arena, const char *format, ...) RH_PRINTF(2, 3);

struct arena_mark arena_mark(const struct arena *arena);
void arena_rollback(struct arena *arena, struct arena_mark mark);

#endif
