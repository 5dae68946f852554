/* Stored catalogs: what is read from JSON is written as JSON that reads the same. */
#include "tests/fuzz/fuzz.h"

#include "common/catalog.h"
#include "common/state_topic.h"

#define ARENA_BYTES ((size_t)256 << 20)

static void json_release(json_t **json)
{
    json_decref(*json);
    *json = NULL;
}

static const char *written(const struct catalog *catalog, struct arena *arena)
{
    RH_AUTO(json_release) json_t *json = catalog_to_json(catalog);
    return state_json_text(arena, json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    RH_AUTO(arena_release) struct arena arena;
    struct catalog catalog;
    struct error err = {0};
    arena_init(&arena, ARENA_BYTES);
    RH_AUTO(json_release) json_t *json = json_loadb((const char *)data, size, 0, NULL);
    if (json == NULL) {
        return 0;
    }
    if (!catalog_from_json(json, &arena, &catalog, &err)) {
        REQUIRE(err.action == ERROR_STOP);
        return 0;
    }
    const char *text = written(&catalog, &arena);
    RH_AUTO(json_release) json_t *again = json_loads(text, 0, NULL);
    REQUIRE(again != NULL && catalog_from_json(again, &arena, &catalog, &err));
    REQUIRE(strcmp(written(&catalog, &arena), text) == 0);
    return 0;
}
