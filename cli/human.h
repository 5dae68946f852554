/*
 * human -- numbers as people read them: 4.61M, 42k/s, 1m19s, 1,304, 1.50 MiB, 61.2%.
 *
 * Each function writes into the caller's buffer and returns it, so that calls stand inside a
 * printf's arguments, each with a buffer of its own. Machines get numbers, never these texts.
 */
#ifndef RH_CLI_HUMAN_H
#define RH_CLI_HUMAN_H

#include <stdint.h>

#define HUMAN_BYTES 32 /* holds the longest text of any function here */

/* Three digits: 999, 4.61k, 46.1M, 461G. */
const char *human_count(char text[HUMAN_BYTES], uint64_t count);
/* Two digits, since a rate is never exact: 850/s, 4.2k/s, 42k/s, 1.3M/s. Negative is 0/s. */
const char *human_rate(char text[HUMAN_BYTES], double per_second);
/* All digits: 1,304. */
const char *human_thousands(char text[HUMAN_BYTES], uint64_t count);
/* Three digits and a binary unit: 512 B, 1.50 MiB. */
const char *human_bytes(char text[HUMAN_BYTES], uint64_t bytes);
/* Two units: 0.8s, 19s, 1m19s, 3h05m, 2d04h. Negative is 0.0s. */
const char *human_duration(char text[HUMAN_BYTES], int64_t ms);
/* One decimal, rounded down, so that 100.0% means all of it; of nothing, it is 100.0%. */
const char *human_percent(char text[HUMAN_BYTES], uint64_t done, uint64_t total);
/*
 * What is left at this rate: 1m19s; "TBD" below 1 % or without a rate, because it would be a guess;
 * "0s" when nothing is left.
 */
const char *human_eta(char text[HUMAN_BYTES], uint64_t done, uint64_t total, double per_second);

#endif
