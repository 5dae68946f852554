/* Mapping files against two catalogs: complaints or a plan, and the plan that a run keeps is
 * compiled again into the same one. */
#include "tests/fuzz/fixture.h"

#include "common/run_parts.h"

static bool compile(struct fixture *fixture, const struct document *document,
                    struct environment *environment, struct plan *ret_plan)
{
    bool compiled = fixture_compile(fixture, document, environment, ret_plan);
    REQUIRE(compiled == (fixture->complaints.errors_count == 0));
    for (const struct complaint *c = fixture->complaints.first; c != NULL; c = c->next) {
        REQUIRE(c->code != NULL && c->text[0] != '\0');
    }
    return compiled;
}

static void check_output(const struct plan_table *table, const struct plan_output *output)
{
    REQUIRE(output->columns_count > 0 && output->key_count > 0);
    for (size_t i = 0; i < output->columns_count; i++) {
        const struct rule *rule = &output->columns[i].rule;
        REQUIRE(rule->kind == RULE_CONST || rule->source_column < table->columns_count);
        for (size_t k = 1; rule->kind == RULE_MAP && k < rule->map_count; k++) {
            REQUIRE(bytes_compare(rule->map[k - 1].from, rule->map[k].from) < 0);
        }
    }
    for (size_t i = 0; i < output->key_count; i++) {
        REQUIRE(output->key[i] < output->columns_count);
    }
}

static void check_plan(const struct plan *plan)
{
    for (size_t i = 0; i < plan->tables_count; i++) {
        const struct plan_table *table = &plan->tables[i];
        REQUIRE(table->index == i && plan_table_find(plan, table->id) == table);
        REQUIRE(table->key_count > 0 && table->level < plan->levels_count);
        for (size_t k = 0; k < table->key_count; k++) {
            REQUIRE(table->key[k] < table->columns_count && table->key_kinds[k] != KEY_REFUSED);
        }
        for (size_t k = 0; k < table->outputs_count; k++) {
            check_output(table, &table->outputs[k]);
        }
    }
}

/* Whatever the tables were called, mapping_tables asked for them. */
static void check_tables(struct fixture *fixture, const struct document *document,
                         const struct plan *plan)
{
    struct complaints complaints;
    struct table_name *source;
    struct table_name *target;
    size_t source_count = 0;
    size_t target_count = 0;
    complaints_init(&complaints, &fixture->arena, "m.yaml");
    bool named = mapping_tables(document, &fixture->arena, &complaints, &source, &source_count,
                                &target, &target_count);
    REQUIRE(named && source_count >= plan->tables_count && target_count > 0);
}

static void check_kept(struct fixture *fixture, const struct document *document,
                       struct environment *environment, const struct plan *plan)
{
    struct document again;
    struct plan same;
    struct error err = {0};
    const char *text = run_mapping_text(document, &fixture->arena);
    REQUIRE(document_parse("kept", bytes_of(text), &fixture->arena, &again, &err));
    REQUIRE(compile(fixture, &again, environment, &same));
    REQUIRE(same.source_fingerprint == plan->source_fingerprint);
    REQUIRE(same.transform_fingerprint == plan->transform_fingerprint);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    RH_AUTO(fixture_release) struct fixture fixture;
    struct document document;
    struct error err = {0};
    struct plan plan;
    fixture_init(&fixture);
    struct environment environment = {.arena = &fixture.arena};
    if (!document_parse("m.yaml", fuzz_bytes(data, size), &fixture.arena, &document, &err) ||
        !compile(&fixture, &document, &environment, &plan)) {
        return 0;
    }
    check_plan(&plan);
    check_tables(&fixture, &document, &plan);
    check_kept(&fixture, &document, &environment, &plan);
    return 0;
}
