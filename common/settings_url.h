/*
 * settings_url -- connection strings looked at without connecting: are they well formed, do two
 * of them name one database.
 *
 * Never shows a password: what libpq quotes of the string is left out, since any part of a
 * malformed one may be the password. Private to settings.
 */
#ifndef RH_COMMON_SETTINGS_URL_H
#define RH_COMMON_SETTINGS_URL_H

#include "common/arena.h"
#include "common/compiler.h"
#include "common/settings_value.h"

#include <stdbool.h>

bool settings_url_check(const char *url, struct arena *arena,
                        struct setting_fault *ret_fault) RH_MUST_CHECK;

/* Same server, port and database after libpq's defaults; both must be well formed. */
bool settings_url_same_database(const char *a, const char *b, struct arena *arena);

#endif
