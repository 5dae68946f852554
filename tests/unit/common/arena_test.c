#include "common/arena.h"

#include <setjmp.h>
#include <signal.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define KIB ((size_t)1024)
#define MIB (1024 * KIB)

static bool all_are(const unsigned char *ptr, size_t size, unsigned char value)
{
    for (size_t i = 0; i < size; i++) {
        if (ptr[i] != value)
            return false;
    }
    return true;
}

static void a_zero_arena_holds_nothing_and_can_be_reset_and_released(void **state)
{
    struct arena arena = {0};

    (void)state;
    assert_null(arena_alloc(&arena, 1));
    arena_reset(&arena);
    arena_rollback(&arena, arena_mark(&arena));
    arena_release(&arena);
    arena_release(&arena);
}

static void memory_is_zeroed_and_aligned_even_when_it_was_used_before(void **state)
{
    struct arena arena;

    (void)state;
    arena_init(&arena, MIB);
    for (int cycle = 0; cycle < 3; cycle++) {
        for (size_t size = 1; size < 100; size++) {
            unsigned char *ptr = arena_alloc(&arena, size);

            assert_non_null(ptr);
            assert_true((uintptr_t)ptr % alignof(max_align_t) == 0);
            assert_true(all_are(ptr, size, 0));
            memset(ptr, 0xff, size);
        }
        arena_reset(&arena);
    }
    arena_release(&arena);
}

static void nothing_is_an_object_too(void **state)
{
    struct arena arena;

    (void)state;
    arena_init(&arena, 16);
    assert_non_null(arena_alloc(&arena, 0));
    arena_release(&arena);
}

static void bytes_lie_side_by_side(void **state)
{
    struct arena arena;

    (void)state;
    arena_init(&arena, MIB);
    char *a = arena_alloc_bytes(&arena, 3);
    char *b = arena_alloc_bytes(&arena, 5);

    assert_ptr_equal(a + 3, b);
    assert_int_equal(arena.used_bytes, 8);
    arena_release(&arena);
}

static void the_limit_is_a_failure_not_a_crash(void **state)
{
    struct arena arena;

    (void)state;
    arena_init(&arena, 100);
    assert_null(arena_alloc_bytes(&arena, 101));
    assert_non_null(arena_alloc_bytes(&arena, 100));
    assert_null(arena_alloc_bytes(&arena, 1));
    assert_int_equal(arena.total_bytes, 100);

    arena_reset(&arena);
    assert_non_null(arena_alloc_bytes(&arena, 100));
    assert_null(arena_alloc(&arena, SIZE_MAX));
    arena_release(&arena);
}

static void all_blocks_together_stay_within_the_limit(void **state)
{
    struct arena arena;
    size_t given = 0;

    (void)state;
    arena_init(&arena, 3 * MIB + 7);
    while (arena_alloc_bytes(&arena, 1000) != NULL)
        given += 1000;
    assert_true(arena.total_bytes <= 3 * MIB + 7);
    assert_int_equal(arena.used_bytes, given);
    /* Less than one object is lost at the end of each block. */
    assert_true(given > 3 * MIB - 10 * 1000);
    arena_release(&arena);
    assert_int_equal(arena.total_bytes, 0);
}

static void the_first_block_is_small_and_the_next_ones_double(void **state)
{
    struct arena arena;

    (void)state;
    arena_init(&arena, 64 * MIB);
    assert_non_null(arena_alloc(&arena, 1));
    assert_int_equal(arena.total_bytes, 64 * KIB);
    assert_non_null(arena_alloc(&arena, 64 * KIB));
    assert_int_equal(arena.total_bytes, 128 * KIB);
    assert_non_null(arena_alloc(&arena, 1));
    assert_int_equal(arena.total_bytes, 256 * KIB);
    arena_release(&arena);
}

static void a_large_object_gets_a_block_of_its_size(void **state)
{
    struct arena arena;

    (void)state;
    arena_init(&arena, 64 * MIB);
    assert_non_null(arena_alloc(&arena, 5 * MIB));
    assert_int_equal(arena.total_bytes, 5 * MIB);
    arena_release(&arena);
}

static void *fill(struct arena *arena)
{
    void *last = NULL;

    for (size_t i = 0; i < 200; i++)
        assert_non_null(last = arena_alloc(arena, i * 317));
    assert_non_null(arena_alloc(arena, 3 * MIB));
    assert_non_null(last = arena_alloc(arena, 10));
    return last;
}

