#include "common/bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define KIB ((size_t)1024)

static struct arena arena;

static int open_arena(void **state)
{
    (void)state;
    arena_init(&arena, 1024 * KIB);
    return 0;
}

static int close_arena(void **state)
{
    (void)state;
    arena_release(&arena);
    return 0;
}

static void slices_are_equal_by_length_and_content(void **state)
{
    (void)state;
    assert_true(bytes_equal(bytes_of("ab"), BYTES_LITERAL("ab")));
    assert_false(bytes_equal(bytes_of("ab"), bytes_of("abc")));
    assert_false(bytes_equal(bytes_of("ab"), bytes_of("ac")));
    assert_true(bytes_equal(BYTES_EMPTY, (struct bytes){NULL, 0}));
    assert_false(bytes_equal(BYTES_LITERAL("a\0b"), BYTES_LITERAL("a\0c")));
    assert_true(bytes_is(BYTES_LITERAL("x"), "x"));
    assert_false(bytes_is(BYTES_LITERAL("x\0"), "x"));
    assert_true(bytes_is(BYTES_EMPTY, ""));
}

static void slices_are_ordered_as_memcmp_then_the_shorter_first(void **state)
{
    (void)state;
    assert_int_equal(bytes_compare(bytes_of("a"), bytes_of("a")), 0);
    assert_true(bytes_compare(bytes_of("a"), bytes_of("b")) < 0);
    assert_true(bytes_compare(bytes_of("b"), bytes_of("a")) > 0);
    assert_true(bytes_compare(bytes_of("a"), bytes_of("ab")) < 0);
    assert_true(bytes_compare(bytes_of("b"), bytes_of("ab")) > 0);
    assert_true(bytes_compare(bytes_of("\x7f"), bytes_of("\x80")) < 0);
    assert_true(bytes_compare((struct bytes){NULL, 0}, bytes_of("a")) < 0);
    assert_int_equal(bytes_compare((struct bytes){NULL, 0}, BYTES_EMPTY), 0);
}

static void a_hash_depends_on_every_byte_and_on_the_length(void **state)
{
    char text[33] = {0};

    (void)state;
    for (size_t len = 0; len <= 32; len++) {
        uint64_t hash = bytes_hash((struct bytes){text, len});

        assert_true(hash == bytes_hash((struct bytes){text, len}));
        assert_true(hash != bytes_hash((struct bytes){text, len + 1}));
        for (size_t i = 0; i < len; i++) {
            text[i] = 1;
            assert_true(hash != bytes_hash((struct bytes){text, len}));
            text[i] = 0;
        }
    }
    assert_true(bytes_hash((struct bytes){NULL, 0}) == bytes_hash(BYTES_EMPTY));
}

/* A table of 2^16 slots takes the low 16 bits: as evenly as random numbers would fill it. */
static void the_low_bits_of_consecutive_keys_spread(void **state)
{
    static unsigned char slots[1 << 16];
    size_t taken = 0;
    unsigned most = 0;

    (void)state;
    for (uint32_t i = 0; i < 1 << 16; i++) {
        char key[16];

        memset(key, '0', sizeof(key));
        for (uint32_t rest = i, at = 15; rest > 0; rest /= 10, at--)
            key[at] = (char)('0' + rest % 10);
        uint64_t slot = bytes_hash((struct bytes){key, sizeof(key)}) & 0xffff;

        taken += slots[slot]++ == 0;
        if (slots[slot] > most)
            most = slots[slot];
    }
    /* Expected (1 - 1/e) * 65536 = 41427 with a deviation of about 100; the fullest has 8 or 9. */
    assert_in_range(taken, 41000, 41900);
    assert_in_range(most, 5, 12);
}

static void one_flipped_bit_flips_half_of_the_hash(void **state)
{
    char key[12] = "abcdefghijk";
    unsigned flipped = 0;

    (void)state;
    for (unsigned bit = 0; bit < 96; bit++) {
        uint64_t before = bytes_hash((struct bytes){key, 12});
        uint64_t difference;

        key[bit / 8] = (char)(key[bit / 8] ^ (1 << bit % 8));
        difference = before ^ bytes_hash((struct bytes){key, 12});
        for (; difference != 0; difference &= difference - 1)
            flipped++;
    }
    assert_in_range(flipped, 96 * 30, 96 * 34);
}

