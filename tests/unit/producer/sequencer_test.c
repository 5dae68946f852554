#include "producer/sequencer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define ARENA_BYTES ((size_t)8 << 20)
#define PARTITIONS  7

struct world {
    struct arena arena;
    struct sequencer sequencer;
};

static struct world world;

static void begin(uint64_t outstanding_max)
{
    arena_init(&world.arena, ARENA_BYTES);
    sequencer_init(&world.sequencer, &world.arena, PARTITIONS, outstanding_max);
}

static int end(void **state)
{
    (void)state;
    arena_release(&world.arena);
    return 0;
}

static uint64_t take(uint32_t partition)
{
    uint64_t sequence;

    return sequencer_take(&world.sequencer, partition, &sequence);
}

static void sequences_count_from_one_in_each_partition_positions_over_all(void **state)
{
    uint64_t sequence;

    (void)state;
    begin(8);
    assert_int_equal(sequencer_take(&world.sequencer, 2, &sequence), 1);
    assert_int_equal(sequence, 1);
    assert_int_equal(sequencer_take(&world.sequencer, 5, &sequence), 2);
    assert_int_equal(sequence, 1);
    assert_int_equal(sequencer_take(&world.sequencer, 2, &sequence), 3);
    assert_int_equal(sequence, 2);
}

static void nothing_is_durable_behind_a_message_that_is_not_acknowledged(void **state)
{
    (void)state;
    begin(8);
    take(0);
    take(1);
    take(1);
    sequencer_ack(&world.sequencer, 3);
    sequencer_ack(&world.sequencer, 2);
    assert_int_equal(world.sequencer.durable, 0);
    assert_int_equal(world.sequencer.acked[1], 0);
    sequencer_ack(&world.sequencer, 1);
    assert_int_equal(world.sequencer.durable, 3);
    assert_int_equal(world.sequencer.acked[0], 1);
    assert_int_equal(world.sequencer.acked[1], 2);
}

static void hello_has_a_position_but_no_sequence(void **state)
{
    uint64_t sequence;

    (void)state;
    begin(8);
    assert_int_equal(sequencer_take_unnumbered(&world.sequencer, 3), 1);
    assert_int_equal(sequencer_take(&world.sequencer, 3, &sequence), 2);
    assert_int_equal(sequence, 1);
    sequencer_ack(&world.sequencer, 1);
    assert_int_equal(world.sequencer.durable, 1);
    assert_int_equal(world.sequencer.acked[3], 0);
    sequencer_ack(&world.sequencer, 2);
    assert_int_equal(world.sequencer.acked[3], 1);
}

static void a_number_given_back_is_given_again(void **state)
{
    uint64_t sequence;

    (void)state;
    begin(8);
    take(4);
    take(4);
    sequencer_take_unnumbered(&world.sequencer, 4);
    sequencer_give_back(&world.sequencer);
    sequencer_give_back(&world.sequencer);
    assert_int_equal(world.sequencer.position, 1);
    assert_int_equal(sequencer_take(&world.sequencer, 4, &sequence), 2);
    assert_int_equal(sequence, 2);
}

static void the_room_is_what_is_not_outstanding_to_the_last_place(void **state)
{
    (void)state;
    begin(4);
    assert_int_equal(sequencer_room(&world.sequencer), 4);
    for (uint32_t i = 0; i < 4; i++)
        take(i);
    assert_int_equal(sequencer_room(&world.sequencer), 0);
    sequencer_ack(&world.sequencer, 2);
    assert_int_equal(sequencer_room(&world.sequencer), 0);
    sequencer_ack(&world.sequencer, 1);
    assert_int_equal(sequencer_room(&world.sequencer), 2);
}

/* The model: every message ever taken, acknowledged or not, looked through from the beginning. */
#define MODEL_MESSAGES 20000
static struct {
    uint32_t partition;
    bool numbered, acked;
} model[MODEL_MESSAGES + 1];

static uint64_t random_state = 12345;

static uint32_t random_below(uint32_t limit)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(random_state >> 33) % limit;
}

static void compare_with_model(uint64_t taken)
{
    uint64_t durable = 0;
    uint64_t acked[PARTITIONS] = {0};

    while (durable < taken && model[durable + 1].acked) {
        durable++;
        if (model[durable].numbered)
            acked[model[durable].partition]++;
    }
    assert_int_equal(world.sequencer.durable, durable);
    assert_int_equal(world.sequencer.position, taken);
    assert_memory_equal(world.sequencer.acked, acked, sizeof(acked));
}

static void model_take(uint64_t *taken)
{
    uint32_t partition = random_below(PARTITIONS);
    bool numbered = random_below(20) != 0;

    (*taken)++;
    model[*taken].partition = partition;
    model[*taken].numbered = numbered;
    model[*taken].acked = false;
    assert_int_equal(numbered ? take(partition)
                              : sequencer_take_unnumbered(&world.sequencer, partition),
                     *taken);
}

/* One of the outstanding messages, wherever it stands. */
static void model_ack(uint64_t taken)
{
    uint64_t outstanding = taken - world.sequencer.durable;
    uint64_t position;

    if (outstanding == 0)
        return;
    position = world.sequencer.durable + 1 + random_below((uint32_t)outstanding);
    while (position <= taken && model[position].acked)
        position++;
    if (position > taken)
        return;
    model[position].acked = true;
    sequencer_ack(&world.sequencer, position);
}

static void any_order_of_acknowledgements_agrees_with_a_naive_model(void **state)
{
    uint64_t taken = 0;

    (void)state;
    begin(256);
    memset(model, 0, sizeof(model));
    for (int step = 0; taken < MODEL_MESSAGES; step++) {
        if (sequencer_room(&world.sequencer) > 0 && random_below(100) < 55)
            model_take(&taken);
        else
            model_ack(taken);
        if (step % 97 == 0)
            compare_with_model(taken);
    }
    while (world.sequencer.durable < taken)
        model_ack(taken);
    compare_with_model(taken);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(sequences_count_from_one_in_each_partition_positions_over_all,
                                  end),
        cmocka_unit_test_teardown(nothing_is_durable_behind_a_message_that_is_not_acknowledged,
                                  end),
        cmocka_unit_test_teardown(hello_has_a_position_but_no_sequence, end),
        cmocka_unit_test_teardown(a_number_given_back_is_given_again, end),
        cmocka_unit_test_teardown(the_room_is_what_is_not_outstanding_to_the_last_place, end),
        cmocka_unit_test_teardown(any_order_of_acknowledgements_agrees_with_a_naive_model, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
