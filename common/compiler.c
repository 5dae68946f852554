#include "common/compiler.h"

#include <stdio.h>
#include <stdlib.h>

void require_failed(const char *condition, const char *file, int line)
{
    fprintf(stderr, "rowhaul: bug at %s:%d: %s does not hold\n", file, line, condition);
    abort();
}
