/*
 * control_sql -- the files of sql/control, in order, as the build embedded them.
 *
 * The C file is made in the build folder by cmake/embed_sql.cmake.
 */
#ifndef RH_COMMON_CONTROL_SQL_H
#define RH_COMMON_CONTROL_SQL_H

#include <stddef.h>

struct control_file {
    const char *name;         /* "001_ledger.sql" */
    const unsigned char *sql; /* NUL-terminated */
};

extern const struct control_file control_files[];
extern const size_t control_files_count;

#endif
