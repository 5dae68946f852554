#include "producer/checkpoint.h"

#include "tests/unit/producer/fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define ARENA_BYTES ((size_t)16 << 20)
#define MIB         (UINT64_C(1) << 20)

static struct world {
    struct fixture fixture;
    struct arena arena;
    struct checkpointer checkpointer;
    struct error err;
} w;

static int begin(void **state)
{
    (void)state;
    fixture_init(&w.fixture);
    arena_init(&w.arena, ARENA_BYTES);
    checkpointer_init(&w.checkpointer, &w.fixture.run, 3, &w.arena);
    return 0;
}

static int end(void **state)
{
    (void)state;
    checkpointer_release(&w.checkpointer);
    arena_release(&w.arena);
    return 0;
}

static struct bytes key_of(const char *text)
{
    struct value value = {VALUE_TEXT, bytes_of(text)};
    const size_t column = 0;
    struct buffer out;

    buffer_init(&out, &w.arena, 100);
    assert_true(key_write(&out, &value, &column, w.fixture.tables[0].key_kinds, 1, &w.err));
    return buffer_bytes(&out);
}

static void add_page(uint64_t position, const char *key, uint64_t rows, bool done)
{
    const struct candidate candidate = {
        .kind = CANDIDATE_PAGE,
        .position = position,
        .bytes = MIB,
        .table = 0,
        .key = key_of(key),
        .progress = {.rows_read = rows, .rows_enqueued = rows, .done = done},
    };

    assert_true(checkpointer_add(&w.checkpointer, &candidate, &w.err));
}

/* What a new producer would read. */
static void fold_record(struct state_fold *fold, const char *text)
{
    state_fold_init(fold, &w.arena);
    assert_true(state_fold_record(fold, 0, BYTES_LITERAL("claim/3"),
                                  bytes_of(state_claim_text(&w.arena, 3, "i")), &w.err));
    assert_true(state_fold_record(fold, 1, BYTES_LITERAL("ckpt/3"), bytes_of(text), &w.err));
    assert_true(fold->has_checkpoint);
}

static void a_candidate_counts_from_the_position_on_at_which_it_was_taken(void **state)
{
    (void)state;
    add_page(10, "100", 100, false);
    add_page(20, "200", 200, false);
    checkpointer_advance(&w.checkpointer, 9);
    assert_false(w.checkpointer.changed);
    checkpointer_advance(&w.checkpointer, 10);
    assert_int_equal(w.checkpointer.tables[0].progress.rows_read, 100);
    checkpointer_advance(&w.checkpointer, 19);
    assert_int_equal(w.checkpointer.tables[0].progress.rows_read, 100);
    checkpointer_advance(&w.checkpointer, 20);
    assert_int_equal(w.checkpointer.tables[0].progress.rows_read, 200);
}

static void the_queue_is_full_at_its_bound_and_has_room_again_when_it_advances(void **state)
{
    (void)state;
    for (uint64_t i = 1; i <= CANDIDATES_MAX; i++) {
        assert_true(checkpointer_has_room(&w.checkpointer));
        add_page(i, "1", i, false);
    }
    assert_false(checkpointer_has_room(&w.checkpointer));
    checkpointer_advance(&w.checkpointer, 1);
    assert_true(checkpointer_has_room(&w.checkpointer));
    add_page(CANDIDATES_MAX + 1, "77", 77, false);
    checkpointer_advance(&w.checkpointer, CANDIDATES_MAX + 1);
    assert_int_equal(w.checkpointer.tables[0].progress.rows_read, 77);
}

static void a_record_is_due_when_it_changed_and_time_or_bytes_have_passed(void **state)
{
    (void)state;
    assert_false(checkpointer_due(&w.checkpointer, 1000, 50000));
    add_page(1, "1", 1, false);
    checkpointer_advance(&w.checkpointer, 1);
    assert_true(checkpointer_due(&w.checkpointer, 1000, 50000));
    checkpointer_record(&w.checkpointer, (const uint64_t[FIXTURE_PARTITIONS]){0}, 50000, &w.arena);
    assert_false(checkpointer_due(&w.checkpointer, 1000, 90000));

    add_page(2, "2", 2, false);
    checkpointer_advance(&w.checkpointer, 2);
    assert_false(checkpointer_due(&w.checkpointer, 1000, 50999));
    assert_true(checkpointer_due(&w.checkpointer, 1000, 51000));
    for (uint64_t i = 3; i < 10; i++)
        add_page(i, "2", 2, false);
    checkpointer_advance(&w.checkpointer, 8);
    assert_false(checkpointer_due(&w.checkpointer, 1000, 50500)); /* 7 MiB */
    checkpointer_advance(&w.checkpointer, 9);
    assert_true(checkpointer_due(&w.checkpointer, 1000, 50500)); /* 8 MiB */
    assert_false(checkpointer_due(&w.checkpointer, 1000, 50099));
}

