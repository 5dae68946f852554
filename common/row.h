/*
 * row -- a SQL value and a row of them.
 *
 * Values are PostgreSQL's text output, as bytes. NULL and "" never meet.
 */
#ifndef RH_COMMON_ROW_H
#define RH_COMMON_ROW_H

#include "common/bytes.h"

#include <stddef.h>

/* The letters of PostgreSQL's own logical replication protocol. */
enum value_kind {
    VALUE_NULL = 'n',
    VALUE_TEXT = 't',
    VALUE_UNCHANGED = 'u', /* a TOASTed value that an UPDATE did not touch; never in a topic */
};

struct value {
    enum value_kind kind;
    struct bytes bytes;
};

struct row {
    struct value *values;
    size_t count;
};

#endif
