#include "cli/overview.h"

#include "cli/human.h"
#include "cli/output.h"
#include "cli/text_table.h"

#include <inttypes.h>
#include <string.h>

/* ---- judging ---- */

const char *table_stage_name(enum table_stage stage)
{
    static const char *const names[TABLE_STAGES] = {"waiting", "backfill", "applying", "done"};
    return names[stage];
}

static enum table_stage stage_of(const struct overview_table *table)
{
    const struct accounting *a = &table->accounting;
    if (table->barrier_passed) {
        return TABLE_DONE;
    }
    if (a->backfill_done) {
        return TABLE_APPLYING;
    }
    return a->rows_read > 0 || a->accepted > 0 ? TABLE_BACKFILL : TABLE_WAITING;
}

/* The sum is known when each of its terms is. */
static int64_t pending_of(const struct overview *overview, size_t table)
{
    int64_t pending = 0;
    for (size_t i = 0; i < overview->partitions_count; i++) {
        const struct overview_partition *p = &overview->partitions[i];
        if (p->table != table) {
            continue;
        }
        if (p->high_offset == OFFSET_UNKNOWN) {
            return OFFSET_UNKNOWN;
        }
        pending += p->high_offset > p->next_offset ? p->high_offset - p->next_offset : 0;
    }
    return pending;
}

static void judge_table(struct overview *overview, size_t index)
{
    struct overview_table *table = &overview->tables[index];
    const struct accounting *a = &table->accounting;
    table->stage = stage_of(table);
    table->pending = pending_of(overview, index);
    overview->rejects += a->rejected + a->oversize;
    overview->parked += a->parked;
    overview->balanced =
        overview->balanced && accounting_producer_balances(a) && accounting_worker_balances(a);
}

static void add_reason(struct overview *overview, const char *reason)
{
    overview->reasons[overview->reasons_count++] = reason;
}

static void add_count(struct overview *overview, struct arena *arena, uint64_t count,
                      const char *one, const char *many)
{
    if (count > 0) {
        add_reason(overview,
                   arena_must_printf(arena, "%" PRIu64 " %s", count, count == 1 ? one : many));
    }
}

static void find_open_tables(struct overview *overview, struct arena *arena)
{
    for (size_t i = 0; i < overview->tables_count; i++) {
        const struct overview_table *table = &overview->tables[i];
        if (table->stage != TABLE_DONE) {
            add_reason(overview, arena_must_printf(arena, "table %s: %s", table->id,
                                                   table_stage_name(table->stage)));
        }
    }
}

/* What stands between this run and a cutover, the nearest thing to do first. */
static void find_reasons(struct overview *overview, struct arena *arena)
{
    if (strcmp(overview->state, "paused") == 0 || strcmp(overview->state, "failed") == 0) {
        add_reason(overview, overview->reason == NULL
                                 ? arena_must_printf(arena, "the run is %s", overview->state)
                                 : arena_must_printf(arena, "the run is %s: %s", overview->state,
                                                     overview->reason));
    }
    find_open_tables(overview, arena);
    if (overview->reasons_count == 0) {
        add_count(overview, arena, overview->barriers_missing,
                  "partition has not applied the end barrier",
                  "partitions have not applied the end barrier");
    }
    add_count(overview, arena, overview->parked, "row is parked", "rows are parked");
    add_count(overview, arena, overview->rejects, "row is rejected", "rows are rejected");
    if (!overview->balanced) {
        add_reason(overview, "the accounting does not balance");
    }
}

#define OTHER_REASONS_MAX 5 /* besides one for each table */

void overview_judge(struct overview *overview, struct arena *arena)
{
    overview->balanced = true;
    overview->generation = 0;
    overview->rejects = overview->parked = 0;
    for (size_t i = 0; i < overview->tables_count; i++) {
        judge_table(overview, i);
    }
    for (size_t i = 0; i < overview->partitions_count; i++) {
        int64_t generation = overview->partitions[i].generation;
        overview->generation =
            generation > overview->generation ? generation : overview->generation;
    }
    overview->reasons_count = 0;
    overview->reasons = arena_must_alloc(arena, (overview->tables_count + OTHER_REASONS_MAX) *
                                                    sizeof(*overview->reasons));
    find_reasons(overview, arena);
    overview->ready = overview->reasons_count == 0;
}

