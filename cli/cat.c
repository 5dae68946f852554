#include "cli/cat.h"

#include "cli/message_json.h"
#include "cli/number.h"
#include "cli/output.h"
#include "cli/session.h"
#include "common/shutdown.h"

#include <inttypes.h>
#include <string.h>

#define ROW_BYTES_MAX ((size_t)512 << 20) /* the values of one message: pointers into it */

const struct option_spec cat_option_specs[] = {
    {"partition", 0, OPTION_TEXT, "P", "only this partition (default: one after the other)",
     offsetof(struct cat_options, partition), false},
    {"from", 0, OPTION_TEXT, "OFFSET", "begin there, in one partition (default: at the first)",
     offsetof(struct cat_options, from), false},
    {"limit", 0, OPTION_COUNT, "N", "end after so many messages",
     offsetof(struct cat_options, limit), false},
    {NULL, 0, OPTION_FLAG, NULL, NULL, 0, false},
};

struct reading {
    struct session *session;
    const char *topic;
    const struct plan_table *table; /* NULL: the state topic */
    int32_t first, end;             /* partitions [first, end) */
    int64_t from;
    uint64_t limit;
    uint64_t printed;
    uint64_t unreadable;
    bool enough;
    struct arena message; /* of one message */
};

/* ---- messages ---- */

/* A record of the state topic is JSON itself; what is not is shown as text. */
static json_t *state_record(struct reading *reading, struct bytes key, struct bytes value)
{
    json_t *object = json_object();
    json_t *record = json_loadb(value.ptr, value.len, JSON_DECODE_ANY, NULL);
    reading->unreadable += record == NULL;
    output_set(object, "key", output_text(key));
    output_set(object, "value", record != NULL ? record : output_text(value));
    return object;
}

static json_t *data_message(struct reading *reading, struct bytes key, struct bytes value)
{
    bool readable = false;
    json_t *object = message_to_json(reading->table, key, value, &reading->message, &readable);
    reading->unreadable += !readable;
    return object;
}

static struct bytes payload(const void *ptr, size_t len)
{
    return ptr == NULL ? BYTES_EMPTY : (struct bytes){ptr, len};
}

static bool visit(void *context, const rd_kafka_message_t *message, struct error *err)
{
    struct reading *reading = context;
    struct bytes key = payload(message->key, message->key_len);
    struct bytes value = payload(message->payload, message->len);
    if (shutdown_requested()) {
        return error_set(err, ERROR_RETRY, "interrupted");
    }
    json_t *line = json_object();
    output_set(line, "partition", json_integer(message->partition));
    output_set(line, "offset", json_integer(message->offset));
    json_t *rest = reading->table == NULL ? state_record(reading, key, value)
                                          : data_message(reading, key, value);
    int failed = json_object_update(line, rest);
    REQUIRE(failed == 0);
    json_decref(rest);
    arena_reset(&reading->message);
    if (!output_json(line, err)) {
        return false;
    }
    reading->printed++;
    reading->enough = reading->limit > 0 && reading->printed >= reading->limit;
    return !reading->enough;
}

static bool read_all(struct reading *reading, struct error *err)
{
    const struct settings *settings = &reading->session->config.settings;
    for (int32_t p = reading->first; p < reading->end && !reading->enough; p++) {
        if (!kafka_read_partition(settings, reading->topic, p, reading->from, RD_KAFKA_OFFSET_END,
                                  visit, reading, err) &&
            !reading->enough) {
            return false;
        }
    }
    return true;
}

/* ---- what was asked for ---- */

/* A table's id, a topic's name, or "state". */
static bool find_topic(struct reading *reading, const char *name, uint32_t *ret_partitions,
                       struct error *err)
{
    const struct run *run = &reading->session->run;
    const struct plan_table *table = plan_table_find(&run->plan, name);
    const struct run_topic *topic =
        table != NULL ? &run->topics[table->index] : run_topic_find(run, bytes_of(name));
    *ret_partitions = 1;
    if (topic != NULL) {
        reading->topic = topic->name;
        reading->table = topic->table;
        *ret_partitions = topic->partitions;
        return true;
    }
    if (strcmp(name, "state") == 0 || strcmp(name, run->state_topic) == 0) {
        reading->topic = run->state_topic;
        return true;
    }
    (void)error_stop(err, EXIT_USAGE, "RH-2012", "the run has no topic \"%s\"", name);
    return error_hint(err, "name a table of the mapping, a topic of the run, or \"state\"");
}

static bool choose(struct reading *reading, const struct cat_options *given, uint32_t partitions,
                   struct error *err)
{
    int64_t partition = 0;
    reading->end = (int32_t)partitions;
    reading->from = RD_KAFKA_OFFSET_BEGINNING;
    reading->limit = given->limit;
    if (given->partition != NULL) {
        if (!number_option("partition", given->partition, (int64_t)partitions - 1, &partition,
                           err)) {
            return false;
        }
        reading->first = (int32_t)partition;
        reading->end = reading->first + 1;
    }
    if (given->from == NULL) {
        return true;
    }
    if (reading->end - reading->first > 1) {
        (void)error_stop(err, EXIT_USAGE, "RH-2013",
                         "option \"--from\" needs a partition: topic \"%s\" has %" PRIu32,
                         reading->topic, partitions);
        return error_hint(err, "add --partition P");
    }
    return number_option("from", given->from, INT64_MAX, &reading->from, err);
}

static bool prepare(struct reading *reading, const struct cat_options *given, const char *name,
                    struct error *err)
{
    uint32_t partitions = 0;
    if (name == NULL) {
        (void)error_stop(err, EXIT_USAGE, "RH-2012", "no topic was given");
        return error_hint(err, "name a table of the mapping, a topic of the run, or \"state\"");
    }
    return session_configure(reading->session, &given->common, err) &&
           session_load_run(reading->session, err) && find_topic(reading, name, &partitions, err) &&
           choose(reading, given, partitions, err);
}

int cat_command(void *options, size_t argc, char **argv)
{
    const struct cat_options *given = options;
    struct error err = {0};
    struct session session = {.json = false};
    struct reading reading = {.session = &session};
    arena_init(&reading.message, ROW_BYTES_MAX);
    bool ok = prepare(&reading, given, argc > 0 ? argv[0] : NULL, &err) && read_all(&reading, &err);
    arena_release(&reading.message);
    enum exit_code done = reading.unreadable > 0 ? EXIT_WARNINGS : EXIT_DONE;
    return session_end(&session, "cat_failed", ok, done, &err);
}
