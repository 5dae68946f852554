#include "producer/rate.h"

void rate_init(struct rate *rate, uint64_t rows_per_s)
{
    *rate = (struct rate){.rows_per_s = rows_per_s};
}

uint32_t rate_page_rows(const struct rate *rate, uint32_t rows)
{
    uint64_t most = rate->rows_per_s / 2;

    if (rate->rows_per_s == 0 || most >= rows) {
        return rows;
    }
    return most > 0 ? (uint32_t)most : 1;
}

int64_t rate_take_ms(struct rate *rate, uint64_t rows, int64_t now_ms)
{
    if (rate->rows_per_s == 0) {
        return 0;
    }
    /* Time nobody used is not saved up: after a pause the rate is still the rate. */
    if (rate->free_ms < now_ms) {
        rate->free_ms = now_ms;
    }
    rate->free_ms += (int64_t)(rows * 1000 / rate->rows_per_s);
    return rate->free_ms - now_ms;
}
