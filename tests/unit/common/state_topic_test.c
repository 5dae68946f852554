#include "common/arena.h"
#include "common/state_topic.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct fixture {
    struct arena arena;
    struct state_fold fold;
    int64_t next;
};

static int setup(void **state)
{
    static struct fixture fixture;
    arena_init(&fixture.arena, 1 << 20);
    state_fold_init(&fixture.fold, &fixture.arena);
    fixture.next = 0;
    *state = &fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    state_fold_release(&f->fold);
    arena_release(&f->arena);
    return 0;
}

static bool feed(struct fixture *f, const char *key, const char *value, struct error *err)
{
    return state_fold_record(&f->fold, f->next++, bytes_of(key), bytes_of(value), err);
}

static void feed_ok(struct fixture *f, const char *key, const char *value)
{
    struct error err;
    if (!feed(f, key, value, &err)) {
        fail_msg("%s", err.text);
    }
}

static void claim(struct fixture *f, uint64_t generation, const char *instance)
{
    char key[32];
    snprintf(key, sizeof(key), "claim/%" PRIu64, generation);
    feed_ok(f, key, state_claim_text(&f->arena, generation, instance));
}

/* A checkpoint that can be told from others by its level. */
static void checkpoint(struct fixture *f, uint64_t generation, uint32_t level)
{
    char key[32];
    snprintf(key, sizeof(key), "ckpt/%" PRIu64, generation);
    const struct checkpoint written = {.generation = generation, .level = level};
    feed_ok(f, key, state_checkpoint_text(&f->arena, &written));
}

static void an_empty_log_has_no_run_no_claim_and_no_checkpoint(void **state)
{
    struct fixture *f = *state;
    assert_null(f->fold.run);
    assert_null(f->fold.claimed_by);
    assert_int_equal(f->fold.generation, 0);
    assert_false(f->fold.has_checkpoint);
    assert_int_equal(f->fold.next_offset, 0);
}

static void the_last_run_record_counts(void **state)
{
    struct fixture *f = *state;
    feed_ok(f, "run", "{\"run\": \"a\"}");
    feed_ok(f, "run", "{\"run\": \"b\"}");
    assert_string_equal(json_string_value(json_object_get(f->fold.run, "run")), "b");
    assert_int_equal(f->fold.next_offset, 2);
}

static void the_first_claim_of_a_generation_wins(void **state)
{
    struct fixture *f = *state;
    claim(f, 1, "a");
    claim(f, 1, "b");
    assert_int_equal(f->fold.generation, 1);
    assert_string_equal(f->fold.claimed_by, "a");
}

static void a_higher_claim_wins_and_a_lower_one_comes_too_late(void **state)
{
    struct fixture *f = *state;
    claim(f, 1, "a");
    claim(f, 3, "b");
    claim(f, 2, "c");
    assert_int_equal(f->fold.generation, 3);
    assert_string_equal(f->fold.claimed_by, "b");
}

static void a_zombies_checkpoint_does_not_count(void **state)
{
    struct fixture *f = *state;
    claim(f, 1, "a");
    checkpoint(f, 1, 10);
    claim(f, 2, "b");
    checkpoint(f, 1, 11);
    assert_true(f->fold.has_checkpoint);
    assert_int_equal(f->fold.checkpoint.generation, 1);
    assert_int_equal(f->fold.checkpoint.level, 10);
    checkpoint(f, 2, 20);
    assert_int_equal(f->fold.checkpoint.generation, 2);
    checkpoint(f, 1, 12);
    assert_int_equal(f->fold.checkpoint.level, 20);
}

static void a_checkpoint_before_its_claim_does_not_count(void **state)
{
    struct fixture *f = *state;
    claim(f, 1, "a");
    checkpoint(f, 2, 20);
    assert_false(f->fold.has_checkpoint);
    claim(f, 2, "b");
    assert_false(f->fold.has_checkpoint);
}

