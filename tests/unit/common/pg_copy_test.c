#include "common/arena.h"
#include "common/pg.h"
#include "common/row.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define ARENA_BYTES 65536

static void assert_text(struct value value, const char *expected)
{
    assert_int_equal(value.kind, VALUE_TEXT);
    assert_int_equal(value.bytes.len, strlen(expected));
    assert_memory_equal(value.bytes.ptr, expected, strlen(expected));
}

static void fields_without_a_backslash_borrow_from_the_line(void **state RH_UNUSED)
{
    RH_AUTO(arena_release) struct arena arena;
    arena_init(&arena, ARENA_BYTES);
    const struct bytes line = BYTES_LITERAL("1\t\tthree\t");
    struct value values[4];
    struct error err;
    assert_true(pg_copy_line_parse(line, 4, &arena, values, &err));
    assert_text(values[0], "1");
    assert_text(values[1], "");
    assert_text(values[2], "three");
    assert_text(values[3], "");
    assert_ptr_equal(values[2].bytes.ptr, line.ptr + 3);
    assert_int_equal(arena.used_bytes, 0);
}

static void null_and_the_empty_text_never_meet(void **state RH_UNUSED)
{
    RH_AUTO(arena_release) struct arena arena;
    arena_init(&arena, ARENA_BYTES);
    struct value values[4];
    struct error err;
    assert_true(pg_copy_line_parse(BYTES_LITERAL("\\N\t\t\\\\N\t\\N"), 4, &arena, values, &err));
    assert_int_equal(values[0].kind, VALUE_NULL);
    assert_text(values[1], "");
    assert_text(values[2], "\\N");
    assert_int_equal(values[3].kind, VALUE_NULL);
}

static void each_escape_of_the_server_is_undone(void **state RH_UNUSED)
{
    RH_AUTO(arena_release) struct arena arena;
    arena_init(&arena, ARENA_BYTES);
    struct value values[3];
    struct error err;
    assert_true(pg_copy_line_parse(BYTES_LITERAL("a\\tb\\nc\t\\b\\f\\n\\r\\t\\v\\\\\tplain"), 3,
                                   &arena, values, &err));
    assert_text(values[0], "a\tb\nc");
    assert_text(values[1], "\b\f\n\r\t\v\\");
    assert_text(values[2], "plain");
}

static void one_column_of_nothing_is_a_line(void **state RH_UNUSED)
{
    RH_AUTO(arena_release) struct arena arena;
    arena_init(&arena, ARENA_BYTES);
    struct value values[1];
    struct error err;
    assert_true(pg_copy_line_parse(BYTES_EMPTY, 1, &arena, values, &err));
    assert_text(values[0], "");
}

static void another_number_of_columns_stops(void **state RH_UNUSED)
{
    RH_AUTO(arena_release) struct arena arena;
    arena_init(&arena, ARENA_BYTES);
    struct value values[3];
    struct error err;
    assert_false(pg_copy_line_parse(BYTES_LITERAL("1\t2"), 3, &arena, values, &err));
    assert_int_equal(err.action, ERROR_STOP);
    assert_string_equal(err.text, "COPY line has 2 columns instead of 3");
    assert_false(pg_copy_line_parse(BYTES_LITERAL("1\t2\t3\t4"), 3, &arena, values, &err));
    assert_string_equal(err.text, "COPY line has 4 columns instead of 3");
}

static void a_backslash_at_the_end_of_a_field_stops(void **state RH_UNUSED)
{
    RH_AUTO(arena_release) struct arena arena;
    arena_init(&arena, ARENA_BYTES);
    struct value values[2];
    struct error err;
    assert_false(pg_copy_line_parse(BYTES_LITERAL("1\\\t2"), 2, &arena, values, &err));
    assert_int_equal(err.action, ERROR_STOP);
    assert_string_equal(err.text, "COPY field ends in a backslash");
}

