#include "worker/ledger_batch.h"

#include "common/clock.h"
#include "common/failpoint.h"
#include "common/lsn.h"
#include "common/pg_array.h"
#include "worker/ledger_rejects.h"
#include "worker/ledger_replay.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct partition_names ledger_names(struct partition *const *partitions, size_t count,
                                    struct arena *scratch)
{
    struct pg_array topics;
    struct pg_array numbers;
    pg_array_init(&topics, scratch);
    pg_array_init(&numbers, scratch);
    for (size_t i = 0; i < count; i++) {
        pg_array_add_text(&topics, bytes_of(partitions[i]->topic->name));
        pg_array_add_i64(&numbers, partitions[i]->number);
    }
    return (struct partition_names){pg_array_text(&topics), pg_array_text(&numbers)};
}

/* The partition a result row speaks of: its position in the arrays is column 0, from 1. */
static struct partition *row_partition(const PGresult *result, int row,
                                       struct partition *const *partitions, size_t count)
{
    size_t position = (size_t)strtoull(PQgetvalue(result, row, 0), NULL, 10);
    REQUIRE(position >= 1 && position <= count);
    return partitions[position - 1];
}

static int64_t row_i64(const PGresult *result, int row, int column)
{
    return strtoll(PQgetvalue(result, row, column), NULL, 10);
}

static uint64_t row_u64(const PGresult *result, int row, int column)
{
    return strtoull(PQgetvalue(result, row, column), NULL, 10);
}

static uint64_t row_lsn(const PGresult *result, int row, int column)
{
    return lsn_parse(PQgetvalue(result, row, column));
}

/* ---- claim ---- */

static const char claim_sql[] =
    "WITH wanted AS ("
    "  SELECT * FROM ROWS FROM (pg_catalog.unnest($2::text[]), pg_catalog.unnest($3::int4[]))"
    "         WITH ORDINALITY AS w (topic, partition, position)),"
    " locked AS ("
    "  SELECT o.topic, o.partition FROM rowhaul.offsets o JOIN wanted w USING (topic, partition)"
    "   WHERE o.run = $1 ORDER BY o.topic, o.partition FOR UPDATE OF o)"
    " UPDATE rowhaul.offsets o SET epoch = o.epoch + 1, owner = $4, updated_at = pg_catalog.now()"
    "   FROM wanted w, locked l"
    "  WHERE o.run = $1 AND o.topic = w.topic AND o.partition = w.partition"
    "    AND l.topic = w.topic AND l.partition = w.partition"
    " RETURNING w.position, o.next_offset, o.epoch, o.generation, o.sequence, o.source_epoch,"
    "   o.applied_lsn, o.change_lsn, o.applied_index,"
    "   (SELECT pg_catalog.count(*) FROM rowhaul.rejects r"
    "     WHERE r.run = $1 AND r.kafka_topic = o.topic AND r.kafka_partition = o.partition),"
    "   (SELECT pg_catalog.count(*) FROM rowhaul.rejects r"
    "     WHERE r.run = $1 AND r.kafka_topic = o.topic AND r.kafka_partition = o.partition"
    "       AND r.kind = 'parked'),"
    "   EXISTS (SELECT FROM rowhaul.barrier_seen b"
    "            WHERE b.run = $1 AND b.barrier = $5 AND b.topic = o.topic"
    "              AND b.partition = o.partition)";

static void claim_row(const PGresult *result, int row, struct partition *partition)
{
    partition->next_offset = row_i64(result, row, 1);
    partition->epoch = row_i64(result, row, 2);
    partition->ledger = (struct fence){
        .generation = row_u64(result, row, 3),
        .sequence = row_u64(result, row, 4),
        .source_epoch = (uint32_t)row_u64(result, row, 5),
        .applied_lsn = row_lsn(result, row, 6),
        .lsn = row_lsn(result, row, 7),
        .index = (uint32_t)row_u64(result, row, 8),
    };
    partition->open_rejects = row_u64(result, row, 9);
    partition->open_parked = row_u64(result, row, 10);
    partition->ended = PQgetvalue(result, row, 11)[0] == 't';
    partition->retry_at_ms = partition->retry_pause_ms = partition->swapped_at_ms = 0;
    partition->marked_ms = clock_ms();
}