/* ---- JSON ---- */

static json_t *number(uint64_t value)
{
    return json_integer((json_int_t)value);
}

static json_t *offset_or_null(int64_t value)
{
    return value == OFFSET_UNKNOWN ? json_null() : json_integer(value);
}

static json_t *table_to_json(const struct overview_table *table)
{
    const struct accounting *a = &table->accounting;
    const struct {
        const char *name;
        uint64_t value;
    } terms[] = {
        {"rows_read", a->rows_read},
        {"rows_enqueued", a->rows_enqueued},
        {"rows_dropped", a->rows_dropped},
        {"rows_filtered", a->rows_filtered},
        {"rows_estimate", a->rows_estimate},
        {"accepted", a->accepted},
        {"applied", a->applied},
        {"unchanged", a->unchanged},
        {"deleted", a->deleted},
        {"folded", a->folded},
        {"filtered", a->filtered},
        {"deduplicated", a->deduplicated},
        {"superseded", a->superseded},
        {"rejected", a->rejected},
        {"parked", a->parked},
        {"oversize", a->oversize},
        {"skipped", a->skipped},
        {"rows_written", a->rows_written},
        {"bytes_applied", a->bytes_applied},
    };
    json_t *object = json_object();
    output_set(object, "id", output_text(bytes_of(table->id)));
    output_set(object, "state", output_text(bytes_of(table_stage_name(table->stage))));
    for (size_t i = 0; i < RH_COUNT(terms); i++) {
        output_set(object, terms[i].name, number(terms[i].value));
    }
    output_set(object, "pending", offset_or_null(table->pending));
    return object;
}

static json_t *partition_to_json(const struct overview_partition *p)
{
    json_t *object = json_object();
    output_set(object, "topic", output_text(bytes_of(p->topic)));
    output_set(object, "partition", json_integer(p->partition));
    output_set(object, "next_offset", json_integer(p->next_offset));
    output_set(object, "high_offset", offset_or_null(p->high_offset));
    output_set(object, "epoch", json_integer(p->epoch));
    output_set(object, "owner", output_text_or_null(p->owner));
    output_set(object, "generation", json_integer(p->generation));
    output_set(object, "sequence", json_integer(p->sequence));
    output_set(object, "applied_lsn", output_text(bytes_of(p->applied_lsn)));
    return object;
}

static json_t *cutover_to_json(const struct overview *overview)
{
    json_t *reasons = json_array();
    for (size_t i = 0; i < overview->reasons_count; i++) {
        (void)json_array_append_new(reasons, output_text(bytes_of(overview->reasons[i])));
    }
    json_t *object = json_object();
    output_set(object, "ready", json_boolean(overview->ready));
    output_set(object, "reasons", reasons);
    return object;
}

json_t *overview_to_json(const struct overview *overview)
{
    json_t *tables = json_array();
    for (size_t i = 0; i < overview->tables_count; i++) {
        (void)json_array_append_new(tables, table_to_json(&overview->tables[i]));
    }
    json_t *partitions = json_array();
    for (size_t i = 0; i < overview->partitions_count; i++) {
        (void)json_array_append_new(partitions, partition_to_json(&overview->partitions[i]));
    }
    json_t *accounting = json_object();
    output_set(accounting, "balanced", json_boolean(overview->balanced));
    json_t *object = json_object();
    output_set(object, "migration", output_text(bytes_of(overview->migration)));
    output_set(object, "run", output_text(bytes_of(overview->run)));
    output_set(object, "state", output_text(bytes_of(overview->state)));
    output_set(object, "generation", json_integer(overview->generation));
    output_set(object, "tables", tables);
    output_set(object, "partitions", partitions);
    output_set(object, "accounting", accounting);
    output_set(object, "rejects", number(overview->rejects));
    output_set(object, "parked", number(overview->parked));
    /* Lag is how far the target is behind the change stream: mode: snapshot has none. */
    output_set(object, "lag_bytes", json_null());
    output_set(object, "lag_seconds", json_null());
    output_set(object, "cutover", cutover_to_json(overview));
    return object;
}

