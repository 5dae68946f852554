#include "producer/patience.h"

#include "common/log.h"

#define RETRY_MS_FIRST 200
#define RETRY_MS_MAX   10000

void patience_init(struct patience *patience, struct halt *halt, const char *table)
{
    *patience = (struct patience){.halt = halt, .table = table};
    backoff_init(&patience->backoff, RETRY_MS_FIRST, RETRY_MS_MAX);
}

bool patience_try_again(struct patience *patience, struct error *err)
{
    if (halt_raised(patience->halt)) {
        return false;
    }
    if (err->action != ERROR_RETRY) {
        err->action = ERROR_STOP; /* a producer has no place for a row that cannot be read */
        return false;
    }
    if (patience->failures++ == 0) {
        log_error(LEVEL_WARN, "source_lost", err);
    }
    return halt_sleep_ms(patience->halt, backoff_next_ms(&patience->backoff));
}

void patience_end(struct patience *patience)
{
    if (patience->failures > 0) {
        log_event(LEVEL_INFO, "source_back", F_STR("table", patience->table),
                  F_INT("failures", patience->failures));
    }
    patience->failures = 0;
    backoff_reset(&patience->backoff);
}