static void a_steady_loop_does_not_malloc(void **state)
{
    struct arena arena;

    (void)state;
    arena_init(&arena, 64 * MIB);
    void *last = fill(&arena);
    size_t total = arena.total_bytes;

    for (int cycle = 0; cycle < 5; cycle++) {
        arena_reset(&arena);
        assert_int_equal(arena.used_bytes, 0);
        assert_int_equal(arena.total_bytes, total);
        assert_ptr_equal(fill(&arena), last);
        assert_int_equal(arena.total_bytes, total);
    }
    arena_release(&arena);
}

static void a_reset_gives_back_what_the_cycle_did_not_touch_down_to_4_mib(void **state)
{
    struct arena arena;

    (void)state;
    arena_init(&arena, 64 * MIB);
    for (int i = 0; i < 20; i++)
        assert_non_null(arena_alloc(&arena, MIB));
    arena_reset(&arena);
    assert_int_equal(arena.total_bytes, 20 * MIB);
    assert_non_null(arena_alloc(&arena, 1));
    arena_reset(&arena);
    assert_int_equal(arena.total_bytes, 4 * MIB);
    arena_release(&arena);
}

static void unused_blocks_do_not_make_a_request_fail(void **state)
{
    struct arena arena;

    (void)state;
    arena_init(&arena, 3 * MIB);
    for (int i = 0; i < 3; i++)
        assert_non_null(arena_alloc(&arena, MIB));
    assert_null(arena_alloc(&arena, 1));
    arena_reset(&arena);
    assert_non_null(arena_alloc(&arena, 3 * MIB));
    assert_int_equal(arena.total_bytes, 3 * MIB);
    arena_release(&arena);
}

static void the_newest_object_grows_in_place_and_by_zeroes(void **state)
{
    struct arena arena;

    (void)state;
    arena_init(&arena, 64 * KIB);
    unsigned char *ptr = arena_alloc_bytes(&arena, 10);

    memset(ptr, 7, 10);
    assert_ptr_equal(arena_grow(&arena, ptr, 10, 64 * KIB), ptr);
    assert_true(all_are(ptr, 10, 7));
    assert_true(all_are(ptr + 10, 64 * KIB - 10, 0));
    assert_null(arena_grow(&arena, ptr, 64 * KIB, 64 * KIB + 1));
    assert_ptr_equal(arena_grow(&arena, ptr, 64 * KIB, 1), ptr);
    arena_release(&arena);
}

static void an_older_object_is_copied_to_grow(void **state)
{
    struct arena arena;

    (void)state;
    arena_init(&arena, MIB);
    unsigned char *ptr = arena_alloc_bytes(&arena, 10);

    memset(ptr, 7, 10);
    assert_non_null(arena_alloc_bytes(&arena, 1));
    unsigned char *grown = arena_grow(&arena, ptr, 10, 20);

    assert_ptr_not_equal(grown, ptr);
    assert_true(all_are(grown, 10, 7));
    assert_true(all_are(grown + 10, 10, 0));
    arena_release(&arena);
}

static void an_object_that_outgrows_its_block_is_copied(void **state)
{
    struct arena arena;

    (void)state;
    arena_init(&arena, 4 * MIB);
    unsigned char *ptr = arena_alloc_bytes(&arena, 64 * KIB);

    memset(ptr, 7, 64 * KIB);
    unsigned char *grown = arena_grow(&arena, ptr, 64 * KIB, MIB);

    assert_non_null(grown);
    assert_true(all_are(grown, 64 * KIB, 7));
    assert_true(all_are(grown + 64 * KIB, MIB - 64 * KIB, 0));
    arena_release(&arena);
}

static void nothing_grows_into_an_object(void **state)
{
    struct arena arena;

    (void)state;
    arena_init(&arena, MIB);
    assert_non_null(arena_grow(&arena, NULL, 0, 10));
    arena_release(&arena);
}

static void a_rollback_gives_back_what_came_after_the_mark(void **state)
{
    struct arena arena;

    (void)state;
    arena_init(&arena, 64 * MIB);
    char *kept = arena_must_strdup(&arena, "kept");
    struct arena_mark mark = arena_mark(&arena);
    void *first = arena_alloc(&arena, 10);

    fill(&arena);
    arena_rollback(&arena, mark);
    assert_int_equal(arena.used_bytes, sizeof("kept"));
    assert_string_equal(kept, "kept");
    assert_ptr_equal(arena_alloc(&arena, 10), first);
    arena_release(&arena);
}

