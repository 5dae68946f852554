/*
 * bytes -- borrowed slices, a reader that fails once and stays failed, a buffer with a maximum.
 *
 * A `struct bytes` is not NUL-terminated, may hold NUL, and is passed by value. Integers are big
 * endian on the wire. No struct is ever cast onto bytes.
 */
#ifndef RH_COMMON_BYTES_H
#define RH_COMMON_BYTES_H

#include "common/arena.h"
#include "common/compiler.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bytes {
    const char *ptr;
    size_t len;
};

#define BYTES_EMPTY         ((struct bytes){"", 0})
#define BYTES_LITERAL(text) ((struct bytes){"" text, sizeof(text) - 1})

struct bytes bytes_of(const char *text); /* borrows; text is NUL-terminated, not NULL */
bool bytes_equal(struct bytes a, struct bytes b);
bool bytes_is(struct bytes a, const char *text);
int bytes_compare(struct bytes a, struct bytes b); /* memcmp order, shorter first */
uint64_t bytes_hash(struct bytes a); /* 64 bit, for tables in memory, not stable across versions */
/* Copies into the arena; ptr is NULL when the limit is reached. */
struct bytes bytes_copy(struct arena *arena, struct bytes a) RH_MUST_CHECK;
/* A NUL-terminated copy; NULL when the limit is reached. */
char *bytes_to_text(struct arena *arena, struct bytes a) RH_MUST_CHECK;

/* Reads past the end give zero and set `failed`; check it once, at the end of a message. */
struct reader {
    const char *ptr;
    size_t left;
    bool failed;
};

void reader_init(struct reader *reader, struct bytes bytes);
uint8_t read_u8(struct reader *reader);
uint16_t read_u16(struct reader *reader);
uint32_t read_u32(struct reader *reader);
uint64_t read_u64(struct reader *reader);
int64_t read_i64(struct reader *reader);
struct bytes read_bytes(struct reader *reader, size_t len); /* borrows from the input */

/* Grows in its arena up to max_bytes; a write beyond sets `failed` and is dropped, later ones too.
 */
struct buffer {
    struct arena *arena;
    char *ptr;
    size_t len;
    size_t capacity;
    size_t max_bytes;
    bool failed;
};

void buffer_init(struct buffer *buffer, struct arena *arena, size_t max_bytes);
void buffer_clear(struct buffer *buffer); /* len 0, not failed; keeps the memory */
void write_u8(struct buffer *buffer, uint8_t value);
void write_u16(struct buffer *buffer, uint16_t value);
void write_u32(struct buffer *buffer, uint32_t value);
void write_u64(struct buffer *buffer, uint64_t value);
void write_i64(struct buffer *buffer, int64_t value);
void write_bytes(struct buffer *buffer, struct bytes value);
void write_text(struct buffer *buffer, const char *text);
void write_format(struct buffer *buffer, const char *format, ...) RH_PRINTF(2, 3);
/* Makes room for n more bytes and returns where they go (then add to len), or NULL and failed. */
char *buffer_reserve(struct buffer *buffer, size_t n);
struct bytes buffer_bytes(const struct buffer *buffer); /* borrowed until the next write */
/* NUL-terminates (the NUL is not counted) and returns the text; "" when failed. */
const char *buffer_text(struct buffer *buffer);

#endif