static void a_row_beyond_the_memory_limit_is_refused_alone(void **state RH_UNUSED)
{
    RH_AUTO(arena_release) struct arena arena;
    arena_init(&arena, 8);
    struct value values[1];
    struct error err;
    assert_false(
        pg_copy_line_parse(BYTES_LITERAL("\\\\2345678901234567890"), 1, &arena, values, &err));
    assert_int_equal(err.action, ERROR_ROW);
    assert_string_equal(err.text, "row does not fit into the memory limit");
}

static void assert_written(struct value value, const char *expected)
{
    RH_AUTO(arena_release) struct arena arena;
    arena_init(&arena, ARENA_BYTES);
    struct buffer buffer;
    buffer_init(&buffer, &arena, ARENA_BYTES / 2);
    pg_copy_write_value(&buffer, value);
    assert_string_equal(buffer_text(&buffer), expected);
}

static struct value text_value(const char *text)
{
    return (struct value){VALUE_TEXT, bytes_of(text)};
}

static void values_are_escaped_only_where_they_must(void **state RH_UNUSED)
{
    assert_written((struct value){VALUE_NULL, BYTES_EMPTY}, "\\N");
    assert_written(text_value(""), "");
    assert_written(text_value("\\N"), "\\\\N");
    assert_written(text_value("\\."), "\\\\.");
    assert_written(text_value("a\tb"), "a\\tb");
    assert_written(text_value("\b\f\n\r\t\v\\"), "\\b\\f\\n\\r\\t\\v\\\\");
    assert_written(text_value("\x01\x07\x0e\x1f\x7f"), "\x01\x07\x0e\x1f\x7f");
    assert_written(text_value("สวัสดีครับ ผม"), "สวัสดีครับ ผม");
}

/* The blocks must find an escape wherever it stands, and nothing where there is none. */
static void every_byte_at_every_place_of_a_block_survives(void **state RH_UNUSED)
{
    RH_AUTO(arena_release) struct arena arena;
    arena_init(&arena, ARENA_BYTES);
    for (unsigned byte = 1; byte < 256; byte++) {
        for (size_t place = 0; place < 70; place++) {
            char text[70];
            memset(text, 'x', sizeof(text));
            text[place] = (char)byte;
            struct arena_mark mark = arena_mark(&arena);
            struct buffer buffer;
            buffer_init(&buffer, &arena, 256);
            pg_copy_write_value(&buffer, (struct value){VALUE_TEXT, {text, sizeof(text)}});
            struct value back;
            struct error err;
            assert_true(pg_copy_line_parse(buffer_bytes(&buffer), 1, &arena, &back, &err));
            assert_int_equal(back.bytes.len, sizeof(text));
            assert_memory_equal(back.bytes.ptr, text, sizeof(text));
            arena_rollback(&arena, mark);
        }
    }
}

static void a_full_buffer_is_a_failure_not_a_crash(void **state RH_UNUSED)
{
    RH_AUTO(arena_release) struct arena arena;
    arena_init(&arena, ARENA_BYTES);
    struct buffer buffer;
    buffer_init(&buffer, &arena, 4);
    pg_copy_write_value(&buffer, text_value("abcd"));
    assert_false(buffer.failed);
    pg_copy_write_value(&buffer, text_value("\t"));
    assert_true(buffer.failed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_without_a_backslash_borrow_from_the_line),
        cmocka_unit_test(null_and_the_empty_text_never_meet),
        cmocka_unit_test(each_escape_of_the_server_is_undone),
        cmocka_unit_test(one_column_of_nothing_is_a_line),
        cmocka_unit_test(another_number_of_columns_stops),
        cmocka_unit_test(a_backslash_at_the_end_of_a_field_stops),
        cmocka_unit_test(a_row_beyond_the_memory_limit_is_refused_alone),
        cmocka_unit_test(values_are_escaped_only_where_they_must),
        cmocka_unit_test(every_byte_at_every_place_of_a_block_survives),
        cmocka_unit_test(a_full_buffer_is_a_failure_not_a_crash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
