#include "common/hash.h"

#define MURMUR2_SEED       0x9747b28cu
#define MURMUR2_MULTIPLIER 0x5bd1e995u
#define MURMUR2_SHIFT      24

#define FNV_PRIME UINT64_C(0x100000001b3)

static uint32_t byte_at(struct bytes key, size_t i)
{
    return (unsigned char)key.ptr[i];
}

/* Little endian, whatever the machine is: Kafka's Java code says so byte by byte. */
static uint32_t word_at(struct bytes key, size_t i)
{
    return byte_at(key, i) | byte_at(key, i + 1) << 8 | byte_at(key, i + 2) << 16 |
           byte_at(key, i + 3) << 24;
}

uint32_t hash_murmur2(struct bytes key)
{
    /* Java's length is an int; a Kafka key is far shorter than that. */
    uint32_t hash = MURMUR2_SEED ^ (uint32_t)key.len;
    size_t tail = key.len - key.len % 4;
    for (size_t i = 0; i < tail; i += 4) {
        uint32_t word = word_at(key, i) * MURMUR2_MULTIPLIER;
        word ^= word >> MURMUR2_SHIFT;
        hash = hash * MURMUR2_MULTIPLIER ^ word * MURMUR2_MULTIPLIER;
    }
    for (size_t i = key.len; i > tail; i--) {
        hash ^= byte_at(key, i - 1) << 8 * (i - 1 - tail);
    }
    if (key.len > tail) {
        hash *= MURMUR2_MULTIPLIER;
    }
    hash ^= hash >> 13;
    hash *= MURMUR2_MULTIPLIER;
    return hash ^ hash >> 15;
}

uint32_t hash_partition(struct bytes key, uint32_t partitions)
{
    REQUIRE(partitions > 0);
    return (hash_murmur2(key) & 0x7fffffff) % partitions;
}

static uint64_t fnv1a(uint64_t hash, unsigned char byte)
{
    return (hash ^ byte) * FNV_PRIME;
}

uint64_t fingerprint_add(uint64_t fingerprint, struct bytes part)
{
    uint64_t len = part.len;
    for (unsigned shift = 64; shift > 0; shift -= 8) {
        fingerprint = fnv1a(fingerprint, (unsigned char)(len >> (shift - 8)));
    }
    for (size_t i = 0; i < part.len; i++) {
        fingerprint = fnv1a(fingerprint, (unsigned char)part.ptr[i]);
    }
    return fingerprint;
}
