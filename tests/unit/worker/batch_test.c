#include "worker/batch.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

#define TABLES     3
#define PARTITIONS 4

struct fixture {
    struct arena fixed, arena, messages;
    struct batch batch;
};

static void fixture_open(struct fixture *f, size_t rows_max, size_t bytes_max, size_t arena_bytes)
{
    const struct batch_limits limits = {.rows_max = rows_max,
                                        .bytes_max = bytes_max,
                                        .tables_count = TABLES,
                                        .partitions_count = PARTITIONS};
    struct error err;
    arena_init(&f->fixed, 1 << 26);
    arena_init(&f->arena, arena_bytes);
    arena_init(&f->messages, 1 << 26);
    assert_true(batch_init(&f->batch, &limits, &f->fixed, &f->arena, &err));
}

static int setup(void **state)
{
    static struct fixture f;
    fixture_open(&f, 100, 100000, 1 << 20);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    arena_release(&f->arena);
    arena_release(&f->fixed);
    arena_release(&f->messages);
    return 0;
}

/* Lets a test choose its own limits. */
static struct fixture *reopened(void **state, size_t rows_max, size_t bytes_max, size_t arena_bytes)
{
    (void)teardown(state);
    fixture_open(*state, rows_max, bytes_max, arena_bytes);
    return *state;
}

/* A message whose row is (key, payload), or only (key) where payload is NULL. */
static struct batch_message message_of(struct fixture *f, enum wire_kind kind, size_t table,
                                       size_t slot, int64_t offset, const char *key,
                                       const char *payload)
{
    struct wire_header header = {.kind = kind,
                                 .generation = 5,
                                 .sequence = (uint64_t)offset + 1,
                                 .lsn = (uint64_t)offset * 8,
                                 .commit_us = 1763712000000000};
    struct value values[2] = {{.kind = VALUE_TEXT, .bytes = bytes_of(key)}};
    struct buffer out;
    buffer_init(&out, &f->messages, 1 << 20);
    if (payload != NULL)
        values[1] = (struct value){.kind = VALUE_TEXT, .bytes = bytes_of(payload)};
    if (kind == WIRE_OVERSIZE)
        write_wire_oversize(&out, &header, values, 1, 9999);
    else
        write_wire_row(&out, &header, values, payload != NULL ? 2 : 1);
    assert_false(out.failed);
    return (struct batch_message){.table = table,
                                  .slot = slot,
                                  .offset = offset,
                                  .key = bytes_of(key),
                                  .value = buffer_bytes(&out)};
}

static enum batch_result add(struct fixture *f, enum wire_kind kind, size_t table, size_t slot,
                             int64_t offset, const char *key, const char *payload)
{
    struct error err;
    struct batch_message message = message_of(f, kind, table, slot, offset, key, payload);
    return batch_add(&f->batch, &message, &err);
}

/* What a table holds, as "slot:offset" in order, separated by blanks. */
static void assert_table(struct fixture *f, size_t table, const char *expected)
{
    struct batch_entry **entries;
    struct buffer text;
    size_t count;
    buffer_init(&text, &f->messages, 10000);
    batch_table(&f->batch, table, &entries, &count);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(entries[i]->table, table);
        write_format(&text, "%s%zu:%lld", i == 0 ? "" : " ", entries[i]->slot,
                     (long long)entries[i]->offset);
    }
    assert_string_equal(buffer_text(&text), expected);
}

