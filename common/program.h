/*
 * program -- how each of the programs begins and ends: signals, configuration, log, exit code.
 */
#ifndef RH_COMMON_PROGRAM_H
#define RH_COMMON_PROGRAM_H

#include "common/command.h"
#include "common/run.h"

#include <stdbool.h>

/*
 * Blocks the signals (shutdown.h), reads the configuration, and sets up the log: first by the flags
 * alone, so that complaints about the file have their form, then by the file with the flags over
 * it. Complaints about the file are printed. Strings live in the arena.
 */
bool program_begin(const char *program, const struct common_options *options, struct arena *arena,
                   struct config *ret_config, struct error *err) RH_MUST_CHECK;

/*
 * The exit code: 0 when ok, and when something that could be repeated was cut short because we were
 * asked to leave; otherwise the error's, which is logged as an event of that name (as text only if
 * it was not shown already).
 */
int program_end(const char *event, bool ok, const struct error *err);

#endif
