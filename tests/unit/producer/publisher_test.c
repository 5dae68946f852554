#include "producer/publisher.h"

#include "common/clock.h"

#include "tests/unit/producer/fixture.h"

#include <librdkafka/rdkafka_mock.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define API_PRODUCE  0
#define GENERATION   5
#define LSN          0x1234
#define QUEUE_SMALL  "100" /* messages: a page of a few hundred does not fit */
#define FEEDER_ROWS  120   /* more than the queue holds, so that each of them has a tail */
#define MESSAGES_MAX 2000
#define WAIT_MS      20000

static struct world {
    struct fixture fixture;
    struct arena arena;
    rd_kafka_t *mock_owner;
    rd_kafka_mock_cluster_t *mock;
    struct kafka_property properties[2];
    struct halt halt;
    struct publisher publisher;
    struct page page;
    struct error err;
} w;

static void use_mock(void)
{
    char ignored[64];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();

    (void)rd_kafka_conf_set(conf, "log_level", "2", ignored, sizeof(ignored));
    w.mock_owner = rd_kafka_new(RD_KAFKA_PRODUCER, conf, ignored, sizeof(ignored));
    assert_non_null(w.mock_owner);
    w.mock = rd_kafka_mock_cluster_new(w.mock_owner, 1);
    for (size_t i = 0; i < 2; i++)
        rd_kafka_mock_topic_create(w.mock, w.fixture.topics[i].name,
                                   (int)w.fixture.topics[i].partitions, 1);
    w.properties[0].name = "bootstrap.servers";
    w.properties[0].value = rd_kafka_mock_cluster_bootstraps(w.mock);
    w.properties[1].name = "queue.buffering.max.messages";
    w.properties[1].value = QUEUE_SMALL;
    w.fixture.settings.kafka = w.properties;
    w.fixture.settings.kafka_count = 2;
}

static int begin(void **state)
{
    (void)state;
    fixture_init(&w.fixture);
    use_mock();
    arena_init(&w.arena, (size_t)64 << 20);
    halt_init(&w.halt);
    page_init(&w.page, &w.fixture.topics[0], &w.fixture.settings, 1 << 20, &w.arena);
    page_reset(&w.page);
    assert_true(publisher_open(&w.publisher, &w.fixture.run, &w.fixture.settings, &w.halt,
                               GENERATION, &w.err));
    return 0;
}

static int end(void **state)
{
    (void)state;
    publisher_close(&w.publisher);
    page_release(&w.page);
    halt_release(&w.halt);
    arena_release(&w.arena);
    rd_kafka_mock_cluster_destroy(w.mock);
    rd_kafka_destroy(w.mock_owner);
    return 0;
}

static void poll_until_idle(void)
{
    int64_t deadline_ms = clock_ms() + WAIT_MS;

    while (!publisher_is_idle(&w.publisher)) {
        assert_true(publisher_poll(&w.publisher, 10, &w.err));
        assert_true(clock_ms() < deadline_ms);
    }
}

static void say_hello(void)
{
    assert_true(publisher_hello(&w.publisher, 0, NULL, &w.err));
    poll_until_idle();
}

static void add_rows(int from, int count)
{
    char line[64];
    bool full;

    for (int i = from; i < from + count; i++) {
        (void)snprintf(line, sizeof(line), "%d\tname of %d", i, i);
        assert_true(page_add_line(&w.page, bytes_of(line), &full, &w.err));
    }
}

static bool send_page(uint64_t rows_read)
{
    struct candidate candidate = {
        .kind = CANDIDATE_PAGE,
        .key = w.page.last_key,
        .rows = rows_read,
    };

    return publisher_page(&w.publisher, &w.page, LSN, &candidate, &w.err);
}

/* ---- reading back ---- */

struct read_back {
    struct wire_message messages[MESSAGES_MAX];
    size_t count;
};
static struct read_back read_back;

static bool visit(void *context, const rd_kafka_message_t *message, struct error *err)
{
    struct read_back *to = context;
    struct bytes value = bytes_copy(&w.arena, (struct bytes){message->payload, message->len});

    assert_true(to->count < MESSAGES_MAX);
    return read_wire_message(value, &w.arena, &to->messages[to->count++], err);
}

