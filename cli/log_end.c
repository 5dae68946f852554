#include "cli/log_end.h"

#include "common/clock.h"
#include "common/state_topic.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define LOOK_MS           5000
#define STATE_ARENA_BYTES ((size_t)256 << 20)

/* Those that move are left alone: there may be thousands, and their end is ahead of them. */
static const char unended_sql[] =
    "SELECT o.topic, o.partition, o.next_offset FROM rowhaul.offsets o"
    " WHERE o.run = $1::uuid AND o.updated_at < pg_catalog.now() - interval '5 s'"
    "   AND NOT EXISTS (SELECT FROM rowhaul.barrier_seen b"
    "                    WHERE b.run = o.run AND b.barrier = $2::bigint"
    "                      AND b.topic = o.topic AND b.partition = o.partition)";

static bool reach_kafka(struct log_end *log_end, const struct settings *settings, struct error *err)
{
    rd_kafka_conf_t *conf = NULL;
    return log_end->kafka != NULL || (kafka_conf(settings, KAFKA_READER, NULL, &conf, err) &&
                                      kafka_new(RD_KAFKA_CONSUMER, conf, &log_end->kafka, err));
}

/* The log's end is asked for after the ledger, so it lies at or behind what the ledger has seen. */
static bool find_applied(struct log_end *log_end, const PGresult *rows, int *ret_row,
                         struct error *err)
{
    *ret_row = -1;
    for (int row = 0; row < PQntuples(rows) && *ret_row < 0; row++) {
        int64_t low = 0;
        int64_t high = 0;
        int32_t partition = (int32_t)strtol(PQgetvalue(rows, row, 1), NULL, 10);
        if (!kafka_watermarks(log_end->kafka, PQgetvalue(rows, row, 0), partition, &low, &high,
                              err)) {
            return false;
        }
        *ret_row = strtoll(PQgetvalue(rows, row, 2), NULL, 10) >= high ? row : -1;
    }
    return true;
}

/* Whether the producer's last checkpoint has the end barrier acknowledged. */
static bool read_ended(const struct settings *settings, const struct run *run, bool *ret_ended,
                       struct error *err)
{
    RH_AUTO(arena_release) struct arena arena;
    RH_AUTO(state_fold_release) struct state_fold fold;
    arena_init(&arena, STATE_ARENA_BYTES);
    state_fold_init(&fold, &arena);
    bool read = state_fold_read(&fold, settings, run->state_topic, err);
    *ret_ended = read && fold.has_checkpoint && fold.checkpoint.ended;
    return read;
}

static bool lost(const PGresult *rows, int row, struct error *err)
{
    (void)error_stop(err, EXIT_KAFKA, "KAFKA_LOST_ACKED",
                     "partition %s of topic \"%s\" ends at offset %s without the end that Kafka "
                     "acknowledged",
                     PQgetvalue(rows, row, 1), PQgetvalue(rows, row, 0), PQgetvalue(rows, row, 2));
    return error_hint(err, KAFKA_LOST_HINT);
}

static bool look(struct log_end *log_end, const struct settings *settings, const struct run *run,
                 struct pg *target, bool *ret_unended, struct error *err)
{
    char barrier[24];
    (void)snprintf(barrier, sizeof barrier, "%" PRIu64, BARRIER_END);
    const char *const values[] = {run->id_text, barrier};
    RH_AUTO(pg_result_clear) PGresult *rows = NULL;
    if (!pg_query_params(target, unended_sql, RH_COUNT(values), values, &rows, err)) {
        return error_wrap(err, "could not look for partitions without their end");
    }
    int applied = -1;
    if (PQntuples(rows) == 0) {
        return true;
    }
    if (!reach_kafka(log_end, settings, err) || !find_applied(log_end, rows, &applied, err)) {
        return false;
    }
    bool ended = false;
    if (applied < 0) {
        return true;
    }
    if (!read_ended(settings, run, &ended, err)) {
        return false;
    }
    *ret_unended = !ended;
    return !ended || lost(rows, applied, err);
}

bool log_end_check(struct log_end *log_end, const struct settings *settings, const struct run *run,
                   struct pg *target, bool *ret_unended, struct error *err)
{
    int64_t now_ms = clock_ms();
    *ret_unended = false;
    if (log_end->looked_ms != 0 && now_ms - log_end->looked_ms < LOOK_MS) {
        return true;
    }
    log_end->looked_ms = now_ms;
    return look(log_end, settings, run, target, ret_unended, err);
}

void log_end_release(struct log_end *log_end)
{
    kafka_destroy(&log_end->kafka);
}
