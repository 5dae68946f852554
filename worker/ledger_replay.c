#include "worker/ledger_replay.h"

#include "common/lsn.h"
#include "worker/ledger_batch.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define FAILED_OFFSETS_MAX "100000" /* of one turn: 0.8 MB */

static const char *number_text(int64_t number, struct arena *scratch)
{
    return arena_must_printf(scratch, "%" PRId64, number);
}

/* ---- requests ---- */

static const char find_sql[] =
    "SELECT w.position, r.request, r.from_offset, r.only_failed, r.dry_run"
    "  FROM ROWS FROM (pg_catalog.unnest($2::text[]), pg_catalog.unnest($3::int4[]))"
    "       WITH ORDINALITY AS w (topic, partition, position)"
    "  JOIN rowhaul.requests r USING (topic, partition)"
    " WHERE r.run = $1 AND r.state IN ('waiting', 'running') ORDER BY r.request LIMIT 1";

bool ledger_request_find(struct pg *pg, const struct run *run, struct partition *const *partitions,
                         size_t count, struct arena *arena, bool *ret_found,
                         struct replay_request *ret_request, struct error *err)
{
    struct partition_names names = ledger_names(partitions, count, arena);
    const char *values[] = {run->id_text, names.topics, names.numbers};
    RH_AUTO(pg_result_clear) PGresult *result = NULL;
    if (!pg_query_params(pg, find_sql, (int)RH_COUNT(values), values, &result, err)) {
        return error_wrap(err, "could not look for requests");
    }
    *ret_found = PQntuples(result) == 1;
    if (*ret_found) {
        size_t position = (size_t)strtoull(PQgetvalue(result, 0, 0), NULL, 10);
        REQUIRE(position >= 1 && position <= count);
        *ret_request = (struct replay_request){
            .id = arena_must_strdup(arena, PQgetvalue(result, 0, 1)),
            .slot = position - 1,
            .from_offset = strtoll(PQgetvalue(result, 0, 2), NULL, 10),
            .only_failed = PQgetvalue(result, 0, 3)[0] == 't',
            .dry_run = PQgetvalue(result, 0, 4)[0] == 't',
        };
    }
    return true;
}

static const char begin_sql[] =
    "UPDATE rowhaul.requests"
    "   SET state = 'running', owner = $2, to_offset = $3, begun_at = pg_catalog.now(),"
    "       messages = 0, keys = 0, applied = 0, unchanged = 0, refused = 0, rows_written = 0"
    " WHERE request = $1 AND state IN ('waiting', 'running')";

bool ledger_request_begin(struct pg *pg, const struct replay_request *request, const char *owner,
                          int64_t to_offset, struct arena *scratch, bool *ret_begun,
                          struct error *err)
{
    const char *values[] = {request->id, owner, number_text(to_offset, scratch)};
    RH_AUTO(pg_result_clear) PGresult *result = NULL;
    if (!pg_query_params(pg, begin_sql, (int)RH_COUNT(values), values, &result, err)) {
        return error_wrap(err, "could not begin request %s", request->id);
    }
    *ret_begun = strcmp(PQcmdTuples(result), "1") == 0;
    return true;
}

static const char count_sql[] =
    "UPDATE rowhaul.requests SET messages = $2, keys = $3, applied = $4, unchanged = $5,"
    "       refused = $6, rows_written = $7"
    " WHERE request = $1";

bool ledger_request_count(struct pg *pg, const struct replay_request *request,
                          const struct replay_counts *counts, struct arena *scratch,
                          struct error *err)
{
    const uint64_t numbers[] = {counts->messages,  counts->keys,    counts->applied,
                                counts->unchanged, counts->refused, counts->rows_written};
    const char *values[1 + RH_COUNT(numbers)] = {request->id};
    for (size_t i = 0; i < RH_COUNT(numbers); i++) {
        values[1 + i] = arena_must_printf(scratch, "%" PRIu64, numbers[i]);
    }
    RH_AUTO(pg_result_clear) PGresult *result = NULL;
    return pg_query_params(pg, count_sql, (int)RH_COUNT(values), values, &result, err) ||
           error_wrap(err, "could not count request %s", request->id);
}

static const char end_sql[] =
    "UPDATE rowhaul.requests SET state = $2, exit_code = $3, code = $4, message = $5,"
    "       ended_at = pg_catalog.clock_timestamp()"
    " WHERE request = $1";

bool ledger_request_end(struct pg *pg, const struct replay_request *request,
                        const struct error *failure, struct arena *scratch, struct error *err)
{
    const char *values[] = {request->id, "done", NULL, NULL, NULL};
    if (failure != NULL) {
        values[1] = "failed";
        values[2] = number_text((int64_t)failure->exit_code, scratch);
        values[3] = failure->code;
        values[4] = failure->text;
    }
    RH_AUTO(pg_result_clear) PGresult *result = NULL;
    return pg_query_params(pg, end_sql, (int)RH_COUNT(values), values, &result, err) ||
           error_wrap(err, "could not end request %s", request->id);
}