bool ledger_claim(struct pg *pg, const struct run *run, struct partition *const *partitions,
                  size_t count, const char *owner, struct arena *scratch, struct error *err)
{
    struct partition_names names = ledger_names(partitions, count, scratch);
    const char *values[] = {run->id_text, names.topics, names.numbers, owner,
                            arena_must_printf(scratch, "%" PRIu64, BARRIER_END)};
    RH_AUTO(pg_result_clear) PGresult *result = NULL;
    if (!pg_query_params(pg, claim_sql, 5, values, &result, err)) {
        return error_wrap(err, "could not claim partitions");
    }
    if ((size_t)PQntuples(result) != count) {
        return error_stop(err, EXIT_STATE, "RUN_MISSING",
                          "the ledger has %d of the %zu partitions to claim", PQntuples(result),
                          count);
    }
    for (int row = 0; row < PQntuples(result); row++) {
        claim_row(result, row, row_partition(result, row, partitions, count));
    }
    return true;
}

static const char reread_sql[] =
    "SELECT w.position, o.next_offset, o.epoch"
    "  FROM ROWS FROM (pg_catalog.unnest($2::text[]), pg_catalog.unnest($3::int4[]))"
    "       WITH ORDINALITY AS w (topic, partition, position)"
    "  JOIN rowhaul.offsets o USING (topic, partition) WHERE o.run = $1";

bool ledger_reread(struct pg *pg, const struct run *run, struct partition *const *partitions,
                   size_t count, struct arena *scratch, int64_t *ret_next_offsets,
                   int64_t *ret_epochs, struct error *err)
{
    struct partition_names names = ledger_names(partitions, count, scratch);
    const char *values[] = {run->id_text, names.topics, names.numbers};
    RH_AUTO(pg_result_clear) PGresult *result = NULL;
    if (!pg_query_params(pg, reread_sql, 3, values, &result, err)) {
        return error_wrap(err, "could not read the ledger again");
    }
    for (size_t i = 0; i < count; i++) {
        ret_next_offsets[i] = ret_epochs[i] = -1; /* a row that is gone matches nothing */
    }
    for (int row = 0; row < PQntuples(result); row++) {
        size_t i = (size_t)row_u64(result, row, 0) - 1;
        REQUIRE(i < count);
        ret_next_offsets[i] = row_i64(result, row, 1);
        ret_epochs[i] = row_i64(result, row, 2);
    }
    return true;
}

/* ---- advance: the compare-and-set ---- */

/* `guard` is what makes it one: the row is as this worker left it. */
#define ADVANCE_SQL(guard)                                                                         \
    "WITH wanted AS ("                                                                             \
    "  SELECT * FROM ROWS FROM (pg_catalog.unnest($2::text[]), pg_catalog.unnest($3::int4[]), "    \
    "         pg_catalog.unnest($4::int8[]), pg_catalog.unnest($5::int8[]), "                      \
    "         pg_catalog.unnest($6::int8[]), pg_catalog.unnest($7::int8[]), "                      \
    "         pg_catalog.unnest($8::int8[]), pg_catalog.unnest($9::int8[]), "                      \
    "         pg_catalog.unnest($10::pg_lsn[]), pg_catalog.unnest($11::pg_lsn[]), "                \
    "         pg_catalog.unnest($12::int8[]))"                                                     \
    "         AS w (topic, partition, expected, epoch, next, generation, sequence, source_epoch,"  \
    "               applied_lsn, change_lsn, index)),"                                             \
    " locked AS ("                                                                                 \
    "  SELECT o.topic, o.partition FROM rowhaul.offsets o JOIN wanted w USING (topic, partition)"  \
    "   WHERE o.run = $1" guard "   ORDER BY o.topic, o.partition FOR UPDATE OF o)"                \
    " UPDATE rowhaul.offsets o"                                                                    \
    "    SET next_offset = w.next, generation = w.generation, sequence = w.sequence,"              \
    "        source_epoch = w.source_epoch, applied_lsn = w.applied_lsn,"                          \
    "        change_lsn = w.change_lsn, applied_index = w.index,"                                  \
    "        updated_at = pg_catalog.now()"                                                        \
    "   FROM wanted w, locked l"                                                                   \
    "  WHERE o.run = $1 AND o.topic = w.topic AND o.partition = w.partition"                       \
    "    AND l.topic = w.topic AND l.partition = w.partition" guard

static const char advance_sql[] =
    ADVANCE_SQL(" AND o.next_offset = w.expected AND o.epoch = w.epoch");
static const char unguarded_sql[] = ADVANCE_SQL(""); /* negative control */

static void add_lsn(struct pg_array *array, uint64_t lsn)
{
    char text[LSN_TEXT_BYTES];
    pg_array_add_text(array, bytes_of(lsn_format(text, lsn)));
}

