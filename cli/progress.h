/*
 * progress -- how far a run is, read from the ledger: what was applied, not what was sent.
 *
 * A terminal gets a block of lines that is drawn over itself; a pipe gets a line per table and
 * interval. Both go to stderr: stdout is for results.
 */
#ifndef RH_CLI_PROGRESS_H
#define RH_CLI_PROGRESS_H

#include "common/ledger.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct progress {
    const struct run *run;
    struct accounting *tables;  /* now, as plan.tables */
    struct accounting *earlier; /* at the start of the window that rates are taken over */
    int64_t read_ms, earlier_ms;
    bool terminal; /* the stream is one, and colours and cursor movements are welcome */
    size_t lines_drawn;
    int64_t drawn_ms;
};

void progress_init(struct progress *progress, const struct run *run, bool terminal,
                   struct arena *arena);
bool progress_read(struct progress *progress, struct pg *target, struct error *err) RH_MUST_CHECK;
/* Rows that wait for other rows, over all tables. */
uint64_t progress_parked(const struct progress *progress);
/* Draws if it is time to. */
void progress_draw(struct progress *progress, FILE *stream);
/* Leaves the last block standing. */
void progress_end(struct progress *progress, FILE *stream);

#endif
