#include "common/state_topic.h"

#include "common/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CODE_FOREIGN         "STATE_FOREIGN"
#define CHECKPOINT_BYTES_MAX ((size_t)256 << 20) /* thousands of tables with many partitions */
#define POLL_MS              100
#define JSON_FLAGS           (JSON_COMPACT | JSON_SORT_KEYS)

static void json_release(json_t **json)
{
    json_decref(*json);
    *json = NULL;
}

static bool foreign(struct error *err, int64_t offset, struct bytes key, const char *reason)
{
    return error_stop(err, EXIT_STATE, CODE_FOREIGN,
                      "state record at offset %" PRId64 " with key \"%.*s\" %s", offset,
                      (int)(key.len < 64 ? key.len : 64), key.ptr, reason);
}

/* ---- values in JSON ---- */

static json_t *number_json(uint64_t number)
{
    REQUIRE(number <= INT64_MAX); /* JSON integers are signed here */
    return json_integer((json_int_t)number);
}

static bool number_get(const json_t *object, const char *name, uint64_t *ret)
{
    const json_t *value = json_object_get(object, name);
    if (!json_is_integer(value) || json_integer_value(value) < 0) {
        return false;
    }
    *ret = (uint64_t)json_integer_value(value);
    return true;
}

static const char hex_digits[] = "0123456789abcdef";

static json_t *hex_json(struct bytes bytes, struct arena *arena)
{
    char *text = arena_must_alloc(arena, 2 * bytes.len + 1);
    for (size_t i = 0; i < bytes.len; i++) {
        unsigned char byte = (unsigned char)bytes.ptr[i];
        text[2 * i] = hex_digits[byte >> 4];
        text[2 * i + 1] = hex_digits[byte & 15];
    }
    return json_stringn(text, 2 * bytes.len);
}

static bool hex_get(const json_t *value, struct arena *arena, struct bytes *ret)
{
    const char *text = json_string_value(value);
    if (text == NULL || json_string_length(value) % 2 != 0) {
        return false;
    }
    size_t len = json_string_length(value) / 2;
    char *bytes = arena_alloc(arena, len + 1);
    if (bytes == NULL) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        const char *high = memchr(hex_digits, text[2 * i], 16);
        const char *low = memchr(hex_digits, text[2 * i + 1], 16);
        if (high == NULL || low == NULL) {
            return false;
        }
        bytes[i] = (char)((high - hex_digits) << 4 | (low - hex_digits));
    }
    *ret = (struct bytes){bytes, len};
    return true;
}

/* A name: always UTF-8, since it comes out of a YAML file. */
static const char *name_get(const json_t *value, struct arena *arena)
{
    return json_is_string(value) ? bytes_to_text(arena, (struct bytes){json_string_value(value),
                                                                       json_string_length(value)})
                                 : NULL;
}

/* A cursor's value; what is not UTF-8 (from a SQL_ASCII database) travels as {"hex": …}. */
static json_t *text_json(const char *text, struct arena *arena)
{
    json_t *value = json_string(text);
    return value != NULL ? value : json_pack("{s:o}", "hex", hex_json(bytes_of(text), arena));
}

static const char *text_get(const json_t *value, struct arena *arena)
{
    if (json_is_object(value)) {
        struct bytes bytes = BYTES_EMPTY;
        bool is_text = hex_get(json_object_get(value, "hex"), arena, &bytes) &&
                       memchr(bytes.ptr, '\0', bytes.len) == NULL;
        return is_text ? bytes.ptr : NULL;
    }
    return name_get(value, arena);
}

/* Into the arena, without jansson's malloc. */
const char *state_json_text(struct arena *arena, const json_t *json)
{
    size_t size = json_dumpb(json, NULL, 0, JSON_FLAGS);
    REQUIRE(size > 0);
    char *text = arena_must_alloc(arena, size + 1);
    REQUIRE(json_dumpb(json, text, size, JSON_FLAGS) == size);
    return text;
}

/* ---- claim ---- */

