/*
 * work -- what there is to page in one level of tables, given out to the paging threads.
 *
 * In:     the level's tables; what became of them. Out: the next thing a thread shall do: look
 *         whether a table is to be divided, or page a range of one.
 * Holds:  each table is given out once to be divided and each of its ranges once to be paged. The
 *         largest table comes first, so that no thread is left alone with it at the end.
 * Never:  locks; the backfill's lock guards it.
 */
#ifndef RH_PRODUCER_WORK_H
#define RH_PRODUCER_WORK_H

#include "common/arena.h"
#include "common/mapping.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct table_work {
    const struct plan_table *table;
    enum { TABLE_WAITS, TABLE_AT_DIVISION, TABLE_DIVIDED } state;
    size_t ranges_count, ranges_taken;
    uint32_t page_rows; /* what the pages of a range came to: the next one begins there; 0: none */
    int64_t event_ms;   /* of the last page_done at info */
};

struct work {
    struct table_work *tables; /* largest first */
    size_t tables_count;
    size_t first; /* those before it are all taken */
};

enum work_kind {
    WORK_ENDED,  /* nothing is left to be taken */
    WORK_WAIT,   /* a table is at division: there may be ranges to take soon */
    WORK_DIVIDE, /* say into how many ranges: work_divided */
    WORK_RANGE,  /* page it */
};

struct work_item {
    enum work_kind kind;
    struct table_work *table; /* DIVIDE, RANGE */
    size_t range;             /* RANGE */
};

/* Room for `tables_max` tables. */
void work_init(struct work *work, size_t tables_max, struct arena *arena);
void work_reset(struct work *work);
/* Before the first one is taken. */
void work_add(struct work *work, const struct plan_table *table);
struct work_item work_take(struct work *work);
void work_divided(struct table_work *table, size_t ranges_count);

#endif