static void a_mark_of_an_empty_arena_rolls_back_everything(void **state)
{
    struct arena arena;

    (void)state;
    arena_init(&arena, 64 * MIB);
    struct arena_mark mark = arena_mark(&arena);
    void *first = arena_alloc(&arena, 10);

    fill(&arena);
    arena_rollback(&arena, mark);
    assert_int_equal(arena.used_bytes, 0);
    assert_ptr_equal(arena_alloc(&arena, 10), first);
    arena_release(&arena);
}

static void text_is_formatted_into_the_arena(void **state)
{
    struct arena arena;

    (void)state;
    arena_init(&arena, MIB);
    assert_string_equal(arena_must_printf(&arena, "%s-%d", "abc", 12), "abc-12");
    assert_string_equal(arena_must_printf(&arena, "%s", ""), "");
    assert_int_equal(arena.used_bytes, sizeof("abc-12") + 1);
    arena_release(&arena);
}

static void must_alloc_aborts_at_the_limit(void **state)
{
    pid_t child = fork();
    int status;

    (void)state;
    if (child == 0) {
        struct arena arena;

        arena_init(&arena, 10);
        (void)close(STDERR_FILENO); /* its message is not ours */
        arena_must_alloc(&arena, 11);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
}

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>

static void what_was_given_back_is_poisoned(void **state)
{
    struct arena arena;

    (void)state;
    arena_init(&arena, MIB);
    char *kept = arena_alloc(&arena, 16);
    struct arena_mark mark = arena_mark(&arena);
    char *lost = arena_alloc(&arena, 16);

    assert_false(__asan_address_is_poisoned(lost));
    assert_true(__asan_address_is_poisoned(lost + 16));
    arena_rollback(&arena, mark);
    assert_true(__asan_address_is_poisoned(lost));
    assert_false(__asan_address_is_poisoned(kept));
    arena_reset(&arena);
    assert_true(__asan_address_is_poisoned(kept));
    arena_release(&arena);
}

static void a_rollback_over_blocks_poisons_them_all(void **state)
{
    struct arena arena;
    char *lost[3];

    (void)state;
    arena_init(&arena, 64 * MIB);
    struct arena_mark mark = arena_mark(&arena);

    for (size_t i = 0; i < 3; i++)
        assert_non_null(lost[i] = arena_alloc(&arena, MIB));
    arena_rollback(&arena, mark);
    for (size_t i = 0; i < 3; i++)
        assert_true(__asan_address_is_poisoned(lost[i]));
    arena_release(&arena);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_zero_arena_holds_nothing_and_can_be_reset_and_released),
        cmocka_unit_test(memory_is_zeroed_and_aligned_even_when_it_was_used_before),
        cmocka_unit_test(nothing_is_an_object_too),
        cmocka_unit_test(bytes_lie_side_by_side),
        cmocka_unit_test(the_limit_is_a_failure_not_a_crash),
        cmocka_unit_test(all_blocks_together_stay_within_the_limit),
        cmocka_unit_test(the_first_block_is_small_and_the_next_ones_double),
        cmocka_unit_test(a_large_object_gets_a_block_of_its_size),
        cmocka_unit_test(a_steady_loop_does_not_malloc),
        cmocka_unit_test(a_reset_gives_back_what_the_cycle_did_not_touch_down_to_4_mib),
        cmocka_unit_test(unused_blocks_do_not_make_a_request_fail),
        cmocka_unit_test(the_newest_object_grows_in_place_and_by_zeroes),
        cmocka_unit_test(an_older_object_is_copied_to_grow),
        cmocka_unit_test(an_object_that_outgrows_its_block_is_copied),
        cmocka_unit_test(nothing_grows_into_an_object),
        cmocka_unit_test(a_rollback_gives_back_what_came_after_the_mark),
        cmocka_unit_test(a_mark_of_an_empty_arena_rolls_back_everything),
        cmocka_unit_test(text_is_formatted_into_the_arena),
        cmocka_unit_test(must_alloc_aborts_at_the_limit),
#ifdef __SANITIZE_ADDRESS__
        cmocka_unit_test(what_was_given_back_is_poisoned),
        cmocka_unit_test(a_rollback_over_blocks_poisons_them_all),
#endif
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
