/*
 * sql_text -- the one place where names and values become SQL.
 *
 * Names are always quoted; a name with a NUL or over 63 bytes is a bug here (catalogs and settings
 * refuse it before). Values are only quoted where no parameter is possible (COPY, DDL).
 */
#ifndef RH_COMMON_SQL_TEXT_H
#define RH_COMMON_SQL_TEXT_H

#include "common/bytes.h"

void sql_name(struct buffer *buffer, const char *name);                          /* "na""me" */
void sql_qualified(struct buffer *buffer, const char *schema, const char *name); /* "s"."n" */
/* 'it''s', or E'...' when there is a backslash: right under any standard_conforming_strings. */
void sql_literal(struct buffer *buffer, struct bytes value);

#endif
