#include "producer/page.h"

#include "common/hash.h"

#include "tests/unit/producer/fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define BYTES_WANTED ((uint64_t)1 << 20)

static struct world {
    struct fixture fixture;
    struct arena arena;
    struct page page;
    struct error err;
} w;

static void open_page(size_t topic)
{
    page_init(&w.page, &w.fixture.topics[topic], &w.fixture.settings, BYTES_WANTED, &w.arena);
    page_reset(&w.page);
}

static int begin(void **state)
{
    (void)state;
    fixture_init(&w.fixture);
    arena_init(&w.arena, (size_t)4 << 20);
    return 0;
}

static int end(void **state)
{
    (void)state;
    page_release(&w.page);
    arena_release(&w.arena);
    return 0;
}

static bool add(const char *line)
{
    bool full;

    assert_true(page_add_line(&w.page, bytes_of(line), &full, &w.err));
    return full;
}

/* The message as a worker will read it, but for the header that the publisher will write. */
static struct wire_message read_message(size_t i)
{
    const struct chunk *chunk = w.page.first;
    struct wire_message message;

    for (; i >= CHUNK_MESSAGES_MAX; i -= CHUNK_MESSAGES_MAX)
        chunk = chunk->next;

    const char *value = chunk->messages[i].payload;

    assert_true(read_wire_message((struct bytes){value, chunk->messages[i].len}, &w.arena, &message,
                                  &w.err));
    return message;
}

static struct bytes message_key(size_t i)
{
    const rd_kafka_message_t *message = &w.page.first->messages[i];

    return (struct bytes){message->key, message->key_len};
}

static void a_line_becomes_a_row_message_with_its_canonical_key_and_partition(void **state)
{
    struct wire_message message;

    (void)state;
    open_page(1);
    assert_false(add("acme\t1.50\tline\\nbreak"));
    assert_int_equal(w.page.rows, 1);
    assert_memory_equal(message_key(0).ptr,
                        "\0\0\0\4acme\0\0\0\3"
                        "1.5",
                        15);
    assert_int_equal(message_key(0).len, 15);
    assert_true(bytes_equal(w.page.last_key, message_key(0)));
    assert_int_equal(w.page.first->messages[0].partition, (int)hash_partition(message_key(0), 2));
    message = read_message(0);
    assert_int_equal(message.header.kind, WIRE_ROW);
    assert_int_equal(message.row.count, 3);
    assert_true(bytes_is(message.row.values[1].bytes, "1.50"));
    assert_true(bytes_is(message.row.values[2].bytes, "line\nbreak"));
}

static void null_and_empty_stay_apart(void **state)
{
    (void)state;
    open_page(0);
    add("1\t\\N");
    add("2\t");
    assert_int_equal(read_message(0).row.values[1].kind, VALUE_NULL);
    assert_int_equal(read_message(1).row.values[1].kind, VALUE_TEXT);
    assert_int_equal(read_message(1).row.values[1].bytes.len, 0);
}

static void messages_stay_where_they_are_while_the_page_grows(void **state)
{
    char line[64];

    (void)state;
    open_page(0);
    for (int i = 0; i < 3 * CHUNK_MESSAGES_MAX + 1; i++) {
        (void)snprintf(line, sizeof(line), "%d\tname %d", i, i);
        add(line);
    }
    assert_int_equal(w.page.rows, 3 * CHUNK_MESSAGES_MAX + 1);
    assert_int_equal(w.page.last->count, 1);
    for (size_t i = 0; i < w.page.rows; i += 500) {
        (void)snprintf(line, sizeof(line), "name %zu", i);
        assert_true(bytes_is(read_message(i).row.values[1].bytes, line));
    }
}

static void the_page_is_full_at_the_wanted_bytes(void **state)
{
    char line[400];
    uint64_t rows = 0;
    bool full = false;

    (void)state;
    open_page(0);
    memset(line, 'x', sizeof(line));
    memcpy(line, "1\t", 2);
    line[sizeof(line) - 1] = '\0';
    while (!full) {
        full = add(line);
        rows++;
    }
    assert_true(w.page.bytes >= BYTES_WANTED);
    assert_true(w.page.bytes - w.page.bytes / rows < BYTES_WANTED);
}