/* ---- the partition's books ---- */

/* What was applied first may stand under unchanged by now. */
static const char correct_sql[] =
    "UPDATE rowhaul.offsets SET applied = applied + greatest($4, -applied),"
    "       unchanged = unchanged + least(0, applied + $4)"
    " WHERE run = $1 AND topic = $2 AND partition = $3";

bool ledger_replay_correct(struct pg *pg, const struct run *run, const struct partition *partition,
                           int64_t applied, struct arena *scratch, struct error *err)
{
    if (applied == 0) {
        return true;
    }
    const char *values[] = {run->id_text, partition->topic->name,
                            number_text(partition->number, scratch), number_text(applied, scratch)};
    RH_AUTO(pg_result_clear) PGresult *result = NULL;
    return pg_query_params(pg, correct_sql, (int)RH_COUNT(values), values, &result, err) ||
           error_wrap(err, "could not correct the partition's books");
}

/* ---- marks ---- */

static const char mark_before_sql[] =
    "SELECT next_offset, generation, sequence, source_epoch, change_lsn, applied_index"
    "  FROM rowhaul.offset_marks"
    " WHERE run = $1 AND topic = $2 AND partition = $3 AND next_offset <= $4"
    " ORDER BY next_offset DESC LIMIT 1";

bool ledger_mark_before(struct pg *pg, const struct run *run, const struct partition *partition,
                        int64_t offset, struct arena *scratch, int64_t *ret_offset,
                        struct fence *ret_fence, struct error *err)
{
    const char *values[] = {run->id_text, partition->topic->name,
                            number_text(partition->number, scratch), number_text(offset, scratch)};
    RH_AUTO(pg_result_clear) PGresult *result = NULL;
    if (!pg_query_params(pg, mark_before_sql, (int)RH_COUNT(values), values, &result, err)) {
        return error_wrap(err, "could not read the partition's marks");
    }
    *ret_offset = -1;
    if (PQntuples(result) == 1) {
        *ret_offset = strtoll(PQgetvalue(result, 0, 0), NULL, 10);
        *ret_fence = (struct fence){
            .generation = strtoull(PQgetvalue(result, 0, 1), NULL, 10),
            .sequence = strtoull(PQgetvalue(result, 0, 2), NULL, 10),
            .source_epoch = (uint32_t)strtoul(PQgetvalue(result, 0, 3), NULL, 10),
            .lsn = lsn_parse(PQgetvalue(result, 0, 4)),
            .index = (uint32_t)strtoul(PQgetvalue(result, 0, 5), NULL, 10),
        };
    }
    return true;
}

static const char mark_sql[] =
    "INSERT INTO rowhaul.offset_marks (run, topic, partition, next_offset, generation, sequence,"
    "       source_epoch, change_lsn, applied_index)"
    " SELECT run, topic, partition, next_offset, generation, sequence, source_epoch, change_lsn,"
    "        applied_index"
    "   FROM rowhaul.offsets WHERE run = $1 AND topic = $2 AND partition = $3"
    " ON CONFLICT DO NOTHING";

bool ledger_mark(struct pg *pg, const struct run *run, const struct partition *partition,
                 struct arena *scratch, struct error *err)
{
    const char *values[] = {run->id_text, partition->topic->name,
                            number_text(partition->number, scratch)};
    RH_AUTO(pg_result_clear) PGresult *result = NULL;
    return pg_query_params(pg, mark_sql, (int)RH_COUNT(values), values, &result, err) ||
           error_wrap(err, "could not mark the partition's position");
}

/* ---- rejects ---- */

static const char failed_sql[] =
    "SELECT kafka_offset FROM rowhaul.rejects"
    " WHERE run = $1 AND kafka_topic = $2 AND kafka_partition = $3 AND kafka_offset > $4"
    " ORDER BY kafka_offset LIMIT " FAILED_OFFSETS_MAX;

bool ledger_failed_offsets(struct pg *pg, const struct run *run, const struct partition *partition,
                           int64_t after, struct arena *arena, int64_t **ret_offsets,
                           size_t *ret_count, struct error *err)
{
    const char *values[] = {run->id_text, partition->topic->name,
                            number_text(partition->number, arena), number_text(after, arena)};
    RH_AUTO(pg_result_clear) PGresult *result = NULL;
    if (!pg_query_params(pg, failed_sql, (int)RH_COUNT(values), values, &result, err)) {
        return error_wrap(err, "could not read the partition's rejects");
    }
    size_t count = (size_t)PQntuples(result);
    int64_t *offsets = arena_must_alloc(arena, (count + 1) * sizeof *offsets);
    for (size_t i = 0; i < count; i++) {
        offsets[i] = strtoll(PQgetvalue(result, (int)i, 0), NULL, 10);
    }
    *ret_offsets = offsets;
    *ret_count = count;
    return true;
}
