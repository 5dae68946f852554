/* Connection strings: a text is well formed to both of their readers or to neither, and nothing
 * that is shown of one holds its password. In the input, '!' stands for the password. */
#include "tests/fuzz/fuzz.h"

#include "common/pg.h"
#include "common/settings_url.h"

#define ARENA_BYTES ((size_t)16 << 20)
#define PASSWORD    "Xq7Zk9Vw"

static const char *with_password(struct bytes input, struct arena *arena)
{
    struct buffer out;
    buffer_init(&out, arena, ARENA_BYTES);
    for (size_t i = 0; i < input.len; i++) {
        if (input.ptr[i] == '!') {
            write_text(&out, PASSWORD);
        } else if (input.ptr[i] != '\0') {
            write_u8(&out, (uint8_t)input.ptr[i]);
        }
    }
    return buffer_text(&out);
}

static bool shows_password(const char *text)
{
    return text != NULL && strstr(text, PASSWORD) != NULL;
}

/* Whether only the option `password` has it: who writes it as the host's name gets to read it, and
 * so does who writes no connection string but a database's name. */
static bool only_password_has_it(const char *url)
{
    bool only = strchr(url, '=') != NULL || strstr(url, "://") != NULL;
    PQconninfoOption *options = PQconninfoParse(url, NULL);
    for (const PQconninfoOption *o = options; o != NULL && o->keyword != NULL; o++) {
        only = only && (!shows_password(o->val) || strcmp(o->keyword, "password") == 0);
    }
    PQconninfoFree(options);
    return only;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    RH_AUTO(arena_release) struct arena arena;
    struct setting_fault fault = {0};
    arena_init(&arena, ARENA_BYTES);
    const char *url = with_password(fuzz_bytes(data, size), &arena);
    const char *shown = pg_url_shown(url, &arena);
    REQUIRE(!shows_password(shown) || !only_password_has_it(url));
    if (settings_url_check(url, &arena, &fault)) {
        REQUIRE(strcmp(shown, "an unreadable connection string") != 0);
        REQUIRE(settings_url_same_database(url, url, &arena));
        return 0;
    }
    REQUIRE(fault.code != NULL && !shows_password(fault.text) && !shows_password(fault.hint));
    return 0;
}