const char *state_claim_text(struct arena *arena, uint64_t generation, const char *instance)
{
    RH_AUTO(json_release)
    json_t *claim =
        json_pack("{s:o, s:s}", "generation", number_json(generation), "instance", instance);
    return state_json_text(arena, claim);
}

/* ---- checkpoint: write above, read below ---- */

static json_t *progress_json(const struct wire_progress *progress, struct arena *arena)
{
    return json_pack(
        "{s:o, s:o, s:o, s:o, s:o, s:o}", "rows_read", number_json(progress->rows_read),
        "rows_enqueued", number_json(progress->rows_enqueued), "rows_dropped",
        number_json(progress->rows_dropped), "rows_filtered", number_json(progress->rows_filtered),
        "rows_estimate", number_json(progress->rows_estimate), "last_key",
        hex_json(progress->last_key, arena));
}

static bool progress_get(const json_t *object, struct arena *arena, struct wire_progress *ret)
{
    return number_get(object, "rows_read", &ret->rows_read) &&
           number_get(object, "rows_enqueued", &ret->rows_enqueued) &&
           number_get(object, "rows_dropped", &ret->rows_dropped) &&
           number_get(object, "rows_filtered", &ret->rows_filtered) &&
           number_get(object, "rows_estimate", &ret->rows_estimate) &&
           hex_get(json_object_get(object, "last_key"), arena, &ret->last_key);
}

static json_t *key_json(const char *const *values, size_t count, struct arena *arena)
{
    json_t *key = json_array();
    for (size_t i = 0; i < count; i++) {
        json_array_append_new(key, text_json(values[i], arena));
    }
    return key;
}

static bool key_get(const json_t *key, struct arena *arena, size_t *ret_count,
                    const char ***ret_values)
{
    size_t count = json_array_size(key);
    const char **values = arena_alloc(arena, (count + 1) * sizeof(*values));
    if (values == NULL || !json_is_array(key)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        values[i] = text_get(json_array_get(key, i), arena);
        if (values[i] == NULL) {
            return false;
        }
    }
    *ret_count = count;
    *ret_values = values;
    return true;
}

static json_t *range_json(const struct range_state *range, struct arena *arena)
{
    return json_pack("{s:o, s:o, s:b}", "cursor",
                     key_json(range->cursor, range->cursor_count, arena), "upto",
                     key_json(range->upto, range->upto_count, arena), "ended", range->ended);
}

static bool range_get(const json_t *object, struct arena *arena, struct range_state *ret)
{
    const json_t *ended = json_object_get(object, "ended");
    ret->ended = json_is_true(ended);
    return json_is_boolean(ended) &&
           key_get(json_object_get(object, "cursor"), arena, &ret->cursor_count, &ret->cursor) &&
           key_get(json_object_get(object, "upto"), arena, &ret->upto_count, &ret->upto);
}

/*
 * A table that was not divided has a `cursor`, as it had before there were ranges. One that was has
 * `ranges` instead: a release that does not know them then refuses the record, where it would read
 * from the beginning if it found a cursor too.
 */
static json_t *table_json(const struct table_state *table, struct arena *arena)
{
    json_t *json = json_pack("{s:s, s:b, s:o}", "id", table->id, "done", table->done, "progress",
                             progress_json(&table->progress, arena));
    if (table->ranges_count == 1) {
        const struct range_state *range = &table->ranges[0];
        json_object_set_new(json, "cursor", key_json(range->cursor, range->cursor_count, arena));
        return json;
    }
    json_t *ranges = json_array();
    for (size_t i = 0; i < table->ranges_count; i++) {
        json_array_append_new(ranges, range_json(&table->ranges[i], arena));
    }
    json_object_set_new(json, "ranges", ranges);
    return json;
}

/* Each range ends where the next one begins, so only the last one has no end of its own. */
static bool ranges_get(const json_t *ranges, struct arena *arena, struct table_state *ret)
{
    for (size_t i = 0; i < ret->ranges_count; i++) {
        struct range_state *range = &ret->ranges[i];
        if (!range_get(json_array_get(ranges, i), arena, range) ||
            (range->upto_count == 0) != (i + 1 == ret->ranges_count)) {
            return false;
        }
    }
    return true;
}