static void copies_live_in_the_arena_and_texts_end_with_nul(void **state)
{
    struct bytes copy = bytes_copy(&arena, BYTES_LITERAL("a\0b"));
    struct arena none = {0};

    (void)state;
    assert_int_equal(copy.len, 3);
    assert_memory_equal(copy.ptr, "a\0b", 3);
    assert_non_null(bytes_copy(&arena, (struct bytes){NULL, 0}).ptr);
    assert_string_equal(bytes_to_text(&arena, (struct bytes){"abcd", 3}), "abc");
    assert_string_equal(bytes_to_text(&arena, (struct bytes){NULL, 0}), "");
    assert_null(bytes_copy(&none, bytes_of("a")).ptr);
    assert_null(bytes_to_text(&none, bytes_of("a")));
    assert_null(bytes_to_text(&arena, (struct bytes){"", SIZE_MAX}));
}

static void integers_are_big_endian_in_both_directions(void **state)
{
    struct buffer buffer;
    struct reader reader;

    (void)state;
    buffer_init(&buffer, &arena, KIB);
    write_u8(&buffer, 0x01);
    write_u16(&buffer, 0x0203);
    write_u32(&buffer, 0x04050607);
    write_u64(&buffer, UINT64_C(0x08090a0b0c0d0e0f));
    write_i64(&buffer, -2);
    assert_false(buffer.failed);
    assert_int_equal(buffer.len, 23);
    assert_memory_equal(buffer_bytes(&buffer).ptr,
                        "\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f"
                        "\xff\xff\xff\xff\xff\xff\xff\xfe",
                        23);

    reader_init(&reader, buffer_bytes(&buffer));
    assert_int_equal(read_u8(&reader), 0x01);
    assert_int_equal(read_u16(&reader), 0x0203);
    assert_int_equal(read_u32(&reader), 0x04050607);
    assert_true(read_u64(&reader) == UINT64_C(0x08090a0b0c0d0e0f));
    assert_true(read_i64(&reader) == -2);
    assert_int_equal(reader.left, 0);
    assert_false(reader.failed);
}

static void a_reader_that_failed_stays_failed_and_reads_zeroes(void **state)
{
    struct reader reader;

    (void)state;
    reader_init(&reader, BYTES_LITERAL("\xff\xff\xff"));
    assert_int_equal(read_u16(&reader), 0xffff);
    assert_int_equal(read_u16(&reader), 0);
    assert_true(reader.failed);
    assert_int_equal(read_u8(&reader), 0);
    assert_int_equal(read_bytes(&reader, 0).len, 0);
    assert_int_equal(reader.left, 0);
}

static void a_reader_lends_bytes_and_refuses_a_length_beyond_the_end(void **state)
{
    const char *text = "abcdef";
    struct reader reader;
    struct bytes bytes;

    (void)state;
    reader_init(&reader, bytes_of(text));
    bytes = read_bytes(&reader, 4);
    assert_ptr_equal(bytes.ptr, text);
    assert_int_equal(bytes.len, 4);
    assert_int_equal(read_bytes(&reader, 2).len, 2);
    assert_int_equal(read_bytes(&reader, 0).len, 0);
    assert_false(reader.failed);
    assert_int_equal(read_bytes(&reader, SIZE_MAX).len, 0);
    assert_true(reader.failed);

    reader_init(&reader, (struct bytes){NULL, 0});
    assert_int_equal(read_bytes(&reader, 0).len, 0);
    assert_false(reader.failed);
}

static void a_buffer_takes_its_maximum_and_no_byte_more(void **state)
{
    struct buffer buffer;

    (void)state;
    buffer_init(&buffer, &arena, 4);
    write_u32(&buffer, 1);
    assert_false(buffer.failed);
    assert_string_equal(buffer_text(&buffer) + 4, "");
    assert_false(buffer.failed);
    write_u8(&buffer, 1);
    assert_true(buffer.failed);
    assert_int_equal(buffer.len, 4);
    assert_string_equal(buffer_text(&buffer), "");
}

static void after_a_failed_write_later_ones_are_dropped_too(void **state)
{
    struct buffer buffer;

    (void)state;
    buffer_init(&buffer, &arena, 4);
    write_text(&buffer, "ab");
    write_text(&buffer, "cde");
    write_text(&buffer, "f");
    write_format(&buffer, "%d", 1);
    assert_true(buffer.failed);
    assert_int_equal(buffer.len, 2);

    buffer_clear(&buffer);
    write_text(&buffer, "cdef");
    assert_string_equal(buffer_text(&buffer), "cdef");
}

static void a_buffer_grows_over_many_writes(void **state)
{
    struct buffer buffer;

    (void)state;
    buffer_init(&buffer, &arena, 200 * KIB);
    for (uint32_t i = 0; i < 20000; i++)
        write_u32(&buffer, i);
    assert_false(buffer.failed);
    assert_int_equal(buffer.len, 80000);

    struct reader reader;

    reader_init(&reader, buffer_bytes(&buffer));
    for (uint32_t i = 0; i < 20000; i++)
        assert_int_equal(read_u32(&reader), i);
}

