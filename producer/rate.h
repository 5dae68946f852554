/*
 * rate -- rows a second, over all paging threads. Pure: time comes in. The caller locks.
 */
#ifndef RH_PRODUCER_RATE_H
#define RH_PRODUCER_RATE_H

#include <stdint.h>

struct rate {
    uint64_t rows_per_s; /* 0 = unlimited */
    int64_t free_ms;     /* when the rows taken so far are paid for */
};

void rate_init(struct rate *rate, uint64_t rows_per_s);
/* Rows of one page: small enough that the stream is even, about two pages a second. */
uint32_t rate_page_rows(const struct rate *rate, uint32_t rows);
/* Books rows that were just read; returns how long their reader has to wait before the next. */
int64_t rate_take_ms(struct rate *rate, uint64_t rows, int64_t now_ms);

#endif
