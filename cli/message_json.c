#include "cli/message_json.h"

#include "cli/output.h"
#include "common/key.h"
#include "common/lsn.h"

#include <inttypes.h>

static json_t *number(uint64_t value)
{
    return json_integer((json_int_t)value);
}

const char *message_column_name(const struct plan_table *table, enum wire_kind kind, size_t i)
{
    if (kind != WIRE_ROW) {
        return i < table->key_count ? table->columns[table->key[i]]->name : NULL;
    }
    return i < table->columns_count ? table->columns[i]->name : NULL;
}

/* The parts of a canonical key; bytes that are none are shown as one part. */
static json_t *key_to_json(const struct plan_table *table, struct bytes key, struct arena *arena)
{
    json_t *array = json_array();
    struct bytes *parts = arena_must_alloc(arena, (table->key_count + 1) * sizeof(*parts));
    struct error ignored = {0};
    size_t count = table->key_count;
    if (key.len == 0) {
        return array; /* HELLO, HEARTBEAT, BARRIER */
    }
    if (!key_parts(key, parts, count, &ignored)) {
        parts[0] = key;
        count = 1;
    }
    for (size_t i = 0; i < count; i++) {
        (void)json_array_append_new(array, output_text(parts[i]));
    }
    return array;
}

static json_t *columns_to_json(const struct plan_table *table, const struct wire_message *message,
                               struct arena *arena)
{
    json_t *object = json_object();
    for (size_t i = 0; i < message->row.count; i++) {
        const struct value *value = &message->row.values[i];
        const char *name = message_column_name(table, message->header.kind, i);
        /* More values than the plan has columns: of another mapping. Show them all the same. */
        if (name == NULL) {
            name = arena_must_printf(arena, "?%zu", i + 1);
        }
        json_t *shown = value->kind == VALUE_TEXT ? output_text(value->bytes) : json_null();
        output_set(object, name, shown);
    }
    return object;
}

static json_t *progress_to_json(const struct plan_table *table,
                                const struct wire_progress *progress, struct arena *arena)
{
    json_t *object = json_object();
    output_set(object, "rows_read", number(progress->rows_read));
    output_set(object, "rows_enqueued", number(progress->rows_enqueued));
    output_set(object, "rows_dropped", number(progress->rows_dropped));
    output_set(object, "rows_filtered", number(progress->rows_filtered));
    output_set(object, "rows_estimate", number(progress->rows_estimate));
    output_set(object, "done", json_boolean(progress->done));
    output_set(object, "last_key", key_to_json(table, progress->last_key, arena));
    return object;
}

static void set_header(json_t *object, const struct wire_header *header)
{
    char lsn[LSN_TEXT_BYTES];
    output_set(object, "kind", output_text(bytes_of(wire_kind_name(header->kind))));
    output_set(object, "generation", number(header->generation));
    output_set(object, "sequence", number(header->sequence));
    output_set(object, "lsn", output_text(bytes_of(lsn_format(lsn, header->lsn))));
    output_set(object, "index", number(header->index));
    output_set(object, "flags", number(header->flags));
}

static void set_body(json_t *object, const struct plan_table *table,
                     const struct wire_message *message, struct arena *arena)
{
    switch (message->header.kind) {
    case WIRE_OVERSIZE:
        output_set(object, "oversize_bytes", number(message->oversize_bytes));
        output_set(object, "columns", columns_to_json(table, message, arena));
        return;
    case WIRE_ROW:
    case WIRE_DEL:
        output_set(object, "columns", columns_to_json(table, message, arena));
        return;
    case WIRE_HELLO:
        output_set(object, "previous", number(message->previous));
        output_set(object, "acked", number(message->acked));
        return;
    case WIRE_BARRIER:
        output_set(object, "barrier", number(message->barrier));
        output_set(object, "acked", number(message->acked));
        output_set(object, "progress", progress_to_json(table, &message->progress, arena));
        return;
    case WIRE_HEARTBEAT:
        output_set(object, "acked", number(message->acked));
        output_set(object, "progress", progress_to_json(table, &message->progress, arena));
        return;
    }
}

json_t *message_to_json(const struct plan_table *table, struct bytes key, struct bytes value,
                        struct arena *arena, bool *ret_readable)
{
    struct error err = {0};
    struct wire_message message;
    json_t *object = json_object();
    *ret_readable = read_wire_message(value, arena, &message, &err);
    if (!*ret_readable) {
        output_set(object, "error", output_text(bytes_of(err.text)));
        return object;
    }
    set_header(object, &message.header);
    output_set(object, "key", key_to_json(table, key, arena));
    set_body(object, table, &message, arena);
    return object;
}
