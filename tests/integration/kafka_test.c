/*
 * The Kafka room and the state topic against a real broker.
 *
 * Topics carry the process id in their name and are deleted at the end.
 */
#include "common/arena.h"
#include "common/clock.h"
#include "common/kafka.h"
#include "common/state_topic.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define LARGE_BYTES ((size_t)5 << 20)

static struct arena arena;
static struct settings settings;
static struct kafka_property bootstrap = {.name = "bootstrap.servers"};
static char migration[32];
static rd_kafka_t *reader;

static struct settings settings_with(const struct kafka_property *properties, size_t count)
{
    return (struct settings){.file = "test.yaml",
                             .name = migration,
                             .kafka = properties,
                             .kafka_count = count,
                             .topics_prefix = "rowhaultest",
                             .topics_max_message_bytes = (uint64_t)8 << 20,
                             .backfill_queue_bytes = (uint64_t)64 << 20,
                             .apply_fetch_bytes = (uint64_t)64 << 20};
}

static void ok(bool success, const struct error *err)
{
    if (!success) {
        fail_msg("%s", err->text);
    }
}

static rd_kafka_t *new_reader(const struct settings *with)
{
    struct error err;
    rd_kafka_conf_t *conf = NULL;
    ok(kafka_conf(with, KAFKA_READER, NULL, &conf, &err), &err);
    rd_kafka_t *handle = NULL;
    ok(kafka_new(RD_KAFKA_CONSUMER, conf, &handle, &err), &err);
    return handle;
}

static const char *topic(const char *suffix)
{
    return kafka_topic_name(&arena, settings.topics_prefix, settings.name, suffix);
}

static int open_reader(void **state RH_UNUSED)
{
    bootstrap.value = getenv("KAFKA_BOOTSTRAP");
    if (bootstrap.value == NULL) {
        fail_msg("KAFKA_BOOTSTRAP is not set: . .local/env");
    }
    arena_init(&arena, (size_t)64 << 20);
    snprintf(migration, sizeof(migration), "kafka_test_%ld", (long)getpid());
    settings = settings_with(&bootstrap, 1);
    reader = new_reader(&settings);
    return 0;
}

static int delete_topics(void **state RH_UNUSED)
{
    const char *const names[] = {topic("a"), topic("b"), topic("plain"), topic("state"),
                                 topic("large")};
    struct error err;
    ok(kafka_topics_delete(reader, names, RH_COUNT(names), &err), &err);
    kafka_destroy(&reader);
    arena_release(&arena);
    return 0;
}

static void create(const char *name, uint32_t partitions)
{
    const struct topic_spec spec = {name, partitions};
    struct error err;
    ok(kafka_topics_create(reader, &settings, &spec, 1, 1, &err), &err);
}

static void the_brokers_are_counted(void **state RH_UNUSED)
{
    uint32_t brokers = 0;
    struct error err;
    ok(kafka_ping(reader, 5000, &brokers, &err), &err);
    assert_true(brokers >= 1);
}

static void an_absent_broker_is_an_error_in_time_and_not_a_flood(void **state RH_UNUSED)
{
    char path[] = "/tmp/kafka_test_XXXXXX";
    int file = mkstemp(path);
    assert_true(file >= 0);
    FILE *events = fdopen(file, "w+");
    log_to(events);
    const struct kafka_property nobody = {.name = "bootstrap.servers", .value = "127.0.0.1:1"};
    const struct settings with = settings_with(&nobody, 1);
    rd_kafka_t *handle = new_reader(&with);
    uint32_t brokers = 0;
    struct error err;
    int64_t began_ms = clock_ms();
    assert_false(kafka_ping(handle, 1500, &brokers, &err));
    assert_true(clock_ms() - began_ms < 5000);
    assert_string_equal(err.code, "RH-6001");
    assert_int_equal(err.exit_code, EXIT_KAFKA);
    assert_int_equal(err.action, ERROR_RETRY);
    assert_string_equal(err.text,
                        "could not reach Kafka at 127.0.0.1:1: Local: Broker transport failure");
    kafka_destroy(&handle);
    log_to(stderr);
    fflush(events);
    rewind(events);
    char line[1024];
    int lines = 0;
    while (fgets(line, sizeof(line), events) != NULL) {
        lines++;
    }
    assert_true(lines <= 1);
    fclose(events);
    unlink(path);
}

