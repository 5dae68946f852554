#include "worker/table_work.h"

#include "common/transform.h"

#include <inttypes.h>

/* Text of a value at most doubles by escaping; the arena is the bound that matters. */
#define LINES_BYTES_MAX ((size_t)1 << 30)

static bool no_room(struct error *err)
{
    return error_stop(err, EXIT_INTERNAL, "RH-7001", "a batch does not fit into its memory limit");
}

static const char *copied(struct arena *arena, const char *text)
{
    return text == NULL || text[0] == '\0' ? NULL : arena_must_strdup(arena, text);
}

struct reject reject_from_error(const struct plan_table *table, const struct batch_entry *entry,
                                const char *rule, const struct error *err, struct arena *arena)
{
    bool parks = err->action == ERROR_PARK || table->on_error == ON_ERROR_PARK;
    return (struct reject){
        .entry = entry,
        .table = table,
        .dead = !parks,
        .sqlstate = arena_must_strdup(arena, err->sqlstate),
        .rule = rule,
        .constraint = copied(arena, err->constraint),
        .column = copied(arena, err->column),
        .message = arena_must_strdup(arena, err->text),
    };
}

bool row_refusal_stops(const struct plan_table *table, struct error *err)
{
    err->action = ERROR_STOP;
    err->exit_code = EXIT_TARGET;
    err->code = "ROW_REFUSED";
    err->hint = "mend the row, the mapping or the target; or let on_error be reject";
    return error_wrap(err, "a row was refused and on_error of \"%s\" is stop", table->id);
}

static struct reject oversize(const struct plan_table *table, const struct batch_entry *entry,
                              struct arena *arena)
{
    return (struct reject){
        .entry = entry,
        .table = table,
        .dead = true,
        .sqlstate = "",
        .rule = "oversize",
        .message = arena_must_printf(
            arena, "the row takes %" PRIu64 " bytes, more than topics.max_message_bytes",
            entry->oversize_bytes),
    };
}

/* Appends one line; the buffer's failure is looked at once, by the caller. */
static void write_line(struct buffer *text, const struct value *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (i > 0) {
            write_u8(text, '\t');
        }
        pg_copy_write_value(text, values[i]);
    }
    write_u8(text, '\n');
}

/* All outputs of one entry, or none of them and a reject. */
static bool write_entry(struct table_work *work, size_t index, struct arena *arena,
                        struct error *err)
{
    const struct plan_table *table = work->table;
    const struct batch_entry *entry = work->entries[index];
    for (size_t o = 0; o < table->outputs_count; o++) {
        const struct plan_output *output = &table->outputs[o];
        struct value *values = work->outputs[o].values;
        const char *rule = NULL;
        if (!transform_output(output, entry->row, arena, values, &rule, err)) {
            if (err->action != ERROR_ROW) {
                return false;
            }
            if (table->on_error == ON_ERROR_STOP) {
                return row_refusal_stops(table, err);
            }
            for (size_t undo = 0; undo < o; undo++) {
                work->outputs[undo].text.len = index > 0 ? work->outputs[undo].ends[index - 1] : 0;
            }
            work->verdicts[index] = VERDICT_REFUSED_BY_RULE;
            work->refused[work->refused_count++] =
                reject_from_error(table, entry, rule, err, arena);
            break;
        }
        write_line(&work->outputs[o].text, values, output->columns_count);
    }
    return true;
}

static bool room_for(struct table_work *work, size_t entries_count, struct arena *arena)
{
    work->outputs = arena_alloc(arena, work->table->outputs_count * sizeof *work->outputs);
    work->refused = arena_alloc(arena, entries_count * sizeof *work->refused);
    work->verdicts = arena_alloc(arena, entries_count * sizeof *work->verdicts);
    if (work->outputs == NULL || work->refused == NULL || work->verdicts == NULL) {
        return false;
    }
    for (size_t o = 0; o < work->table->outputs_count; o++) {
        buffer_init(&work->outputs[o].text, arena, LINES_BYTES_MAX);
        size_t columns = work->table->outputs[o].columns_count;
        work->outputs[o].ends = arena_alloc(arena, entries_count * sizeof *work->outputs[o].ends);
        work->outputs[o].values = arena_alloc(arena, columns * sizeof *work->outputs[o].values);
        if (work->outputs[o].ends == NULL || work->outputs[o].values == NULL) {
            return false;
        }
    }
    return true;
}

bool table_work_make(struct table_work *work, const struct plan_table *table,
                     struct batch_entry *const *entries, size_t entries_count, struct arena *arena,
                     struct error *err)
{
    *work = (struct table_work){.table = table, .entries = entries, .entries_count = entries_count};
    if (!room_for(work, entries_count, arena)) {
        return no_room(err);
    }
    for (size_t i = 0; i < entries_count; i++) {
        switch (entries[i]->kind) {
        case WIRE_ROW:
            if (!write_entry(work, i, arena, err)) {
                return false;
            }
            break;
        case WIRE_OVERSIZE:
            work->verdicts[i] = VERDICT_REFUSED_BY_RULE;
            work->refused[work->refused_count++] = oversize(table, entries[i], arena);
            break;
        case WIRE_DEL:
            return error_stop(err, EXIT_INTERNAL, "RH-7002",
                              "a delete arrived in a migration whose mode is snapshot");
        case WIRE_HELLO:
        case WIRE_HEARTBEAT:
        case WIRE_BARRIER:
            REQUIRE(false); /* control messages are never entries */
        }
        for (size_t o = 0; o < table->outputs_count; o++) {
            work->outputs[o].ends[i] = work->outputs[o].text.len;
        }
    }
    for (size_t o = 0; o < table->outputs_count; o++) {
        if (work->outputs[o].text.failed) {
            return no_room(err);
        }
    }
    return true;
}

struct bytes table_work_lines(const struct table_work *work, size_t output, size_t from, size_t to)
{
    const struct output_lines *lines = &work->outputs[output];
    size_t begin = from > 0 ? lines->ends[from - 1] : 0;
    size_t end = to > 0 ? lines->ends[to - 1] : 0;
    return (struct bytes){lines->text.ptr + begin, end - begin};
}
