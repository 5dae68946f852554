#include "common/hash.h"

#include "tests/unit/common/vectors.h"

#include <librdkafka/rdkafka.h>

static void the_vectors_of_kafkas_own_tests_agree(void **state)
{
    (void)state;
    struct vectors vectors;
    struct arena arena;
    arena_init(&arena, 1 << 20);
    vectors_open(&vectors);
    int murmurs = 0, partitions = 0;
    for (const char *word; (word = vectors_next(&vectors)) != NULL;) {
        if (strcmp(word, "murmur2") == 0) {
            struct bytes key = vectors_bytes(&vectors, &arena);
            assert_int_equal((int32_t)hash_murmur2(key), vectors_i64(&vectors));
            murmurs++;
        } else if (strcmp(word, "partition") == 0) {
            struct bytes key = vectors_bytes(&vectors, &arena);
            uint32_t count = (uint32_t)vectors_u64(&vectors);
            assert_int_equal(hash_partition(key, count), vectors_u64(&vectors));
            partitions++;
        }
    }
    vectors_close(&vectors);
    arena_release(&arena);
    assert_int_equal(murmurs, 12);
    assert_int_equal(partitions, 48);
}

static void librdkafka_chooses_the_same_partition(void **state)
{
    (void)state;
    static const int32_t counts[] = {1, 2, 3, 7, 12, 100, 1000};
    char key[70];
    for (size_t len = 1; len <= sizeof(key); len++) {
        for (size_t i = 0; i < len; i++)
            key[i] = (char)(i * 37 + len * 101); /* high bytes too: Java's are signed */
        for (size_t i = 0; i < RH_COUNT(counts); i++)
            assert_int_equal(
                hash_partition((struct bytes){key, len}, (uint32_t)counts[i]),
                rd_kafka_msg_partitioner_murmur2(NULL, key, len, counts[i], NULL, NULL));
    }
}

static uint64_t fingerprint_of(const char *list, struct arena *arena)
{
    uint64_t fingerprint = FINGERPRINT_START;
    const char *element;
    for (size_t len; (element = vectors_element(&list, &len)) != NULL;)
        fingerprint = fingerprint_add(fingerprint, vectors_hex(element, len, arena));
    return fingerprint;
}

static void fingerprints_are_those_of_the_vectors_and_keep_parts_apart(void **state)
{
    (void)state;
    struct vectors vectors;
    struct arena arena;
    arena_init(&arena, 1 << 20);
    vectors_open(&vectors);
    int count = 0;
    for (const char *word; (word = vectors_next(&vectors)) != NULL;) {
        if (strcmp(word, "fingerprint") != 0 || strchr(vectors.rest, ' ') == NULL)
            continue; /* a message's header field has one word, a vector two */
        uint64_t fingerprint = fingerprint_of(vectors_word(&vectors), &arena);
        assert_int_equal(fingerprint, strtoull(vectors_word(&vectors), NULL, 16));
        count++;
    }
    vectors_close(&vectors);
    arena_release(&arena);
    assert_int_equal(count, 5);
    uint64_t ab_c = fingerprint_add(fingerprint_add(FINGERPRINT_START, BYTES_LITERAL("ab")),
                                    BYTES_LITERAL("c"));
    uint64_t a_bc = fingerprint_add(fingerprint_add(FINGERPRINT_START, BYTES_LITERAL("a")),
                                    BYTES_LITERAL("bc"));
    assert_true(ab_c != a_bc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_vectors_of_kafkas_own_tests_agree),
        cmocka_unit_test(librdkafka_chooses_the_same_partition),
        cmocka_unit_test(fingerprints_are_those_of_the_vectors_and_keep_parts_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
