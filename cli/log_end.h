/*
 * log_end -- whether Kafka still holds the end of what a producer wrote that has ended since.
 *
 * In:     the ledger, where the logs end, and the producer's last checkpoint.
 * Out:    KAFKA_LOST_ACKED when a partition is applied to the end of its log without the end
 *         barrier, though the checkpoint says that Kafka has acknowledged it everywhere; or that
 *         the producer ended before (somebody asked it to), and has to be started again.
 * Never:  asked while the producer works: its heartbeats tell the workers what was acknowledged.
 *         Nobody sends any behind the end barrier, so without this the run would wait for ever.
 */
#ifndef RH_CLI_LOG_END_H
#define RH_CLI_LOG_END_H

#include "common/error.h"
#include "common/kafka.h"
#include "common/pg.h"
#include "common/run.h"

#include <stdbool.h>
#include <stdint.h>

struct log_end {
    rd_kafka_t *kafka; /* opened by the first look */
    int64_t looked_ms;
};

/*
 * Looks once in some seconds. ret_unended: workers have nothing left to do, and the producer was
 * not at its end.
 * Errors  ERROR_STOP KAFKA_LOST_ACKED; ERROR_RETRY Kafka or the target does not answer
 */
bool log_end_check(struct log_end *log_end, const struct settings *settings, const struct run *run,
                   struct pg *target, bool *ret_unended, struct error *err) RH_MUST_CHECK;
void log_end_release(struct log_end *log_end);

#endif
