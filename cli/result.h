/*
 * result -- what a finished run came to: a table of the work, the accounting identities, the
 * verdict.
 *
 * On stdout, as text or JSON. Both identities are checked for each table: a run that does not
 * balance has failed, whatever else it says.
 */
#ifndef RH_CLI_RESULT_H
#define RH_CLI_RESULT_H

#include "common/command.h"
#include "common/ledger.h"

#include <stdbool.h>

/*
 * ret_code  EXIT_DONE; EXIT_WARNINGS with rejects left or a constraint that stayed NOT VALID;
 *           EXIT_INTERNAL when an identity does not balance.
 */
bool result_print(const struct run *run, struct pg *target, const struct common_options *options,
                  struct arena *arena, int *ret_code, struct error *err) RH_MUST_CHECK;

#endif
