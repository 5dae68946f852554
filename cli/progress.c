#include "cli/progress.h"

#include "cli/human.h"
#include "common/clock.h"

#include <string.h>

#define TERMINAL_MS 500
#define PIPE_MS     5000
#define RATE_MS     5000 /* the window of a rate: short enough to be of now, long enough to be calm */
#define LINES_MAX   40   /* of a terminal; larger migrations show the tables that are at work */

void progress_init(struct progress *progress, const struct run *run, bool terminal,
                   struct arena *arena)
{
    size_t bytes = run->plan.tables_count * sizeof(struct accounting);
    *progress = (struct progress){
        .run = run,
        .tables = arena_must_alloc(arena, bytes),
        .earlier = arena_must_alloc(arena, bytes),
        .terminal = terminal,
        .drawn_ms = clock_ms(),
    };
}

bool progress_read(struct progress *progress, struct pg *target, struct error *err)
{
    size_t count = progress->run->plan.tables_count;
    int64_t now = clock_ms();
    if (now - progress->earlier_ms >= RATE_MS) {
        memcpy(progress->earlier, progress->tables, count * sizeof *progress->tables);
        progress->earlier_ms = progress->read_ms;
    }
    for (size_t t = 0; t < count; t++) {
        if (!ledger_accounting(target, progress->run, t, &progress->tables[t], err)) {
            return false;
        }
    }
    progress->read_ms = now;
    return true;
}

uint64_t progress_parked(const struct progress *progress)
{
    uint64_t parked = 0;
    for (size_t t = 0; t < progress->run->plan.tables_count; t++) {
        parked += progress->tables[t].parked;
    }
    return parked;
}

/* ---- lines ---- */

/* Messages that have found their term: what is done of a table. */
static uint64_t done_of(const struct accounting *a)
{
    return a->accepted;
}

/* An estimate until the table has ended; never less than what was read already. */
static uint64_t total_of(const struct accounting *a)
{
    return a->backfill_done || a->rows_estimate < a->rows_read ? a->rows_read : a->rows_estimate;
}

static bool is_done(const struct accounting *a)
{
    return a->backfill_done && a->accepted >= a->rows_enqueued;
}

static double rate_of(const struct progress *progress, size_t table)
{
    int64_t ms = progress->read_ms - progress->earlier_ms;
    uint64_t rows = done_of(&progress->tables[table]) - done_of(&progress->earlier[table]);
    return ms <= 0 || progress->earlier_ms == 0 ? 0.0 : (double)rows * 1000.0 / (double)ms;
}

static const char *state_of(const struct accounting *a)
{
    if (is_done(a)) {
        return "done";
    }
    return a->backfill_done ? "applying" : a->rows_read > 0 ? "running" : "waiting";
}

static void print_line(const struct progress *progress, size_t table, FILE *stream)
{
    const struct accounting *a = &progress->tables[table];
    double rate = rate_of(progress, table);
    char percent[HUMAN_BYTES];
    char done[HUMAN_BYTES];
    char total[HUMAN_BYTES];
    char speed[HUMAN_BYTES];
    char eta[HUMAN_BYTES];
    char rejects[HUMAN_BYTES];
    fprintf(stream, "%-20s  backfill %6s  %s/%s rows  %s  ETA %s | rejects %s | %s\n",
            progress->run->plan.tables[table].id, human_percent(percent, done_of(a), total_of(a)),
            human_count(done, done_of(a)), human_count(total, total_of(a)), human_rate(speed, rate),
            is_done(a) ? "0s" : human_eta(eta, done_of(a), total_of(a), rate),
            human_thousands(rejects, a->rejected + a->parked + a->oversize), state_of(a));
}

/* All tables where there is room for them; otherwise those that are at work. */
static bool is_shown(const struct progress *progress, size_t table)
{
    const struct accounting *a = &progress->tables[table];
    return progress->run->plan.tables_count <= LINES_MAX || (a->rows_read > 0 && !is_done(a));
}

static void draw_terminal(struct progress *progress, FILE *stream)
{
    if (progress->lines_drawn > 0) {
        fprintf(stream, "\033[%zuA\033[J", progress->lines_drawn);
    }
    progress->lines_drawn = 0;
    for (size_t t = 0; t < progress->run->plan.tables_count; t++) {
        if (is_shown(progress, t) && progress->lines_drawn < LINES_MAX) {
            print_line(progress, t, stream);
            progress->lines_drawn++;
        }
    }
}

/* Only what moves: a log is read from top to bottom. */
static void draw_pipe(struct progress *progress, FILE *stream)
{
    for (size_t t = 0; t < progress->run->plan.tables_count; t++) {
        const struct accounting *a = &progress->tables[t];
        if (a->rows_read > 0 && !is_done(a)) {
            print_line(progress, t, stream);
        }
    }
}

static void draw(struct progress *progress, FILE *stream)
{
    if (progress->terminal) {
        draw_terminal(progress, stream);
    } else {
        draw_pipe(progress, stream);
    }
    (void)fflush(stream); /* a display that cannot be written to is nobody's failure */
    progress->drawn_ms = clock_ms();
}

void progress_draw(struct progress *progress, FILE *stream)
{
    int64_t interval_ms = progress->terminal ? TERMINAL_MS : PIPE_MS;
    if (progress->read_ms != 0 && clock_ms() - progress->drawn_ms >= interval_ms) {
        draw(progress, stream);
    }
}

void progress_end(struct progress *progress, FILE *stream)
{
    if (progress->terminal && progress->read_ms != 0) {
        draw(progress, stream);
        progress->lines_drawn = 0;
    }
}
