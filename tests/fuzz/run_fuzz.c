/* Stored runs (the RUN record, and the same JSON in the ledger): refused, or loaded, and then what
 * is stored of it loads as the same run. */
#include "tests/fuzz/fuzz.h"

#include "common/run_parts.h"

#define ARENA_BYTES ((size_t)256 << 20)

static void read_environment(const json_t *json, struct environment *environment)
{
    const char *name = NULL;
    json_t *value = NULL;
    json_object_foreach((json_t *)(uintptr_t)json_object_get(json, "environment"), name, value)
    {
        if (json_is_string(value)) {
            environment_add(environment, name, json_string_value(value));
        }
    }
}

static void check_run(const struct run *run)
{
    uint32_t partitions = 0;
    REQUIRE(run->topics_count == run->plan.tables_count);
    for (size_t i = 0; i < run->topics_count; i++) {
        REQUIRE(run->topics[i].first_partition == partitions);
        partitions += run->topics[i].partitions;
    }
    REQUIRE(run->partitions_count == partitions);
}

static void check_again(struct config *config, const json_t *json, const struct run *run,
                        struct arena *arena)
{
    struct environment environment = {.arena = arena};
    struct error err = {0};
    struct run again;
    read_environment(json, &environment);
    const char *mapping = json_string_value(json_object_get(json, "mapping"));
    REQUIRE(document_parse("m.yaml", bytes_of(mapping), arena, &config->document, &err));
    RH_AUTO(run_json_release) json_t *stored = run_to_json(run, config, &environment);
    REQUIRE(run_from_json(config, stored, arena, &again, &err));
    REQUIRE(strcmp(again.id_text, run->id_text) == 0);
    REQUIRE(again.plan.transform_fingerprint == run->plan.transform_fingerprint);
    REQUIRE(run_same_mapping(config, &again, stored, arena, &err));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    RH_AUTO(arena_release) struct arena arena;
    struct config config = {.settings = {.file = "m.yaml", .name = "m"}};
    struct run run;
    struct error err = {0};
    arena_init(&arena, ARENA_BYTES);
    RH_AUTO(run_json_release) json_t *json = json_loadb((const char *)data, size, 0, NULL);
    if (json == NULL) {
        return 0;
    }
    if (!run_from_json(&config, json, &arena, &run, &err)) {
        REQUIRE(err.action == ERROR_STOP && err.text[0] != '\0');
        return 0;
    }
    check_run(&run);
    check_again(&config, json, &run, &arena);
    return 0;
}