static size_t read_partition(size_t topic, int32_t partition)
{
    struct kafka_property bootstrap = w.properties[0];
    struct settings settings = w.fixture.settings;

    settings.kafka = &bootstrap;
    settings.kafka_count = 1;
    read_back.count = 0;
    assert_true(kafka_read_partition(&settings, w.fixture.topics[topic].name, partition,
                                     RD_KAFKA_OFFSET_BEGINNING, RD_KAFKA_OFFSET_END, visit,
                                     &read_back, &w.err));
    return read_back.count;
}

/* HELLO with sequence 0, then 1, 2, 3…; returns how many rows were among them. */
static size_t check_sequences(void)
{
    size_t rows = 0;

    for (size_t i = 0; i < read_back.count; i++) {
        const struct wire_header *header = &read_back.messages[i].header;

        assert_int_equal(header->sequence, i);
        assert_int_equal(header->generation, GENERATION);
        assert_int_equal(header->source_fingerprint, 42);
        assert_memory_equal(header->run, w.fixture.run.id, RUN_ID_BYTES);
        assert_int_equal(header->kind == WIRE_HELLO, i == 0);
        rows += header->kind == WIRE_ROW;
    }
    return rows;
}

/* ---- tests ---- */

static void hello_says_what_the_checkpoint_had_acknowledged(void **state)
{
    const uint64_t acked[FIXTURE_PARTITIONS] = {10, 11, 12, 13, 14};

    (void)state;
    assert_true(publisher_hello(&w.publisher, 4, acked, &w.err));
    poll_until_idle();
    for (int32_t p = 0; p < 2; p++) {
        assert_int_equal(read_partition(1, p), 1);
        assert_int_equal(read_back.messages[0].header.kind, WIRE_HELLO);
        assert_int_equal(read_back.messages[0].header.sequence, 0);
        assert_int_equal(read_back.messages[0].previous, 4);
        assert_int_equal(read_back.messages[0].acked, 13 + p);
    }
}

static void a_page_arrives_in_order_with_contiguous_sequences_and_its_lsn(void **state)
{
    size_t rows = 0;

    (void)state;
    say_hello();
    add_rows(0, 90);
    assert_true(send_page(90));
    poll_until_idle();
    for (int32_t p = 0; p < 3; p++) {
        read_partition(0, p);
        rows += check_sequences();
        for (size_t i = 1; i < read_back.count; i++) {
            assert_int_equal(read_back.messages[i].header.lsn, LSN);
            assert_int_equal(read_back.messages[i].header.flags, WIRE_PAGE);
        }
    }
    assert_int_equal(rows, 90);
    assert_int_equal(w.publisher.checkpointer.tables[0].progress.rows_read, 90);
}

static void *send_large_page(void *context)
{
    *(bool *)context = send_page(1500);
    return NULL;
}