static bool table_get(const json_t *object, struct arena *arena, struct table_state *ret)
{
    const json_t *ranges = json_object_get(object, "ranges");
    const json_t *done = json_object_get(object, "done");
    ret->id = name_get(json_object_get(object, "id"), arena);
    ret->done = json_is_true(done);
    ret->progress.done = ret->done;
    ret->ranges_count = ranges == NULL ? 1 : json_array_size(ranges);
    ret->ranges = arena_alloc(arena, (ret->ranges_count + 1) * sizeof(*ret->ranges));
    if (ret->id == NULL || ret->ranges == NULL || ret->ranges_count == 0 ||
        !json_is_boolean(done) ||
        !progress_get(json_object_get(object, "progress"), arena, &ret->progress)) {
        return false;
    }
    if (ranges != NULL) {
        return ranges_get(ranges, arena, ret);
    }
    ret->ranges[0].ended = ret->done;
    return key_get(json_object_get(object, "cursor"), arena, &ret->ranges[0].cursor_count,
                   &ret->ranges[0].cursor);
}

static json_t *partition_json(const struct partition_state *partition)
{
    return json_pack("{s:s, s:i, s:o}", "topic", partition->topic, "partition",
                     (int)partition->partition, "acked", number_json(partition->acked));
}

static bool partition_get(const json_t *object, struct arena *arena, struct partition_state *ret)
{
    uint64_t partition = 0;
    ret->topic = name_get(json_object_get(object, "topic"), arena);
    if (ret->topic == NULL || !number_get(object, "partition", &partition) ||
        partition > INT32_MAX || !number_get(object, "acked", &ret->acked)) {
        return false;
    }
    ret->partition = (int32_t)partition;
    return true;
}

const char *state_checkpoint_text(struct arena *arena, const struct checkpoint *checkpoint)
{
    json_t *tables = json_array();
    for (size_t i = 0; i < checkpoint->tables_count; i++) {
        json_array_append_new(tables, table_json(&checkpoint->tables[i], arena));
    }
    json_t *partitions = json_array();
    for (size_t i = 0; i < checkpoint->partitions_count; i++) {
        json_array_append_new(partitions, partition_json(&checkpoint->partitions[i]));
    }
    RH_AUTO(json_release)
    json_t *json = json_pack(
        "{s:o, s:o, s:o, s:b, s:o, s:o}", "generation", number_json(checkpoint->generation),
        "safe_lsn", number_json(checkpoint->safe_lsn), "level", number_json(checkpoint->level),
        "ended", checkpoint->ended, "tables", tables, "partitions", partitions);
    REQUIRE(json != NULL);
    return state_json_text(arena, json);
}

static bool checkpoint_get(const json_t *object, struct arena *arena, struct checkpoint *ret)
{
    const json_t *tables = json_object_get(object, "tables");
    const json_t *partitions = json_object_get(object, "partitions");
    const json_t *ended = json_object_get(object, "ended");
    struct checkpoint read = {.ended = json_is_true(ended)};
    uint64_t level = 0;
    if (!number_get(object, "generation", &read.generation) ||
        !number_get(object, "safe_lsn", &read.safe_lsn) || !number_get(object, "level", &level) ||
        level > UINT32_MAX || !json_is_array(tables) || !json_is_array(partitions) ||
        !json_is_boolean(ended)) {
        return false;
    }
    read.level = (uint32_t)level;
    read.tables_count = json_array_size(tables);
    read.tables = arena_alloc(arena, (read.tables_count + 1) * sizeof(*read.tables));
    read.partitions_count = json_array_size(partitions);
    read.partitions = arena_alloc(arena, (read.partitions_count + 1) * sizeof(*read.partitions));
    bool ok = read.tables != NULL && read.partitions != NULL;
    for (size_t i = 0; ok && i < read.tables_count; i++) {
        ok = table_get(json_array_get(tables, i), arena, &read.tables[i]);
    }
    for (size_t i = 0; ok && i < read.partitions_count; i++) {
        ok = partition_get(json_array_get(partitions, i), arena, &read.partitions[i]);
    }
    if (ok) {
        *ret = read;
    }
    return ok;
}

