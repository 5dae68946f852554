#include "producer/table_walk.h"

#include "producer/page.h"
#include "producer/page_size.h"
#include "producer/patience.h"

#include "common/clock.h"
#include "common/failpoint.h"
#include "common/log.h"
#include "common/lsn.h"

#include <string.h>

/* A page of text; four threads have one each beside librdkafka's queue. The size aims below the
 * limit, since a page that is cut there costs a cancel request. */
#define PAGE_BYTES_MAX    (UINT64_C(8) << 20)
#define PAGE_BYTES_WANTED (UINT64_C(6) << 20)
#define TABLE_ARENA_BYTES ((size_t)16 << 20)
/* Faster pages are debug events: a few lines a second say as much. */
#define PAGE_EVENT_MS 500

struct walk {
    struct backfill *backfill;
    struct pager *pager;
    struct table_work *work; /* shared with other threads: under the backfill's lock */
    const struct plan_table *table;
    size_t range;
    struct arena arena;
    struct buffer cursor; /* canonical key of the last row enqueued */
    struct buffer upto;   /* of the last row that may be in the range; empty: the table's end */
    bool ended;
    struct page page;
    struct page_size size;
    struct patience patience;
};

static void lock(struct walk *walk)
{
    REQUIRE(pthread_mutex_lock(&walk->backfill->lock) == 0);
}

static void unlock(struct walk *walk)
{
    REQUIRE(pthread_mutex_unlock(&walk->backfill->lock) == 0);
}

static void walk_init(struct walk *walk, struct backfill *backfill, struct pager *pager,
                      struct table_work *work, size_t range)
{
    const struct settings *settings = backfill->settings;
    size_t table = work->table->index;

    *walk = (struct walk){
        .backfill = backfill, .pager = pager, .work = work, .table = work->table, .range = range};
    arena_init(&walk->arena, TABLE_ARENA_BYTES);
    buffer_init(&walk->cursor, &walk->arena, POSITION_KEY_BYTES_MAX);
    buffer_init(&walk->upto, &walk->arena, POSITION_KEY_BYTES_MAX);
    walk->ended = !publisher_range(backfill->publisher, table, range, &walk->cursor, &walk->upto);
    page_init(&walk->page, &backfill->run->topics[table], settings, PAGE_BYTES_MAX, &walk->arena);
    page_size_init(&walk->size, settings->backfill_page_rows, (int64_t)settings->backfill_page_ms,
                   PAGE_BYTES_WANTED);
    lock(walk);
    page_size_resume(&walk->size, work->page_rows);
    unlock(walk);
    patience_init(&walk->patience, backfill->halt, work->table->id);
}

static void walk_release(struct walk *walk)
{
    lock(walk);
    walk->work->page_rows = walk->size.rows;
    unlock(walk);
    page_release(&walk->page);
    arena_release(&walk->arena);
}

/* ---- reading, with patience ---- */

static bool visit_line(void *context, struct bytes line, bool *ret_enough, struct error *err)
{
    struct walk *walk = context;

    if (walk->page.rows % CHUNK_MESSAGES_MAX == 0 && halt_raised(walk->backfill->halt)) {
        return error_set(err, ERROR_RETRY, "interrupted");
    }
    return page_add_line(&walk->page, line, ret_enough, err);
}

/* A page that took too long is asked for again with half its rows. */
static bool page_timed_out(struct walk *walk, struct error *err)
{
    log_event(LEVEL_WARN, "page_timeout", F_STR("table", walk->table->id),
              F_INT("rows", walk->size.rows));
    if (page_size_halve(&walk->size)) {
        return true;
    }
    error_stop(err, EXIT_SOURCE, "RH-4023",
               "table \"%s\": the source could not read even one row within its timeout",
               walk->table->id);
    return error_hint(err, "look for what slows the source down, or for a condition in where: that "
                           "leaves few rows and has no index");
}

static bool read_page(struct walk *walk, struct page_info *ret_info, struct error *err)
{
    struct halt *halt = walk->backfill->halt;

    for (;;) {
        uint32_t rows_max = rate_page_rows(&walk->backfill->rate, walk->size.rows);
        const struct key_range left = {buffer_bytes(&walk->cursor), buffer_bytes(&walk->upto)};

        page_reset(&walk->page);
        if (halt_raised(halt)) {
            return error_set(err, ERROR_RETRY, "interrupted");
        }
        if (pager_read(walk->pager, walk->table, left, rows_max, visit_line, walk, ret_info, err)) {
            patience_end(&walk->patience);
            return true;
        }
        if (strcmp(err->sqlstate, "57014") == 0 && !halt_raised(halt)) {
            if (!page_timed_out(walk, err)) {
                return false;
            }
        } else if (!patience_try_again(&walk->patience, err)) {
            return false;
        }
    }
}

