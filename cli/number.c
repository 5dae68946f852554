#include "cli/number.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

bool number_option(const char *option, const char *text, int64_t max, int64_t *ret_number,
                   struct error *err)
{
    char *end = NULL;
    errno = 0;
    long long number = *text >= '0' && *text <= '9' ? strtoll(text, &end, 10) : -1;
    if (end == NULL || *end != '\0' || errno == ERANGE || number > max) {
        return error_stop(err, EXIT_USAGE, "RH-2013",
                          "option \"--%s\" must be a whole number up to %" PRId64 ", not \"%s\"",
                          option, max, text);
    }
    *ret_number = number;
    return true;
}
