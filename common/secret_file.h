/*
 * secret_file -- the first line of a file that only its owner may read.
 *
 * What it refuses it says without the contents. Private to settings.
 */
#ifndef RH_COMMON_SECRET_FILE_H
#define RH_COMMON_SECRET_FILE_H

#include "common/arena.h"
#include "common/compiler.h"
#include "common/error.h"

#include <stdbool.h>

/*
 * ret_text is in the arena, without the line's end.
 * Errors   ERROR_STOP, EXIT_CONFIG: RH-3111 cannot be read, empty or too long; RH-3112 its mode is
 *          neither 0600 nor 0400, or it is no regular file. The hint is the mend, where there is
 *          one.
 */
bool secret_file_read(const char *path, struct arena *arena, const char **ret_text,
                      struct error *err) RH_MUST_CHECK;

#endif
