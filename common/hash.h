/*
 * hash -- the two hashes whose values others see: Kafka's murmur2 and the plan's fingerprint.
 */
#ifndef RH_COMMON_HASH_H
#define RH_COMMON_HASH_H

#include "common/bytes.h"

#include <stdint.h>

/* As org.apache.kafka.common.utils.Utils.murmur2, seed 0x9747b28c. */
uint32_t hash_murmur2(struct bytes key);
/* Kafka's default partitioner: (murmur2 & 0x7fffffff) mod partitions. */
uint32_t hash_partition(struct bytes key, uint32_t partitions);

/* FNV-1a, 64 bit, over length-prefixed parts, so that ("ab","c") and ("a","bc") differ. */
#define FINGERPRINT_START 0xcbf29ce484222325u
uint64_t fingerprint_add(uint64_t fingerprint, struct bytes part);

#endif
