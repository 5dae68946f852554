/*
 * stage -- expected rows in a TEMP table of the target, stored as the target would store them.
 *
 * In:     rows of an output, as text. Out: a table of the output's own column types, filled through
 *         their input functions, so that what a cast would bend (a text that is too long) is
 *         refused as the worker's write is; and the rows that were refused, with the reason.
 * Never:  writes anything but its TEMP table.
 *
 * Columns are n (the row's place in the page) and c0, c1… (as output->columns).
 */
#ifndef RH_RECONCILER_STAGE_H
#define RH_RECONCILER_STAGE_H

#include "common/mapping.h"
#include "common/pg.h"

#include <stdbool.h>

struct stage {
    const struct plan_output *output;
    const char *name;      /* in pg_temp */
    struct arena arena;    /* of a page */
    struct buffer lines;   /* COPY text */
    size_t count;          /* rows of the page, refused ones too */
    size_t *ends;          /* where each row's line ends; a refused row's line is empty */
    const char **refusals; /* NULL, or why the row cannot be stored */
    size_t refusals_count;
};

/*
 * rows_keep: rows outlive their transaction, and pages add up. name is a plain word, kept.
 * After a failure here or in stage_send the connection is in an unknown state: close it.
 */
bool stage_open(struct stage *stage, struct pg *target, const struct plan_output *output,
                const char *name, bool rows_keep, struct error *err) RH_MUST_CHECK;
void stage_release(struct stage *stage);
/* Forgets the page. */
void stage_clear(struct stage *stage);
/* One row, at most PAGE_ROWS_MAX a page. */
bool stage_add(struct stage *stage, const struct value *values, struct error *err) RH_MUST_CHECK;
/* A row that a rule refused. */
void stage_refuse(struct stage *stage, const char *reason);
/* Sends the page, within the caller's transaction; rows that the types refuse become refusals. */
bool stage_send(struct stage *stage, struct pg *target, struct error *err) RH_MUST_CHECK;
/* "s.c0 = t.k AND …": a staged row and the target's row of its key. */
void write_stage_join(struct buffer *sql, const struct plan_output *output);

#endif
