#include "worker/lane_parts.h"

#include "common/log.h"
#include "common/shutdown.h"
#include "worker/parked.h"
#include "worker/swap.h"

/* While rows are still coming, what a row waits for may come any moment, or in an hour. */
#define PAUSE_FIRST_MS 1000
#define PAUSE_MAX_MS   30000
/* After the end barrier it comes now or never. */
#define PAUSE_ENDED_MS 500

static int64_t next_pause_ms(const struct partition *partition, bool progress)
{
    if (partition->ended) {
        return PAUSE_ENDED_MS;
    }
    int64_t doubled = partition->retry_pause_ms * 2;
    return progress || doubled < PAUSE_FIRST_MS ? PAUSE_FIRST_MS
           : doubled < PAUSE_MAX_MS             ? doubled
                                                : PAUSE_MAX_MS;
}

static void note_result(struct partition *partition, const struct parked_result *result)
{
    uint64_t gone = result->applied + result->dead;
    /* Where none was found, the count was too high. */
    bool none = result->tried == 0 || gone > partition->open_parked;
    partition->open_parked = none ? 0 : partition->open_parked - gone;
    partition->retry_pause_ms = next_pause_ms(partition, result->applied > 0);
    partition->retry_at_ms = clock_ms() + partition->retry_pause_ms;
    if (gone > 0) {
        log_event(LEVEL_INFO, "parked_retried", F_STR("table", partition->topic->table->id),
                  F_STR("topic", partition->topic->name), F_INT("partition", partition->number),
                  F_INT("applied", result->applied), F_INT("dead", result->dead));
    }
}

/* Nothing is in hand: the next try finds in the ledger what became of this one. */
static bool retry_failed(struct lane *lane, struct partition *partition, struct error *err)
{
    partition->retry_at_ms = clock_ms() + PAUSE_FIRST_MS;
    return err->action == ERROR_RETRY && lane_recover(lane, err);
}

static void note_swapped(struct partition *partition, const struct swap_result *result)
{
    partition->open_parked -=
        result->rows_here < partition->open_parked ? result->rows_here : partition->open_parked;
    if (result->rows > 0) {
        log_event(LEVEL_INFO, "parked_swapped", F_STR("table", partition->topic->table->id),
                  F_STR("topic", partition->topic->name), F_INT("partition", partition->number),
                  F_INT("rows", result->rows));
    }
}

/* What the target says against a swap ends the swap only: retries will meet a real trouble too. */
static bool is_only_refused(const struct lane *lane, const struct error *err)
{
    return pg_is_open(&lane->target) && err->sqlstate[0] != '\0';
}

static bool swap_partition(struct lane *lane, struct partition *partition, struct error *err)
{
    struct swap_result result = {0};
    enum apply_outcome outcome = APPLY_UNKNOWN;
    int64_t began_ms = clock_ms();
    bool done =
        swap_parked(&lane->apply, &lane->target, partition,
                    lane->config->settings.apply_batch_bytes, &lane->arena, &result, &outcome, err);
    partition->swapped_at_ms = began_ms;
    if (!done && is_only_refused(lane, err)) {
        log_error(LEVEL_WARN, "swap_refused", err);
        return true;
    }
    if (!done) {
        return retry_failed(lane, partition, err);
    }
    switch (outcome) {
    case APPLY_COMMITTED:
        note_swapped(partition, &result);
        return true;
    case APPLY_FENCED:
        return lane_settle(lane, err);
    case APPLY_UNKNOWN:
        break;
    }
    (void)error_set(err, ERROR_RETRY, "the connection was lost while parked rows were swapped");
    return retry_failed(lane, partition, err);
}

static bool retry_partition(struct lane *lane, struct partition *partition, struct error *err)
{
    struct parked_result result = {0};
    enum apply_outcome outcome = APPLY_UNKNOWN;
    if (parked_retry(&lane->apply, &lane->target, partition,
                     lane->config->settings.apply_batch_bytes, &lane->arena, &result, &outcome,
                     err)) {
        switch (outcome) {
        case APPLY_COMMITTED:
            note_result(partition, &result);
            /* Where most rows are in one another's way, one by one would be slow or never end. */
            return result.blocked <= result.applied || swap_partition(lane, partition, err);
        case APPLY_FENCED:
            return lane_settle(lane, err);
        case APPLY_UNKNOWN:
            (void)error_set(err, ERROR_RETRY,
                            "the connection was lost while parked rows were tried");
        }
    }
    return retry_failed(lane, partition, err);
}

bool lane_retry_parked(struct lane *lane, struct error *err)
{
    for (size_t i = 0; i < lane->assignment.owned_count && lane->batch_began_ms == 0; i++) {
        struct partition *partition = lane->assignment.owned[i];
        if (partition->open_parked == 0 || clock_ms() < partition->retry_at_ms) {
            continue;
        }
        if (!retry_partition(lane, partition, err)) {
            return false;
        }
    }
    return true;
}
