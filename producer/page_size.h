/*
 * page_size -- how many rows the next page asks for. Pure.
 *
 * In:     what the last page took. Out: rows for the next, so that a page takes about the wanted
 *         time and never carries much more than the wanted bytes.
 * Never:  more than doubles at a step: the next rows may be wider than the last.
 */
#ifndef RH_PRODUCER_PAGE_SIZE_H
#define RH_PRODUCER_PAGE_SIZE_H

#include <stdbool.h>
#include <stdint.h>

struct page_size {
    uint32_t rows;
    uint32_t fixed_rows; /* 0 = adapted */
    int64_t wanted_ms;
    uint64_t wanted_bytes;
};

void page_size_init(struct page_size *size, uint32_t fixed_rows, int64_t wanted_ms,
                    uint64_t wanted_bytes);
/* Begins where pages of the same table came to; 0: nobody knows. */
void page_size_resume(struct page_size *size, uint32_t rows);
/* After a page that was read: rows > 0. */
void page_size_adapt(struct page_size *size, uint64_t rows, uint64_t bytes, int64_t ms);
/* After a statement timeout; false when one row was already too much. */
bool page_size_halve(struct page_size *size);

#endif
