#include "cli/message_json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct catalog_column id = {.name = "id"};
static const struct catalog_column lang = {.name = "lang"};
static const struct catalog_column name = {.name = "name"};
static const struct catalog_column *columns[] = {&id, &name, &lang};
static size_t key[] = {0, 2};
static const struct plan_table table = {
    .id = "users", .columns_count = 3, .columns = columns, .key_count = 2, .key = key};

static const struct bytes key_bytes = {"\0\0\0\1"
                                       "7"
                                       "\0\0\0\2"
                                       "de",
                                       11};

struct scene {
    struct arena arena;
    struct buffer out;
};

static struct scene scene;

static int set_up(void **state RH_UNUSED)
{
    arena_init(&scene.arena, 65536);
    buffer_init(&scene.out, &scene.arena, 4096);
    return 0;
}

static int tear_down(void **state RH_UNUSED)
{
    arena_release(&scene.arena);
    return 0;
}

static struct wire_header header_of(enum wire_kind kind)
{
    return (struct wire_header){.kind = kind,
                                .generation = 3,
                                .sequence = kind == WIRE_HELLO ? 0 : 17,
                                .lsn = UINT64_C(0x116b3748),
                                .index = 2};
}

static void assert_shown(struct bytes message_key, bool expected_readable, const char *expected)
{
    bool readable = !expected_readable;
    json_t *json =
        message_to_json(&table, message_key, buffer_bytes(&scene.out), &scene.arena, &readable);
    char *text = json_dumps(json, JSON_COMPACT);
    assert_string_equal(text, expected);
    assert_int_equal(readable, expected_readable);
    free(text);
    json_decref(json);
}

static void a_row_has_the_names_of_all_columns(void **state RH_UNUSED)
{
    const struct value values[] = {{VALUE_TEXT, BYTES_LITERAL("7")},
                                   {VALUE_NULL, BYTES_EMPTY},
                                   {VALUE_TEXT, BYTES_LITERAL("de")}};
    struct wire_header header = header_of(WIRE_ROW);
    header.flags = WIRE_PAGE;
    write_wire_row(&scene.out, &header, values, 3);
    assert_shown(key_bytes, true,
                 "{\"kind\":\"ROW\",\"generation\":3,\"sequence\":17,\"lsn\":\"0/116B3748\","
                 "\"index\":2,\"flags\":1,\"key\":[\"7\",\"de\"],"
                 "\"columns\":{\"id\":\"7\",\"name\":null,\"lang\":\"de\"}}");
}

static void a_delete_has_the_names_of_the_key_columns(void **state RH_UNUSED)
{
    const struct value values[] = {{VALUE_TEXT, BYTES_LITERAL("7")},
                                   {VALUE_TEXT, BYTES_LITERAL("de")}};
    struct wire_header header = header_of(WIRE_DEL);
    write_wire_row(&scene.out, &header, values, 2);
    assert_shown(key_bytes, true,
                 "{\"kind\":\"DEL\",\"generation\":3,\"sequence\":17,\"lsn\":\"0/116B3748\","
                 "\"index\":2,\"flags\":0,\"key\":[\"7\",\"de\"],"
                 "\"columns\":{\"id\":\"7\",\"lang\":\"de\"}}");
}

static void an_oversize_row_has_its_size(void **state RH_UNUSED)
{
    const struct value values[] = {{VALUE_TEXT, BYTES_LITERAL("7")},
                                   {VALUE_TEXT, BYTES_LITERAL("de")}};
    struct wire_header header = header_of(WIRE_OVERSIZE);
    write_wire_oversize(&scene.out, &header, values, 2, 2097153);
    assert_shown(key_bytes, true,
                 "{\"kind\":\"OVERSIZE\",\"generation\":3,\"sequence\":17,\"lsn\":\"0/116B3748\","
                 "\"index\":2,\"flags\":0,\"key\":[\"7\",\"de\"],\"oversize_bytes\":2097153,"
                 "\"columns\":{\"id\":\"7\",\"lang\":\"de\"}}");
}

