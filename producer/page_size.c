#include "producer/page_size.h"

#include "common/compiler.h"

/* What W2, a wide table, reads in the wanted time; narrow ones double from there in a few pages. */
#define ROWS_FIRST 2000
/* A page's transaction costs three round trips; beyond this they no longer show. */
#define ROWS_MAX 200000

void page_size_init(struct page_size *size, uint32_t fixed_rows, int64_t wanted_ms,
                    uint64_t wanted_bytes)
{
    REQUIRE(wanted_ms > 0 && wanted_bytes > 0);
    *size = (struct page_size){
        .rows = fixed_rows > 0 ? fixed_rows : ROWS_FIRST,
        .fixed_rows = fixed_rows,
        .wanted_ms = wanted_ms,
        .wanted_bytes = wanted_bytes,
    };
}

void page_size_resume(struct page_size *size, uint32_t rows)
{
    if (rows > 0) {
        size->rows = rows;
    }
}

static uint64_t least_of(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

void page_size_adapt(struct page_size *size, uint64_t rows, uint64_t bytes, int64_t ms)
{
    REQUIRE(rows > 0 && rows <= UINT32_MAX);
    if (size->fixed_rows > 0) {
        /* A halved page grows back to what was asked for. */
        size->rows = (uint32_t)least_of(size->fixed_rows, (uint64_t)size->rows * 2);
        return;
    }

    uint64_t spent_ms = ms > 0 ? (uint64_t)ms : 1;
    uint64_t by_time = rows * (uint64_t)size->wanted_ms / spent_ms;
    uint64_t by_bytes = rows * size->wanted_bytes / (bytes > 0 ? bytes : 1);
    uint64_t next = least_of(least_of(by_time, by_bytes), ROWS_MAX);

    next = least_of(next, (uint64_t)size->rows * 2);
    if (next < size->rows / 2) {
        next = size->rows / 2;
    }
    size->rows = next > 0 ? (uint32_t)next : 1;
}

bool page_size_halve(struct page_size *size)
{
    if (size->rows == 1) {
        return false;
    }
    size->rows /= 2;
    return true;
}
