/* Whole settings files: settings within their ranges, or complaints that say where. */
#include "tests/fuzz/fuzz.h"

#include "common/settings.h"

#define ARENA_BYTES ((size_t)64 << 20)

static void check(const struct settings *settings)
{
    REQUIRE(settings->name != NULL && settings->name[0] != '\0');
    REQUIRE(settings->source_url != NULL && settings->target_url != NULL);
    REQUIRE(settings->run_workers > 0 && settings->topics_partitions > 0);
    REQUIRE(settings->apply_max_error_rate >= 0 && settings->apply_max_error_rate <= 1);
    for (size_t i = 0; i < settings->kafka_count; i++) {
        REQUIRE(settings->kafka[i].name != NULL && settings->kafka[i].value != NULL);
    }
}

/* `file:` would read whatever file the input names. */
static bool reads_files(struct bytes text)
{
    static const char prefix[] = "file:";
    for (size_t i = 0; i + sizeof(prefix) - 1 <= text.len; i++) {
        if (memcmp(text.ptr + i, prefix, sizeof(prefix) - 1) == 0) {
            return true;
        }
    }
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    RH_AUTO(arena_release) struct arena arena;
    struct bytes text = fuzz_bytes(data, size);
    struct document document;
    struct complaints complaints;
    struct settings settings = {0};
    struct error err = {0};
    arena_init(&arena, ARENA_BYTES);
    if (reads_files(text) || !document_parse("f.yaml", text, &arena, &document, &err)) {
        return 0;
    }
    complaints_init(&complaints, &arena, "f.yaml");
    bool loaded = settings_load(&document, &arena, &complaints, &settings);
    REQUIRE(loaded == (complaints.errors_count == 0));
    for (const struct complaint *c = complaints.first; c != NULL; c = c->next) {
        REQUIRE(c->code != NULL && c->text[0] != '\0' && c->line >= 0);
    }
    if (loaded) {
        check(&settings);
    }
    return 0;
}