/* The queue holds 100: most of each chunk is refused and offered again, heartbeats between. */
static void a_full_queue_loses_nothing_and_keeps_the_order(void **state)
{
    int64_t deadline_ms = clock_ms() + WAIT_MS;
    int64_t now_ms = 100000;
    bool sent = false;
    pthread_t thread;
    size_t rows = 0;

    (void)state;
    say_hello();
    add_rows(0, 1500);
    assert_int_equal(pthread_create(&thread, NULL, send_large_page, &sent), 0);
    while (w.publisher.checkpointer.tables[0].progress.rows_read != 1500) {
        assert_true(publisher_poll(&w.publisher, 1, &w.err));
        assert_true(publisher_heartbeats(&w.publisher, now_ms += 1000, &w.err));
        assert_true(clock_ms() < deadline_ms);
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(sent);
    poll_until_idle();
    for (int32_t p = 0; p < 3; p++) {
        read_partition(0, p);
        rows += check_sequences();
    }
    assert_int_equal(rows, 1500);
}

/* ---- several threads on one topic ---- */

struct feeder {
    struct page page;
    struct arena arena;
    pthread_t thread;
    size_t range;
    bool sent;
};

static void *feed(void *context)
{
    struct feeder *feeder = context;
    struct candidate candidate = {.kind = CANDIDATE_PAGE,
                                  .range = feeder->range,
                                  .key = feeder->page.last_key,
                                  .rows = feeder->page.rows};

    feeder->sent = publisher_page(&w.publisher, &feeder->page, LSN, &candidate, &(struct error){0});
    return NULL;
}

static void feeder_start(struct feeder *feeder, size_t range)
{
    char line[64];
    bool full;

    feeder->range = range;
    arena_init(&feeder->arena, (size_t)1 << 20);
    page_init(&feeder->page, &w.fixture.topics[0], &w.fixture.settings, 1 << 20, &feeder->arena);
    page_reset(&feeder->page);
    for (size_t i = 0; i < FEEDER_ROWS; i++) {
        (void)snprintf(line, sizeof(line), "%zu\tname", 1000 * range + i);
        assert_true(page_add_line(&feeder->page, bytes_of(line), &full, &w.err));
    }
    assert_int_equal(pthread_create(&feeder->thread, NULL, feed, feeder), 0);
}

static void feeder_end(struct feeder *feeder)
{
    assert_int_equal(pthread_join(feeder->thread, NULL), 0);
    assert_true(feeder->sent);
    page_release(&feeder->page);
    arena_release(&feeder->arena);
}

static uint64_t rows_noted(void)
{
    uint64_t rows;

    assert_int_equal(pthread_mutex_lock(&w.publisher.lock), 0);
    rows = w.publisher.topics[0].position.progress.rows_read;
    assert_int_equal(pthread_mutex_unlock(&w.publisher.lock), 0);
    return rows;
}

/* Each of them has a tail most of the time; the others must not number theirs before it is out. */
static void threads_that_feed_one_topic_keep_the_order_in_a_full_queue(void **state)
{
    const struct bytes bounds[] = {BYTES_LITERAL("\0\0\0\3"
                                                 "999"),
                                   BYTES_LITERAL("\0\0\0\4"
                                                 "1999")};
    int64_t deadline_ms = clock_ms() + WAIT_MS;
    struct feeder feeders[3];
    size_t rows = 0;

    (void)state;
    say_hello();
    publisher_divide(&w.publisher, 0, bounds, 2);
    for (size_t i = 0; i < 3; i++) {
        feeder_start(&feeders[i], i);
    }
    while (rows_noted() < (uint64_t)3 * FEEDER_ROWS) {
        assert_true(publisher_poll(&w.publisher, 1, &w.err));
        assert_true(clock_ms() < deadline_ms);
    }
    for (size_t i = 0; i < 3; i++) {
        feeder_end(&feeders[i]);
    }
    poll_until_idle();
    for (int32_t p = 0; p < 3; p++) {
        read_partition(0, p);
        rows += check_sequences();
    }
    assert_int_equal(rows, 3 * FEEDER_ROWS);
}

static void end_range(size_t range, struct candidate *ret_candidate)
{
    *ret_candidate = (struct candidate){.kind = CANDIDATE_PAGE,
                                        .range = range,
                                        .key = BYTES_LITERAL("\0\0\0\1"
                                                             "3"),
                                        .range_ended = true};
    assert_true(publisher_note(&w.publisher, ret_candidate, &w.err));
}

static void a_table_is_done_with_the_last_of_its_ranges_and_only_then(void **state)
{
    const struct bytes bounds[] = {BYTES_LITERAL("\0\0\0\1"
                                                 "3")};
    struct candidate candidate;

    (void)state;
    say_hello();
    assert_int_equal(publisher_ranges(&w.publisher, 0), 0);
    publisher_divide(&w.publisher, 0, bounds, 1);
    assert_int_equal(publisher_ranges(&w.publisher, 0), 2);
    end_range(1, &candidate);
    assert_false(candidate.progress.done);
    assert_int_equal(candidate.progress.rows_estimate, 10);
    assert_false(publisher_table_is_ended(&w.publisher, 0));
    end_range(0, &candidate);
    assert_true(candidate.progress.done);
    assert_int_equal(candidate.progress.rows_estimate, 0);
    assert_true(publisher_table_is_ended(&w.publisher, 0));
    assert_true(w.publisher.checkpointer.tables[0].progress.done);
}

/* ---- control messages ---- */

static void heartbeats_come_each_second_where_data_flowed_else_every_five(void **state)
{
    (void)state;
    say_hello();
    assert_true(publisher_heartbeats(&w.publisher, 10000, &w.err));
    poll_until_idle();
    assert_int_equal(read_partition(0, 0), 2);
    assert_int_equal(read_back.messages[1].header.kind, WIRE_HEARTBEAT);

    add_rows(0, 60);
    assert_true(send_page(60));
    assert_true(publisher_heartbeats(&w.publisher, 10999, &w.err));
    assert_true(publisher_heartbeats(&w.publisher, 11000, &w.err));
    poll_until_idle();
    read_partition(0, 0);
    check_sequences();
    assert_int_equal(read_back.messages[read_back.count - 1].header.kind, WIRE_HEARTBEAT);
    assert_int_equal(read_back.messages[read_back.count - 2].header.kind, WIRE_ROW);
    assert_int_equal(read_back.messages[read_back.count - 1].progress.rows_read, 60);
    assert_true(
        bytes_equal(read_back.messages[read_back.count - 1].progress.last_key, w.page.last_key));

    assert_int_equal(read_partition(1, 0), 2);
    assert_true(publisher_heartbeats(&w.publisher, 14999, &w.err));
    poll_until_idle();
    assert_int_equal(read_partition(1, 0), 2);
    assert_true(publisher_heartbeats(&w.publisher, 15000, &w.err));
    poll_until_idle();
    assert_int_equal(read_partition(1, 0), 3);
}

static void a_barrier_reaches_every_partition_and_nothing_follows_the_end_barrier(void **state)
{
    (void)state;
    say_hello();
    assert_true(publisher_barrier(&w.publisher, 0, 1, &w.err));
    assert_true(publisher_barrier(&w.publisher, 0, BARRIER_END, &w.err));
    assert_true(publisher_heartbeats(&w.publisher, 100000, &w.err));
    poll_until_idle();
    assert_true(publisher_wait_acked(&w.publisher, &w.err));
    for (int32_t p = 0; p < 3; p++) {
        assert_int_equal(read_partition(0, p), 3);
        assert_int_equal(read_back.messages[1].header.kind, WIRE_BARRIER);
        assert_int_equal(read_back.messages[1].barrier, 1);
        assert_int_equal(read_back.messages[2].barrier, BARRIER_END);
    }
}

static void a_checkpoint_waits_for_the_acknowledgement_of_its_page(void **state)
{
    (void)state;
    say_hello();
    add_rows(0, 10);
    assert_true(send_page(10));
    assert_null(publisher_checkpoint(&w.publisher, true, 1000, &w.arena));
    poll_until_idle();
    assert_non_null(publisher_checkpoint(&w.publisher, true, 2000, &w.arena));
    assert_null(publisher_checkpoint(&w.publisher, true, 3000, &w.arena));
    publisher_checkpoint_failed(&w.publisher);
    assert_non_null(publisher_checkpoint(&w.publisher, true, 4000, &w.arena));
}

/* One row that the broker answers so; w.err is what ends the generation. */
static void meet_refusal(rd_kafka_resp_err_t code)
{
    int64_t deadline_ms = clock_ms() + WAIT_MS;

    say_hello();
    rd_kafka_mock_push_request_errors(w.mock, API_PRODUCE, 1, code);
    add_rows(0, 1);
    assert_true(send_page(1));
    while (publisher_poll(&w.publisher, 10, &w.err))
        assert_true(clock_ms() < deadline_ms);
    assert_int_equal(w.err.exit_code, EXIT_KAFKA);
    assert_null(publisher_checkpoint(&w.publisher, true, 1000, &w.arena));
}

static void a_failed_delivery_ends_the_generation(void **state)
{
    (void)state;
    meet_refusal(RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
    assert_non_null(strstr(w.err.text, "message for topic \"test.m.users\" partition "));
    assert_int_equal(w.err.action, ERROR_STOP);
    assert_string_equal(w.err.code, "RH-6002");
}

static void a_message_that_the_broker_finds_too_large_stops(void **state)
{
    (void)state;
    meet_refusal(RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
    assert_non_null(strstr(w.err.text, " was not delivered: Broker: Message size too large"));
    assert_int_equal(w.err.action, ERROR_STOP);
}

/* What the idempotent producer cannot go on after; the next generation has another handle. */
static void a_lost_sequence_is_repeated_with_a_new_handle(void **state)
{
    (void)state;
    meet_refusal(RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
    assert_non_null(strstr(w.err.text, "the Kafka producer cannot go on: "));
    assert_int_equal(w.err.action, ERROR_RETRY);
}

static void what_passes_by_itself_loses_nothing_and_keeps_the_order(void **state)
{
    static const rd_kafka_resp_err_t passing[] = {
        RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
        RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND,
        RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
        RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE,
        RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
        RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR,
    };
    size_t rows = 0;

    (void)state;
    say_hello();
    for (size_t i = 0; i < RH_COUNT(passing); i++) {
        rd_kafka_mock_push_request_errors(w.mock, API_PRODUCE, 2, passing[i], passing[i]);
        page_reset(&w.page);
        add_rows((int)i * 60, 60);
        assert_true(send_page((i + 1) * 60));
        poll_until_idle();
        assert_non_null(publisher_checkpoint(&w.publisher, true, 1000, &w.arena));
    }
    for (int32_t p = 0; p < 3; p++) {
        read_partition(0, p);
        rows += check_sequences();
    }
    assert_int_equal(rows, RH_COUNT(passing) * 60);
}

static void a_fatal_producer_error_is_repeated_with_a_new_handle(void **state)
{
    (void)state;
    say_hello();
    assert_int_equal(rd_kafka_test_fatal_error(w.publisher.kafka,
                                               RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER,
                                               "made up"),
                     RD_KAFKA_RESP_ERR_NO_ERROR);
    assert_false(publisher_poll(&w.publisher, 10, &w.err));
    assert_non_null(strstr(w.err.text, "the Kafka producer cannot go on: "));
    assert_int_equal(w.err.action, ERROR_RETRY);
    add_rows(0, 1);
    assert_false(send_page(1));
    assert_int_equal(w.err.action, ERROR_RETRY);
}

static void a_raised_halt_flag_ends_a_wait_for_room(void **state)
{
    (void)state;
    say_hello();
    add_rows(0, 500);
    halt_raise(&w.halt, NULL);
    assert_false(send_page(500)); /* nobody polls: the queue stays full */
    assert_string_equal(w.err.text, "interrupted");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(hello_says_what_the_checkpoint_had_acknowledged),
        TEST(a_page_arrives_in_order_with_contiguous_sequences_and_its_lsn),
        TEST(a_full_queue_loses_nothing_and_keeps_the_order),
        TEST(threads_that_feed_one_topic_keep_the_order_in_a_full_queue),
        TEST(a_table_is_done_with_the_last_of_its_ranges_and_only_then),
        TEST(heartbeats_come_each_second_where_data_flowed_else_every_five),
        TEST(a_barrier_reaches_every_partition_and_nothing_follows_the_end_barrier),
        TEST(a_checkpoint_waits_for_the_acknowledgement_of_its_page),
        TEST(a_failed_delivery_ends_the_generation),
        TEST(a_message_that_the_broker_finds_too_large_stops),
        TEST(a_lost_sequence_is_repeated_with_a_new_handle),
        TEST(what_passes_by_itself_loses_nothing_and_keeps_the_order),
        TEST(a_fatal_producer_error_is_repeated_with_a_new_handle),
        TEST(a_raised_halt_flag_ends_a_wait_for_room),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
