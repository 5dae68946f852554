/*
 * replay_result -- what became of replays, from rowhaul.requests: a table, or a JSON line each.
 */
#ifndef RH_CLI_REPLAY_RESULT_H
#define RH_CLI_REPLAY_RESULT_H

#include "cli/session.h"

#include <stdbool.h>

/*
 * requests: their numbers, as an array's text. ret_code: of the first that failed; EXIT_WARNINGS
 * where rows were refused.
 */
bool replay_result_print(struct session *session, const char *requests, bool dry_run,
                         enum exit_code *ret_code, struct error *err) RH_MUST_CHECK;

#endif