bool ledger_advance(struct pg *pg, const struct run *run, struct partition *const *partitions,
                    size_t count, struct arena *scratch, size_t *ret_moved, struct error *err)
{
    enum {
        EXPECTED,
        EPOCH,
        NEXT,
        GENERATION,
        SEQUENCE,
        SOURCE_EPOCH,
        APPLIED_LSN,
        CHANGE_LSN,
        INDEX,
        COLUMNS
    };
    struct pg_array columns[COLUMNS];
    for (size_t c = 0; c < COLUMNS; c++) {
        pg_array_init(&columns[c], scratch);
    }
    for (size_t i = 0; i < count; i++) {
        const struct partition *p = partitions[i];
        pg_array_add_i64(&columns[EXPECTED], p->next_offset);
        pg_array_add_i64(&columns[EPOCH], p->epoch);
        pg_array_add_i64(&columns[NEXT], p->read_offset);
        pg_array_add_i64(&columns[GENERATION], (int64_t)p->ahead.generation);
        pg_array_add_i64(&columns[SEQUENCE], (int64_t)p->ahead.sequence);
        pg_array_add_i64(&columns[SOURCE_EPOCH], p->ahead.source_epoch);
        add_lsn(&columns[APPLIED_LSN], p->ahead.applied_lsn);
        add_lsn(&columns[CHANGE_LSN], p->ahead.lsn);
        pg_array_add_i64(&columns[INDEX], p->ahead.index);
    }
    struct partition_names names = ledger_names(partitions, count, scratch);
    const char *values[3 + COLUMNS] = {run->id_text, names.topics, names.numbers};
    for (size_t c = 0; c < COLUMNS; c++) {
        values[3 + c] = pg_array_text(&columns[c]);
    }
    RH_AUTO(pg_result_clear) PGresult *result = NULL;
    const char *sql = RH_UNSAFE("no_cas") ? unguarded_sql : advance_sql;
    if (!pg_query_params(pg, sql, (int)RH_COUNT(values), values, &result, err)) {
        return error_wrap(err, "could not advance the ledger");
    }
    *ret_moved = (size_t)strtoull(PQcmdTuples(result), NULL, 10);
    return true;
}

/* ---- count, barriers, progress ---- */

static const char count_sql[] =
    "UPDATE rowhaul.offsets o"
    "   SET accepted = o.accepted + w.accepted, applied = o.applied + w.applied,"
    "       unchanged = o.unchanged + w.unchanged, deleted = o.deleted + w.deleted,"
    "       folded = o.folded + w.folded, filtered = o.filtered + w.filtered,"
    "       deduplicated = o.deduplicated + w.deduplicated, superseded = o.superseded + "
    "w.superseded,"
    "       skipped = o.skipped + w.skipped, rows_written = o.rows_written + w.rows_written,"
    "       bytes_applied = o.bytes_applied + w.bytes_applied,"
    "       first_at = CASE WHEN w.accepted > 0 THEN coalesce(o.first_at, pg_catalog.now())"
    "                       ELSE o.first_at END,"
    "       last_at = CASE WHEN w.accepted + w.applied + w.unchanged > 0"
    "                      THEN pg_catalog.clock_timestamp() ELSE o.last_at END"
    "  FROM ROWS FROM (pg_catalog.unnest($2::text[]), pg_catalog.unnest($3::int4[]), "
    "         pg_catalog.unnest($4::int8[]), pg_catalog.unnest($5::int8[]), "
    "         pg_catalog.unnest($6::int8[]), pg_catalog.unnest($7::int8[]), "
    "         pg_catalog.unnest($8::int8[]), pg_catalog.unnest($9::int8[]), "
    "         pg_catalog.unnest($10::int8[]), pg_catalog.unnest($11::int8[]), "
    "         pg_catalog.unnest($12::int8[]), pg_catalog.unnest($13::int8[]), "
    "         pg_catalog.unnest($14::int8[]))"
    "       AS w (topic, partition, accepted, applied, unchanged, deleted, folded, filtered,"
    "             deduplicated, superseded, skipped, rows_written, bytes_applied)"
    " WHERE o.run = $1 AND o.topic = w.topic AND o.partition = w.partition";

/* In the order of count_sql's columns. */
static const size_t counter_offsets[] = {
    offsetof(struct partition_counters, accepted),
    offsetof(struct partition_counters, applied),
    offsetof(struct partition_counters, unchanged),
    offsetof(struct partition_counters, deleted),
    offsetof(struct partition_counters, folded),
    offsetof(struct partition_counters, filtered),
    offsetof(struct partition_counters, deduplicated),
    offsetof(struct partition_counters, superseded),
    offsetof(struct partition_counters, skipped),
    offsetof(struct partition_counters, rows_written),
    offsetof(struct partition_counters, bytes_applied),
};