/* ---- text ---- */

/* Messages of the whole table: an estimate while it is read, never less than what was applied. */
static uint64_t expected(const struct overview_table *table)
{
    const struct accounting *a = &table->accounting;
    uint64_t least = a->accepted > a->rows_enqueued ? a->accepted : a->rows_enqueued;
    if (table->stage == TABLE_DONE) {
        return a->accepted;
    }
    return a->backfill_done || a->rows_estimate < least ? least : a->rows_estimate;
}

static const char *eta(char text[HUMAN_BYTES], const struct overview_table *table)
{
    switch (table->stage) {
    case TABLE_DONE:
        return "-";
    case TABLE_WAITING:
        return "TBD";
    case TABLE_BACKFILL:
    case TABLE_APPLYING:
        break;
    }
    return human_eta(text, table->accounting.accepted, expected(table), table->per_second);
}

static void print_table(struct text_table *out, const struct overview_table *table)
{
    const struct accounting *a = &table->accounting;
    char text[HUMAN_BYTES];
    bool busy = table->stage == TABLE_BACKFILL || table->stage == TABLE_APPLYING;
    bool begun = table->stage != TABLE_WAITING;
    text_table_cell(out, table->id);
    text_table_cell(out, table_stage_name(table->stage));
    text_table_cell(out, begun ? human_percent(text, a->accepted, expected(table)) : NULL);
    text_table_cell(out, human_thousands(text, a->accepted));
    text_table_cell(out, human_thousands(text, expected(table)));
    text_table_cell(out,
                    busy && table->per_second > 0 ? human_rate(text, table->per_second) : NULL);
    text_table_cell(out, eta(text, table));
    text_table_cell(out, table->pending == OFFSET_UNKNOWN
                             ? NULL
                             : human_thousands(text, (uint64_t)table->pending));
    text_table_cell(out, human_thousands(text, a->rejected + a->oversize));
    text_table_cell(out, human_thousands(text, a->parked));
}

static void print_cutover(const struct overview *overview, FILE *stream)
{
    if (overview->ready) {
        fputs("cutover: ready: backfilled\n", stream);
        return;
    }
    fputs("cutover: not ready: ", stream);
    for (size_t i = 0; i < overview->reasons_count; i++) {
        fprintf(stream, "%s%s", i == 0 ? "" : "; ", overview->reasons[i]);
    }
    fputc('\n', stream);
}

void overview_print(const struct overview *overview, FILE *stream)
{
    static const struct text_column columns[] = {{"table", TEXT_LEFT},    {"state", TEXT_LEFT},
                                                 {"done", TEXT_RIGHT},    {"rows", TEXT_RIGHT},
                                                 {"of", TEXT_RIGHT},      {"rate", TEXT_RIGHT},
                                                 {"ETA", TEXT_RIGHT},     {"pending", TEXT_RIGHT},
                                                 {"rejects", TEXT_RIGHT}, {"parked", TEXT_RIGHT}};
    fprintf(stream, "%s: run %s, %s, generation %" PRId64 "\n\n", overview->migration,
            overview->run, overview->state, overview->generation);
    RH_AUTO(text_table_release) struct text_table table;
    text_table_init(&table, columns, RH_COUNT(columns));
    for (size_t i = 0; i < overview->tables_count; i++) {
        print_table(&table, &overview->tables[i]);
    }
    text_table_print(&table, stream);
    fprintf(stream, "\naccounting: %s\n", overview->balanced ? "balanced" : "does not balance");
    print_cutover(overview, stream);
}