static void a_hello_says_what_it_resumes_from(void **state RH_UNUSED)
{
    struct wire_header header = header_of(WIRE_HELLO);
    write_wire_hello(&scene.out, &header, 2, 21);
    assert_shown(BYTES_EMPTY, true,
                 "{\"kind\":\"HELLO\",\"generation\":3,\"sequence\":0,\"lsn\":\"0/116B3748\","
                 "\"index\":2,\"flags\":0,\"key\":[],\"previous\":2,\"acked\":21}");
}

static void heartbeats_and_barriers_have_the_progress(void **state RH_UNUSED)
{
    const struct wire_progress progress = {.rows_read = 10,
                                           .rows_enqueued = 7,
                                           .rows_dropped = 1,
                                           .rows_filtered = 2,
                                           .rows_estimate = 99,
                                           .done = true,
                                           .last_key = key_bytes};
    struct wire_header header = header_of(WIRE_HEARTBEAT);
    write_wire_heartbeat(&scene.out, &header, 16, &progress);
    assert_shown(BYTES_EMPTY, true,
                 "{\"kind\":\"HEARTBEAT\",\"generation\":3,\"sequence\":17,"
                 "\"lsn\":\"0/116B3748\",\"index\":2,\"flags\":0,\"key\":[],\"acked\":16,"
                 "\"progress\":{\"rows_read\":10,\"rows_enqueued\":7,\"rows_dropped\":1,"
                 "\"rows_filtered\":2,\"rows_estimate\":99,\"done\":true,"
                 "\"last_key\":[\"7\",\"de\"]}}");
    buffer_clear(&scene.out);
    header.kind = WIRE_BARRIER;
    write_wire_barrier(&scene.out, &header, BARRIER_END, 16,
                       &(struct wire_progress){.done = false});
    assert_shown(BYTES_EMPTY, true,
                 "{\"kind\":\"BARRIER\",\"generation\":3,\"sequence\":17,\"lsn\":\"0/116B3748\","
                 "\"index\":2,\"flags\":0,\"key\":[],\"barrier\":4294967295,\"acked\":16,"
                 "\"progress\":{\"rows_read\":0,\"rows_enqueued\":0,\"rows_dropped\":0,"
                 "\"rows_filtered\":0,\"rows_estimate\":0,\"done\":false,\"last_key\":[]}}");
}

static void values_beyond_the_plan_are_shown_without_a_name(void **state RH_UNUSED)
{
    const struct value values[] = {{VALUE_TEXT, BYTES_LITERAL("7")},
                                   {VALUE_NULL, BYTES_EMPTY},
                                   {VALUE_NULL, BYTES_EMPTY},
                                   {VALUE_TEXT, BYTES_LITERAL("more")}};
    struct wire_header header = header_of(WIRE_ROW);
    write_wire_row(&scene.out, &header, values, 4);
    assert_shown(BYTES_LITERAL("no key"), true,
                 "{\"kind\":\"ROW\",\"generation\":3,\"sequence\":17,\"lsn\":\"0/116B3748\","
                 "\"index\":2,\"flags\":0,\"key\":[\"no key\"],"
                 "\"columns\":{\"id\":\"7\",\"name\":null,\"lang\":null,\"?4\":\"more\"}}");
}

static void what_cannot_be_read_says_why(void **state RH_UNUSED)
{
    write_text(&scene.out, "\2nonsense");
    bool readable = true;
    json_t *json =
        message_to_json(&table, BYTES_EMPTY, buffer_bytes(&scene.out), &scene.arena, &readable);
    assert_false(readable);
    assert_int_equal(json_object_size(json), 1);
    assert_true(json_is_string(json_object_get(json, "error")));
    json_decref(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_row_has_the_names_of_all_columns, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_delete_has_the_names_of_the_key_columns, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(an_oversize_row_has_its_size, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_hello_says_what_it_resumes_from, set_up, tear_down),
        cmocka_unit_test_setup_teardown(heartbeats_and_barriers_have_the_progress, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(values_beyond_the_plan_are_shown_without_a_name, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_cannot_be_read_says_why, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