/* A row of `users` whose message has exactly `bytes` bytes, key included. */
static const char *line_of_message_bytes(size_t bytes)
{
    char *line = arena_must_alloc(&w.arena, bytes + 16);
    struct value values[2] = {{VALUE_TEXT, BYTES_LITERAL("1")}, {VALUE_TEXT, BYTES_EMPTY}};
    const struct wire_header header = chunk_header(WIRE_ROW);
    struct buffer out;
    size_t empty_bytes;

    buffer_init(&out, &w.arena, 1000);
    write_wire_row(&out, &header, values, 2);
    empty_bytes = out.len + 5; /* and the key "1" */
    memcpy(line, "1\t", 2);
    memset(line + 2, 'x', bytes - empty_bytes);
    return line;
}

static void a_message_of_the_limit_is_a_row_one_byte_more_is_oversize(void **state)
{
    struct wire_message message;

    (void)state;
    open_page(0);
    add(line_of_message_bytes(1024));
    add(line_of_message_bytes(1025));
    assert_int_equal(read_message(0).header.kind, WIRE_ROW);
    message = read_message(1);
    assert_int_equal(message.header.kind, WIRE_OVERSIZE);
    assert_int_equal(message.row.count, 1);
    assert_true(bytes_is(message.row.values[0].bytes, "1"));
    assert_int_equal(message.oversize_bytes, 1025 - 5);
    assert_true(bytes_equal(message_key(0), message_key(1)));
    assert_int_equal(w.page.rows, 2);
    assert_int_equal(w.page.oversize, 1);
}

static void a_giant_row_is_oversize_without_being_unescaped(void **state)
{
    const size_t len = 100000;
    char *line = arena_must_alloc(&w.arena, len + 1);
    struct wire_message message;

    (void)state;
    open_page(1);
    memset(line, 'x', len);
    memcpy(line, "a\\tb\t2.0\t", 9);
    add(line);
    message = read_message(0);
    assert_int_equal(message.header.kind, WIRE_OVERSIZE);
    assert_int_equal(message.row.count, 2);
    assert_true(bytes_is(message.row.values[0].bytes, "a\tb"));
    assert_true(bytes_is(message.row.values[1].bytes, "2.0"));
    assert_int_equal(message.oversize_bytes, len);
    assert_memory_equal(message_key(0).ptr,
                        "\0\0\0\3a\tb\0\0\0\1"
                        "2",
                        12);
}

static void an_oversize_row_stops_where_the_settings_say_so(void **state)
{
    bool full;

    (void)state;
    w.fixture.settings.topics_oversize = OVERSIZE_STOP;
    open_page(0);
    assert_false(page_add_line(&w.page, bytes_of(line_of_message_bytes(1025)), &full, &w.err));
    assert_string_equal(w.err.text,
                        "table \"users\": a row of 1020 bytes is more than a message may "
                        "have (1024 with its key)");
    assert_int_equal(w.err.action, ERROR_STOP);
    assert_int_equal(w.err.exit_code, EXIT_SOURCE);
}

static void a_null_in_the_key_stops(void **state)
{
    bool full;

    (void)state;
    open_page(0);
    assert_false(page_add_line(&w.page, BYTES_LITERAL("\\N\tx"), &full, &w.err));
    assert_string_equal(w.err.text, "table \"users\": key column 1 is null");
    assert_int_equal(w.err.action, ERROR_STOP);
    assert_int_equal(w.err.exit_code, EXIT_SOURCE);
}

static void a_page_is_empty_after_a_reset(void **state)
{
    (void)state;
    open_page(0);
    add("1\tx");
    page_reset(&w.page);
    assert_int_equal(w.page.rows, 0);
    assert_int_equal(w.page.bytes, 0);
    assert_null(w.page.first);
    add("2\ty");
    assert_true(bytes_is(read_message(0).row.values[0].bytes, "2"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_line_becomes_a_row_message_with_its_canonical_key_and_partition),
        TEST(null_and_empty_stay_apart),
        TEST(messages_stay_where_they_are_while_the_page_grows),
        TEST(the_page_is_full_at_the_wanted_bytes),
        TEST(a_message_of_the_limit_is_a_row_one_byte_more_is_oversize),
        TEST(a_giant_row_is_oversize_without_being_unescaped),
        TEST(an_oversize_row_stops_where_the_settings_say_so),
        TEST(a_null_in_the_key_stops),
        TEST(a_page_is_empty_after_a_reset),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
