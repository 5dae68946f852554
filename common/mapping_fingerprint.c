/*
 * The plan's two fingerprints: over a canonical description, part by part, of what is read and of
 * what is made of it. Equal on every machine for an equal plan; what is not in them may change
 * without anybody having to read or apply rows again.
 */
#include "common/mapping_parts.h"

#include "common/hash.h"

#include <inttypes.h>
#include <stdio.h>

static void add_text(uint64_t *fingerprint, const char *text)
{
    *fingerprint = fingerprint_add(*fingerprint, bytes_of(text));
}

static void add_number(uint64_t *fingerprint, uint64_t number)
{
    char text[24];
    snprintf(text, sizeof(text), "%" PRIu64, number);
    add_text(fingerprint, text);
}

static void add_value(uint64_t *fingerprint, struct value value)
{
    add_text(fingerprint, value.kind == VALUE_NULL ? "null" : "text");
    *fingerprint =
        fingerprint_add(*fingerprint, value.kind == VALUE_NULL ? BYTES_EMPTY : value.bytes);
}

static void add_source(uint64_t *fingerprint, const struct plan_table *table)
{
    add_text(fingerprint, table->id);
    add_text(fingerprint, table->source->schema);
    add_text(fingerprint, table->source->name);
    add_number(fingerprint, table->columns_count);
    for (size_t i = 0; i < table->columns_count; i++) {
        add_text(fingerprint, table->columns[i]->name);
        add_text(fingerprint, table->columns[i]->type);
    }
    add_number(fingerprint, table->key_count);
    for (size_t i = 0; i < table->key_count; i++) {
        add_number(fingerprint, table->key[i]);
        add_number(fingerprint, (uint64_t)table->key_kinds[i]);
    }
    add_text(fingerprint, table->where_sql);
}

static void add_rule(uint64_t *fingerprint, const struct rule *rule)
{
    add_number(fingerprint, (uint64_t)rule->kind);
    if (rule->kind == RULE_CONST) {
        add_value(fingerprint, rule->constant);
        return;
    }
    add_text(fingerprint, rule->source_name);
    add_number(fingerprint, rule->strip_padding);
    if (rule->kind == RULE_COLUMN) {
        return;
    }
    add_number(fingerprint, rule->map_count);
    for (size_t i = 0; i < rule->map_count; i++) {
        *fingerprint = fingerprint_add(*fingerprint, rule->map[i].from);
        add_value(fingerprint, rule->map[i].to);
    }
    add_number(fingerprint, rule->has_null);
    if (rule->has_null) {
        add_value(fingerprint, rule->null_to);
    }
    add_number(fingerprint, (uint64_t)rule->otherwise);
    if (rule->otherwise == MAP_RULE) {
        add_rule(fingerprint, rule->otherwise_rule);
    }
}

static void add_output(uint64_t *fingerprint, const struct plan_output *output)
{
    add_text(fingerprint, output->target->schema);
    add_text(fingerprint, output->target->name);
    add_number(fingerprint, output->columns_count);
    for (size_t i = 0; i < output->columns_count; i++) {
        add_text(fingerprint, output->columns[i].target->name);
        add_text(fingerprint, output->columns[i].target->type);
        add_rule(fingerprint, &output->columns[i].rule);
    }
    add_number(fingerprint, output->key_count);
    for (size_t i = 0; i < output->key_count; i++) {
        add_number(fingerprint, output->key[i]);
    }
    add_number(fingerprint, output->overriding);
    add_number(fingerprint, (uint64_t)output->triggers);
    add_number(fingerprint, output->fire_columns_count);
    for (size_t i = 0; i < output->fire_columns_count; i++) {
        add_text(fingerprint, output->fire_columns[i]);
    }
}

void mapping_fingerprints(struct plan *plan)
{
    plan->source_fingerprint = FINGERPRINT_START;
    plan->transform_fingerprint = FINGERPRINT_START;
    for (size_t i = 0; i < plan->tables_count; i++) {
        const struct plan_table *table = &plan->tables[i];
        add_source(&plan->source_fingerprint, table);
        add_text(&plan->transform_fingerprint, table->id);
        add_number(&plan->transform_fingerprint, table->outputs_count);
        for (size_t j = 0; j < table->outputs_count; j++) {
            add_output(&plan->transform_fingerprint, &table->outputs[j]);
        }
    }
}
