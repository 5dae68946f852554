/*
 * page_compare -- a page of source rows against the target rows of the same keys.
 *
 * In:     a page, an output. Out: whether all is equal (page_glance), or findings (page_report).
 * Never:  decides in this program what the target can decide in its own types: the expected row is
 *         staged as the target would store it, images tell what is equal, output texts tell what is
 *         different.
 */
#ifndef RH_RECONCILER_PAGE_COMPARE_H
#define RH_RECONCILER_PAGE_COMPARE_H

#include "reconciler/findings.h"
#include "reconciler/rejects.h"
#include "reconciler/sides.h"
#include "reconciler/source_page.h"
#include "reconciler/stage.h"

#include <stdbool.h>
#include <stdint.h>

struct page_compare {
    struct sides *sides;
    const struct rejects *rejects;
    struct findings *findings;
    const struct plan_table *table;
    const struct plan_output *output;
    struct arena arena; /* SQL */
    struct arena row;   /* of a page's differences */
    struct stage stage;
    struct value *expected; /* one row, while it is staged */
    const char *differing_sql, *expected_sql, *actual_sql;
    const struct source_page *page; /* the one that is being compared */
};

/*
 * Release it after a failure too.
 * After a failure of any of these the target's connection is in an unknown state: close it.
 */
bool page_compare_open(struct page_compare *compare, struct sides *sides,
                       const struct rejects *rejects, struct findings *findings,
                       struct error *err) RH_MUST_CHECK;
void page_compare_release(struct page_compare *compare);

/* ret_equal: every row has its target row, with the same image. */
bool page_glance(struct page_compare *compare, const struct source_page *page, bool *ret_equal,
                 struct error *err) RH_MUST_CHECK;
/* Adds the page's differences; ret_missing: how many of its rows have no target row. */
bool page_report(struct page_compare *compare, const struct source_page *page,
                 uint64_t *ret_missing, struct error *err) RH_MUST_CHECK;

#endif
