/*
 * vectors -- reads tests/vectors/wire.txt: a file of statements, one a line, of words. The grammar
 * stands at the file's top.
 */
#ifndef RH_TESTS_UNIT_COMMON_VECTORS_H
#define RH_TESTS_UNIT_COMMON_VECTORS_H

#include "common/arena.h"
#include "common/bytes.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

#define VECTOR_LINE_BYTES 4096

struct vectors {
    FILE *file;
    char line[VECTOR_LINE_BYTES];
    char *rest; /* of the line, behind the words taken */
};

static inline void vectors_open(struct vectors *vectors)
{
    vectors->file = fopen(TESTS_DIR "/vectors/wire.txt", "r");
    assert_non_null(vectors->file);
}

static inline void vectors_close(struct vectors *vectors)
{
    (void)fclose(vectors->file); /* read only: nothing to lose */
}

/* The next word of the line; the test fails when there is none. */
static inline const char *vectors_word(struct vectors *vectors)
{
    char *word = vectors->rest;
    assert_true(*word != '\0');
    size_t len = strcspn(word, " ");
    vectors->rest = word + len + (word[len] == ' ');
    word[len] = '\0';
    return word;
}

/* The next statement; its first word, or NULL at the end of the file. */
static inline const char *vectors_next(struct vectors *vectors)
{
    while (fgets(vectors->line, sizeof(vectors->line), vectors->file) != NULL) {
        size_t len = strcspn(vectors->line, "\n");
        assert_int_equal(vectors->line[len], '\n');
        vectors->line[len] = '\0';
        vectors->rest = vectors->line;
        if (len > 0 && vectors->line[0] != '#')
            return vectors_word(vectors);
    }
    return NULL;
}

static inline unsigned char vectors_nibble(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *at = memchr(digits, c, sizeof(digits) - 1);
    assert_non_null(at);
    return (unsigned char)(at - digits);
}

/* Exactly as long as it is, so that AddressSanitizer sees a read beyond. */
static inline struct bytes vectors_hex(const char *text, size_t len, struct arena *arena)
{
    if (len == 1 && text[0] == '-')
        return BYTES_EMPTY;
    assert_int_equal(len % 2, 0);
    char *bytes = arena_alloc_bytes(arena, len / 2);
    assert_non_null(bytes);
    for (size_t i = 0; i < len / 2; i++)
        bytes[i] = (char)(vectors_nibble(text[2 * i]) << 4 | vectors_nibble(text[2 * i + 1]));
    return (struct bytes){bytes, len / 2};
}

static inline struct bytes vectors_bytes(struct vectors *vectors, struct arena *arena)
{
    const char *word = vectors_word(vectors);
    return vectors_hex(word, strlen(word), arena);
}

static inline uint64_t vectors_u64(struct vectors *vectors)
{
    return strtoull(vectors_word(vectors), NULL, 10);
}

static inline int64_t vectors_i64(struct vectors *vectors)
{
    return strtoll(vectors_word(vectors), NULL, 10);
}

/* A list separated by commas: the next element of *list, which moves on; NULL behind the last. */
static inline const char *vectors_element(const char **list, size_t *ret_len)
{
    const char *element = *list;
    *ret_len = 0;
    if (element == NULL)
        return NULL;
    *ret_len = strcspn(element, ",");
    *list = element[*ret_len] == ',' ? element + *ret_len + 1 : NULL;
    return element;
}

#endif