static void assert_property_refused(const char *name, const char *value, const char *text)
{
    const struct node node = {.line = 3, .column = 7};
    const struct kafka_property properties[] = {bootstrap,
                                                {.name = name, .value = value, .node = &node}};
    const struct settings with = settings_with(properties, 2);
    rd_kafka_conf_t *conf = NULL;
    struct error err;
    assert_false(kafka_conf(&with, KAFKA_CONSUMER, NULL, &conf, &err));
    assert_int_equal(err.exit_code, EXIT_CONFIG);
    assert_string_equal(err.text, text);
}

static void what_correctness_needs_cannot_be_set_otherwise(void **state RH_UNUSED)
{
    assert_property_refused("enable.idempotence", "false",
                            "test.yaml:3:7: kafka property \"enable.idempotence\" must stay "
                            "\"true\": a retry would write a row twice");
    assert_property_refused(
        "group.id", "mine",
        "test.yaml:3:7: kafka property \"group.id\" cannot be set: the group is "
        "named after the migration");
    assert_property_refused("auto.offset.reset", "earliest",
                            "test.yaml:3:7: kafka property \"auto.offset.reset\" must stay "
                            "\"error\": a lost position must stop the run, not skip rows");
}

static void an_unknown_property_is_librdkafkas_error_with_our_line(void **state RH_UNUSED)
{
    assert_property_refused("linger.mss", "5",
                            "test.yaml:3:7: No such configuration property: \"linger.mss\"");
    assert_property_refused("socket.timeout.ms", "soon",
                            "test.yaml:3:7: Invalid value for configuration property "
                            "\"socket.timeout.ms\"");
}

static void a_property_may_say_what_holds_anyway_and_tune_the_rest(void **state RH_UNUSED)
{
    const struct kafka_property properties[] = {
        bootstrap, {.name = "acks", .value = "all"}, {.name = "linger.ms", .value = "100"}};
    const struct settings with = settings_with(properties, RH_COUNT(properties));
    for (enum kafka_role role = KAFKA_PRODUCER; role <= KAFKA_READER; role++) {
        rd_kafka_conf_t *conf = NULL;
        struct error err;
        ok(kafka_conf(&with, role, NULL, &conf, &err), &err);
        char value[32];
        size_t size = sizeof(value);
        assert_int_equal(rd_kafka_conf_get(conf, "linger.ms", value, &size), RD_KAFKA_CONF_OK);
        assert_string_equal(value, "100");
        rd_kafka_t *handle = NULL;
        ok(kafka_new(role == KAFKA_PRODUCER ? RD_KAFKA_PRODUCER : RD_KAFKA_CONSUMER, conf, &handle,
                     &err),
           &err);
        kafka_destroy(&handle);
    }
}

static void topics_are_created_once_and_described(void **state RH_UNUSED)
{
    struct topic_info info;
    struct error err;
    ok(kafka_topic_info(reader, topic("a"), &info, &err), &err);
    assert_false(info.exists);
    const struct topic_spec specs[] = {{topic("a"), 3}, {topic("b"), 1}};
    ok(kafka_topics_create(reader, &settings, specs, 2, 1, &err), &err);
    ok(kafka_topics_create(reader, &settings, specs, 2, 1, &err), &err);
    ok(kafka_topic_info(reader, topic("a"), &info, &err), &err);
    assert_true(info.exists);
    assert_int_equal(info.partitions, 3);
    assert_int_equal(info.messages, 0);
}

static void a_topic_with_other_partitions_is_foreign(void **state RH_UNUSED)
{
    create(topic("a"), 3);
    const struct topic_spec spec = {topic("a"), 2};
    struct error err;
    assert_false(kafka_topics_create(reader, &settings, &spec, 1, 1, &err));
    assert_string_equal(err.code, "TOPIC_FOREIGN");
    assert_int_equal(err.exit_code, EXIT_STATE);
    assert_non_null(strstr(err.text, "has 3 partitions instead of 2"));
}

/* A topic somebody made by hand, with the broker's defaults: seven days, then rows are gone. */
static void a_topic_that_could_lose_messages_is_refused(void **state RH_UNUSED)
{
    char reason[256];
    rd_kafka_NewTopic_t *plain =
        rd_kafka_NewTopic_new(topic("plain"), 1, 1, reason, sizeof(reason));
    rd_kafka_queue_t *queue = rd_kafka_queue_new(reader);
    rd_kafka_CreateTopics(reader, &plain, 1, NULL, queue);
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, 10000);
    assert_non_null(event);
    rd_kafka_event_destroy(event);
    rd_kafka_queue_destroy(queue);
    rd_kafka_NewTopic_destroy(plain);
    const struct topic_spec spec = {topic("plain"), 1};
    struct error err;
    assert_false(kafka_topics_create(reader, &settings, &spec, 1, 1, &err));
    assert_string_equal(err.code, "RH-6004");
    assert_int_equal(err.exit_code, EXIT_CHECK);
    assert_non_null(strstr(err.text, "has retention.ms=604800000 instead of -1"));
}