static void an_entry_keeps_the_message_in_the_batch_arena(void **state)
{
    struct fixture *f = *state;
    struct error err;
    struct batch_message message = message_of(f, WIRE_ROW, 1, 2, 70, "k1", "payload");
    struct bytes value = bytes_copy(&f->messages, message.value);
    assert_int_equal(batch_add(&f->batch, &message, &err), BATCH_TAKEN);
    memset((void *)(uintptr_t)message.value.ptr, 0xee, message.value.len); /* Kafka's, now gone */

    struct batch_entry **entries;
    size_t count;
    batch_table(&f->batch, 1, &entries, &count);
    assert_int_equal(count, 1);
    const struct batch_entry *entry = entries[0];
    assert_int_equal(entry->slot, 2);
    assert_int_equal(entry->offset, 70);
    assert_int_equal(entry->kind, WIRE_ROW);
    assert_int_equal(entry->generation, 5);
    assert_int_equal(entry->sequence, 71);
    assert_int_equal(entry->lsn, 560);
    assert_true(entry->commit_us == 1763712000000000);
    assert_true(bytes_is(entry->key, "k1"));
    assert_true(bytes_equal(entry->value, value));
    assert_int_equal(entry->row.count, 2);
    assert_true(bytes_is(entry->row.values[0].bytes, "k1"));
    assert_true(bytes_is(entry->row.values[1].bytes, "payload"));
    /* one copy: the row's values lie inside the kept message */
    assert_ptr_equal(entry->row.values[1].bytes.ptr, entry->value.ptr + entry->value.len - 7);
    assert_int_equal(f->batch.rows_count, 1);
    assert_int_equal(f->batch.bytes_count, value.len + 2);
}

static void the_last_message_of_a_key_wins(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(add(f, WIRE_ROW, 0, 0, 10, "a", "1"), BATCH_TAKEN);
    assert_int_equal(add(f, WIRE_ROW, 0, 0, 11, "b", "1"), BATCH_TAKEN);
    assert_int_equal(add(f, WIRE_ROW, 0, 0, 12, "a", "2"), BATCH_TAKEN);
    assert_int_equal(add(f, WIRE_ROW, 0, 0, 13, "a", "3"), BATCH_TAKEN);
    assert_table(f, 0, "0:11 0:13");
    assert_int_equal(batch_folded(&f->batch, 0), 2);
    assert_int_equal(f->batch.rows_count, 4);
}

static void a_delete_folds_the_row_before_it_and_a_row_the_delete(void **state)
{
    struct fixture *f = *state;
    struct batch_entry **entries;
    size_t count;
    assert_int_equal(add(f, WIRE_ROW, 0, 0, 1, "a", "1"), BATCH_TAKEN);
    assert_int_equal(add(f, WIRE_DEL, 0, 0, 2, "a", NULL), BATCH_TAKEN);
    batch_table(&f->batch, 0, &entries, &count);
    assert_int_equal(count, 1);
    assert_int_equal(entries[0]->kind, WIRE_DEL);
    assert_int_equal(entries[0]->row.count, 1);
    assert_int_equal(batch_folded(&f->batch, 0), 1);

    assert_int_equal(add(f, WIRE_ROW, 0, 0, 3, "a", "2"), BATCH_TAKEN);
    batch_table(&f->batch, 0, &entries, &count);
    assert_int_equal(count, 1);
    assert_int_equal(entries[0]->kind, WIRE_ROW);
    assert_int_equal(entries[0]->offset, 3);
    assert_int_equal(batch_folded(&f->batch, 0), 2);

    assert_int_equal(add(f, WIRE_OVERSIZE, 0, 0, 4, "a", NULL), BATCH_TAKEN);
    batch_table(&f->batch, 0, &entries, &count);
    assert_int_equal(count, 1);
    assert_int_equal(entries[0]->kind, WIRE_OVERSIZE);
    assert_int_equal(entries[0]->oversize_bytes, 9999);
}

static void the_same_key_in_two_tables_is_two_records(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(add(f, WIRE_ROW, 0, 0, 1, "a", "1"), BATCH_TAKEN);
    assert_int_equal(add(f, WIRE_ROW, 2, 3, 1, "a", "1"), BATCH_TAKEN);
    assert_table(f, 0, "0:1");
    assert_table(f, 1, "");
    assert_table(f, 2, "3:1");
    assert_int_equal(batch_folded(&f->batch, 0), 0);
    assert_int_equal(batch_folded(&f->batch, 3), 0);
}

