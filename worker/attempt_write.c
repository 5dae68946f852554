#include "worker/attempt.h"

static size_t entries_to_write(const struct table_work *work, size_t from, size_t to)
{
    size_t count = 0;
    for (size_t i = from; i < to; i++) {
        count += work->verdicts[i] == VERDICT_WRITE;
    }
    return count;
}

static bool write_output(struct attempt *attempt, const struct table_work *work, size_t output,
                         size_t from, size_t to, uint64_t *ret_written, struct error *err)
{
    struct writer *writer = &attempt->apply->tables[work->table->index].outputs[output];
    struct bytes lines = table_work_lines(work, output, from, to);
    if (!attempt->careful && writer_expects_new(writer)) {
        return writer_copy(writer, attempt->pg, lines, ret_written, err);
    }
    return writer_make_stage(writer, attempt->pg, err) &&
           writer_upsert(writer, attempt->pg, lines, ret_written, err);
}

/*
 * A COPY or upsert tells how many rows it changed, not which: where only some were, the first of
 * the entries count as applied. So each partition's books balance, and the sums of a table are
 * exact.
 */
static void count_range(struct attempt *attempt, const struct table_work *work, size_t from,
                        size_t to, uint64_t applied)
{
    for (size_t i = from; i < to; i++) {
        struct partition_counters *counters = attempt_counters(attempt, work->entries[i]);
        if (work->verdicts[i] != VERDICT_WRITE) {
            continue;
        }
        if (applied > 0) {
            counters->applied++;
            applied--;
        } else {
            counters->unchanged++;
        }
    }
}

/*
 * Writes entries [from, to) to all outputs. A message counts as applied up to the largest number of
 * rows that one output changed; the others found their rows as they should be.
 */
static bool write_range(struct attempt *attempt, const struct table_work *work, size_t from,
                        size_t to, struct error *err)
{
    uint64_t entries = entries_to_write(work, from, to);
    if (entries == 0) {
        return true;
    }
    uint64_t applied = 0;
    uint64_t rows = 0;
    for (size_t o = 0; o < work->table->outputs_count; o++) {
        uint64_t written = 0;
        if (!write_output(attempt, work, o, from, to, &written, err)) {
            return error_wrap(err, "table \"%s.%s\"", work->table->outputs[o].target->schema,
                              work->table->outputs[o].target->name);
        }
        applied = written > applied ? written : applied;
        rows += written;
    }
    attempt_counters(attempt, work->entries[from])->rows_written += rows;
    count_range(attempt, work, from, to, applied);
    return true;
}

static bool refuse(struct attempt *attempt, const struct table_work *work, size_t index,
                   struct error *err)
{
    const struct plan_table *table = work->table;
    if (table->on_error == ON_ERROR_STOP) {
        return row_refusal_stops(table, err);
    }
    work->verdicts[index] = VERDICT_REFUSED_BY_TARGET;
    attempt->rejects[attempt->rejects_count++] =
        reject_from_error(table, work->entries[index], NULL, err, attempt->arena);
    return true;
}

/* Halves a range until the refusing entry stands alone. Depth: log2 of the batch. */
static bool write_carefully(struct attempt *attempt, const struct table_work *work, size_t from,
                            size_t to, struct error *err)
{
    if (!pg_run(attempt->pg, "SAVEPOINT entries", err)) {
        return false;
    }
    if (write_range(attempt, work, from, to, err)) {
        return pg_run(attempt->pg, "RELEASE SAVEPOINT entries", err);
    }
    if (!error_is_of_rows(err)) {
        return false;
    }
    struct error undo;
    if (!pg_run(attempt->pg, "ROLLBACK TO SAVEPOINT entries; RELEASE SAVEPOINT entries", &undo)) {
        *err = undo;
        return false;
    }
    if (to - from == 1) {
        return refuse(attempt, work, from, err);
    }
    size_t middle = from + (to - from) / 2;
    return write_carefully(attempt, work, from, middle, err) &&
           write_carefully(attempt, work, middle, to, err);
}

static bool write_table(struct attempt *attempt, const struct table_work *work, struct error *err)
{
    if (!attempt->careful) {
        return write_range(attempt, work, 0, work->entries_count, err);
    }
    for (size_t o = 0; o < work->table->outputs_count; o++) {
        struct writer *writer = &attempt->apply->tables[work->table->index].outputs[o];
        if (!writer_make_stage(writer, attempt->pg, err)) {
            return false;
        }
    }
    return write_carefully(attempt, work, 0, work->entries_count, err);
}

bool attempt_write(struct attempt *attempt, struct error *err)
{
    for (size_t i = 0; i < attempt->work_count; i++) {
        if (!write_table(attempt, &attempt->work[i], err)) {
            return false;
        }
    }
    return true;
}