static void a_checkpoint_says_again_what_was_written(void **state)
{
    struct fixture *f = *state;
    const char *cursor[] = {"42", "tab\tquote\"ä", "\xff\xfe not UTF-8"};
    struct range_state all = {.cursor_count = 3, .cursor = cursor, .ended = true};
    struct range_state none = {0};
    struct table_state tables[] = {
        {.id = "users",
         .done = true,
         .ranges_count = 1,
         .ranges = &all,
         .progress = {.rows_read = 5,
                      .rows_enqueued = 4,
                      .rows_dropped = 1,
                      .rows_filtered = 2,
                      .rows_estimate = INT64_MAX,
                      .done = true,
                      .last_key = {"\0\0\0\2"
                                   "42",
                                   6}}},
        {.id = "not begun",
         .ranges_count = 1,
         .ranges = &none,
         .progress = {.last_key = BYTES_EMPTY}},
    };
    struct partition_state partitions[] = {{"p.m.users", 0, 7}, {"p.m.users", 11, 0}};
    const struct checkpoint written = {.generation = 9,
                                       .safe_lsn = 0x16B374D848,
                                       .level = 2,
                                       .ended = true,
                                       .tables_count = 2,
                                       .tables = tables,
                                       .partitions_count = 2,
                                       .partitions = partitions};
    claim(f, 9, "a");
    feed_ok(f, "ckpt/9", state_checkpoint_text(&f->arena, &written));
    const struct checkpoint *read = &f->fold.checkpoint;
    assert_true(read->safe_lsn == written.safe_lsn);
    assert_int_equal(read->level, 2);
    assert_true(read->ended);
    assert_int_equal(read->tables_count, 2);
    assert_string_equal(read->tables[0].id, "users");
    assert_true(read->tables[0].done);
    assert_true(read->tables[0].progress.done);
    assert_int_equal(read->tables[0].ranges_count, 1);
    assert_true(read->tables[0].ranges[0].ended);
    assert_int_equal(read->tables[0].ranges[0].cursor_count, 3);
    assert_int_equal(read->tables[0].ranges[0].upto_count, 0);
    for (size_t i = 0; i < 3; i++) {
        assert_string_equal(read->tables[0].ranges[0].cursor[i], cursor[i]);
    }
    const struct wire_progress *progress = &read->tables[0].progress;
    assert_int_equal(progress->rows_read, 5);
    assert_int_equal(progress->rows_enqueued, 4);
    assert_int_equal(progress->rows_dropped, 1);
    assert_int_equal(progress->rows_filtered, 2);
    assert_true(progress->rows_estimate == INT64_MAX);
    assert_true(bytes_equal(progress->last_key, tables[0].progress.last_key));
    assert_int_equal(read->tables[1].ranges_count, 1);
    assert_int_equal(read->tables[1].ranges[0].cursor_count, 0);
    assert_false(read->tables[1].ranges[0].ended);
    assert_false(read->tables[1].done);
    assert_int_equal(read->partitions_count, 2);
    assert_string_equal(read->partitions[1].topic, "p.m.users");
    assert_int_equal(read->partitions[1].partition, 11);
    assert_int_equal(read->partitions[0].acked, 7);
}

static void ranges_are_said_again_as_they_were_written(void **state)
{
    struct fixture *f = *state;
    const char *first[] = {"a", "1"}, *bound[] = {"m", "7"}, *last[] = {"\xff", "8"};
    struct range_state ranges[] = {
        {.cursor_count = 2, .cursor = first, .upto_count = 2, .upto = bound},
        {.cursor_count = 2, .cursor = bound, .upto_count = 2, .upto = last, .ended = true},
        {.cursor_count = 2, .cursor = last},
    };
    struct table_state table = {
        .id = "t", .ranges_count = 3, .ranges = ranges, .progress = {.last_key = BYTES_EMPTY}};
    const struct checkpoint written = {.generation = 1, .tables_count = 1, .tables = &table};
    claim(f, 1, "a");
    feed_ok(f, "ckpt/1", state_checkpoint_text(&f->arena, &written));
    const struct table_state *read = &f->fold.checkpoint.tables[0];
    assert_int_equal(read->ranges_count, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(read->ranges[i].ended, i == 1);
        assert_int_equal(read->ranges[i].cursor_count, 2);
        assert_string_equal(read->ranges[i].cursor[0], ranges[i].cursor[0]);
        assert_string_equal(read->ranges[i].cursor[1], ranges[i].cursor[1]);
        assert_int_equal(read->ranges[i].upto_count, i < 2 ? 2 : 0);
    }
    assert_string_equal(read->ranges[1].upto[0], "\xff");
    assert_string_equal(read->ranges[1].upto[1], "8");
}

#define PROGRESS                                                                                   \
    "\"progress\":{\"last_key\":\"\",\"rows_dropped\":0,\"rows_enqueued\":5,"                      \
    "\"rows_estimate\":9,\"rows_filtered\":0,\"rows_read\":5}"
#define WITH_TABLE(members)                                                                        \
    "{\"ended\":false,\"generation\":1,\"level\":0,\"partitions\":[],\"safe_lsn\":0,\"tables\":["  \
    "{" members "}]}"

