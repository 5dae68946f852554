#include "worker/ledger_rejects.h"

#include "common/key.h"
#include "common/lsn.h"
#include "common/pg_array.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define KEY_PARTS_MAX 32 /* PostgreSQL's INDEX_MAX_KEYS */

bool ledger_key_text(struct bytes key, size_t parts_count, struct arena *scratch,
                     const char **ret_text, struct error *err)
{
    *ret_text = NULL;
    if (key.len == 0) {
        return true;
    }
    struct bytes parts[KEY_PARTS_MAX];
    REQUIRE(parts_count <= KEY_PARTS_MAX);
    if (!key_parts(key, parts, parts_count, err)) {
        return false;
    }
    struct pg_array array;
    pg_array_init(&array, scratch);
    for (size_t i = 0; i < parts_count; i++) {
        pg_array_add_text(&array, parts[i]);
    }
    *ret_text = pg_array_text(&array);
    return true;
}

/* ---- rejects ---- */

static const char reject_sql[] =
    "INSERT INTO rowhaul.rejects AS r (run, table_id, source_key, kind, kafka_topic,"
    "       kafka_partition, kafka_offset, generation, sequence, lsn, sqlstate, rule,"
    "       constraint_name, column_name, message, payload)"
    " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)"
    " ON CONFLICT (run, table_id, source_key) DO UPDATE"
    "    SET kind = EXCLUDED.kind, kafka_topic = EXCLUDED.kafka_topic,"
    "        kafka_partition = EXCLUDED.kafka_partition, kafka_offset = EXCLUDED.kafka_offset,"
    "        generation = EXCLUDED.generation, sequence = EXCLUDED.sequence, lsn = EXCLUDED.lsn,"
    "        sqlstate = EXCLUDED.sqlstate, rule = EXCLUDED.rule,"
    "        constraint_name = EXCLUDED.constraint_name, column_name = EXCLUDED.column_name,"
    "        message = EXCLUDED.message, payload = EXCLUDED.payload,"
    "        tries = CASE r.kafka_offset WHEN EXCLUDED.kafka_offset THEN r.tries + 1"
    "                ELSE EXCLUDED.tries END,"
    "        last_at = EXCLUDED.last_at"
    "  WHERE r.kafka_offset <= EXCLUDED.kafka_offset"
    " RETURNING r.xmax <> 0";

static const char *bytea_literal(struct bytes bytes, struct arena *scratch)
{
    static const char digits[] = "0123456789abcdef";
    char *text = arena_must_alloc(scratch, bytes.len * 2 + 3);
    char *out = text;
    *out++ = '\\';
    *out++ = 'x';
    for (size_t i = 0; i < bytes.len; i++) {
        unsigned char byte = (unsigned char)bytes.ptr[i];
        *out++ = digits[byte >> 4];
        *out++ = digits[byte & 15];
    }
    *out = '\0';
    return text;
}

bool ledger_reject(struct pg *pg, const struct run *run, const struct partition *partition,
                   const struct reject *reject, struct arena *scratch, bool *ret_replaced,
                   struct error *err)
{
    const struct batch_entry *entry = reject->entry;
    const char *key = NULL;
    if (!ledger_key_text(entry->key, reject->table->key_count, scratch, &key, err)) {
        return false;
    }
    char lsn[LSN_TEXT_BYTES];
    const char *values[] = {
        run->id_text,
        reject->table->id,
        key,
        reject->dead ? "dead" : "parked",
        partition->topic->name,
        arena_must_printf(scratch, "%" PRId32, partition->number),
        arena_must_printf(scratch, "%" PRId64, entry->offset),
        arena_must_printf(scratch, "%" PRIu64, entry->generation),
        arena_must_printf(scratch, "%" PRIu64, entry->sequence),
        lsn_format(lsn, entry->lsn),
        reject->sqlstate,
        reject->rule,
        reject->constraint,
        reject->column,
        reject->message,
        bytea_literal(entry->value, scratch),
    };
    RH_AUTO(pg_result_clear) PGresult *result = NULL;
    if (!pg_query_params(pg, reject_sql, (int)RH_COUNT(values), values, &result, err)) {
        return error_wrap(err, "could not write a reject");
    }
    *ret_replaced = PQntuples(result) == 1 && PQgetvalue(result, 0, 0)[0] == 't';
    return true;
}

