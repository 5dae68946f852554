/*
 * number -- whole numbers among a verb's options.
 */
#ifndef RH_CLI_NUMBER_H
#define RH_CLI_NUMBER_H

#include "common/error.h"

#include <stdbool.h>
#include <stdint.h>

/* 0 to max, in digits alone. Errors: RH-2013, naming `--option`. */
bool number_option(const char *option, const char *text, int64_t max, int64_t *ret_number,
                   struct error *err) RH_MUST_CHECK;

#endif