/* As releases wrote it that had no ranges, and as a table that was not divided is written now. */
static void a_table_that_was_not_divided_has_a_cursor_and_no_ranges(void **state)
{
    static const char text[] =
        WITH_TABLE("\"cursor\":[\"42\"],\"done\":false,\"id\":\"t\"," PROGRESS);
    struct fixture *f = *state;
    claim(f, 1, "a");
    feed_ok(f, "ckpt/1", text);
    const struct table_state *read = &f->fold.checkpoint.tables[0];
    assert_int_equal(read->ranges_count, 1);
    assert_false(read->ranges[0].ended);
    assert_int_equal(read->ranges[0].cursor_count, 1);
    assert_string_equal(read->ranges[0].cursor[0], "42");
    assert_int_equal(read->ranges[0].upto_count, 0);
    assert_string_equal(state_checkpoint_text(&f->arena, &f->fold.checkpoint), text);
}

/* A release that has no ranges would begin anew at a cursor that is not there. */
static void a_divided_table_has_no_cursor_that_older_releases_would_take(void **state)
{
    static const char text[] = WITH_TABLE(
        "\"done\":false,\"id\":\"t\"," PROGRESS ",\"ranges\":["
        "{\"cursor\":[],\"ended\":true,\"upto\":[\"7\"]},{\"cursor\":[\"7\"],\"ended\":false,"
        "\"upto\":[]}]");
    struct fixture *f = *state;
    claim(f, 1, "a");
    feed_ok(f, "ckpt/1", text);
    assert_string_equal(state_checkpoint_text(&f->arena, &f->fold.checkpoint), text);
}

static void the_texts_are_stable(void **state)
{
    struct fixture *f = *state;
    assert_string_equal(state_claim_text(&f->arena, 7, "i"),
                        "{\"generation\":7,\"instance\":\"i\"}");
    const struct checkpoint empty = {.generation = 1};
    assert_string_equal(state_checkpoint_text(&f->arena, &empty),
                        "{\"ended\":false,\"generation\":1,\"level\":0,\"partitions\":[],"
                        "\"safe_lsn\":0,\"tables\":[]}");
}

static void many_checkpoints_take_the_memory_of_one(void **state)
{
    struct fixture *f = *state;
    claim(f, 1, "a");
    struct range_state range = {0};
    struct table_state table = {
        .id = "t", .ranges_count = 1, .ranges = &range, .progress = {.last_key = BYTES_EMPTY}};
    const struct checkpoint written = {.generation = 1, .tables_count = 1, .tables = &table};
    const char *text = state_checkpoint_text(&f->arena, &written);
    feed_ok(f, "ckpt/1", text);
    size_t used_bytes = f->fold.checkpoint_memory.used_bytes;
    size_t arena_bytes = f->arena.used_bytes;
    for (int i = 0; i < 1000; i++) {
        feed_ok(f, "ckpt/1", text);
    }
    assert_int_equal(f->fold.checkpoint_memory.used_bytes, used_bytes);
    assert_int_equal(f->arena.used_bytes, arena_bytes);
}

static void foreign_records_stop(void **state)
{
    static const struct {
        const char *key, *value, *text;
    } cases[] = {
        {"run", "not JSON", "state record at offset 0 with key \"run\" is no JSON object"},
        {"run", "[]", "state record at offset 1 with key \"run\" is no JSON object"},
        {"run", "", "state record at offset 2 with key \"run\" is no JSON object"},
        {"other", "{}", "state record at offset 3 with key \"other\" is of no known kind"},
        {"claim/0", "{}", "state record at offset 4 with key \"claim/0\" is of no known kind"},
        {"claim/1x", "{}", "state record at offset 5 with key \"claim/1x\" is of no known kind"},
        {"claim/99999999999999999999", "{}",
         "state record at offset 6 with key \"claim/99999999999999999999\" is of no known kind"},
        {"claim/1", "{\"generation\": 2, \"instance\": \"a\"}",
         "state record at offset 7 with key \"claim/1\" is no claim"},
        {"claim/1", "{\"generation\": 1}",
         "state record at offset 8 with key \"claim/1\" is no claim"},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < RH_COUNT(cases); i++) {
        struct error err;
        assert_false(feed(f, cases[i].key, cases[i].value, &err));
        assert_string_equal(err.text, cases[i].text);
        assert_string_equal(err.code, "STATE_FOREIGN");
        assert_int_equal(err.exit_code, EXIT_STATE);
    }
    assert_int_equal(f->fold.next_offset, 0);
}

static void a_cursor_may_hold_bytes_that_are_no_utf8(void **state)
{
    struct fixture *f = *state;
    claim(f, 1, "a");
    feed_ok(f, "ckpt/1",
            WITH_TABLE("\"done\":false,"
                       "\"id\":\"t\",\"cursor\":[{\"hex\":\"ff\"}]"
                       "," PROGRESS));
    assert_string_equal(f->fold.checkpoint.tables[0].ranges[0].cursor[0], "\xff");
}