/* ---- fold ---- */

void state_fold_init(struct state_fold *fold, struct arena *arena)
{
    *fold = (struct state_fold){.arena = arena};
    arena_init(&fold->checkpoint_memory, CHECKPOINT_BYTES_MAX);
}

void state_fold_release(struct state_fold *fold)
{
    json_decref(fold->run);
    arena_release(&fold->checkpoint_memory);
    *fold = (struct state_fold){.arena = fold->arena};
}

/* "claim/12" -> 12 for prefix "claim/"; 0: another key. Generations begin at 1. */
static uint64_t key_generation(struct bytes key, const char *prefix)
{
    size_t prefix_len = strlen(prefix);
    char digits[24] = "";
    if (key.len <= prefix_len || key.len - prefix_len >= sizeof(digits) ||
        memcmp(key.ptr, prefix, prefix_len) != 0) {
        return 0;
    }
    memcpy(digits, key.ptr + prefix_len, key.len - prefix_len);
    if (strspn(digits, "0123456789") != key.len - prefix_len) {
        return 0;
    }
    errno = 0;
    uint64_t generation = strtoull(digits, NULL, 10);
    return errno == 0 && generation <= INT64_MAX ? generation : 0;
}

/* The first claim of a generation wins; lower ones come from producers that are late. */
static bool fold_claim(struct state_fold *fold, uint64_t generation, const json_t *json)
{
    uint64_t said = 0;
    const char *instance = json_string_value(json_object_get(json, "instance"));
    if (!number_get(json, "generation", &said) || said != generation || instance == NULL) {
        return false;
    }
    if (generation > fold->generation) {
        fold->generation = generation;
        fold->claimed_by = arena_must_strdup(fold->arena, instance);
    }
    return true;
}

/* Only the highest generation's: a producer that was overtaken may still write some. */
static bool fold_checkpoint(struct state_fold *fold, uint64_t generation, const json_t *json)
{
    if (generation != fold->generation) {
        return true;
    }
    uint64_t said = 0;
    if (!number_get(json, "generation", &said) || said != generation) {
        return false;
    }
    fold->has_checkpoint = false;
    arena_reset(&fold->checkpoint_memory);
    fold->has_checkpoint = checkpoint_get(json, &fold->checkpoint_memory, &fold->checkpoint);
    return fold->has_checkpoint;
}

bool state_fold_record(struct state_fold *fold, int64_t offset, struct bytes key,
                       struct bytes value, struct error *err)
{
    RH_AUTO(json_release)
    json_t *json = value.len == 0 ? NULL : json_loadb(value.ptr, value.len, 0, NULL);
    if (!json_is_object(json)) {
        return foreign(err, offset, key, "is no JSON object");
    }
    uint64_t claim = key_generation(key, "claim/");
    uint64_t checkpoint = key_generation(key, "ckpt/");
    if (bytes_is(key, "run")) {
        json_decref(fold->run);
        fold->run = json_incref(json);
    } else if (claim != 0) {
        if (!fold_claim(fold, claim, json)) {
            return foreign(err, offset, key, "is no claim");
        }
    } else if (checkpoint != 0) {
        if (!fold_checkpoint(fold, checkpoint, json)) {
            return foreign(err, offset, key, "is no checkpoint");
        }
    } else {
        return foreign(err, offset, key, "is of no known kind");
    }
    fold->next_offset = offset + 1;
    return true;
}

static bool fold_message(void *context, const rd_kafka_message_t *message, struct error *err)
{
    struct state_fold *fold = context;
    struct bytes key = {message->key == NULL ? "" : message->key, message->key_len};
    struct bytes value = {message->payload == NULL ? "" : message->payload, message->len};
    return state_fold_record(fold, message->offset, key, value, err);
}

