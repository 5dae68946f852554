/*
 * Conditions as SQL over a source table's columns.
 *
 * Every name is quoted, every operator qualified, every value a literal of the column's type, so
 * that the text means the same under any search_path. A row passes where the condition is true.
 * `not` means "is different", and NULL counts as different: {a: {not: 1}} is true for NULL,
 * {a: {not: null}} is IS NOT NULL, {not: condition} is (condition) IS NOT TRUE.
 */
#include "common/mapping_parts.h"

#include "common/sql_text.h"

#include <string.h>

#define WHERE_BYTES_MAX ((size_t)1 << 20) /* a condition is written by hand */

struct where {
    const struct compiler *compiler;
    const struct catalog_table *source;
    struct buffer sql;
};

/* Operators of {column: {operator: value}} that compare by the type's order. */
static const struct {
    const char *word, *sql;
} comparisons[] = {{"lt", "<"}, {"lte", "<="}, {"gt", ">"}, {"gte", ">="}};

static const char *const operator_keys[] = {"not", "lt", "lte", "gt", "gte"};
static const char *const operator_later[] = {"matches", "path"};

/* Built-in types without an equality operator. */
static const char *const incomparable[] = {
    "json", "xml",    "point",         "path",        "polygon",   "line",     "lseg",
    "box",  "circle", "txid_snapshot", "pg_snapshot", "refcursor", "gtsvector"};

void sql_typed_literal(struct buffer *buffer, struct bytes value,
                       const struct catalog_column *column)
{
    sql_literal(buffer, value);
    write_text(buffer, "::");
    sql_qualified(buffer, mapping_type_schema(column), column->type_name);
}

void sql_compared_as(struct buffer *buffer, const struct catalog_column *column)
{
    if (column->type_type == 'd' && mapping_type_kind(column) == 'e') {
        write_text(buffer, "::");
        sql_qualified(buffer, mapping_type_schema(column), column->type_name);
    }
}

static void complain_where(const struct where *where, const struct node *node, const char *hint,
                           const char *text)
{
    complain(where->compiler->complaints, COMPLAINT_ERROR, CODE_WHERE, node, hint, "%s", text);
}

static bool has_operators(const char *schema, const char *name, char kind)
{
    if (kind == 'e' || kind == 'r' || kind == 'm') {
        return true; /* the operators of anyenum, anyrange and anymultirange */
    }
    if (kind != 'b' || strcmp(schema, "pg_catalog") != 0) {
        return false;
    }
    for (size_t i = 0; i < RH_COUNT(incomparable); i++) {
        if (strcmp(incomparable[i], name) == 0) {
            return false;
        }
    }
    return true;
}

/* pg_catalog's operators are all that can be named without asking where an extension lives. */
static bool can_compare(const struct where *where, const struct node *node,
                        const struct catalog_column *column)
{
    bool can =
        column->element_name != NULL
            ? has_operators(column->element_schema, column->element_name, column->element_type)
            : has_operators(mapping_type_schema(column), column->type_name,
                            mapping_type_kind(column));
    if (!can) {
        complain(where->compiler->complaints, COMPLAINT_ERROR, CODE_WHERE, node,
                 "only null can be asked for", "column \"%s\" of type %s cannot be compared",
                 column->name, column->type);
    }
    return can;
}

static void write_comparison(struct where *where, const struct node *node,
                             const struct catalog_column *column, const char *operator)
{
    if (!can_compare(where, node, column)) {
        return;
    }
    const char *text = interpolate(where->compiler->document, node, where->compiler->arena,
                                   where->compiler->complaints, where->compiler->environment);
    if (text == NULL) {
        return;
    }
    const char *problem = mapping_value_problem(column, text);
    if (problem != NULL) {
        complain(where->compiler->complaints, COMPLAINT_ERROR, CODE_WHERE, node, NULL,
                 "\"%s\" %s: column \"%s\" has type %s", text, problem, column->name, column->type);
        return;
    }
    sql_name(&where->sql, column->name);
    sql_compared_as(&where->sql, column);
    write_format(&where->sql, " OPERATOR(pg_catalog.%s) ", operator);
    sql_typed_literal(&where->sql, bytes_of(text), column);
}

/* A scalar, null, or a list of them: equal to one of these. */
static void write_equal(struct where *where, const struct node *node,
                        const struct catalog_column *column)
{
    if (node->kind == NODE_MAPPING) {
        complain_where(where, node, NULL, "a value cannot be a map here");
    } else if (node->kind == NODE_SCALAR && !node_is_null(node)) {
        write_comparison(where, node, column, "=");
    } else if (node->kind == NODE_SCALAR) {
        sql_name(&where->sql, column->name);
        write_text(&where->sql, " IS NULL");
    } else if (node->count == 0) {
        complain_where(where, node, NULL, "an empty list is equal to nothing");
    } else {
        write_text(&where->sql, "(");
        for (size_t i = 0; i < node->count; i++) {
            write_text(&where->sql, i == 0 ? "" : " OR ");
            if (node->items[i]->kind == NODE_SCALAR) {
                write_equal(where, node->items[i], column);
            } else {
                complain_where(where, node->items[i], NULL, "a list of values holds only values");
            }
        }
        write_text(&where->sql, ")");
    }
}