static void a_damaged_checkpoint_stops_instead_of_being_half_read(void **state)
{
    static const char *const values[] = {
        "{}",
        "{\"generation\":1,\"safe_lsn\":0,\"level\":0,\"ended\":false,\"tables\":[]}",
        "{\"generation\":1,\"safe_lsn\":-1,\"level\":0,\"ended\":false,\"tables\":[],"
        "\"partitions\":[]}",
        "{\"generation\":1,\"safe_lsn\":0,\"level\":4294967296,\"ended\":false,\"tables\":[],"
        "\"partitions\":[]}",
        "{\"generation\":1,\"safe_lsn\":0,\"level\":0,\"ended\":0,\"tables\":[],\"partitions\":[]}",
        "{\"generation\":1,\"safe_lsn\":0,\"level\":0,\"ended\":false,\"tables\":[{\"id\":\"t\"}],"
        "\"partitions\":[]}",
        "{\"generation\":1,\"safe_lsn\":0,\"level\":0,\"ended\":false,\"tables\":[],"
        "\"partitions\":[{\"topic\":\"t\",\"partition\":4294967296,\"acked\":0}]}",
        /* Names are UTF-8: in hex they could not be written again. */
        "{\"generation\":1,\"safe_lsn\":0,\"level\":0,\"ended\":false,\"tables\":[],"
        "\"partitions\":[{\"topic\":{\"hex\":\"ff\"},\"partition\":0,\"acked\":0}]}",
        WITH_TABLE("\"done\":false,"
                   "\"id\":{\"hex\":\"ff\"},\"cursor\":[]"
                   "," PROGRESS),
        WITH_TABLE("\"done\":false,"
                   "\"id\":\"t\",\"cursor\":[{\"hex\":\"610062\"}]"
                   "," PROGRESS), /* a NUL */
        WITH_TABLE("\"done\":false,\"id\":\"t\"," PROGRESS),
        WITH_TABLE("\"cursor\":[1],\"done\":false,\"id\":\"t\"," PROGRESS),
        WITH_TABLE("\"done\":false,\"id\":\"t\"," PROGRESS ",\"ranges\":[]"),
        WITH_TABLE("\"done\":false,\"id\":\"t\"," PROGRESS ",\"ranges\":{}"),
        WITH_TABLE("\"done\":false,\"id\":\"t\"," PROGRESS
                   ",\"ranges\":[{\"cursor\":[],\"ended\":false}]"),
        WITH_TABLE("\"done\":false,\"id\":\"t\"," PROGRESS
                   ",\"ranges\":[{\"cursor\":[],\"ended\":0,\"upto\":[]}]"),
        /* The last range has an end of its own; one before it has none. */
        WITH_TABLE("\"done\":false,\"id\":\"t\"," PROGRESS
                   ",\"ranges\":[{\"cursor\":[],\"ended\":false,\"upto\":[\"1\"]}]"),
        WITH_TABLE("\"done\":false,\"id\":\"t\"," PROGRESS
                   ",\"ranges\":[{\"cursor\":[],\"ended\":false,\"upto\":[]},"
                   "{\"cursor\":[],\"ended\":false,\"upto\":[]}]"),
    };
    struct fixture *f = *state;
    claim(f, 1, "a");
    for (size_t i = 0; i < RH_COUNT(values); i++) {
        struct error err;
        assert_false(feed(f, "ckpt/1", values[i], &err));
        assert_non_null(strstr(err.text, "is no checkpoint"));
        assert_false(f->fold.has_checkpoint);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_empty_log_has_no_run_no_claim_and_no_checkpoint, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(the_last_run_record_counts, setup, teardown),
        cmocka_unit_test_setup_teardown(the_first_claim_of_a_generation_wins, setup, teardown),
        cmocka_unit_test_setup_teardown(a_higher_claim_wins_and_a_lower_one_comes_too_late, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_zombies_checkpoint_does_not_count, setup, teardown),
        cmocka_unit_test_setup_teardown(a_checkpoint_before_its_claim_does_not_count, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_checkpoint_says_again_what_was_written, setup, teardown),
        cmocka_unit_test_setup_teardown(ranges_are_said_again_as_they_were_written, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_table_that_was_not_divided_has_a_cursor_and_no_ranges,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(
            a_divided_table_has_no_cursor_that_older_releases_would_take, setup, teardown),
        cmocka_unit_test_setup_teardown(the_texts_are_stable, setup, teardown),
        cmocka_unit_test_setup_teardown(many_checkpoints_take_the_memory_of_one, setup, teardown),
        cmocka_unit_test_setup_teardown(foreign_records_stop, setup, teardown),
        cmocka_unit_test_setup_teardown(a_cursor_may_hold_bytes_that_are_no_utf8, setup, teardown),
        cmocka_unit_test_setup_teardown(a_damaged_checkpoint_stops_instead_of_being_half_read,
                                        setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