static void entries_come_by_partition_and_offset(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(add(f, WIRE_ROW, 1, 3, 5, "a", "1"), BATCH_TAKEN);
    assert_int_equal(add(f, WIRE_ROW, 1, 0, 900, "b", "1"), BATCH_TAKEN);
    assert_int_equal(add(f, WIRE_ROW, 0, 1, 7, "a", "1"), BATCH_TAKEN);
    assert_int_equal(add(f, WIRE_ROW, 1, 3, 6, "c", "1"), BATCH_TAKEN);
    assert_int_equal(add(f, WIRE_ROW, 1, 0, 901, "d", "1"), BATCH_TAKEN);
    assert_int_equal(add(f, WIRE_ROW, 1, 3, 9, "a", "2"), BATCH_TAKEN);
    assert_table(f, 1, "0:900 0:901 3:6 3:9");
    assert_int_equal(batch_folded(&f->batch, 3), 1);
    assert_int_equal(batch_folded(&f->batch, 0), 0);
}

static void the_arrays_of_all_tables_can_be_held_and_sorted_at_once(void **state)
{
    struct fixture *f = *state;
    struct batch_entry **first, **second;
    size_t first_count, second_count;
    assert_int_equal(add(f, WIRE_ROW, 0, 0, 1, "a", "1"), BATCH_TAKEN);
    assert_int_equal(add(f, WIRE_ROW, 1, 1, 1, "x", "1"), BATCH_TAKEN);
    assert_int_equal(add(f, WIRE_ROW, 0, 0, 2, "b", "1"), BATCH_TAKEN);
    assert_int_equal(add(f, WIRE_ROW, 1, 1, 2, "y", "1"), BATCH_TAKEN);
    batch_table(&f->batch, 0, &first, &first_count);
    struct batch_entry *swapped = first[0];
    first[0] = first[1];
    first[1] = swapped;
    batch_table(&f->batch, 1, &second, &second_count);
    assert_int_equal(first_count, 2);
    assert_int_equal(second_count, 2);
    assert_true(bytes_is(first[0]->key, "b"));
    assert_true(bytes_is(first[1]->key, "a"));
    assert_true(bytes_is(second[0]->key, "x"));
    /* asked again, in the batch's order again: a retry starts from the same */
    assert_table(f, 0, "0:1 0:2");
}

static void a_reset_forgets_everything(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(add(f, WIRE_ROW, 0, 0, 1, "a", "1"), BATCH_TAKEN);
    assert_int_equal(add(f, WIRE_ROW, 0, 0, 2, "a", "2"), BATCH_TAKEN);
    batch_reset(&f->batch);
    arena_reset(&f->arena);
    assert_int_equal(f->batch.rows_count, 0);
    assert_int_equal(f->batch.bytes_count, 0);
    assert_int_equal(batch_folded(&f->batch, 0), 0);
    assert_table(f, 0, "");
    assert_int_equal(add(f, WIRE_ROW, 0, 0, 3, "a", "3"), BATCH_TAKEN);
    assert_table(f, 0, "0:3");
    assert_int_equal(batch_folded(&f->batch, 0), 0);
}

static void a_batch_full_of_rows_says_so_before_taking_one(void **state)
{
    struct fixture *f = reopened(state, 3, 100000, 1 << 20);
    assert_int_equal(add(f, WIRE_ROW, 0, 0, 1, "a", "1"), BATCH_TAKEN);
    assert_int_equal(add(f, WIRE_ROW, 0, 0, 2, "a", "2"), BATCH_TAKEN); /* folded ones count */
    assert_true(batch_has_room(&f->batch, 1));
    assert_int_equal(add(f, WIRE_ROW, 0, 0, 3, "b", "1"), BATCH_TAKEN);
    assert_false(batch_has_room(&f->batch, 1));
    size_t used = f->arena.used_bytes;
    assert_int_equal(add(f, WIRE_ROW, 0, 0, 4, "b", "2"), BATCH_FULL);
    assert_int_equal(f->arena.used_bytes, used);
    assert_table(f, 0, "0:2 0:3");
    assert_int_equal(batch_folded(&f->batch, 0), 1);
    batch_reset(&f->batch);
    arena_reset(&f->arena);
    assert_int_equal(add(f, WIRE_ROW, 0, 0, 4, "b", "2"), BATCH_TAKEN);
}

