#include "reconciler/rows.h"

#include "reconciler/extras.h"
#include "reconciler/hash_sql.h"
#include "reconciler/page_compare.h"

#define SQL_BYTES_MAX   ((size_t)1 << 20)
#define KEY_BYTES_MAX   ((size_t)8 << 20)   /* as source_page writes keys */
#define TABLE_BYTES_MAX ((size_t)256 << 20) /* the ranges that differ */

/* A page of the first reading with a difference in it. */
struct range {
    struct bytes after, last;
    struct range *next;
};

struct work {
    struct sides *sides;
    struct findings *findings;
    const struct plan_table *table;
    struct arena arena;
    struct source_page page;
    struct page_compare compare;
    struct range *first, *last;
    uint64_t matched; /* source rows with a target row of their key */
};

/* ---- first reading ---- */

/* A key outlives its page when it is where the next one begins. */
static bool keep_key(struct buffer *kept, struct bytes key, struct error *err)
{
    buffer_clear(kept);
    write_bytes(kept, key);
    return !kept->failed || error_set(err, ERROR_STOP, "key does not fit into the memory limit");
}

static bool remember_range(struct work *work, struct bytes after, struct bytes last,
                           struct error *err)
{
    struct range *range = arena_alloc(&work->arena, sizeof *range);
    if (range == NULL) {
        return error_set(err, ERROR_STOP, "too many pages differ for the memory limit");
    }
    *range = (struct range){bytes_copy(&work->arena, after), bytes_copy(&work->arena, last), NULL};
    if (range->after.ptr == NULL || range->last.ptr == NULL) {
        return error_set(err, ERROR_STOP, "too many pages differ for the memory limit");
    }
    if (work->last == NULL) {
        work->first = range;
    } else {
        work->last->next = range;
    }
    work->last = range;
    return true;
}

static struct bytes last_key(const struct work *work)
{
    return work->page.rows[work->page.count - 1].key;
}

static bool glance_at_page(struct work *work, struct bytes after, struct error *err)
{
    bool equal;
    if (!page_glance(&work->compare, &work->page, &equal, err)) {
        return false;
    }
    if (!equal) {
        return remember_range(work, after, last_key(work), err);
    }
    work->matched += work->page.count;
    return true;
}

static bool first_reading(struct work *work, struct buffer *after, struct error *err)
{
    while (sides_go_on(err)) {
        if (!source_page_read(&work->page, &work->sides->source, work->table, NULL,
                              buffer_bytes(after), BYTES_EMPTY, err)) {
            return false;
        }
        if (work->page.count == 0) {
            return true;
        }
        work->findings->source_rows += work->page.count;
        if (!glance_at_page(work, buffer_bytes(after), err) ||
            !keep_key(after, last_key(work), err)) {
            return false;
        }
    }
    return false;
}

/* ---- second reading ---- */

static bool report_page(struct work *work, struct error *err)
{
    uint64_t missing;
    if (!page_report(&work->compare, &work->page, &missing, err)) {
        return false;
    }
    work->matched += work->page.count - missing;
    return true;
}

static bool read_range_again(struct work *work, const struct range *range, struct buffer *after,
                             struct error *err)
{
    if (!keep_key(after, range->after, err)) {
        return false;
    }
    while (sides_go_on(err)) {
        if (!source_page_read(&work->page, &work->sides->source, work->table, NULL,
                              buffer_bytes(after), range->last, err)) {
            return false;
        }
        if (work->page.count == 0) {
            return true;
        }
        if (!report_page(work, err) || !keep_key(after, last_key(work), err)) {
            return false;
        }
    }
    return false;
}

static bool second_reading(struct work *work, struct buffer *after, struct error *err)
{
    if (work->first == NULL) {
        return true;
    }
    if (!sides_wait(err)) {
        return false;
    }
    for (const struct range *range = work->first; range != NULL; range = range->next) {
        if (!read_range_again(work, range, after, err)) {
            return false;
        }
    }
    return true;
}

/* ---- the table ---- */

static bool count_target(struct work *work, struct error *err)
{
    struct buffer sql;
    buffer_init(&sql, &work->arena, SQL_BYTES_MAX);
    write_text(&sql, "SELECT pg_catalog.count(*)");
    write_from(&sql, work->table, work->findings->output, PG_TARGET);
    return pg_query_u64(&work->sides->target, buffer_text(&sql), &work->findings->target_rows, err);
}

/* Every expected row has its own key, so what is left over on the target is nobody's. */
static bool look_for_extras(struct work *work, const struct rejects *rejects, struct error *err)
{
    if (work->matched == work->findings->target_rows) {
        return true;
    }
    return (work->first != NULL || sides_wait(err)) &&
           extras_find(work->sides, rejects, work->findings, err);
}

static bool verify(struct work *work, const struct rejects *rejects, struct error *err)
{
    struct buffer after;
    buffer_init(&after, &work->arena, KEY_BYTES_MAX);
    if (!sides_show_path(work->sides, err) || !count_target(work, err) ||
        !page_compare_open(&work->compare, work->sides, rejects, work->findings, err)) {
        return false;
    }
    work->findings->counted = true;
    return first_reading(work, &after, err) && second_reading(work, &after, err) &&
           look_for_extras(work, rejects, err);
}

bool rows_verify(struct sides *sides, const struct rejects *rejects, struct findings *findings,
                 struct error *err)
{
    struct work work = {.sides = sides, .findings = findings, .table = findings->table};
    arena_init(&work.arena, TABLE_BYTES_MAX);
    source_page_init(&work.page);
    bool ok = verify(&work, rejects, err);
    page_compare_release(&work.compare);
    source_page_release(&work.page);
    arena_release(&work.arena);
    return ok;
}
