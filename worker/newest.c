#include "worker/newest.h"

#include <stdlib.h>
#include <string.h>

#define PLACES_FIRST 1024

void newest_init(struct newest *newest, size_t bytes_max)
{
    *newest = (struct newest){.last_hash = UINT64_MAX};
    arena_init(&newest->arena, bytes_max);
}

void newest_release(struct newest *newest)
{
    arena_release(&newest->arena);
}

void newest_begin(struct newest *newest, uint64_t first_hash, uint64_t last_hash)
{
    REQUIRE(first_hash <= last_hash);
    arena_reset(&newest->arena);
    newest->first_hash = first_hash;
    newest->last_hash = last_hash;
    newest->places = NULL;
    newest->places_count = newest->keys_count = 0;
}

/* The key's place, or the free one where it belongs. A third of the places are free at least. */
static struct newest_place *find(struct newest_place *places, size_t count, uint64_t hash,
                                 struct bytes key)
{
    size_t i = (size_t)hash & (count - 1);
    while (places[i].key.ptr != NULL &&
           (places[i].hash != hash || !bytes_equal(places[i].key, key))) {
        i = (i + 1) & (count - 1);
    }
    return &places[i];
}

static bool make_room(struct newest *newest)
{
    if (newest->keys_count < newest->places_count / 3 * 2) {
        return true;
    }
    size_t count = newest->places_count == 0 ? PLACES_FIRST : newest->places_count * 2;
    struct newest_place *places = arena_alloc(&newest->arena, count * sizeof *places);
    if (places == NULL) {
        return false;
    }
    for (size_t i = 0; i < newest->places_count; i++) {
        const struct newest_place *old = &newest->places[i];
        if (old->key.ptr != NULL) {
            *find(places, count, old->hash, old->key) = *old;
        }
    }
    newest->places = places;
    newest->places_count = count;
    return true;
}

bool newest_note(struct newest *newest, struct bytes key, int64_t offset)
{
    uint64_t hash = bytes_hash(key);
    if (hash < newest->first_hash || hash > newest->last_hash) {
        return true;
    }
    if (!make_room(newest)) {
        return false;
    }
    struct newest_place *place = find(newest->places, newest->places_count, hash, key);
    if (place->key.ptr == NULL) {
        struct bytes copy = bytes_copy(&newest->arena, key);
        if (copy.ptr == NULL) {
            return false;
        }
        place->hash = hash;
        place->key = copy;
        newest->keys_count++;
    }
    place->offset = offset;
    return true;
}

static int compare_offsets(const void *a, const void *b)
{
    int64_t x = 0;
    int64_t y = 0;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return (x > y) - (x < y);
}

void newest_offsets(struct newest *newest, int64_t **ret_offsets, size_t *ret_count)
{
    /* In place: an offset is smaller than the place it comes from. */
    char *out = (char *)newest->places;
    size_t count = 0;
    for (size_t i = 0; i < newest->places_count; i++) {
        if (newest->places[i].key.ptr != NULL) {
            int64_t offset = newest->places[i].offset;
            memcpy(out + count * sizeof offset, &offset, sizeof offset);
            count++;
        }
    }
    *ret_offsets = (int64_t *)(void *)out;
    *ret_count = count;
    if (count > 0) {
        qsort(out, count, sizeof **ret_offsets, compare_offsets);
    }
    newest->places = NULL;
    newest->places_count = newest->keys_count = 0;
}