static void a_record_that_was_not_written_is_due_again(void **state)
{
    (void)state;
    add_page(1, "1", 1, false);
    checkpointer_advance(&w.checkpointer, 1);
    checkpointer_record(&w.checkpointer, (const uint64_t[FIXTURE_PARTITIONS]){0}, 50000, &w.arena);
    checkpointer_unsaved(&w.checkpointer);
    assert_false(checkpointer_due(&w.checkpointer, 1000, 50001));
    assert_true(checkpointer_due(&w.checkpointer, 1000, 51000));
}

static void a_record_holds_cursors_counters_level_and_acknowledged_sequences(void **state)
{
    const uint64_t acked[FIXTURE_PARTITIONS] = {11, 12, 13, 14, 15};
    const struct candidate level = {.kind = CANDIDATE_LEVEL, .position = 2, .level = 1};
    struct state_fold fold;

    (void)state;
    add_page(1, "4711", 100, true);
    assert_true(checkpointer_add(&w.checkpointer, &level, &w.err));
    checkpointer_advance(&w.checkpointer, 2);
    fold_record(&fold, checkpointer_record(&w.checkpointer, acked, 1, &w.arena));
    assert_int_equal(fold.checkpoint.generation, 3);
    assert_int_equal(fold.checkpoint.level, 1);
    assert_false(fold.checkpoint.ended);
    assert_int_equal(fold.checkpoint.tables_count, 2);
    assert_string_equal(fold.checkpoint.tables[0].id, "users");
    assert_true(fold.checkpoint.tables[0].done);
    assert_int_equal(fold.checkpoint.tables[0].ranges_count, 1);
    assert_int_equal(fold.checkpoint.tables[0].ranges[0].cursor_count, 1);
    assert_string_equal(fold.checkpoint.tables[0].ranges[0].cursor[0], "4711");
    assert_int_equal(fold.checkpoint.tables[0].progress.rows_read, 100);
    assert_int_equal(fold.checkpoint.tables[1].ranges[0].cursor_count, 0);
    assert_false(fold.checkpoint.tables[1].done);
    assert_int_equal(fold.checkpoint.tables[1].progress.rows_estimate, 20);
    assert_int_equal(fold.checkpoint.partitions_count, FIXTURE_PARTITIONS);
    assert_string_equal(fold.checkpoint.partitions[3].topic, "test.m.events");
    assert_int_equal(fold.checkpoint.partitions[3].partition, 0);
    assert_int_equal(fold.checkpoint.partitions[3].acked, 14);
    state_fold_release(&fold);
}

static void a_later_generation_goes_on_where_the_record_stands(void **state)
{
    const struct candidate ended = {.kind = CANDIDATE_ENDED, .position = 2};
    struct checkpointer next;
    struct state_fold fold;

    (void)state;
    add_page(1, "4711", 100, false);
    assert_true(checkpointer_add(&w.checkpointer, &ended, &w.err));
    checkpointer_advance(&w.checkpointer, 2);
    fold_record(&fold, checkpointer_record(&w.checkpointer, (const uint64_t[FIXTURE_PARTITIONS]){0},
                                           1, &w.arena));
    checkpointer_init(&next, &w.fixture.run, 4, &w.arena);
    assert_true(checkpointer_resume(&next, &fold.checkpoint, &w.err));
    assert_true(bytes_equal(table_position_key(&next.tables[0]), key_of("4711")));
    assert_int_equal(next.tables[0].progress.rows_read, 100);
    assert_false(table_position_is_begun(&next.tables[1]));
    assert_true(next.ended);
    assert_false(next.changed);
    checkpointer_release(&next);
    state_fold_release(&fold);
}

static void add_range_page(uint64_t position, size_t range, const char *key, bool ended)
{
    const struct candidate candidate = {
        .kind = CANDIDATE_PAGE,
        .position = position,
        .table = 0,
        .range = range,
        .key = key == NULL ? BYTES_EMPTY : key_of(key),
        .range_ended = ended,
        .progress = {.rows_read = position, .rows_enqueued = position},
    };

    assert_true(checkpointer_add(&w.checkpointer, &candidate, &w.err));
}