static void a_replication_factor_beyond_the_brokers_stops_in_kafkas_words(void **state RH_UNUSED)
{
    const struct topic_spec spec = {topic("never"), 1};
    struct error err;
    assert_false(kafka_topics_create(reader, &settings, &spec, 1, 100, &err));
    assert_int_equal(err.action, ERROR_STOP);
    assert_int_equal(err.exit_code, EXIT_KAFKA);
    assert_non_null(strstr(err.hint, "the broker says: "));
}

static void deleting_what_is_not_there_is_fine(void **state RH_UNUSED)
{
    const char *const names[] = {topic("never")};
    struct error err;
    ok(kafka_topics_delete(reader, names, 1, &err), &err);
    ok(kafka_group_delete(reader, topic("no-group"), &err), &err);
}

static bool count_bytes(void *context, const rd_kafka_message_t *message,
                        struct error *err RH_UNUSED)
{
    *(size_t *)context += message->len;
    return true;
}

static void a_row_larger_than_a_fetch_arrives(void **state RH_UNUSED)
{
    create(topic("large"), 1);
    rd_kafka_t *producer = NULL;
    struct error err;
    ok(state_producer_new(&settings, &producer, &err), &err);
    char *text = arena_must_alloc(&arena, LARGE_BYTES + 1);
    unsigned seed = 1; /* so that lz4 cannot shrink it away */
    for (size_t i = 0; i < LARGE_BYTES; i++) {
        seed = seed * 1103515245u + 12345u;
        text[i] = (char)('a' + (seed >> 16) % 26);
    }
    ok(state_put(producer, topic("large"), "k", text, 30000, &err), &err);
    ok(state_put(producer, topic("large"), "k", "x", 30000, &err), &err);
    kafka_destroy(&producer);
    size_t bytes = 0;
    ok(kafka_read_partition(&settings, topic("large"), 0, RD_KAFKA_OFFSET_BEGINNING,
                            RD_KAFKA_OFFSET_END, count_bytes, &bytes, &err),
       &err);
    assert_int_equal(bytes, LARGE_BYTES + 1);
}

static void a_part_of_the_log_can_be_read_and_found_by_time(void **state RH_UNUSED)
{
    create(topic("part"), 1);
    rd_kafka_t *producer = NULL;
    struct error err;
    ok(state_producer_new(&settings, &producer, &err), &err);
    ok(state_put(producer, topic("part"), "k", "1", 30000, &err), &err);
    ok(state_put(producer, topic("part"), "k", "22", 30000, &err), &err);
    int64_t between_ms = clock_wall_us() / 1000 + 1;
    clock_sleep_ms(20);
    ok(state_put(producer, topic("part"), "k", "333", 30000, &err), &err);
    kafka_destroy(&producer);

    size_t bytes = 0;
    ok(kafka_read_partition(&settings, topic("part"), 0, 1, 2, count_bytes, &bytes, &err), &err);
    assert_int_equal(bytes, 2);
    ok(kafka_read_partition(&settings, topic("part"), 0, 3, 3, count_bytes, &bytes, &err), &err);
    assert_int_equal(bytes, 2);
    assert_false(
        kafka_read_partition(&settings, topic("part"), 0, 1, 4, count_bytes, &bytes, &err));
    assert_string_equal(err.code, "TOPIC_TRUNCATED");

    int64_t offset = -1;
    ok(kafka_offset_at(reader, topic("part"), 0, 0, &offset, &err), &err);
    assert_int_equal(offset, 0);
    ok(kafka_offset_at(reader, topic("part"), 0, between_ms, &offset, &err), &err);
    assert_int_equal(offset, 2);
    ok(kafka_offset_at(reader, topic("part"), 0, between_ms + 3600000, &offset, &err), &err);
    assert_int_equal(offset, 3);
}

static void a_group_that_nobody_joined_has_no_members(void **state RH_UNUSED)
{
    struct error err;
    uint32_t members = 1;
    ok(kafka_group_members(reader, topic("no-group"), &members, &err), &err);
    assert_int_equal(members, 0);
}

