/*
 * The text form: a table of all outputs, the first differences of each, one line of verdict.
 */
#include "reconciler/report.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_BYTES_MAX    ((size_t)64 << 20)
#define VALUE_SHOWN_BYTES 60 /* of one value: enough to recognize, not to read */

enum column {
    COLUMN_TABLE,
    COLUMN_TARGET,
    COLUMN_MODE,
    COLUMN_SOURCE_ROWS,
    COLUMN_TARGET_ROWS,
    COLUMN_MISSING,
    COLUMN_EXTRA,
    COLUMN_DIFFERENT,
    COLUMN_VERDICT,
    COLUMNS
};

static const struct {
    const char *title;
    bool number; /* to the right */
} columns[COLUMNS] = {
    [COLUMN_TABLE] = {"table", false},
    [COLUMN_TARGET] = {"target", false},
    [COLUMN_MODE] = {"mode", false},
    [COLUMN_SOURCE_ROWS] = {"source rows", true},
    [COLUMN_TARGET_ROWS] = {"target rows", true},
    [COLUMN_MISSING] = {"missing", true},
    [COLUMN_EXTRA] = {"extra", true},
    [COLUMN_DIFFERENT] = {"different", true},
    [COLUMN_VERDICT] = {"verdict", false},
};

/* ---- the table ---- */

static const char *count_text(struct arena *arena, bool known, uint64_t count)
{
    return known ? arena_must_printf(arena, "%" PRIu64, count) : "-";
}

static void fill_cells(const struct findings *findings, struct arena *arena, const char **cells)
{
    const struct catalog_table *target = findings->output->target;
    bool known = findings->counted;
    cells[COLUMN_TABLE] = findings->table->id;
    cells[COLUMN_TARGET] = arena_must_printf(arena, "%s.%s", target->schema, target->name);
    cells[COLUMN_MODE] = verify_mode_name(findings->mode);
    cells[COLUMN_SOURCE_ROWS] = count_text(arena, known, findings->source_rows);
    cells[COLUMN_TARGET_ROWS] = count_text(arena, known, findings->target_rows);
    cells[COLUMN_MISSING] = count_text(arena, known, findings->missing);
    cells[COLUMN_EXTRA] = count_text(arena, known, findings->extra);
    /* Counts alone cannot see a row that differs. */
    cells[COLUMN_DIFFERENT] =
        count_text(arena, known && findings->mode != VERIFY_COUNTS, findings->different);
    cells[COLUMN_VERDICT] = verdict_name(findings->verdict);
}

static int cell_width(const char *const *cells, size_t rows_count, size_t column)
{
    size_t width = strlen(columns[column].title);
    for (size_t row = 0; row < rows_count; row++) {
        size_t length = strlen(cells[row * COLUMNS + column]);
        width = length > width ? length : width;
    }
    return (int)width;
}

static void write_line(struct buffer *out, const char *const *cells, const int *widths)
{
    for (size_t i = 0; i < COLUMNS; i++) {
        const char *separator = i > 0 ? "  " : "";
        if (i == COLUMN_VERDICT) {
            write_format(out, "%s%s\n", separator, cells[i]); /* no blanks at the end */
        } else if (columns[i].number) {
            write_format(out, "%s%*s", separator, widths[i], cells[i]);
        } else {
            write_format(out, "%s%-*s", separator, widths[i], cells[i]);
        }
    }
}

static void write_table(struct buffer *out, const struct reconciliation *reconciliation,
                        struct arena *arena)
{
    size_t count = reconciliation->count;
    const char *titles[COLUMNS];
    int widths[COLUMNS];
    const char **cells = arena_must_alloc(arena, (count + 1) * COLUMNS * sizeof *cells);
    for (size_t i = 0; i < count; i++) {
        fill_cells(&reconciliation->findings[i], arena, cells + i * COLUMNS);
    }
    for (size_t i = 0; i < COLUMNS; i++) {
        titles[i] = columns[i].title;
        widths[i] = cell_width(cells, count, i);
    }
    write_line(out, titles, widths);
    for (size_t i = 0; i < count; i++) {
        write_line(out, cells + i * COLUMNS, widths);
    }
}

