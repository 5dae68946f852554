#include "cli/log_end.h"

#include "common/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define LOOK_MS 5000
#define PING_MS 1000 /* Kafka may be away: who looks has children to tend */

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
static bool check_partition(struct log_end *log_end, const char *topic, int32_t partition,
                            int64_t next_offset, struct error *err)
{
    int64_t low = 0;
    int64_t high = 0;
    if (!kafka_watermarks(log_end->kafka, topic, partition, &low, &high, err)) {
        return false;
    }
    if (next_offset < high) {
        return true;
    }
    (void)error_stop(err, EXIT_KAFKA, "KAFKA_LOST_ACKED",
                     "partition %" PRId32 " of topic \"%s\" ends at offset %" PRId64
                     " without the end that Kafka acknowledged",
                     partition, topic, high);
    return error_hint(err, "Kafka lost acknowledged messages: check its replication and "
                           "min.insync.replicas, then start over with rowhaul cleanup and run");
}

bool log_end_check(struct log_end *log_end, const struct settings *settings, const struct run *run,
                   struct pg *target, struct error *err)
{
    int64_t now_ms = clock_ms();
    if (log_end->looked_ms != 0 && now_ms - log_end->looked_ms < LOOK_MS) {
        return true;
    }
    log_end->looked_ms = now_ms;
    char barrier[24];
    (void)snprintf(barrier, sizeof barrier, "%" PRIu64, BARRIER_END);
    const char *const values[] = {run->id_text, barrier};
    RH_AUTO(pg_result_clear) PGresult *result = NULL;
    if (!pg_query_params(target, unended_sql, RH_COUNT(values), values, &result, err)) {
        return error_wrap(err, "could not look for partitions without their end");
    }
    if (PQntuples(result) > 0 && !reach_kafka(log_end, settings, err)) {
        return false;
    }
    for (int row = 0; row < PQntuples(result); row++) {
        if (!check_partition(log_end, PQgetvalue(result, row, 0),
                             (int32_t)strtol(PQgetvalue(result, row, 1), NULL, 10),
                             strtoll(PQgetvalue(result, row, 2), NULL, 10), err)) {
            return false;
        }
    }
    return true;
}

void log_end_release(struct log_end *log_end)
{
    kafka_destroy(&log_end->kafka);
}