static bool write_counters(struct pg *pg, const struct run *run,
                           struct partition *const *partitions, size_t count, struct arena *scratch,
                           struct error *err)
{
    struct partition_names names = ledger_names(partitions, count, scratch);
    const char *values[3 + RH_COUNT(counter_offsets)] = {run->id_text, names.topics, names.numbers};
    for (size_t c = 0; c < RH_COUNT(counter_offsets); c++) {
        struct pg_array column;
        pg_array_init(&column, scratch);
        for (size_t i = 0; i < count; i++) {
            uint64_t value = 0;
            memcpy(&value, (const char *)&partitions[i]->counters + counter_offsets[c],
                   sizeof value);
            pg_array_add_i64(&column, (int64_t)value);
        }
        values[3 + c] = pg_array_text(&column);
    }
    RH_AUTO(pg_result_clear) PGresult *result = NULL;
    return pg_query_params(pg, count_sql, (int)RH_COUNT(values), values, &result, err);
}

static const char barrier_sql[] =
    "INSERT INTO rowhaul.barrier_seen (run, barrier, topic, partition) VALUES ($1, $2, $3, $4)"
    " ON CONFLICT DO NOTHING";

static bool write_barriers(struct pg *pg, const struct run *run, const struct partition *partition,
                           struct error *err)
{
    char number[24];
    (void)snprintf(number, sizeof number, "%" PRId32, partition->number);
    for (uint32_t i = 0; i < partition->barriers_count; i++) {
        char barrier[24];
        (void)snprintf(barrier, sizeof barrier, "%" PRIu64, partition->barriers[i]);
        const char *values[] = {run->id_text, barrier, partition->topic->name, number};
        RH_AUTO(pg_result_clear) PGresult *result = NULL;
        if (!pg_query_params(pg, barrier_sql, 4, values, &result, err)) {
            return false;
        }
    }
    return true;
}

static const char progress_sql[] =
    "INSERT INTO rowhaul.progress AS p (run, table_id, generation, rows_read, rows_enqueued,"
    "       rows_dropped, rows_filtered, rows_estimate, done, last_key)"
    " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"
    " ON CONFLICT (run, table_id) DO UPDATE"
    "    SET generation = EXCLUDED.generation, rows_read = EXCLUDED.rows_read,"
    "        rows_enqueued = EXCLUDED.rows_enqueued, rows_dropped = EXCLUDED.rows_dropped,"
    "        rows_filtered = EXCLUDED.rows_filtered, rows_estimate = EXCLUDED.rows_estimate,"
    "        done = EXCLUDED.done, last_key = coalesce(EXCLUDED.last_key, p.last_key),"
    "        updated_at = pg_catalog.now()"
    "  WHERE (EXCLUDED.generation, EXCLUDED.rows_read) >= (p.generation, p.rows_read)";

static bool write_progress(struct pg *pg, const struct run *run, const struct partition *partition,
                           struct arena *scratch, struct error *err)
{
    const struct wire_progress *progress = &partition->progress;
    const uint64_t numbers[] = {partition->ahead.generation, progress->rows_read,
                                progress->rows_enqueued,     progress->rows_dropped,
                                progress->rows_filtered,     progress->rows_estimate};
    const char *values[10] = {run->id_text, partition->topic->table->id};
    for (size_t i = 0; i < RH_COUNT(numbers); i++) {
        values[2 + i] = arena_must_printf(scratch, "%" PRIu64, numbers[i]);
    }
    values[8] = progress->done ? "t" : "f";
    if (!ledger_key_text(progress->last_key, partition->topic->table->key_count, scratch,
                         &values[9], err)) {
        return false;
    }
    RH_AUTO(pg_result_clear) PGresult *result = NULL;
    return pg_query_params(pg, progress_sql, 10, values, &result, err);
}

bool ledger_count(struct pg *pg, const struct run *run, struct partition *const *partitions,
                  size_t count, struct arena *scratch, struct error *err)
{
    if (!write_counters(pg, run, partitions, count, scratch, err)) {
        return error_wrap(err, "could not count the batch");
    }
    for (size_t i = 0; i < count; i++) {
        if (!write_barriers(pg, run, partitions[i], err)) {
            return error_wrap(err, "could not note a barrier");
        }
        if (partitions[i]->marks && !ledger_mark(pg, run, partitions[i], scratch, err)) {
            return false;
        }
        if (partitions[i]->has_progress && !write_progress(pg, run, partitions[i], scratch, err)) {
            return error_wrap(err, "could not note the producer's progress");
        }
    }
    return true;
}
