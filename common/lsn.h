/*
 * lsn -- WAL positions as PostgreSQL writes them: "16/B374D848".
 */
#ifndef RH_COMMON_LSN_H
#define RH_COMMON_LSN_H

#include <stdint.h>

#define LSN_TEXT_BYTES 18 /* two times eight digits, the slash, the NUL */

/* Writes into the caller's buffer and returns it. */
const char *lsn_format(char text[LSN_TEXT_BYTES], uint64_t lsn);
/* Of a pg_lsn value that a server sent: anything else is a bug. */
uint64_t lsn_parse(const char *text);

#endif