static void a_batch_full_of_bytes_says_so_at_the_byte(void **state)
{
    size_t one = message_of(*state, WIRE_ROW, 0, 0, 1, "a", "1").value.len + 1;
    struct fixture *f = reopened(state, 100, 2 * one, 1 << 20);
    assert_int_equal(add(f, WIRE_ROW, 0, 0, 1, "a", "1"), BATCH_TAKEN);
    assert_true(batch_has_room(&f->batch, one));
    assert_false(batch_has_room(&f->batch, one + 1));
    assert_false(batch_has_room(&f->batch, SIZE_MAX));
    assert_int_equal(add(f, WIRE_ROW, 0, 0, 2, "b", "12"), BATCH_FULL);
    assert_int_equal(add(f, WIRE_ROW, 0, 0, 2, "b", "1"), BATCH_TAKEN);
    assert_int_equal(add(f, WIRE_ROW, 0, 0, 3, "c", ""), BATCH_FULL);
    assert_table(f, 0, "0:1 0:2");
}

static void an_empty_batch_takes_a_message_larger_than_itself(void **state)
{
    struct fixture *f = reopened(state, 100, 10, 1 << 20);
    assert_true(batch_has_room(&f->batch, 100000));
    assert_int_equal(add(f, WIRE_ROW, 0, 0, 1, "a", "far more than ten bytes"), BATCH_TAKEN);
    assert_int_equal(add(f, WIRE_ROW, 0, 0, 2, "b", ""), BATCH_FULL);
    assert_table(f, 0, "0:1");
}

static void the_limit_of_the_arena_closes_a_batch_that_holds_something(void **state)
{
    struct fixture *f = reopened(state, 1000, 1 << 20, 2000);
    int64_t taken = 0;
    char key[32];
    enum batch_result result;
    do {
        (void)snprintf(key, sizeof(key), "key%lld", (long long)taken);
        result = add(f, WIRE_ROW, 0, 0, taken, key, "payload");
        taken += result == BATCH_TAKEN;
    } while (result == BATCH_TAKEN);
    assert_int_equal(result, BATCH_FULL);
    assert_true(taken > 5 && taken < 20);
    assert_int_equal(f->batch.rows_count, taken);
    batch_reset(&f->batch);
    arena_reset(&f->arena);
    assert_int_equal(add(f, WIRE_ROW, 0, 0, taken, key, "payload"), BATCH_TAKEN);
}

static void a_message_that_no_batch_can_hold_is_a_failure_not_a_crash(void **state)
{
    struct fixture *f = reopened(state, 100, 100000, 100);
    struct error err;
    struct batch_message message =
        message_of(f, WIRE_ROW, 0, 0, 1, "a", "a payload with which it has over one hundred bytes");
    assert_int_equal(batch_add(&f->batch, &message, &err), BATCH_FAILED);
    assert_int_equal(err.action, ERROR_STOP);
    assert_int_equal(err.exit_code, EXIT_INTERNAL);
    assert_string_equal(err.code, "RH-7001");
    assert_string_equal(err.text, "message of 131 bytes does not fit into memory");
    assert_int_equal(f->arena.used_bytes, 0);
    assert_table(f, 0, "");

    /* the bytes fit, but not the row's values */
    message = message_of(f, WIRE_ROW, 0, 0, 1, "a", "");
    assert_int_equal(message.value.len, 81);
    assert_int_equal(batch_add(&f->batch, &message, &err), BATCH_FAILED);
    assert_string_equal(err.text, "ROW message of 2 columns does not fit into memory");
    assert_int_equal(f->arena.used_bytes, 0);
}

static void malformed_messages_stop_and_are_not_taken(void **state)
{
    struct fixture *f = *state;
    struct error err;
    assert_int_equal(add(f, WIRE_ROW, 0, 0, 1, "a", "1"), BATCH_TAKEN);
    struct batch_message message = message_of(f, WIRE_ROW, 0, 0, 2, "b", "1");
    message.value.len--;
    assert_int_equal(batch_add(&f->batch, &message, &err), BATCH_FAILED);
    assert_string_equal(err.code, "WIRE_MALFORMED");
    assert_int_equal(err.action, ERROR_STOP);

    message = message_of(f, WIRE_DEL, 0, 0, 2, "b", NULL);
    message.key = BYTES_EMPTY;
    assert_int_equal(batch_add(&f->batch, &message, &err), BATCH_FAILED);
    assert_string_equal(err.code, "WIRE_MALFORMED");
    assert_string_equal(err.text, "DEL message has no key");
    assert_table(f, 0, "0:1");
    assert_int_equal(f->batch.rows_count, 1);
}

