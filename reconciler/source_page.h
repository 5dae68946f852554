/*
 * source_page -- the source's rows in key order, a bounded page at a time.
 *
 * In:     a table's plan and the key after which the page begins. Out: rows in the page's own
 *         memory until the next read, each with its canonical key.
 * Never:  keeps a position: a lost connection costs one page.
 */
#ifndef RH_RECONCILER_SOURCE_PAGE_H
#define RH_RECONCILER_SOURCE_PAGE_H

#include "common/mapping.h"
#include "common/pg.h"

#include <stdbool.h>
#include <stdint.h>

#define PAGE_ROWS_MAX 5000

struct source_row {
    struct value *values; /* wire order */
    struct bytes key;     /* canonical */
};

struct source_page {
    struct arena arena;
    size_t count; /* 0: the table, or the range, has ended */
    struct source_row *rows;
};

void source_page_init(struct source_page *page);
void source_page_release(struct source_page *page);

/*
 * The page's statement. after, last: canonical keys, empty: no bound. wanted: per wire column, the
 * others are read as NULL; NULL: all are wanted (key columns always are).
 */
bool write_source_page(struct buffer *sql, const struct plan_table *table, const bool *wanted,
                       struct bytes after, struct bytes last, struct error *err) RH_MUST_CHECK;
/* After a failure the connection is in an unknown state: close it. */
bool source_page_read(struct source_page *page, struct pg *source, const struct plan_table *table,
                      const bool *wanted, struct bytes after, struct bytes last,
                      struct error *err) RH_MUST_CHECK;

#endif