static const char unreject_sql[] =
    "DELETE FROM rowhaul.rejects r"
    " USING ROWS FROM (pg_catalog.unnest($3::text[]), pg_catalog.unnest($4::int8[])) AS a "
    "(source_key, kafka_offset)"
    " WHERE r.run = $1 AND r.table_id = $2 AND r.source_key = a.source_key::text[]"
    "   AND r.kafka_offset <= a.kafka_offset";

bool ledger_unreject(struct pg *pg, const struct run *run, const struct plan_table *table,
                     const struct batch_entry *const *entries, size_t count, struct arena *scratch,
                     uint64_t *ret_removed, struct error *err)
{
    struct pg_array keys;
    struct pg_array offsets;
    pg_array_init(&keys, scratch);
    pg_array_init(&offsets, scratch);
    for (size_t i = 0; i < count; i++) {
        const char *key = NULL;
        if (!ledger_key_text(entries[i]->key, table->key_count, scratch, &key, err)) {
            return false;
        }
        pg_array_add_text(&keys, bytes_of(key));
        pg_array_add_i64(&offsets, entries[i]->offset);
    }
    const char *values[] = {run->id_text, table->id, pg_array_text(&keys), pg_array_text(&offsets)};
    RH_AUTO(pg_result_clear) PGresult *result = NULL;
    if (!pg_query_params(pg, unreject_sql, 4, values, &result, err)) {
        return error_wrap(err, "could not remove rejects");
    }
    *ret_removed = strtoull(PQcmdTuples(result), NULL, 10);
    return true;
}

/* ---- parked rows ---- */

#define BLOCKED "sqlstate IN ('23505', '23P01')"

bool reject_is_blocked(const struct reject *reject)
{
    return !reject->dead &&
           (strcmp(reject->sqlstate, "23505") == 0 || strcmp(reject->sqlstate, "23P01") == 0);
}

/* Of partitions $3 of topic $2: the first rows_max ($4) within bytes_max ($5). */
#define PARKED_ROWS(condition)                                                                     \
    "SELECT kafka_partition, kafka_offset, generation, sequence, lsn, payload"                     \
    "  FROM (SELECT r.*,"                                                                          \
    "               pg_catalog.sum(pg_catalog.octet_length(payload)) OVER sofar AS bytes,"         \
    "               pg_catalog.row_number() OVER sofar AS number"                                  \
    "          FROM rowhaul.rejects r"                                                             \
    "         WHERE run = $1 AND kafka_topic = $2 AND kafka_partition = ANY ($3::int4[])"          \
    "           AND kind = 'parked' AND " condition                                                \
    "        WINDOW sofar AS (ORDER BY tries, kafka_partition, kafka_offset)) r"                   \
    " WHERE number <= $4 AND (bytes <= $5 OR number = 1) ORDER BY number"

static const char parked_sql[] = PARKED_ROWS("true");
static const char blocked_sql[] = PARKED_ROWS(BLOCKED);

static bool copy_payload(const PGresult *result, int row, struct arena *arena,
                         struct parked_row *ret_row, struct error *err)
{
    size_t len = 0;
    unsigned char *bytes = PQunescapeBytea((const unsigned char *)PQgetvalue(result, row, 5), &len);
    REQUIRE(bytes != NULL);
    ret_row->value = bytes_copy(arena, (struct bytes){(const char *)bytes, len});
    PQfreemem(bytes);
    return ret_row->value.ptr != NULL || error_stop(err, EXIT_INTERNAL, "RH-7001",
                                                    "parked rows do not fit into the memory limit");
}

