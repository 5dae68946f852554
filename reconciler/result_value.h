/*
 * result_value -- values of a libpq result, borrowed from it.
 */
#ifndef RH_RECONCILER_RESULT_VALUE_H
#define RH_RECONCILER_RESULT_VALUE_H

#include "common/row.h"

#include <libpq-fe.h>
#include <stdbool.h>

struct value result_value(const PGresult *result, int row, int column);
/* The same bytes, or both NULL. */
bool value_equal(struct value a, struct value b);

#endif