static void where_the_arena_cannot_double_a_buffer_takes_what_it_needs(void **state)
{
    struct arena small;
    struct buffer buffer;

    (void)state;
    arena_init(&small, 100);
    buffer_init(&buffer, &small, KIB);
    for (int i = 0; i < 25; i++)
        write_u32(&buffer, 7);
    assert_false(buffer.failed);
    assert_int_equal(buffer.len, 100);
    write_u8(&buffer, 1);
    assert_true(buffer.failed);
    arena_release(&small);
}

static void clearing_keeps_the_memory(void **state)
{
    struct buffer buffer;
    char *ptr;

    (void)state;
    buffer_init(&buffer, &arena, KIB);
    write_text(&buffer, "some text");
    ptr = buffer.ptr;
    buffer_clear(&buffer);
    write_text(&buffer, "other");
    assert_ptr_equal(buffer.ptr, ptr);
    assert_string_equal(buffer_text(&buffer), "other");
}

static void an_empty_buffer_has_bytes_and_a_text(void **state)
{
    struct buffer buffer;

    (void)state;
    buffer_init(&buffer, &arena, 0);
    assert_non_null(buffer_bytes(&buffer).ptr);
    assert_int_equal(buffer_bytes(&buffer).len, 0);
    assert_string_equal(buffer_text(&buffer), "");
    write_bytes(&buffer, (struct bytes){NULL, 0});
    assert_false(buffer.failed);
    assert_non_null(buffer_reserve(&buffer, 0));
    assert_null(buffer_reserve(&buffer, 1));
    assert_true(buffer.failed);
}

static void a_text_can_be_taken_between_writes(void **state)
{
    struct buffer buffer;

    (void)state;
    buffer_init(&buffer, &arena, KIB);
    write_text(&buffer, "abc");
    assert_string_equal(buffer_text(&buffer), "abc");
    write_text(&buffer, "def");
    assert_string_equal(buffer_text(&buffer), "abcdef");
    assert_int_equal(buffer.len, 6);
}

static void formatted_text_fits_to_the_last_byte(void **state)
{
    struct buffer buffer;

    (void)state;
    for (int len = 0; len <= 300; len++) {
        buffer_init(&buffer, &arena, (size_t)len + 1);
        write_text(&buffer, "<");
        write_format(&buffer, "%*s", len, "");
        assert_false(buffer.failed);
        assert_int_equal(buffer.len, len + 1);
        assert_int_equal(strlen(buffer_text(&buffer)), len + 1);

        buffer_init(&buffer, &arena, (size_t)len);
        write_format(&buffer, "%*s>", len, "");
        assert_true(buffer.failed);
        assert_int_equal(buffer.len, 0);
    }
}

static void reserved_room_counts_when_len_says_so(void **state)
{
    struct buffer buffer;
    char *to;

    (void)state;
    buffer_init(&buffer, &arena, 10);
    to = buffer_reserve(&buffer, 10);
    assert_non_null(to);
    memcpy(to, "abc", 3);
    buffer.len += 3;
    assert_string_equal(buffer_text(&buffer), "abc");
    assert_null(buffer_reserve(&buffer, 8));
    assert_true(buffer.failed);
    buffer_clear(&buffer);
    assert_null(buffer_reserve(&buffer, SIZE_MAX));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slices_are_equal_by_length_and_content),
        cmocka_unit_test(slices_are_ordered_as_memcmp_then_the_shorter_first),
        cmocka_unit_test(a_hash_depends_on_every_byte_and_on_the_length),
        cmocka_unit_test(the_low_bits_of_consecutive_keys_spread),
        cmocka_unit_test(one_flipped_bit_flips_half_of_the_hash),
        cmocka_unit_test(copies_live_in_the_arena_and_texts_end_with_nul),
        cmocka_unit_test(integers_are_big_endian_in_both_directions),
        cmocka_unit_test(a_reader_that_failed_stays_failed_and_reads_zeroes),
        cmocka_unit_test(a_reader_lends_bytes_and_refuses_a_length_beyond_the_end),
        cmocka_unit_test(a_buffer_takes_its_maximum_and_no_byte_more),
        cmocka_unit_test(after_a_failed_write_later_ones_are_dropped_too),
        cmocka_unit_test(a_buffer_grows_over_many_writes),
        cmocka_unit_test(where_the_arena_cannot_double_a_buffer_takes_what_it_needs),
        cmocka_unit_test(clearing_keeps_the_memory),
        cmocka_unit_test(an_empty_buffer_has_bytes_and_a_text),
        cmocka_unit_test(a_text_can_be_taken_between_writes),
        cmocka_unit_test(formatted_text_fits_to_the_last_byte),
        cmocka_unit_test(reserved_room_counts_when_len_says_so),
    };

    return cmocka_run_group_tests(tests, open_arena, close_arena);
}
