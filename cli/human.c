#include "cli/human.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* Longer estimates say nothing; also keeps the conversion to an integer defined. */
#define ETA_SECONDS_MAX (1000.0 * 86400)

#define RATE_MAX    1e18 /* infinite is not a number of digits */
#define UNITS_COUNT 7

static const char *const decimal_units[UNITS_COUNT] = {"", "k", "M", "G", "T", "P", "E"};
static const char *const binary_units[UNITS_COUNT] = {" B",   " KiB", " MiB", " GiB",
                                                      " TiB", " PiB", " EiB"};

/* What `value` becomes with so many decimals is at least 10 to the power: 9.996 is 10.0. */
static bool rounds_up_to(double value, double power, double last_digit)
{
    return value >= power - last_digit / 2;
}

/* With `digits` significant digits (2 or 3), decided on the rounded number: 999.9k is 1.00M. */
static int decimals_of(double value, int digits)
{
    if (!rounds_up_to(value, 10, digits == 3 ? 0.01 : 0.1)) {
        return digits - 1;
    }
    return rounds_up_to(value, 100, digits == 3 ? 0.1 : 1) ? 0 : digits - 2;
}

/* Below one step the number is shown as it is. */
static const char *scale(char text[HUMAN_BYTES], double value, double step,
                         const char *const units[UNITS_COUNT], int digits, const char *suffix)
{
    size_t unit = 0;
    while (rounds_up_to(value, step, 1) && unit + 1 < UNITS_COUNT) {
        value /= step;
        unit++;
    }
    int decimals = unit > 0 ? decimals_of(value, digits) : 0;
    unsigned power = decimals == 2 ? 100 : decimals == 1 ? 10 : 1;
    unsigned fixed = (unsigned)(value * power + 0.5);
    unsigned whole = fixed / power, part = fixed % power;
    const char *unit_text = units[unit];
    if (decimals == 2) {
        (void)snprintf(text, HUMAN_BYTES, "%u.%02u%s%s", whole, part, unit_text, suffix);
    } else if (decimals == 1) {
        (void)snprintf(text, HUMAN_BYTES, "%u.%u%s%s", whole, part, unit_text, suffix);
    } else {
        (void)snprintf(text, HUMAN_BYTES, "%u%s%s", whole, unit_text, suffix);
    }
    return text;
}

const char *human_count(char text[HUMAN_BYTES], uint64_t count)
{
    return scale(text, (double)count, 1000, decimal_units, 3, "");
}

const char *human_rate(char text[HUMAN_BYTES], double per_second)
{
    double shown = per_second > 0 ? per_second : 0; /* NaN, too, is none */
    return scale(text, shown < RATE_MAX ? shown : RATE_MAX, 1000, decimal_units, 2, "/s");
}

const char *human_bytes(char text[HUMAN_BYTES], uint64_t bytes)
{
    return scale(text, (double)bytes, 1024, binary_units, 3, "");
}

const char *human_thousands(char text[HUMAN_BYTES], uint64_t count)
{
    char digits[HUMAN_BYTES];
    int len = snprintf(digits, sizeof digits, "%" PRIu64, count);
    char *out = text;
    for (int i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0) {
            *out++ = ',';
        }
        *out++ = digits[i];
    }
    *out = '\0';
    return text;
}

const char *human_duration(char text[HUMAN_BYTES], int64_t ms)
{
    int64_t tenths = ms > 0 ? (ms + 50) / 100 : 0;
    int64_t seconds = ms > 0 ? (ms + 500) / 1000 : 0;
    if (tenths < 100) {
        (void)snprintf(text, HUMAN_BYTES, "%" PRId64 ".%" PRId64 "s", tenths / 10, tenths % 10);
    } else if (seconds < 60) {
        (void)snprintf(text, HUMAN_BYTES, "%" PRId64 "s", seconds);
    } else if (seconds < 3600) {
        (void)snprintf(text, HUMAN_BYTES, "%" PRId64 "m%02" PRId64 "s", seconds / 60, seconds % 60);
    } else if (seconds < 86400) {
        (void)snprintf(text, HUMAN_BYTES, "%" PRId64 "h%02" PRId64 "m", seconds / 3600,
                       seconds / 60 % 60);
    } else {
        (void)snprintf(text, HUMAN_BYTES, "%" PRId64 "d%02" PRId64 "h", seconds / 86400,
                       seconds / 3600 % 24);
    }
    return text;
}

const char *human_percent(char text[HUMAN_BYTES], uint64_t done, uint64_t total)
{
    double share = done >= total ? 1000 : 1000 * ((double)done / (double)total);
    uint64_t permille = done < total && share > 999 ? 999 : (uint64_t)share;
    (void)snprintf(text, HUMAN_BYTES, "%" PRIu64 ".%" PRIu64 "%%", permille / 10, permille % 10);
    return text;
}

const char *human_eta(char text[HUMAN_BYTES], uint64_t done, uint64_t total, double per_second)
{
    if (done >= total) {
        (void)snprintf(text, HUMAN_BYTES, "0s");
        return text;
    }
    double left_seconds = per_second > 0 ? (double)(total - done) / per_second : ETA_SECONDS_MAX;
    if ((double)done < 0.01 * (double)total || left_seconds >= ETA_SECONDS_MAX) {
        (void)snprintf(text, HUMAN_BYTES, "TBD");
        return text;
    }
    return human_duration(text, (int64_t)(left_seconds * 1000));
}