/* ---- a page, enqueued ---- */

/* Of a table, not of each of its ranges: a few lines a second say as much. */
static bool is_shown(struct walk *walk)
{
    int64_t now_ms = clock_ms();
    bool shown;

    lock(walk);
    shown = walk->work->event_ms == 0 || now_ms - walk->work->event_ms >= PAGE_EVENT_MS;
    if (shown) {
        walk->work->event_ms = now_ms;
    }
    unlock(walk);
    return shown;
}

static void report_page(struct walk *walk, const struct candidate *candidate, uint64_t lsn,
                        int64_t ms)
{
    char lsn_text[LSN_TEXT_BYTES];

    log_event(
        is_shown(walk) ? LEVEL_INFO : LEVEL_DEBUG, "page_done", F_STR("table", walk->table->id),
        F_INT("range", walk->range), F_INT("rows", walk->page.rows), F_INT("ms", ms),
        F_INT("bytes", walk->page.bytes), F_STR("lsn", lsn_format(lsn_text, lsn)),
        F_INT("rows_read", candidate->progress.rows_read), F_INT("oversize", walk->page.oversize));
}

/* The one that ended the table's last range says so. */
static void report_end(const struct walk *walk, const struct candidate *candidate)
{
    if (candidate->progress.done) {
        log_event(LEVEL_INFO, "backfill_done", F_STR("table", walk->table->id),
                  F_INT("rows", candidate->progress.rows_read));
    }
}

static bool keep_rate(struct walk *walk)
{
    struct backfill *backfill = walk->backfill;
    int64_t wait_ms;

    lock(walk);
    wait_ms = rate_take_ms(&backfill->rate, walk->page.rows, clock_ms());
    unlock(walk);
    return wait_ms == 0 || halt_sleep_ms(backfill->halt, wait_ms);
}

/* The range's last key is the source's own bytes, made canonical as the page's keys are. */
static bool is_last(const struct walk *walk)
{
    return walk->upto.len > 0 && bytes_equal(walk->page.last_key, buffer_bytes(&walk->upto));
}

static bool enqueue_page(struct walk *walk, const struct page_info *info, int64_t began_ms,
                         struct error *err)
{
    struct candidate candidate = {
        .kind = CANDIDATE_PAGE,
        .bytes = walk->page.bytes,
        .table = walk->table->index,
        .range = walk->range,
        .key = walk->page.last_key,
        .range_ended = is_last(walk),
        .rows = info->rows,
    };

    if (!publisher_page(walk->backfill->publisher, &walk->page, info->lsn, &candidate, err)) {
        return false;
    }
    RH_FAILPOINT("after_enqueue");
    buffer_clear(&walk->cursor);
    write_bytes(&walk->cursor, walk->page.last_key);
    REQUIRE(!walk->cursor.failed); /* the publisher refuses longer keys first */
    walk->ended = candidate.range_ended;
    report_page(walk, &candidate, info->lsn, clock_ms() - began_ms);
    report_end(walk, &candidate);
    return true;
}

static bool end_range(struct walk *walk, struct error *err)
{
    struct candidate candidate = {
        .kind = CANDIDATE_PAGE,
        .table = walk->table->index,
        .range = walk->range,
        .key = buffer_bytes(&walk->cursor),
        .range_ended = true,
    };

    if (!publisher_note(walk->backfill->publisher, &candidate, err)) {
        return false;
    }
    walk->ended = true;
    report_end(walk, &candidate);
    return true;
}

static bool walk_page(struct walk *walk, struct error *err)
{
    int64_t began_ms = clock_ms();
    struct page_info info = {0};
    int64_t read_ms;

    if (!read_page(walk, &info, err)) {
        return false;
    }
    if (info.rows == 0) {
        return end_range(walk, err);
    }
    RH_FAILPOINT("after_page_read");
    read_ms = clock_ms() - began_ms;
    if (!enqueue_page(walk, &info, began_ms, err)) {
        return false;
    }
    if (!walk->ended) {
        /* The last page of a range is short, and says nothing about the next one's. */
        page_size_adapt(&walk->size, info.rows, walk->page.bytes, read_ms);
    }
    return keep_rate(walk) || error_set(err, ERROR_RETRY, "interrupted");
}

bool table_walk(struct backfill *backfill, struct pager *pager, struct table_work *work,
                size_t range, struct error *err)
{
    struct walk walk;
    bool ok = true;

    walk_init(&walk, backfill, pager, work, range);
    while (ok && !walk.ended) {
        ok = walk_page(&walk, err);
    }
    walk_release(&walk);
    return ok;
}
