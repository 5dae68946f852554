/* What a worker does with a message: read it, then make the outputs' rows of it by the plan. */
#include "tests/fuzz/fixture.h"

#include "common/transform.h"
#include "common/wire.h"

static const char mapping[] = "version: 1\n"
                              "name: m\n"
                              "mode: snapshot\n"
                              "tables:\n"
                              "  - from: public.users\n"
                              "    to:\n"
                              "      - table: public.users\n"
                              "        triggers: off\n"
                              "        columns:\n"
                              "          name: code\n"
                              "          mood: {const: happy}\n"
                              "          active: {map: {from: active, values: {t: f, f: t}}}\n"
                              "          paid:\n"
                              "            map: {from: name, values: {free: 0, null: 1},\n"
                              "                  otherwise: {from: paid}}\n";

static void check_value(const struct plan_column *column, struct value from, struct value to)
{
    REQUIRE(to.kind == VALUE_NULL || to.kind == VALUE_TEXT);
    if (column->rule.kind != RULE_COLUMN) {
        return;
    }
    REQUIRE(to.kind == from.kind);
    REQUIRE(column->rule.strip_padding || bytes_equal(to.bytes, from.bytes));
    REQUIRE(to.bytes.len <= from.bytes.len);
}

static void check_output(const struct plan_output *output, struct row row, struct arena *arena)
{
    struct value *values = arena_must_alloc(arena, output->columns_count * sizeof(*values));
    struct error err = {0};
    const char *rule = NULL;
    if (!transform_output(output, row, arena, values, &rule, &err)) {
        REQUIRE(err.action == ERROR_ROW && rule != NULL && err.column[0] != '\0');
        return;
    }
    for (size_t i = 0; i < output->columns_count; i++) {
        const struct plan_column *column = &output->columns[i];
        struct value from = {VALUE_NULL, BYTES_EMPTY};
        if (column->rule.kind != RULE_CONST) {
            from = row.values[column->rule.source_column];
        }
        check_value(column, from, values[i]);
    }
    for (size_t i = 0; i < output->key_count; i++) {
        REQUIRE(values[output->key[i]].kind == VALUE_TEXT);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    RH_AUTO(fixture_release) struct fixture fixture;
    struct wire_message message;
    struct error err = {0};
    struct plan plan;
    fixture_init(&fixture);
    if (!read_wire_message(fuzz_bytes(data, size), &fixture.arena, &message, &err)) {
        return 0;
    }
    fixture_plan(&fixture, mapping, &plan);
    const struct plan_table *table = &plan.tables[0];
    /* The fingerprint tells a worker that the message has the plan's columns. */
    if (message.header.kind == WIRE_ROW && message.row.count == table->columns_count) {
        check_output(&table->outputs[0], message.row, &fixture.arena);
    }
    return 0;
}
