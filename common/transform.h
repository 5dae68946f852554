/*
 * transform -- a source row into the rows of its outputs, by the compiled plan. No I/O.
 *
 * The worker, the reconciler and every later offline verb use this one room.
 */
#ifndef RH_COMMON_TRANSFORM_H
#define RH_COMMON_TRANSFORM_H

#include "common/mapping.h"

/*
 * Fills ret_values (output->columns_count of them; bytes borrow from the row, the plan or the
 * arena; on failure they hold nothing of use). ret_rule (may be NULL) gets the id of the rule that
 * failed.
 *
 * Errors  ERROR_ROW with err->column = the output column and the rule's id in the text: a value
 *         that a rule refuses, or a NULL in the output's key (it would never conflict, so that each
 *         replay would add the row again).
 */
bool transform_output(const struct plan_output *output, struct row row, struct arena *arena,
                      struct value *ret_values, const char **ret_rule,
                      struct error *err) RH_MUST_CHECK;

#endif