static bool read_parked(struct pg *pg, const char *sql, const struct run *run, const char *topic,
                        const int32_t *numbers, size_t numbers_count, size_t rows_max,
                        size_t bytes_max, struct arena *arena, struct parked_row **ret_rows,
                        size_t *ret_count, struct error *err)
{
    struct pg_array partitions;
    pg_array_init(&partitions, arena);
    for (size_t i = 0; i < numbers_count; i++) {
        pg_array_add_i64(&partitions, numbers[i]);
    }
    const char *values[] = {run->id_text, topic, pg_array_text(&partitions),
                            arena_must_printf(arena, "%zu", rows_max),
                            arena_must_printf(arena, "%zu", bytes_max)};
    RH_AUTO(pg_result_clear) PGresult *result = NULL;
    if (!pg_query_params(pg, sql, (int)RH_COUNT(values), values, &result, err)) {
        return error_wrap(err, "could not read parked rows");
    }
    size_t count = (size_t)PQntuples(result);
    struct parked_row *rows = arena_must_alloc(arena, (count + 1) * sizeof *rows);
    for (size_t i = 0; i < count; i++) {
        rows[i] = (struct parked_row){
            .partition = (int32_t)strtol(PQgetvalue(result, (int)i, 0), NULL, 10),
            .offset = strtoll(PQgetvalue(result, (int)i, 1), NULL, 10),
            .generation = strtoull(PQgetvalue(result, (int)i, 2), NULL, 10),
            .sequence = strtoull(PQgetvalue(result, (int)i, 3), NULL, 10),
            .lsn = lsn_parse(PQgetvalue(result, (int)i, 4)),
        };
        if (!copy_payload(result, (int)i, arena, &rows[i], err)) {
            return false;
        }
    }
    *ret_rows = rows;
    *ret_count = count;
    return true;
}

bool ledger_parked(struct pg *pg, const struct run *run, const struct partition *partition,
                   size_t rows_max, size_t bytes_max, struct arena *arena,
                   struct parked_row **ret_rows, size_t *ret_count, struct error *err)
{
    return read_parked(pg, parked_sql, run, partition->topic->name, &partition->number, 1, rows_max,
                       bytes_max, arena, ret_rows, ret_count, err);
}

bool ledger_blocked(struct pg *pg, const struct run *run, const char *topic, const int32_t *numbers,
                    size_t numbers_count, size_t rows_max, size_t bytes_max, struct arena *arena,
                    struct parked_row **ret_rows, size_t *ret_count, struct error *err)
{
    return read_parked(pg, blocked_sql, run, topic, numbers, numbers_count, rows_max, bytes_max,
                       arena, ret_rows, ret_count, err);
}

static const char blocked_lock_sql[] =
    "SELECT o.partition FROM rowhaul.offsets o"
    " WHERE o.run = $1 AND o.topic = $2"
    "   AND (o.partition = $3 OR EXISTS ("
    "        SELECT FROM rowhaul.rejects r"
    "         WHERE r.run = o.run AND r.kafka_topic = o.topic AND r.kafka_partition = o.partition"
    "           AND r.kind = 'parked' AND r." BLOCKED "))"
    " ORDER BY o.partition FOR UPDATE OF o";

bool ledger_blocked_lock(struct pg *pg, const struct run *run, const struct partition *partition,
                         struct arena *arena, int32_t **ret_numbers, size_t *ret_count,
                         struct error *err)
{
    const char *values[] = {run->id_text, partition->topic->name,
                            arena_must_printf(arena, "%" PRId32, partition->number)};
    RH_AUTO(pg_result_clear) PGresult *result = NULL;
    if (!pg_query_params(pg, blocked_lock_sql, (int)RH_COUNT(values), values, &result, err)) {
        return error_wrap(err, "could not lock the partitions of blocked rows");
    }
    size_t count = (size_t)PQntuples(result);
    int32_t *numbers = arena_must_alloc(arena, (count + 1) * sizeof *numbers);
    for (size_t i = 0; i < count; i++) {
        numbers[i] = (int32_t)strtol(PQgetvalue(result, (int)i, 0), NULL, 10);
    }
    *ret_numbers = numbers;
    *ret_count = count;
    return true;
}

