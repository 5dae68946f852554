/* What `cat` and `rejects show` print of a message, readable or not, is JSON. The input's first
 * part is the key, the rest the value. */
#include "tests/fuzz/fixture.h"

#include "cli/message_json.h"
#include "common/state_topic.h"

static const char mapping[] = "version: 1\n"
                              "name: m\n"
                              "mode: snapshot\n"
                              "tables:\n"
                              "  - from: public.orders\n"
                              "    to: [{table: public.orders, triggers: off}]\n";

static void json_release(json_t **json)
{
    json_decref(*json);
    *json = NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    RH_AUTO(fixture_release) struct fixture fixture;
    struct reader reader;
    struct plan plan;
    bool readable = false;
    fixture_init(&fixture);
    fixture_plan(&fixture, mapping, &plan);
    reader_init(&reader, fuzz_bytes(data, size));
    struct bytes key = fuzz_part(&reader);
    struct bytes value = read_bytes(&reader, reader.left);

    RH_AUTO(json_release)
    json_t *json = message_to_json(&plan.tables[0], key, value, &fixture.arena, &readable);
    const char *text = state_json_text(&fixture.arena, json);
    RH_AUTO(json_release) json_t *again = json_loads(text, JSON_ALLOW_NUL, NULL);
    REQUIRE(again != NULL && json_equal(again, json) == 1);
    REQUIRE(readable == (json_object_get(json, "error") == NULL));
    return 0;
}
