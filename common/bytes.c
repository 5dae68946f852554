#include "common/bytes.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct bytes bytes_of(const char *text)
{
    return (struct bytes){text, strlen(text)};
}

bool bytes_equal(struct bytes a, struct bytes b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

bool bytes_is(struct bytes a, const char *text)
{
    return bytes_equal(a, bytes_of(text));
}

int bytes_compare(struct bytes a, struct bytes b)
{
    size_t common = a.len < b.len ? a.len : b.len;
    int order = common > 0 ? memcmp(a.ptr, b.ptr, common) : 0;

    if (order != 0) {
        return order;
    }
    return (a.len > b.len) - (a.len < b.len);
}

/* The finalizer of splitmix64 (Steele, Lea, Flood 2014): every input bit reaches every output bit.
 */
static uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

/*
 * Eight bytes a step. Each step is a bijection of the word for a given state, so that two keys of
 * eight bytes never collide before the final mix, which is a bijection too.
 */
uint64_t bytes_hash(struct bytes a)
{
    uint64_t hash = UINT64_C(0x9e3779b97f4a7c15) ^ a.len;
    const char *ptr = a.ptr;
    size_t left = a.len;
    uint64_t word;

    for (; left >= sizeof(word); left -= sizeof(word), ptr += sizeof(word)) {
        memcpy(&word, ptr, sizeof(word));
        hash = (hash ^ word) * UINT64_C(0xff51afd7ed558ccd);
        hash ^= hash >> 32;
    }
    if (left > 0) {
        word = 0;
        memcpy(&word, ptr, left);
        hash = (hash ^ word) * UINT64_C(0xff51afd7ed558ccd);
    }
    return mix(hash);
}

struct bytes bytes_copy(struct arena *arena, struct bytes a)
{
    char *copy = arena_alloc_bytes(arena, a.len);

    if (copy == NULL) {
        return (struct bytes){NULL, 0};
    }
    if (a.len > 0) {
        memcpy(copy, a.ptr, a.len);
    }
    return (struct bytes){copy, a.len};
}

char *bytes_to_text(struct arena *arena, struct bytes a)
{
    size_t size;
    char *text;

    if (!RH_ADD(a.len, (size_t)1, &size) || (text = arena_alloc_bytes(arena, size)) == NULL) {
        return NULL;
    }
    if (a.len > 0) {
        memcpy(text, a.ptr, a.len);
    }
    text[a.len] = '\0';
    return text;
}

void reader_init(struct reader *reader, struct bytes bytes)
{
    *reader = (struct reader){bytes.ptr, bytes.len, false};
}

struct bytes read_bytes(struct reader *reader, size_t len)
{
    struct bytes bytes = {reader->ptr, len};

    if (reader->failed || len > reader->left) {
        reader->failed = true;
        reader->left = 0;
        return BYTES_EMPTY;
    }
    if (len == 0) {
        return BYTES_EMPTY;
    }
    reader->ptr += len;
    reader->left -= len;
    return bytes;
}

/*
 * Shifts spelled out, because a compiler makes one load and a byte swap of them, but not of a loop:
 * headers are read and written for every row of a migration.
 */
static uint32_t join_u32(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | (uint32_t)p[3];
}

/* What a read past the end gives. */
static const unsigned char zeros[8];

/* `size` bytes, of the input or zeros. */
static const unsigned char *take(struct reader *reader, size_t size)
{
    struct bytes bytes = read_bytes(reader, size);

    return bytes.len == size ? (const unsigned char *)bytes.ptr : zeros;
}

uint8_t read_u8(struct reader *reader)
{
    return take(reader, 1)[0];
}

uint16_t read_u16(struct reader *reader)
{
    const unsigned char *p = take(reader, 2);

    return (uint16_t)(p[0] << 8 | p[1]);
}

uint32_t read_u32(struct reader *reader)
{
    return join_u32(take(reader, 4));
}

uint64_t read_u64(struct reader *reader)
{
    const unsigned char *p = take(reader, 8);

    return (uint64_t)join_u32(p) << 32 | join_u32(p + 4);
}

int64_t read_i64(struct reader *reader)
{
    uint64_t bits = read_u64(reader);
    int64_t value;

    memcpy(&value, &bits, sizeof(value)); /* two's complement on both sides */
    return value;
}

void buffer_init(struct buffer *buffer, struct arena *arena, size_t max_bytes)
{
    *buffer = (struct buffer){.arena = arena, .max_bytes = max_bytes};
}

void buffer_clear(struct buffer *buffer)
{
    buffer->len = 0;
    buffer->failed = false;
}

static bool grow_to(struct buffer *buffer, size_t capacity)
{
    char *ptr = arena_grow(buffer->arena, buffer->ptr, buffer->capacity, capacity);

    if (ptr == NULL) {
        return false;
    }
    buffer->ptr = ptr;
    buffer->capacity = capacity;
    return true;
}

#define FIRST_CAPACITY_BYTES 64

/* Doubles, so that n writes cost O(n); where the arena has no room for twice, what is needed will
 * do. A buffer without an arena has the memory it was made with. */
static bool have_capacity(struct buffer *buffer, size_t needed)
{
    size_t doubled;

    if (needed <= buffer->capacity) {
        return true;
    }
    if (buffer->arena == NULL) {
        return false;
    }
    if (!RH_MUL(buffer->capacity, (size_t)2, &doubled)) {
        doubled = needed;
    }
    if (doubled < FIRST_CAPACITY_BYTES) {
        doubled = FIRST_CAPACITY_BYTES;
    }
    if (doubled > buffer->max_bytes) {
        doubled = buffer->max_bytes;
    }
    return (doubled > needed && grow_to(buffer, doubled)) || grow_to(buffer, needed);
}

char *buffer_reserve(struct buffer *buffer, size_t n)
{
    size_t needed;

    if (buffer->failed) {
        return NULL;
    }
    if (!RH_ADD(buffer->len, n, &needed) || needed > buffer->max_bytes ||
        !have_capacity(buffer, needed > 0 ? needed : 1)) {
        buffer->failed = true;
        return NULL;
    }
    return buffer->ptr + buffer->len;
}

void write_bytes(struct buffer *buffer, struct bytes value)
{
    char *to;

    if (value.len == 0 || (to = buffer_reserve(buffer, value.len)) == NULL) {
        return;
    }
    memcpy(to, value.ptr, value.len);
    buffer->len += value.len;
}

void write_text(struct buffer *buffer, const char *text)
{
    write_bytes(buffer, bytes_of(text));
}

static void split_u32(char *to, uint32_t value)
{
    to[0] = (char)(value >> 24);
    to[1] = (char)(value >> 16 & 0xff);
    to[2] = (char)(value >> 8 & 0xff);
    to[3] = (char)(value & 0xff);
}

void write_u8(struct buffer *buffer, uint8_t value)
{
    char *to = buffer_reserve(buffer, 1);

    if (to != NULL) {
        to[0] = (char)value;
        buffer->len += 1;
    }
}

void write_u16(struct buffer *buffer, uint16_t value)
{
    char *to = buffer_reserve(buffer, 2);

    if (to != NULL) {
        to[0] = (char)(value >> 8);
        to[1] = (char)(value & 0xff);
        buffer->len += 2;
    }
}

void write_u32(struct buffer *buffer, uint32_t value)
{
    char *to = buffer_reserve(buffer, 4);

    if (to != NULL) {
        split_u32(to, value);
        buffer->len += 4;
    }
}

void write_u64(struct buffer *buffer, uint64_t value)
{
    char *to = buffer_reserve(buffer, 8);

    if (to != NULL) {
        split_u32(to, (uint32_t)(value >> 32));
        split_u32(to + 4, (uint32_t)(value & 0xffffffffu));
        buffer->len += 8;
    }
}

void write_i64(struct buffer *buffer, int64_t value)
{
    write_u64(buffer, (uint64_t)value);
}

/* vsnprintf needs a byte more than it counts; it lies beyond len and may lie beyond max_bytes. */
static bool have_room_and_nul(struct buffer *buffer, size_t n)
{
    size_t needed;

    if (buffer->failed || buffer_reserve(buffer, n) == NULL) {
        return false;
    }
    if (!RH_ADD(buffer->len + n, (size_t)1, &needed) || !have_capacity(buffer, needed)) {
        buffer->failed = true;
    }
    return !buffer->failed;
}

void write_format(struct buffer *buffer, const char *format, ...)
{
    va_list args, again;
    size_t room = buffer->capacity - buffer->len;
    int len;

    if (buffer->failed) {
        return;
    }
    va_start(args, format);
    va_copy(again, args);
    len = vsnprintf(room > 0 ? buffer->ptr + buffer->len : NULL, room, format, args);
    va_end(args);
    REQUIRE(len >= 0);

    size_t n = (size_t)len;

    if (n >= room && have_room_and_nul(buffer, n)) {
        (void)vsnprintf(buffer->ptr + buffer->len, n + 1, format, again); /* the same length */
    }
    va_end(again);
    if (buffer_reserve(buffer, n) != NULL) {
        buffer->len += n;
    }
}

struct bytes buffer_bytes(const struct buffer *buffer)
{
    if (buffer->len == 0) {
        return BYTES_EMPTY;
    }
    return (struct bytes){buffer->ptr, buffer->len};
}

const char *buffer_text(struct buffer *buffer)
{
    if (!have_room_and_nul(buffer, 0)) {
        return "";
    }
    buffer->ptr[buffer->len] = '\0';
    return buffer->ptr;
}