static void tables_that_do_not_fit_fail_at_the_start(void **state)
{
    (void)state;
    const struct batch_limits limits = {
        .rows_max = 1000, .bytes_max = 1000, .tables_count = 1, .partitions_count = 1};
    struct arena fixed, arena;
    struct batch batch = {.rows_count = 4711};
    struct error err;
    arena_init(&fixed, 10000);
    arena_init(&arena, 10000);
    assert_false(batch_init(&batch, &limits, &fixed, &arena, &err));
    assert_int_equal(err.action, ERROR_STOP);
    assert_string_equal(err.text, "a batch of 1000 rows does not fit into its memory limit");
    assert_int_equal(batch.rows_count, 4711);
    arena_release(&fixed);
}

/* Against a plain table of what each key's last message was. */
static void many_messages_fold_as_a_plain_table_says(void **state)
{
    enum { KEYS = 300, MESSAGES = 5000 };
    struct fixture *f = reopened(state, MESSAGES, 1 << 24, 1 << 24);
    int64_t last[TABLES][KEYS];
    uint64_t folded[PARTITIONS] = {0};
    memset(last, 0xff, sizeof(last));
    uint32_t random = 1;
    for (int64_t offset = 0; offset < MESSAGES; offset++) {
        char key[32];
        random = random * 1664525 + 1013904223;
        size_t table = random >> 8 & 1, id = (random >> 10) % KEYS, slot = table * 2 + id % 2;
        (void)snprintf(key, sizeof(key), "%zu", id);
        assert_int_equal(add(f, random >> 30 == 0 ? WIRE_DEL : WIRE_ROW, table, slot, offset, key,
                             random >> 30 == 0 ? NULL : "x"),
                         BATCH_TAKEN);
        folded[slot] += last[table][id] >= 0;
        last[table][id] = offset;
    }
    for (size_t table = 0; table < TABLES; table++) {
        struct batch_entry **entries;
        size_t count, expected = 0;
        batch_table(&f->batch, table, &entries, &count);
        for (size_t i = 0; i < count; i++) {
            const char *text = bytes_to_text(&f->messages, entries[i]->row.values[0].bytes);
            assert_non_null(text);
            size_t id = (size_t)strtoull(text, NULL, 10);
            assert_true(id < KEYS);
            assert_int_equal(entries[i]->offset, last[table][id]);
            if (i > 0 && entries[i]->slot == entries[i - 1]->slot)
                assert_true(entries[i]->offset > entries[i - 1]->offset);
            else if (i > 0)
                assert_true(entries[i]->slot > entries[i - 1]->slot);
        }
        for (size_t id = 0; id < KEYS; id++)
            expected += last[table][id] >= 0;
        assert_int_equal(count, expected);
    }
    for (size_t slot = 0; slot < PARTITIONS; slot++)
        assert_int_equal(batch_folded(&f->batch, slot), folded[slot]);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(an_entry_keeps_the_message_in_the_batch_arena),
        TEST(the_last_message_of_a_key_wins),
        TEST(a_delete_folds_the_row_before_it_and_a_row_the_delete),
        TEST(the_same_key_in_two_tables_is_two_records),
        TEST(entries_come_by_partition_and_offset),
        TEST(the_arrays_of_all_tables_can_be_held_and_sorted_at_once),
        TEST(a_reset_forgets_everything),
        TEST(a_batch_full_of_rows_says_so_before_taking_one),
        TEST(a_batch_full_of_bytes_says_so_at_the_byte),
        TEST(an_empty_batch_takes_a_message_larger_than_itself),
        TEST(the_limit_of_the_arena_closes_a_batch_that_holds_something),
        TEST(a_message_that_no_batch_can_hold_is_a_failure_not_a_crash),
        TEST(malformed_messages_stop_and_are_not_taken),
        TEST(tables_that_do_not_fit_fail_at_the_start),
        TEST(many_messages_fold_as_a_plain_table_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