static void reading_outside_the_log_has_a_name(void **state RH_UNUSED)
{
    create(topic("b"), 1);
    size_t bytes = 0;
    struct error err;
    assert_false(kafka_read_partition(&settings, topic("b"), 0, 5, RD_KAFKA_OFFSET_END, count_bytes,
                                      &bytes, &err));
    assert_string_equal(err.code, "TOPIC_TRUNCATED");
    assert_false(kafka_read_partition(&settings, topic("nowhere"), 0, 0, RD_KAFKA_OFFSET_END,
                                      count_bytes, &bytes, &err));
    assert_int_equal(err.kafka_code, RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
    ok(kafka_read_partition(&settings, topic("b"), 0, 0, RD_KAFKA_OFFSET_END, count_bytes, &bytes,
                            &err),
       &err);
    assert_int_equal(bytes, 0);
}

static void the_state_is_what_was_put_and_reading_goes_on_where_it_ended(void **state RH_UNUSED)
{
    struct state_fold fold;
    state_fold_init(&fold, &arena);
    struct error err;
    ok(state_fold_read(&fold, &settings, topic("state"), &err), &err);
    assert_int_equal(fold.next_offset, 0);
    create(topic("state"), 1);
    rd_kafka_t *producer = NULL;
    ok(state_producer_new(&settings, &producer, &err), &err);
    ok(state_put(producer, topic("state"), "run", "{\"run\": \"r\"}", 10000, &err), &err);
    ok(state_put(producer, topic("state"), "claim/1", state_claim_text(&arena, 1, "me"), 10000,
                 &err),
       &err);
    ok(state_fold_read(&fold, &settings, topic("state"), &err), &err);
    assert_non_null(fold.run);
    assert_int_equal(fold.generation, 1);
    assert_int_equal(fold.next_offset, 2);
    const struct checkpoint checkpoint = {.generation = 1, .safe_lsn = 77};
    ok(state_put(producer, topic("state"), "ckpt/1", state_checkpoint_text(&arena, &checkpoint),
                 10000, &err),
       &err);
    ok(state_fold_read(&fold, &settings, topic("state"), &err), &err);
    assert_int_equal(fold.checkpoint.safe_lsn, 77);
    assert_int_equal(fold.next_offset, 3);
    state_fold_release(&fold);
    kafka_destroy(&producer);
}

static void names_are_made_of_kafkas_characters(void **state RH_UNUSED)
{
    assert_string_equal(kafka_topic_name(&arena, "p", "m", "users"), "p.m.users");
    assert_string_equal(kafka_topic_name(&arena, "p", "m", "a b/\xc3\xa4"),
                        "p.m.a_x20_b_x2f__xc3__xa4_");
    char longest[245];
    memset(longest, 'x', sizeof(longest));
    longest[244] = '\0';
    const char *name = kafka_topic_name(&arena, "p", "m", longest);
    assert_int_equal(strlen(name), 248);
    char longer[247];
    memset(longer, 'x', sizeof(longer));
    longer[246] = '\0';
    name = kafka_topic_name(&arena, "p", "m", longer);
    assert_int_equal(strlen(name), 249);
    assert_int_equal(name[232], '_');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_brokers_are_counted),
        cmocka_unit_test(an_absent_broker_is_an_error_in_time_and_not_a_flood),
        cmocka_unit_test(what_correctness_needs_cannot_be_set_otherwise),
        cmocka_unit_test(an_unknown_property_is_librdkafkas_error_with_our_line),
        cmocka_unit_test(a_property_may_say_what_holds_anyway_and_tune_the_rest),
        cmocka_unit_test(topics_are_created_once_and_described),
        cmocka_unit_test(a_topic_with_other_partitions_is_foreign),
        cmocka_unit_test(a_topic_that_could_lose_messages_is_refused),
        cmocka_unit_test(a_replication_factor_beyond_the_brokers_stops_in_kafkas_words),
        cmocka_unit_test(deleting_what_is_not_there_is_fine),
        cmocka_unit_test(a_row_larger_than_a_fetch_arrives),
        cmocka_unit_test(a_part_of_the_log_can_be_read_and_found_by_time),
        cmocka_unit_test(a_group_that_nobody_joined_has_no_members),
        cmocka_unit_test(reading_outside_the_log_has_a_name),
        cmocka_unit_test(the_state_is_what_was_put_and_reading_goes_on_where_it_ended),
        cmocka_unit_test(names_are_made_of_kafkas_characters),
    };
    return cmocka_run_group_tests(tests, open_reader, delete_topics);
}