static void ranges_and_their_cursors_are_part_of_the_record(void **state)
{
    const struct bytes bounds[] = {key_of("100"), key_of("200")};
    struct checkpointer next;
    struct state_fold fold;

    (void)state;
    checkpointer_divide(&w.checkpointer, 0, bounds, 2);
    assert_true(w.checkpointer.changed);
    add_range_page(1, 1, "150", false);
    add_range_page(2, 0, "100", true);
    add_range_page(3, 2, "250", false);
    checkpointer_advance(&w.checkpointer, 2);
    fold_record(&fold, checkpointer_record(&w.checkpointer, (const uint64_t[FIXTURE_PARTITIONS]){0},
                                           1, &w.arena));
    assert_int_equal(fold.checkpoint.tables[0].ranges_count, 3);
    assert_true(bytes_equal(fold.checkpoint.tables[0].progress.last_key, key_of("150")));

    checkpointer_init(&next, &w.fixture.run, 4, &w.arena);
    assert_true(checkpointer_resume(&next, &fold.checkpoint, &w.err));
    const struct table_position *table = &next.tables[0];
    assert_int_equal(table->ranges_count, 3);
    assert_true(table->ranges[0].ended);
    assert_true(bytes_equal(buffer_bytes(&table->ranges[0].upto), key_of("100")));
    assert_false(table->ranges[1].ended);
    assert_true(bytes_equal(buffer_bytes(&table->ranges[1].key), key_of("150")));
    assert_true(bytes_equal(buffer_bytes(&table->ranges[1].upto), key_of("200")));
    /* What was not durable is read again, from where the range begins. */
    assert_true(bytes_equal(buffer_bytes(&table->ranges[2].key), key_of("200")));
    assert_int_equal(table->ranges[2].upto.len, 0);
    assert_int_equal(table->progress.rows_read, 2);
    checkpointer_release(&next);
    state_fold_release(&fold);
}

static void a_record_of_another_plan_is_refused(void **state)
{
    const char *values[] = {"1", "2"};
    struct range_state ranges[RANGES_MAX + 1] = {{.cursor_count = 0}};
    struct table_state table = {.id = "orders", .ranges_count = 1, .ranges = ranges};
    const struct checkpoint saved = {.tables_count = 1, .tables = &table};

    (void)state;
    assert_false(checkpointer_resume(&w.checkpointer, &saved, &w.err));
    assert_string_equal(w.err.text,
                        "checkpoint has table \"orders\", which the plan does not have");
    assert_string_equal(w.err.code, "STATE_FOREIGN");
    table.id = "users";
    ranges[0].cursor = values;
    ranges[0].cursor_count = 2;
    assert_false(checkpointer_resume(&w.checkpointer, &saved, &w.err));
    assert_string_equal(w.err.text,
                        "checkpoint has 2 key values for table \"users\", the plan has 1");
    assert_int_equal(w.err.exit_code, EXIT_STATE);
    table.ranges_count = RANGES_MAX + 1;
    assert_false(checkpointer_resume(&w.checkpointer, &saved, &w.err));
    assert_string_equal(
        w.err.text, "checkpoint has 257 ranges of table \"users\", more than the 256 there may be");
}

static void a_key_beyond_any_index_is_refused(void **state)
{
    const size_t len = ((size_t)1 << 20) + 1;
    char *text = arena_must_alloc(&w.arena, len);
    const struct candidate candidate = {.kind = CANDIDATE_PAGE, .key = {text, len}};

    (void)state;
    assert_false(checkpointer_add(&w.checkpointer, &candidate, &w.err));
    assert_string_equal(w.err.text, "key of 1048577 bytes is too long to page by");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_candidate_counts_from_the_position_on_at_which_it_was_taken),
        TEST(the_queue_is_full_at_its_bound_and_has_room_again_when_it_advances),
        TEST(a_record_is_due_when_it_changed_and_time_or_bytes_have_passed),
        TEST(a_record_that_was_not_written_is_due_again),
        TEST(a_record_holds_cursors_counters_level_and_acknowledged_sequences),
        TEST(a_later_generation_goes_on_where_the_record_stands),
        TEST(ranges_and_their_cursors_are_part_of_the_record),
        TEST(a_record_of_another_plan_is_refused),
        TEST(a_key_beyond_any_index_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
