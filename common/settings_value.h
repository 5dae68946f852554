/*
 * settings_value -- the text of a setting as a value of its kind, or why it is none and the mend.
 *
 * Numbers are decimal without signs, leading zeros or separators; sizes and durations have a unit.
 * What is written otherwise is refused with the right spelling, never guessed. Private to settings.
 */
#ifndef RH_COMMON_SETTINGS_VALUE_H
#define RH_COMMON_SETTINGS_VALUE_H

#include "common/arena.h"
#include "common/compiler.h"
#include "common/settings_table.h"

#include <stdbool.h>
#include <stdint.h>

struct setting_value {
    uint64_t number;  /* COUNT, BYTES, MILLISECONDS, BOOL, ENUM */
    double share;     /* PERCENT */
    const char *text; /* TEXT, URL: the text itself */
};

struct setting_fault {
    const char *code;
    const char *text; /* after the path: "cannot be …"; in the arena */
    const char *hint; /* in the arena, or NULL */
};

bool setting_value_parse(const struct setting *setting, const char *text, struct arena *arena,
                         struct setting_value *ret_value,
                         struct setting_fault *ret_fault) RH_MUST_CHECK;

/* "1 to 256", "at least 1KiB", "`reject` or `stop`"…: what is allowed, in the arena; "" = any. */
const char *setting_range(const struct setting *setting, struct arena *arena);

#endif
