/*
 * session -- what the verbs about a run share: configuration, the target's connection, the run.
 *
 * A verb is opened as far as it needs (configured, connected), does its work, and ends with an exit
 * code. Never: creates or changes anything.
 */
#ifndef RH_CLI_SESSION_H
#define RH_CLI_SESSION_H

#include "common/command.h"
#include "common/run.h"

#include <stdbool.h>

#define SESSION_PROGRAM "rowhaul"

struct session {
    struct arena arena; /* settings, plan, both catalogs */
    struct config config;
    struct pg target;
    struct run run;
    bool json; /* --format json */
};

/* Signals, log, configuration file. Zeroed memory; session_end releases in every case. */
bool session_configure(struct session *session, const struct common_options *options,
                       struct error *err) RH_MUST_CHECK;
/* The target's connection and the run that its ledger has. No run: RUN_MISSING (13). */
bool session_load_run(struct session *session, struct error *err) RH_MUST_CHECK;
/*
 * Releases, and gives the verb's exit code: `done` when ok, 128 + signal when it was interrupted,
 * else the error's, which is logged as `event`.
 */
int session_end(struct session *session, const char *event, bool ok, enum exit_code done,
                const struct error *err);

/* The table of the plan; an unknown id is a usage error that names the nearest one. */
const struct plan_table *session_table(struct session *session, const char *id, struct error *err);

#endif
