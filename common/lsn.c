#include "common/lsn.h"

#include "common/compiler.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

const char *lsn_format(char text[LSN_TEXT_BYTES], uint64_t lsn)
{
    (void)snprintf(text, LSN_TEXT_BYTES, "%" PRIX32 "/%" PRIX32, (uint32_t)(lsn >> 32),
                   (uint32_t)lsn);
    return text;
}

uint64_t lsn_parse(const char *text)
{
    char *slash = NULL;
    uint64_t high = strtoull(text, &slash, 16);
    REQUIRE(*slash == '/');
    return high << 32 | strtoull(slash + 1, NULL, 16);
}
