/*
 * pg_parts -- what the files of the pg room share; nobody else includes it.
 */
#ifndef RH_COMMON_PG_PARTS_H
#define RH_COMMON_PG_PARTS_H

#include "common/pg.h"

/* What differs between the two sides in how failures are named. */
struct pg_role_names {
    const char *name;
    enum exit_code exit_code;
    const char *code_unreachable;
    const char *code_refused;
    const char *code_failed;
    const char *code_url;
};

const struct pg_role_names *pg_names_of(const struct pg *pg);
/* libpq's messages end in a newline, and some have more lines than one. */
size_t pg_first_line_length(const char *text);

#endif
