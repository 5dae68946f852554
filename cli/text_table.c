#include "cli/text_table.h"

#include <string.h>

#define ARENA_LIMIT_BYTES ((size_t)64 << 20)
#define GAP               2 /* blanks between two columns */

struct text_cell {
    const char *text; /* without control characters */
    size_t width;
    struct text_cell *next;
};

/* Characters, not columns of the terminal: names in wide scripts shift their line, nothing else. */
static size_t text_width(const char *text)
{
    size_t width = 0;
    for (; *text != '\0'; text++) {
        width += ((unsigned char)*text & 0xc0) != 0x80;
    }
    return width;
}

/* ASCII controls and DEL, and U+0080 to U+009F, which terminals obey as well. */
static size_t control_bytes(const char *text)
{
    const unsigned char *s = (const unsigned char *)text;
    if (s[0] == 0xc2 && s[1] >= 0x80 && s[1] < 0xa0) {
        return 2;
    }
    return s[0] < 0x20 || s[0] == 0x7f;
}

void text_write_shown(struct buffer *out, const char *text)
{
    while (*text != '\0') {
        size_t control = control_bytes(text);
        if (*text == '\n') {
            write_text(out, "\\n");
        } else if (*text == '\t') {
            write_text(out, "\\t");
        } else if (control > 0) {
            write_format(out, "\\x%02x", (unsigned)(unsigned char)text[control - 1]);
        } else {
            write_bytes(out, (struct bytes){text, 1});
        }
        text += control > 0 ? control : 1;
    }
}

void text_table_init(struct text_table *table, const struct text_column *columns, size_t count)
{
    REQUIRE(count > 0 && count <= TEXT_TABLE_COLUMNS_MAX);
    *table = (struct text_table){.columns = columns, .columns_count = count};
    arena_init(&table->arena, ARENA_LIMIT_BYTES);
    for (size_t i = 0; i < count; i++) {
        table->widths[i] = text_width(columns[i].title);
    }
}

void text_table_release(struct text_table *table)
{
    arena_release(&table->arena);
}

void text_table_cell(struct text_table *table, const char *text)
{
    struct text_cell *cell = arena_must_alloc(&table->arena, sizeof *cell);
    struct buffer shown;
    buffer_init(&shown, &table->arena, ARENA_LIMIT_BYTES);
    text_write_shown(&shown, text != NULL ? text : "-");
    cell->text = buffer_text(&shown);
    REQUIRE(!shown.failed);
    cell->width = text_width(cell->text);
    size_t column = table->cells_count++ % table->columns_count;
    if (cell->width > table->widths[column]) {
        table->widths[column] = cell->width;
    }
    if (table->first == NULL) {
        table->first = cell;
    } else {
        table->last->next = cell;
    }
    table->last = cell;
}

/* No blanks at the end of a line: they would make a difference that nobody sees. */
static void print_cell(const struct text_table *table, size_t column, const char *text,
                       size_t width, FILE *stream)
{
    int padding = (int)(table->widths[column] - width);
    bool last = column + 1 == table->columns_count;
    if (table->columns[column].align == TEXT_RIGHT) {
        fprintf(stream, "%*s%s", padding, "", text);
        padding = 0;
    } else {
        fputs(text, stream);
    }
    if (last) {
        fputc('\n', stream);
    } else {
        fprintf(stream, "%*s", padding + GAP, "");
    }
}

void text_table_print(struct text_table *table, FILE *stream)
{
    REQUIRE(table->cells_count % table->columns_count == 0);
    for (size_t i = 0; i < table->columns_count && !table->titles_printed; i++) {
        const char *title = table->columns[i].title;
        print_cell(table, i, title, text_width(title), stream);
    }
    table->titles_printed = true;
    size_t column = 0;
    for (const struct text_cell *cell = table->first; cell != NULL; cell = cell->next) {
        print_cell(table, column, cell->text, cell->width, stream);
        column = (column + 1) % table->columns_count;
    }
    arena_reset(&table->arena);
    table->first = table->last = NULL;
    table->cells_count = 0;
}
