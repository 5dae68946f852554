#include "worker/newest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <inttypes.h>
#include <stdio.h>

#define KEYS 5000

static struct bytes key_of(int number, char text[24])
{
    int len = snprintf(text, 24, "key %d", number);
    return (struct bytes){text, (size_t)len};
}

static void of_each_key_the_last_offset_counts(void **state)
{
    (void)state;
    struct newest newest;
    int64_t *offsets = NULL;
    size_t count = 0;
    newest_init(&newest, 1 << 20);
    newest_begin(&newest, 0, UINT64_MAX);
    assert_true(newest_note(&newest, BYTES_LITERAL("a"), 3));
    assert_true(newest_note(&newest, BYTES_LITERAL("b"), 4));
    assert_true(newest_note(&newest, BYTES_LITERAL("a"), 9));
    assert_true(newest_note(&newest, BYTES_LITERAL("ab"), 12));
    newest_offsets(&newest, &offsets, &count);
    assert_int_equal(count, 3);
    assert_int_equal(offsets[0], 4);
    assert_int_equal(offsets[1], 9);
    assert_int_equal(offsets[2], 12);
    newest_release(&newest);
}

static void offsets_come_in_order_whatever_the_order_of_the_keys(void **state)
{
    (void)state;
    struct newest newest;
    char text[24];
    int64_t *offsets = NULL;
    size_t count = 0;
    newest_init(&newest, 16 << 20);
    newest_begin(&newest, 0, UINT64_MAX);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < KEYS; i++) {
            assert_true(newest_note(&newest, key_of(i, text), (int64_t)round * KEYS + i));
        }
    }
    newest_offsets(&newest, &offsets, &count);
    assert_int_equal(count, KEYS);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(offsets[i], 2 * KEYS + (int64_t)i);
    }
    newest_release(&newest);
}

/* The turns of a range cut anywhere have each key once. */
static void turns_share_the_keys_without_gap_or_overlap(void **state)
{
    (void)state;
    static const uint64_t cuts[] = {UINT64_MAX / 4, UINT64_MAX / 2, UINT64_MAX - 1, UINT64_MAX};
    struct newest newest;
    char text[24];
    bool seen[KEYS] = {false};
    size_t total = 0;
    uint64_t first = 0;
    newest_init(&newest, 16 << 20);
    for (size_t turn = 0; turn < sizeof cuts / sizeof *cuts; turn++) {
        int64_t *offsets = NULL;
        size_t count = 0;
        newest_begin(&newest, first, cuts[turn]);
        for (int i = 0; i < KEYS; i++) {
            assert_true(newest_note(&newest, key_of(i, text), i));
        }
        newest_offsets(&newest, &offsets, &count);
        for (size_t i = 0; i < count; i++) {
            assert_false(seen[offsets[i]]);
            seen[offsets[i]] = true;
        }
        total += count;
        first = cuts[turn] + 1;
    }
    assert_int_equal(total, KEYS);
    newest_release(&newest);
}

static void a_full_memory_is_a_failure_and_half_the_range_fits(void **state)
{
    (void)state;
    struct newest newest;
    char text[24];
    int64_t *offsets = NULL;
    size_t count = 0;
    int noted = 0;
    newest_init(&newest, 200 << 10);
    newest_begin(&newest, 0, UINT64_MAX);
    while (noted < KEYS && newest_note(&newest, key_of(noted, text), noted)) {
        noted++;
    }
    assert_in_range(noted, 1, KEYS - 1);

    newest_begin(&newest, 0, UINT64_MAX / 4);
    for (int i = 0; i < KEYS; i++) {
        assert_true(newest_note(&newest, key_of(i, text), i));
    }
    newest_offsets(&newest, &offsets, &count);
    assert_in_range(count, KEYS / 8, KEYS / 2);
    newest_release(&newest);
}

static void nothing_noted_gives_nothing(void **state)
{
    (void)state;
    struct newest newest;
    int64_t *offsets = NULL;
    size_t count = 1;
    newest_init(&newest, 1 << 20);
    newest_begin(&newest, 0, UINT64_MAX);
    newest_offsets(&newest, &offsets, &count);
    assert_int_equal(count, 0);
    newest_release(&newest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_each_key_the_last_offset_counts),
        cmocka_unit_test(offsets_come_in_order_whatever_the_order_of_the_keys),
        cmocka_unit_test(turns_share_the_keys_without_gap_or_overlap),
        cmocka_unit_test(a_full_memory_is_a_failure_and_half_the_range_fits),
        cmocka_unit_test(nothing_noted_gives_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
