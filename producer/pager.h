/*
 * pager -- walks one source table in key order, a bounded page at a time.
 *
 * In:     a compiled table plan, the keys between which the page lies, how many rows at most.
 * Out:    lines of COPY text to a visitor, and the page's L: a WAL position read after its
 * snapshot. Never:  writes to the source; keeps a position (the caller does); compares keys for
 * their order, which only the source knows; knows that Kafka exists.
 *
 * Each page is one short transaction (2-correctness §5 of the design): the table is locked in
 * ACCESS SHARE mode before the snapshot is taken, since a rewriting ALTER that commits between the
 * two would give an empty page, which reads as the end of the table. What the plan believes about
 * the source is checked in every page: primary, timeline, columns.
 *
 * A pager belongs to one thread; only pager_interrupt may come from another.
 */
#ifndef RH_PRODUCER_PAGER_H
#define RH_PRODUCER_PAGER_H

#include "common/run.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct pager {
    const struct settings *settings;
    const struct run *run;
    struct pg pg;
    struct arena arena;        /* SQL of one page */
    char timeline[9];          /* of the first page; "" before it */
    pthread_mutex_t interrupt; /* guards cancel */
    PGcancel *cancel;          /* NULL while there is no connection */
};

/* Rows with after < key <= upto, both canonical keys; an empty one is no bound. */
struct key_range {
    struct bytes after, upto;
};

struct page_info {
    uint64_t rows; /* 0: the range has ended; a short page means nothing */
    uint64_t lsn;  /* L */
};

/* One line, borrowed for the call; ret_enough: end the page after it. False stops with its error.
 */
typedef bool pager_visit(void *context, struct bytes line, bool *ret_enough, struct error *err);

void pager_init(struct pager *pager, const struct settings *settings, const struct run *run);
void pager_release(struct pager *pager);

/*
 * Reads the first rows of a range, in key order, at most rows_max, and connects first where there
 * is no connection.
 *
 * Errors   ERROR_RETRY connection lost, lock not granted: nothing is kept, call again. sqlstate
 * 57014: the page took too long, call again with fewer rows. ERROR_STOP  SCHEMA_DRIFT,
 * SOURCE_STANDBY, SOURCE_CHANGED, or what the visitor said. Cost     one index range scan, no sort:
 * EXPLAIN in tests/integration/producer_test.c.
 */
bool pager_read(struct pager *pager, const struct plan_table *table, struct key_range range,
                uint32_t rows_max, pager_visit *visit, void *context, struct page_info *ret_info,
                struct error *err) RH_MUST_CHECK;

/*
 * Looks for keys that divide a table into about equal ranges: visits at most `ranges_count` - 1
 * lines of key columns, in the index's order. The server samples blocks (`percent` of the table)
 * and sorts what it found; a sample that is empty gives no line. Errors as pager_read.
 */
bool pager_sample(struct pager *pager, const struct plan_table *table, double percent,
                  size_t ranges_count, pager_visit *visit, void *context,
                  struct error *err) RH_MUST_CHECK;

/* Cancels what runs on the source, from another thread. */
void pager_interrupt(struct pager *pager);

/* The page's query without COPY, for EXPLAIN; in the buffer. */
bool pager_write_query(struct buffer *sql, const struct plan_table *table, struct key_range range,
                       uint32_t rows_max, struct error *err) RH_MUST_CHECK;
/* The settings that make the planner walk the index, as SET LOCAL statements. */
extern const char pager_planner_sql[];

#endif