/* ---- the differences ---- */

/* One line of any bytes, cut before the character that crosses the limit. */
static void write_shown(struct buffer *out, struct bytes text)
{
    size_t length = text.len < VALUE_SHOWN_BYTES ? text.len : VALUE_SHOWN_BYTES;
    while (length < text.len && length > 0 && ((unsigned char)text.ptr[length] & 0xc0) == 0x80) {
        length--;
    }
    for (size_t i = 0; i < length; i++) {
        unsigned char byte = (unsigned char)text.ptr[i];
        if (byte < ' ' || byte == 0x7f) {
            write_format(out, "\\x%02x", (unsigned)byte);
        } else {
            write_u8(out, byte);
        }
    }
    write_text(out, length < text.len ? "..." : "");
}

static void write_value(struct buffer *out, struct value value)
{
    if (value.kind != VALUE_TEXT) {
        write_text(out, "NULL");
        return;
    }
    write_text(out, "'");
    write_shown(out, value.bytes);
    write_text(out, "'");
}

static void write_key(struct buffer *out, const struct difference *difference)
{
    bool source = difference->source_key_count > 0;
    size_t count = source ? difference->source_key_count : difference->target_key_count;
    const struct bytes *key = source ? difference->source_key : difference->target_key;
    write_text(out, "(");
    for (size_t i = 0; i < count; i++) {
        write_text(out, i > 0 ? ", " : "");
        write_shown(out, key[i]);
    }
    write_text(out, ")");
}

static void write_difference(struct buffer *out, const struct difference *difference)
{
    write_format(out, "  %-9s ", difference_kind_name(difference->kind));
    write_key(out, difference);
    for (size_t i = 0; i < difference->columns_count; i++) {
        const struct column_difference *column = &difference->columns[i];
        write_format(out, "\n            %s: expected ", column->name);
        write_value(out, column->expected);
        write_text(out, ", actual ");
        write_value(out, column->actual);
    }
    if (difference->reason != NULL) {
        write_format(out, "\n            %s", difference->reason);
    }
    if (difference->reject != NULL) {
        write_format(out, "\n            reject (%s): %s", difference->reject->kind,
                     difference->reject->message);
    }
    write_text(out, "\n");
}

static void write_findings(struct buffer *out, const struct findings *findings)
{
    uint64_t total = findings->missing + findings->extra + findings->different;
    uint64_t shown = 0;
    if (findings->reason != NULL) {
        write_format(out, "\n%s -> %s.%s could not be verified: %s\n", findings->table->id,
                     findings->output->target->schema, findings->output->target->name,
                     findings->reason);
    }
    if (findings->first == NULL) {
        return;
    }
    write_format(out, "\n%s -> %s.%s\n", findings->table->id, findings->output->target->schema,
                 findings->output->target->name);
    for (const struct difference *one = findings->first;
         one != NULL && shown < REPORT_TEXT_DIFFERENCES_MAX; one = one->next) {
        write_difference(out, one);
        shown++;
    }
    if (shown < total) {
        write_format(out, "  and %" PRIu64 " more; --format json lists them\n", total - shown);
    }
}

bool report_write_text(const struct reconciliation *reconciliation, FILE *stream)
{
    RH_AUTO(arena_release) struct arena arena;
    struct buffer out;
    arena_init(&arena, 2 * TEXT_BYTES_MAX);
    buffer_init(&out, &arena, TEXT_BYTES_MAX);
    write_table(&out, reconciliation, &arena);
    for (size_t i = 0; i < reconciliation->count; i++) {
        write_findings(&out, &reconciliation->findings[i]);
    }
    write_format(&out, "\nverdict: %s\n", verdict_name(reconciliation->verdict));
    return !out.failed && fwrite(out.ptr, 1, out.len, stream) == out.len && fflush(stream) == 0;
}
