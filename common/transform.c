#include "common/transform.h"

/* A rejected value is named, but no more of it than tells it apart: it may be anybody's data. */
#define SHOWN_BYTES_MAX 64

static struct bytes without_padding(struct bytes text)
{
    while (text.len > 0 && text.ptr[text.len - 1] == ' ') {
        text.len--;
    }
    return text;
}

/* Cut before the character that crosses the limit: 10xxxxxx continues one in UTF-8. */
static struct bytes shown(struct bytes text)
{
    if (text.len <= SHOWN_BYTES_MAX) {
        return text;
    }
    text.len = SHOWN_BYTES_MAX;
    while (text.len > 0 && ((unsigned char)text.ptr[text.len] & 0xc0) == 0x80) {
        text.len--;
    }
    return text;
}

static const struct map_entry *map_find(const struct rule *rule, struct bytes from)
{
    size_t low = 0, high = rule->map_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = bytes_compare(from, rule->map[middle].from);
        if (order == 0) {
            return &rule->map[middle];
        }
        if (order < 0) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return NULL;
}

static bool map_refuse(const struct rule *rule, struct value value, struct error *err)
{
    if (value.kind == VALUE_NULL) {
        return error_set(err, ERROR_ROW, "rule \"%s\": null of column \"%s\" is not in the map",
                         rule->id, rule->source_name);
    }
    struct bytes part = shown(value.bytes);
    return error_set(err, ERROR_ROW,
                     "rule \"%s\": value \"%.*s\"%s of column \"%s\" is not in the map", rule->id,
                     (int)part.len, part.ptr, part.len < value.bytes.len ? "..." : "",
                     rule->source_name);
}

static bool apply_rule(const struct rule *rule, struct row row, struct value *ret_value,
                       struct error *err);

static bool apply_map(const struct rule *rule, struct row row, struct value value,
                      struct value *ret_value, struct error *err)
{
    const struct map_entry *entry = value.kind == VALUE_TEXT ? map_find(rule, value.bytes) : NULL;
    if (entry != NULL) {
        *ret_value = entry->to;
        return true;
    }
    if (value.kind == VALUE_NULL && rule->has_null) {
        *ret_value = rule->null_to;
        return true;
    }
    switch (rule->otherwise) {
    case MAP_KEEP:
        *ret_value = value;
        return true;
    case MAP_RULE:
        return apply_rule(rule->otherwise_rule, row, ret_value, err);
    case MAP_REJECT:
        break;
    }
    return map_refuse(rule, value, err);
}

static bool apply_rule(const struct rule *rule, struct row row, struct value *ret_value,
                       struct error *err)
{
    if (rule->kind == RULE_CONST) {
        *ret_value = rule->constant;
        return true;
    }
    REQUIRE(rule->source_column < row.count);
    struct value value = row.values[rule->source_column];
    REQUIRE(value.kind != VALUE_UNCHANGED); /* the producer sends full images only */
    if (rule->strip_padding && value.kind == VALUE_TEXT) {
        value.bytes = without_padding(value.bytes);
    }
    if (rule->kind == RULE_MAP) {
        return apply_map(rule, row, value, ret_value, err);
    }
    *ret_value = value;
    return true;
}

static bool failed_at(const struct plan_column *column, const char **ret_rule, struct error *err)
{
    size_t len = 0;
    for (; len < sizeof(err->column) - 1 && column->target->name[len] != '\0'; len++) {
        err->column[len] = column->target->name[len];
    }
    err->column[len] = '\0';
    if (ret_rule != NULL) {
        *ret_rule = column->rule.id;
    }
    return false;
}

bool transform_output(const struct plan_output *output, struct row row, struct arena *arena,
                      struct value *ret_values, const char **ret_rule, struct error *err)
{
    (void)arena; /* the rules of this version borrow all they give from the row or the plan */
    for (size_t i = 0; i < output->columns_count; i++) {
        if (!apply_rule(&output->columns[i].rule, row, &ret_values[i], err)) {
            return failed_at(&output->columns[i], ret_rule, err);
        }
    }
    for (size_t i = 0; i < output->key_count; i++) {
        const struct plan_column *column = &output->columns[output->key[i]];
        if (ret_values[output->key[i]].kind != VALUE_NULL) {
            continue;
        }
        error_set(err, ERROR_ROW, "rule \"%s\": key column \"%s\" is null", column->rule.id,
                  column->target->name);
        return failed_at(column, ret_rule, err);
    }
    return true;
}
