#include "common/nearest.h"

#include <string.h>
#include <strings.h>

#define NAME_BYTES_MAX 64 /* longer names are not compared */

static size_t min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

/*
 * Damerau-Levenshtein in its restricted form (no text is edited twice): insertions, deletions,
 * substitutions and exchanges of neighbours. Three rows of the matrix are enough.
 */
static size_t edit_distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
    size_t rows[3][NAME_BYTES_MAX + 1] = {{0}};
    for (size_t j = 0; j <= b_len; j++) {
        rows[0][j] = j;
    }
    for (size_t i = 1; i <= a_len; i++) {
        size_t *row = rows[i % 3];
        const size_t *above = rows[(i - 1) % 3];
        const size_t *above2 = rows[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            size_t best = above[j - 1] + (a[i - 1] != b[j - 1]);
            best = min_size(best, min_size(above[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
                best = min_size(best, above2[j - 2] + 1);
            }
            row[j] = best;
        }
    }
    return rows[a_len % 3][b_len];
}

const char *nearest_name(const char *name, const char *const *names, size_t count)
{
    size_t len = strlen(name);
    if (len == 0 || len > NAME_BYTES_MAX) {
        return NULL;
    }
    /* In halves: a name that differs only in case is nearer than one edit. */
    size_t best = (len / 3 > 1 ? len / 3 : 1) * 2;
    const char *nearest = NULL;
    for (size_t i = 0; i < count; i++) {
        size_t candidate_len = strlen(names[i]);
        if (candidate_len > NAME_BYTES_MAX) {
            continue;
        }
        size_t distance = edit_distance(name, len, names[i], candidate_len) * 2;
        if (distance > 0 && strcasecmp(name, names[i]) == 0) {
            distance = 1;
        }
        if (distance < best || (distance == best && nearest == NULL)) {
            best = distance;
            nearest = names[i];
        }
    }
    return nearest;
}
