/*
 * report -- findings for machines (one JSON document) and for people (a table and a few rows).
 *
 * docs/verification.md describes both forms. Values that are not valid UTF-8 (a SQL_ASCII database)
 * are shown with U+FFFD in place of each byte that is not.
 */
#ifndef RH_RECONCILER_REPORT_H
#define RH_RECONCILER_REPORT_H

#include "reconciler/reconcile.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

/* Rows of one output that the text form shows. */
#define REPORT_TEXT_DIFFERENCES_MAX 10

/* The caller's (json_decref). */
json_t *report_to_json(const struct reconciliation *reconciliation);
/* False: the stream did not take it (a full disk, a closed pipe). */
bool report_write_json(const struct reconciliation *reconciliation, FILE *stream) RH_MUST_CHECK;
bool report_write_text(const struct reconciliation *reconciliation, FILE *stream) RH_MUST_CHECK;

/* A JSON string of any bytes. */
json_t *report_text(struct bytes text);

#endif