bool state_fold_read(struct state_fold *fold, const struct settings *settings, const char *topic,
                     struct error *err)
{
    if (kafka_read_partition(settings, topic, 0, fold->next_offset, RD_KAFKA_OFFSET_END,
                             fold_message, fold, err)) {
        return true;
    }
    if (err->kafka_code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART && fold->next_offset == 0) {
        return true;
    }
    return error_wrap(err, "state topic");
}

/* ---- put ---- */

bool state_producer_new(const struct settings *settings, rd_kafka_t **ret_handle, struct error *err)
{
    rd_kafka_conf_t *conf = NULL;
    if (!kafka_conf(settings, KAFKA_PRODUCER, NULL, &conf, err)) {
        return false;
    }
    rd_kafka_conf_set_events(conf, RD_KAFKA_EVENT_DR);
    return kafka_new(RD_KAFKA_PRODUCER, conf, ret_handle, err);
}

static void event_destroy(rd_kafka_event_t **event)
{
    if (*event != NULL) {
        rd_kafka_event_destroy(*event);
        *event = NULL;
    }
}

static void queue_destroy(rd_kafka_queue_t **queue)
{
    if (*queue != NULL) {
        rd_kafka_queue_destroy(*queue);
        *queue = NULL;
    }
}

/* Whether the reports hold the one of `ticket`; those of records given up earlier pass by. */
static bool find_report(rd_kafka_event_t *event, const void *ticket, rd_kafka_resp_err_t *ret_code)
{
    bool found = false;
    for (const rd_kafka_message_t *m = rd_kafka_event_message_next(event); m != NULL;
         m = rd_kafka_event_message_next(event)) {
        if (m->_private == ticket) {
            *ret_code = m->err;
            found = true;
        }
    }
    return found;
}

static bool wait_for_report(rd_kafka_t *producer, const void *ticket, int64_t timeout_ms,
                            const char *key, struct error *err)
{
    RH_AUTO(queue_destroy) rd_kafka_queue_t *queue = rd_kafka_queue_get_main(producer);
    int64_t deadline_ms = clock_ms() + timeout_ms;
    while (clock_ms() < deadline_ms) {
        RH_AUTO(event_destroy) rd_kafka_event_t *event = rd_kafka_queue_poll(queue, POLL_MS);
        rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR_NO_ERROR;
        if (event == NULL || rd_kafka_event_type(event) != RD_KAFKA_EVENT_DR ||
            !find_report(event, ticket, &code)) {
            continue;
        }
        return code == RD_KAFKA_RESP_ERR_NO_ERROR ||
               kafka_error(err, code, "could not write state record \"%s\"", key);
    }
    return kafka_error(err, RD_KAFKA_RESP_ERR__TIMED_OUT, "could not write state record \"%s\"",
                       key);
}

/* Names a record among the delivery reports of all handles: a number in a pointer's clothes. */
static void *next_ticket(void)
{
    static _Atomic uintptr_t last;
    return (void *)(atomic_fetch_add(&last, 1) + 1);
}

bool state_put(rd_kafka_t *producer, const char *topic, const char *key, const char *value,
               int64_t timeout_ms, struct error *err)
{
    struct bytes key_bytes = bytes_of(key);
    struct bytes value_bytes = bytes_of(value);
    void *ticket = next_ticket();
    rd_kafka_resp_err_t code = rd_kafka_producev(
        producer, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(0),
        RD_KAFKA_V_KEY((void *)(uintptr_t)key_bytes.ptr, key_bytes.len),
        RD_KAFKA_V_VALUE((void *)(uintptr_t)value_bytes.ptr, value_bytes.len),
        RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_OPAQUE(ticket), RD_KAFKA_V_END);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return kafka_error(err, code, "could not write state record \"%s\"", key);
    }
    return wait_for_report(producer, ticket, timeout_ms, key, err);
}
