/*
 * text_table -- results for people: columns as wide as their widest cell, numbers to the right.
 *
 * In:     titles, then cells row by row. Out: lines on a stream; the first has the titles.
 * Never:  lets a cell break its line or steer a terminal (see text_write_shown).
 *
 *     RH_AUTO(text_table_release) struct text_table table;
 *     text_table_init(&table, columns, RH_COUNT(columns));
 *     text_table_cell(&table, "users");
 *     text_table_cell(&table, human_thousands(text, rows));
 *     text_table_print(&table, stdout);
 */
#ifndef RH_CLI_TEXT_TABLE_H
#define RH_CLI_TEXT_TABLE_H

#include "common/bytes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define TEXT_TABLE_COLUMNS_MAX 16

enum text_align { TEXT_LEFT, TEXT_RIGHT };

struct text_column {
    const char *title; /* borrowed while the table lives */
    enum text_align align;
};

struct text_table {
    struct arena arena; /* the cells' texts */
    const struct text_column *columns;
    size_t columns_count;
    size_t widths[TEXT_TABLE_COLUMNS_MAX]; /* in characters */
    struct text_cell *first, *last;
    size_t cells_count;
    bool titles_printed;
};

/* Appends the text with control characters as \n, \t or \xHH. */
void text_write_shown(struct buffer *out, const char *text);

/* At most TEXT_TABLE_COLUMNS_MAX columns, which must outlive the table. */
void text_table_init(struct text_table *table, const struct text_column *columns, size_t count);
void text_table_release(struct text_table *table);
/* The next cell, copied; a row ends with its last column's cell. NULL is shown as "-". */
void text_table_cell(struct text_table *table, const char *text);
/*
 * Prints the rows given since the last call and forgets them, so that a long result needs the
 * memory of a part of it; the titles come once, and widths never shrink. Whole rows only.
 */
void text_table_print(struct text_table *table, FILE *stream);

#endif
