/*
 * field -- a column of a query's result, as a verb shows it: its text, or its JSON by form.
 */
#ifndef RH_CLI_FIELD_H
#define RH_CLI_FIELD_H

#include <jansson.h>
#include <libpq-fe.h>
#include <stddef.h>

enum field_form {
    FORM_TEXT,
    FORM_NUMBER,
    FORM_BOOL,
    FORM_ARRAY, /* the server's array_to_json */
};

/* Borrowed from the result; NULL for SQL's. */
const char *field_text(const PGresult *result, int row, size_t column);
/* text NULL: JSON null. */
json_t *field_to_json(enum field_form form, const char *text);

#endif