static const char parked_refused_sql[] =
    "UPDATE rowhaul.rejects"
    "   SET kind = $5, sqlstate = $6, rule = $7, constraint_name = $8, column_name = $9,"
    "       message = $10, tries = tries + 1, last_at = pg_catalog.now()"
    " WHERE run = $1 AND table_id = $2 AND source_key = $3::text[] AND kafka_offset = $4";

bool ledger_parked_refused(struct pg *pg, const struct run *run, const struct reject *reject,
                           struct arena *scratch, struct error *err)
{
    const char *key = NULL;
    if (!ledger_key_text(reject->entry->key, reject->table->key_count, scratch, &key, err)) {
        return false;
    }
    const char *values[] = {run->id_text,
                            reject->table->id,
                            key,
                            arena_must_printf(scratch, "%" PRId64, reject->entry->offset),
                            reject->dead ? "dead" : "parked",
                            reject->sqlstate,
                            reject->rule,
                            reject->constraint,
                            reject->column,
                            reject->message};
    RH_AUTO(pg_result_clear) PGresult *result = NULL;
    return pg_query_params(pg, parked_refused_sql, (int)RH_COUNT(values), values, &result, err) ||
           error_wrap(err, "could not note another try");
}

/*
 * The last change is a batch or a retry that wrote, or the last end barrier. Its time is taken just
 * before its COMMIT, which may take a while to be seen: hence the margin.
 */
static const char give_up_sql[] =
    "WITH change AS ("
    "  SELECT greatest((SELECT pg_catalog.max(last_at) FROM rowhaul.offsets WHERE run = $1),"
    "                  (SELECT pg_catalog.max(seen_at) FROM rowhaul.barrier_seen"
    "                    WHERE run = $1 AND barrier = $4)) + interval '2 seconds' AS at)"
    " UPDATE rowhaul.rejects SET kind = 'dead'"
    "  WHERE run = $1 AND kafka_topic = $2 AND kafka_partition = $3 AND kind = 'parked'"
    "    AND NOT EXISTS (SELECT FROM rowhaul.offsets o WHERE o.run = $1 AND NOT EXISTS ("
    "          SELECT FROM rowhaul.barrier_seen b WHERE b.run = $1 AND b.barrier = $4"
    "             AND b.topic = o.topic AND b.partition = o.partition))"
    "    AND NOT EXISTS (SELECT FROM rowhaul.rejects p, change"
    "                     WHERE p.run = $1 AND p.kind = 'parked' AND p.last_at <= change.at)"
    "    AND (SELECT at FROM change) < pg_catalog.now() - $5::int8 * interval '1 millisecond'";

bool ledger_parked_give_up(struct pg *pg, const struct run *run, const struct partition *partition,
                           int64_t age_ms, struct arena *scratch, uint64_t *ret_given_up,
                           struct error *err)
{
    const char *values[] = {run->id_text, partition->topic->name,
                            arena_must_printf(scratch, "%" PRId32, partition->number),
                            arena_must_printf(scratch, "%" PRIu64, BARRIER_END),
                            arena_must_printf(scratch, "%" PRId64, age_ms)};
    RH_AUTO(pg_result_clear) PGresult *result = NULL;
    if (!pg_query_params(pg, give_up_sql, (int)RH_COUNT(values), values, &result, err)) {
        return error_wrap(err, "could not give up parked rows");
    }
    *ret_given_up = strtoull(PQcmdTuples(result), NULL, 10);
    return true;
}
