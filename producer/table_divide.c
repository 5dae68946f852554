#include "producer/table_divide.h"

#include "producer/patience.h"

#include "common/clock.h"
#include "common/failpoint.h"
#include "common/log.h"

#include <string.h>

/* Ranges are never equal, and threads not equally fast. With so many, who ends early takes another
 * one, and the last one at work leaves the others idle for a small part of the time only. */
#define RANGES_PER_THREAD 4
/* backfill.range_rows thinks of rows up to this size; wider ones count by their bytes. */
#define ROW_BYTES 1024
/* Enough for shares that differ by a third or so, even where a block's rows are neighbours in the
 * index, so that a block says no more than one row. */
#define SAMPLE_ROWS_PER_RANGE 1000
/* An estimate of the rows may be wrong, the table's size is not: no sample reads more than this. */
#define SAMPLE_BYTES_MAX ((double)(UINT64_C(128) << 20))
/* Boundaries: a key each. */
#define ARENA_BYTES (POSITION_KEY_BYTES_MAX * 4 * RANGES_MAX)

struct division {
    const struct plan_table *table;
    struct halt *halt;
    struct arena arena;
    struct bytes bounds[RANGES_MAX];
    size_t bounds_count;
};

/* ---- how many, and how large a sample ---- */

static uint64_t least_of(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

size_t table_ranges_wanted(const struct plan_table *table, const struct settings *settings)
{
    const struct catalog_table *source = table->source;
    uint64_t by_rows = (uint64_t)(source->rows_estimate / (double)settings->backfill_range_rows);
    uint64_t by_bytes = source->bytes / ROW_BYTES / settings->backfill_range_rows;
    uint64_t most = least_of((uint64_t)settings->backfill_threads * RANGES_PER_THREAD, RANGES_MAX);
    uint64_t wanted = least_of(by_rows > by_bytes ? by_rows : by_bytes, most);

    /* What is no table of its own, a view or a foreign one, cannot be sampled. */
    if (settings->backfill_threads == 1 || wanted < 2 || strchr("rpm", source->kind) == NULL) {
        return 1;
    }
    return (size_t)wanted;
}

double table_sample_percent(const struct plan_table *table, size_t ranges)
{
    double rows = (double)(ranges * SAMPLE_ROWS_PER_RANGE);
    double percent = 100;

    if (table->source->rows_estimate > rows) {
        percent = 100 * rows / table->source->rows_estimate;
    }
    if (percent * (double)table->source->bytes > 100 * SAMPLE_BYTES_MAX) {
        percent = 100 * SAMPLE_BYTES_MAX / (double)table->source->bytes;
    }
    return percent;
}

/* ---- the sample ---- */

static bool visit_bound(void *context, struct bytes line, bool *ret_enough, struct error *err)
{
    struct division *division = context;
    const struct plan_table *table = division->table;
    struct value values[32]; /* INDEX_MAX_KEYS */
    size_t columns[RH_COUNT(values)];
    struct buffer key;

    REQUIRE(table->key_count <= RH_COUNT(values) && division->bounds_count < RANGES_MAX);
    for (size_t i = 0; i < table->key_count; i++) {
        columns[i] = i;
    }
    buffer_init(&key, &division->arena, POSITION_KEY_BYTES_MAX);
    if (!pg_copy_line_parse(line, table->key_count, &division->arena, values, err) ||
        !key_write(&key, values, columns, table->key_kinds, table->key_count, err)) {
        return false;
    }
    if (key.failed) {
        return error_stop(err, EXIT_SOURCE, "RH-4022", "table \"%s\": a key is too long to page by",
                          table->id);
    }
    division->bounds[division->bounds_count++] = buffer_bytes(&key);
    *ret_enough = false;
    return true;
}

/* No bounds when it took too long. */
static bool sample(struct division *division, struct pager *pager, size_t ranges, struct error *err)
{
    double percent = table_sample_percent(division->table, ranges);
    struct patience patience;

    patience_init(&patience, division->halt, division->table->id);
    for (;;) {
        division->bounds_count = 0;
        arena_reset(&division->arena);
        if (halt_raised(division->halt)) {
            return error_set(err, ERROR_RETRY, "interrupted");
        }
        if (pager_sample(pager, division->table, percent, ranges, visit_bound, division, err)) {
            patience_end(&patience);
            return true;
        }
        if (strcmp(err->sqlstate, "57014") == 0 && !halt_raised(division->halt)) {
            division->bounds_count = 0;
            log_error(LEVEL_WARN, "sample_timeout", err);
            return true;
        }
        if (!patience_try_again(&patience, err)) {
            return false;
        }
    }
}

static bool divide(struct backfill *backfill, struct division *division, struct pager *pager,
                   size_t ranges, struct error *err)
{
    int64_t began_ms = clock_ms();

    if (!sample(division, pager, ranges, err)) {
        return false;
    }
    if (division->bounds_count == 0) {
        return true;
    }
    publisher_divide(backfill->publisher, division->table->index, division->bounds,
                     division->bounds_count);
    log_event(LEVEL_INFO, "table_divided", F_STR("table", division->table->id),
              F_INT("ranges", division->bounds_count + 1), F_INT("ms", clock_ms() - began_ms));
    RH_FAILPOINT("after_divide");
    return true;
}

bool table_divide(struct backfill *backfill, struct pager *pager, const struct plan_table *table,
                  size_t *ret_ranges, struct error *err)
{
    struct division division = {.table = table, .halt = backfill->halt};
    size_t ranges = publisher_ranges(backfill->publisher, table->index);
    bool ok;

    if (ranges > 0) {
        *ret_ranges = ranges;
        return true;
    }
    ranges = table_ranges_wanted(table, backfill->settings);
    if (ranges == 1) {
        *ret_ranges = 1;
        return true;
    }
    arena_init(&division.arena, ARENA_BYTES);
    ok = divide(backfill, &division, pager, ranges, err);
    arena_release(&division.arena);
    if (ok) {
        *ret_ranges = division.bounds_count + 1;
    }
    return ok;
}
