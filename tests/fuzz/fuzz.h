/*
 * fuzz -- what the fuzz targets share.
 *
 * A target is one file, <name>_fuzz.c, with LLVMFuzzerTestOneInput: it takes any bytes, gives them
 * to one reader and REQUIREs what must hold of the outcome. In the preset `fuzz` libFuzzer calls
 * it; everywhere else replay.c does, with the files of corpus/<name>/, as the test
 * unit_fuzz_<name>.
 *
 * Targets do no I/O and keep nothing between two calls, so that a crashing input alone shows the
 * crash again.
 */
#ifndef RH_TESTS_FUZZ_FUZZ_H
#define RH_TESTS_FUZZ_FUZZ_H

#include "common/bytes.h"
#include "common/error.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

RH_UNUSED static struct bytes fuzz_bytes(const uint8_t *data, size_t size)
{
    return size == 0 ? BYTES_EMPTY : (struct bytes){(const char *)data, size};
}

/* The input's next part: a byte of length, then at most as many bytes. Made for inputs that are
 * lists; behind the end there are empty parts. */
RH_UNUSED static struct bytes fuzz_part(struct reader *reader)
{
    size_t len = read_u8(reader);
    return read_bytes(reader, len < reader->left ? len : reader->left);
}

/* The input up to the next `end`, which is taken as well. */
RH_UNUSED static struct bytes fuzz_until(struct bytes *input, char end)
{
    const char *found = input->len == 0 ? NULL : memchr(input->ptr, end, input->len);
    size_t len = found == NULL ? input->len : (size_t)(found - input->ptr);
    struct bytes part = {input->ptr, len};
    size_t taken = found == NULL ? len : len + 1;
    *input = (struct bytes){input->ptr + taken, input->len - taken};
    return part;
}

/* NUL-terminated and up to the first NUL, as readers of C strings get it. */
RH_UNUSED static char *fuzz_text(struct arena *arena, struct bytes bytes)
{
    char *text = bytes_to_text(arena, bytes);
    REQUIRE(text != NULL);
    return text;
}

#endif