static void write_operators(struct where *where, const struct node *node,
                            const struct catalog_column *column);

static void write_different(struct where *where, const struct node *node,
                            const struct catalog_column *column)
{
    if (node_is_null(node)) {
        sql_name(&where->sql, column->name);
        write_text(&where->sql, " IS NOT NULL");
        return;
    }
    write_text(&where->sql, "(");
    if (node->kind == NODE_MAPPING) {
        write_operators(where, node, column);
    } else {
        write_equal(where, node, column);
    }
    write_text(&where->sql, ") IS NOT TRUE");
}

/* Other keys have been complained about. */
static void write_order(struct where *where, const struct node *key, const struct node *value,
                        const struct catalog_column *column)
{
    for (size_t i = 0; i < RH_COUNT(comparisons); i++) {
        if (!node_is_text(key, comparisons[i].word)) {
            continue;
        }
        if (value->kind == NODE_SCALAR && !node_is_null(value)) {
            write_comparison(where, value, column, comparisons[i].sql);
        } else {
            complain(where->compiler->complaints, COMPLAINT_ERROR, CODE_WHERE, value, NULL,
                     "\"%s\" needs a value", key->text.ptr);
        }
    }
}

/* {not: …, lt: …}: all of them hold. */
static void write_operators(struct where *where, const struct node *node,
                            const struct catalog_column *column)
{
    mapping_check_keys(where->compiler, node, "a condition", operator_keys, RH_COUNT(operator_keys),
                       operator_later, RH_COUNT(operator_later));
    if (node->count == 0) {
        complain_where(where, node, NULL, "a condition says nothing");
    }
    write_text(&where->sql, "(");
    for (size_t i = 0; i < node->count; i++) {
        write_text(&where->sql, i == 0 ? "" : " AND ");
        if (node_is_text(node->pairs[i].key, "not")) {
            write_different(where, node->pairs[i].value, column);
        } else {
            write_order(where, node->pairs[i].key, node->pairs[i].value, column);
        }
    }
    write_text(&where->sql, ")");
}

static void write_condition(struct where *where, const struct node *node);

static void write_connected(struct where *where, const struct node *node, const char *connective)
{
    if (node->kind != NODE_SEQUENCE || node->count == 0) {
        complain_where(where, node, "write any: [{column: value}, ...]",
                       "\"any\" and \"all\" take a list of conditions");
        return;
    }
    write_text(&where->sql, "(");
    for (size_t i = 0; i < node->count; i++) {
        write_text(&where->sql, i == 0 ? "" : connective);
        write_condition(where, node->items[i]);
    }
    write_text(&where->sql, ")");
}

static void write_pair(struct where *where, const struct node_pair *pair)
{
    if (node_is_text(pair->key, "any")) {
        write_connected(where, pair->value, " OR ");
    } else if (node_is_text(pair->key, "all")) {
        write_connected(where, pair->value, " AND ");
    } else if (node_is_text(pair->key, "not")) {
        write_text(&where->sql, "(");
        write_condition(where, pair->value);
        write_text(&where->sql, ") IS NOT TRUE");
    } else {
        size_t index = mapping_find_column(where->compiler, PG_SOURCE, where->source, pair->key,
                                           CODE_SOURCE_COLUMN);
        if (index == SIZE_MAX) {
            return;
        }
        const struct catalog_column *column = &where->source->columns[index];
        if (pair->value->kind == NODE_MAPPING) {
            write_operators(where, pair->value, column);
        } else {
            write_equal(where, pair->value, column);
        }
    }
}

/* Several keys: all of them hold. */
static void write_condition(struct where *where, const struct node *node)
{
    if (node->kind != NODE_MAPPING || node->count == 0) {
        complain_where(where, node, "write {column: value}", "a condition must be a mapping");
        return;
    }
    write_text(&where->sql, "(");
    for (size_t i = 0; i < node->count; i++) {
        write_text(&where->sql, i == 0 ? "" : " AND ");
        write_pair(where, &node->pairs[i]);
    }
    write_text(&where->sql, ")");
}

const char *mapping_where(const struct compiler *compiler, const struct draft_table *draft,
                          const struct catalog_table *source)
{
    if (draft->where == NULL) {
        return "";
    }
    struct where where = {.compiler = compiler, .source = source};
    buffer_init(&where.sql, compiler->arena, WHERE_BYTES_MAX);
    write_condition(&where, draft->where);
    if (where.sql.failed) {
        complain_where(&where, draft->where, NULL, "the condition is too long");
    }
    return buffer_text(&where.sql);
}
