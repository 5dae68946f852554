#include "producer/table_walk.h"

#include "producer/page.h"
#include "producer/page_size.h"

#include "common/clock.h"
#include "common/failpoint.h"
#include "common/log.h"
#include "common/lsn.h"

#include <string.h>

/* A page of text; four threads have one each beside librdkafka's queue. The size aims below the
 * limit, since a page that is cut there costs a cancel request. */
#define PAGE_BYTES_MAX    (UINT64_C(8) << 20)
#define PAGE_BYTES_WANTED (UINT64_C(6) << 20)
#define KEY_BYTES_MAX     ((size_t)1 << 20)
#define TABLE_ARENA_BYTES ((size_t)16 << 20)
#define RETRY_MS_FIRST    200
#define RETRY_MS_MAX      10000
/* Faster pages are debug events: a few lines a second say as much. */
#define PAGE_EVENT_MS 500

struct walk {
    struct backfill *backfill;
    struct pager *pager;
    const struct plan_table *table;
    struct arena arena;
    struct buffer cursor; /* canonical key of the last row enqueued */
    struct wire_progress progress;
    struct page page;
    struct page_size size;
    struct backoff backoff;
    uint32_t failures; /* since the last page */
    int64_t event_ms;  /* of the last page_done at info */
};

static void walk_init(struct walk *walk, struct backfill *backfill, struct pager *pager,
                      size_t table)
{
    const struct settings *settings = backfill->settings;

    *walk = (struct walk){
        .backfill = backfill, .pager = pager, .table = &backfill->run->plan.tables[table]};
    arena_init(&walk->arena, TABLE_ARENA_BYTES);
    buffer_init(&walk->cursor, &walk->arena, KEY_BYTES_MAX);
    walk->progress = publisher_progress(backfill->publisher, table, &walk->cursor);
    page_init(&walk->page, &backfill->run->topics[table], settings, PAGE_BYTES_MAX, &walk->arena);
    page_size_init(&walk->size, settings->backfill_page_rows, (int64_t)settings->backfill_page_ms,
                   PAGE_BYTES_WANTED);
    backoff_init(&walk->backoff, RETRY_MS_FIRST, RETRY_MS_MAX);
}

static void walk_release(struct walk *walk)
{
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

/* Decides about a page that failed: true to read it again. */
static bool try_again(struct walk *walk, struct error *err)
{
    if (halt_raised(walk->backfill->halt)) {
        return false;
    }
    if (strcmp(err->sqlstate, "57014") == 0) {
        return page_timed_out(walk, err);
    }
    if (err->action != ERROR_RETRY) {
        err->action = ERROR_STOP; /* a producer has no place for a row that cannot be read */
        return false;
    }
    if (walk->failures++ == 0) {
        log_error(LEVEL_WARN, "source_lost", err);
    }
    return halt_sleep_ms(walk->backfill->halt, backoff_next_ms(&walk->backoff));
}

static bool read_page(struct walk *walk, struct page_info *ret_info, struct error *err)
{
    for (;;) {
        uint32_t rows_max = rate_page_rows(&walk->backfill->rate, walk->size.rows);

        page_reset(&walk->page);
        if (halt_raised(walk->backfill->halt)) {
            return error_set(err, ERROR_RETRY, "interrupted");
        }
        if (pager_read(walk->pager, walk->table, buffer_bytes(&walk->cursor), rows_max, visit_line,
                       walk, ret_info, err)) {
            break;
        }
        if (!try_again(walk, err)) {
            return false;
        }
    }
    if (walk->failures > 0) {
        log_event(LEVEL_INFO, "source_back", F_STR("table", walk->table->id),
                  F_INT("failures", walk->failures));
    }
    walk->failures = 0;
    backoff_reset(&walk->backoff);
    return true;
}

/* ---- a page, enqueued ---- */

static void report_page(struct walk *walk, uint64_t lsn, int64_t ms)
{
    int64_t now_ms = clock_ms();
    bool show = walk->event_ms == 0 || now_ms - walk->event_ms >= PAGE_EVENT_MS;
    char lsn_text[LSN_TEXT_BYTES];

    if (show) {
        walk->event_ms = now_ms;
    }
    log_event(show ? LEVEL_INFO : LEVEL_DEBUG, "page_done", F_STR("table", walk->table->id),
              F_INT("rows", walk->page.rows), F_INT("ms", ms), F_INT("bytes", walk->page.bytes),
              F_STR("lsn", lsn_format(lsn_text, lsn)), F_INT("rows_read", walk->progress.rows_read),
              F_INT("oversize", walk->page.oversize));
}

static bool keep_rate(struct walk *walk)
{
    struct backfill *backfill = walk->backfill;
    int64_t wait_ms;

    REQUIRE(pthread_mutex_lock(&backfill->lock) == 0);
    wait_ms = rate_take_ms(&backfill->rate, walk->page.rows, clock_ms());
    REQUIRE(pthread_mutex_unlock(&backfill->lock) == 0);
    return wait_ms == 0 || halt_sleep_ms(backfill->halt, wait_ms);
}

static bool enqueue_page(struct walk *walk, const struct page_info *info, struct error *err)
{
    struct candidate candidate = {
        .kind = CANDIDATE_PAGE,
        .bytes = walk->page.bytes,
        .table = walk->table->index,
        .key = walk->page.last_key,
        .progress = walk->progress,
    };

    candidate.progress.rows_read += info->rows;
    candidate.progress.rows_enqueued += info->rows;
    if (!publisher_page(walk->backfill->publisher, &walk->page, info->lsn, &candidate, err)) {
        return false;
    }
    RH_FAILPOINT("after_enqueue");
    walk->progress = candidate.progress;
    buffer_clear(&walk->cursor);
    write_bytes(&walk->cursor, walk->page.last_key);
    REQUIRE(!walk->cursor.failed); /* the publisher refuses longer keys first */
    return true;
}

static bool end_table(struct walk *walk, struct error *err)
{
    struct candidate candidate = {
        .kind = CANDIDATE_PAGE,
        .table = walk->table->index,
        .key = buffer_bytes(&walk->cursor),
        .progress = walk->progress,
    };

    candidate.progress.done = true;
    candidate.progress.rows_estimate = walk->progress.rows_read;
    if (!publisher_note(walk->backfill->publisher, &candidate, err)) {
        return false;
    }
    log_event(LEVEL_INFO, "backfill_done", F_STR("table", walk->table->id),
              F_INT("rows", walk->progress.rows_read));
    return true;
}

static bool walk_pages(struct walk *walk, struct error *err)
{
    for (;;) {
        int64_t began_ms = clock_ms();
        struct page_info info;
        int64_t read_ms;

        if (!read_page(walk, &info, err)) {
            return false;
        }
        if (info.rows == 0) {
            return end_table(walk, err);
        }
        RH_FAILPOINT("after_page_read");
        read_ms = clock_ms() - began_ms;
        if (!enqueue_page(walk, &info, err)) {
            return false;
        }
        report_page(walk, info.lsn, clock_ms() - began_ms);
        page_size_adapt(&walk->size, info.rows, walk->page.bytes, read_ms);
        if (!keep_rate(walk)) {
            return error_set(err, ERROR_RETRY, "interrupted");
        }
    }
}

bool table_walk(struct backfill *backfill, struct pager *pager, size_t table, struct error *err)
{
    struct walk walk;
    bool ok;

    walk_init(&walk, backfill, pager, table);
    ok = walk_pages(&walk, err);
    walk_release(&walk);
    return ok;
}
