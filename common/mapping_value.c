/*
 * Constants of the mapping as PostgreSQL text: scalars as they stand, maps and lists as JSON for a
 * json column, lists as an array literal for an array column.
 */
#include "common/mapping_parts.h"

#include <ctype.h>
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define CONSTANT_BYTES_MAX ((size_t)1 << 20) /* a constant is written by hand */

/* ---- what can be said about a text without a server --------------------------------------- */

static const char *integer_problem(const char *text, long long min, long long max)
{
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (end == text || *end != '\0' || isspace((unsigned char)text[0])) {
        return "is not an integer";
    }
    if (errno == ERANGE || value < min || value > max) {
        return "is out of range";
    }
    return NULL;
}

static const char *int2_problem(const char *text)
{
    return integer_problem(text, INT16_MIN, INT16_MAX);
}

static const char *int4_problem(const char *text)
{
    return integer_problem(text, INT32_MIN, INT32_MAX);
}

static const char *int8_problem(const char *text)
{
    return integer_problem(text, INT64_MIN, INT64_MAX);
}

/* The words PostgreSQL reads, in full; it also reads their beginnings, which nobody writes here. */
static const struct {
    const char *text;
    bool value;
} boolean_words[] = {{"true", true}, {"t", true},  {"yes", true},    {"y", true},
                     {"on", true},   {"1", true},  {"false", false}, {"f", false},
                     {"no", false},  {"n", false}, {"off", false},   {"0", false}};

static const char *boolean_canonical(const char *text)
{
    for (size_t i = 0; i < RH_COUNT(boolean_words); i++) {
        if (strcmp(boolean_words[i].text, text) == 0) {
            return boolean_words[i].value ? "t" : "f";
        }
    }
    return NULL;
}

static const char *boolean_problem(const char *text)
{
    return boolean_canonical(text) == NULL ? "is neither true nor false" : NULL;
}

/* The usual form, 8-4-4-4-12; the server reads others too, which no output would equal. */
static const char *uuid_problem(const char *text)
{
    static const char form[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
    if (strlen(text) != sizeof(form) - 1) {
        return "is not a uuid";
    }
    for (size_t i = 0; i < sizeof(form) - 1; i++) {
        bool right = form[i] == '-' ? text[i] == '-' : isxdigit((unsigned char)text[i]) != 0;
        if (!right) {
            return "is not a uuid";
        }
    }
    return NULL;
}

/* jansson cannot hold every number that JSON allows; that is no mistake of the text. */
static const char *json_problem(const char *text)
{
    json_error_t error;
    json_t *json = json_loads(text, JSON_DECODE_ANY, &error);
    bool valid = json != NULL || json_error_code(&error) == json_error_numeric_overflow;
    json_decref(json);
    return valid ? NULL : "is not JSON";
}

/* canonical: how the type prints what it read, for the types whose texts a map can compare. */
static const struct value_type {
    const char *name;
    const char *(*problem)(const char *text);
    bool has_canonical;
} value_types[] = {
    {"int2", int2_problem, true},    {"int4", int4_problem, true}, {"int8", int8_problem, true},
    {"bool", boolean_problem, true}, {"uuid", uuid_problem, true}, {"json", json_problem, false},
    {"jsonb", json_problem, false},  {"text", NULL, true},         {"varchar", NULL, true},
    {"bpchar", NULL, true},          {"name", NULL, true},         {"date", NULL, true},
};

static const struct value_type *value_type_of(const struct catalog_column *column)
{
    for (size_t i = 0; i < RH_COUNT(value_types); i++) {
        if (mapping_type_is(column, value_types[i].name)) {
            return &value_types[i];
        }
    }
    return NULL;
}

const char *mapping_value_problem(const struct catalog_column *column, const char *text)
{
    const struct value_type *type = value_type_of(column);
    return type == NULL || type->problem == NULL ? NULL : type->problem(text);
}

bool mapping_type_has_canonical(const struct catalog_column *column)
{
    const struct value_type *type = value_type_of(column);
    return mapping_type_kind(column) == 'e' || (type != NULL && type->has_canonical);
}

static const char *lower_case(const char *text, struct arena *arena)
{
    char *copy = arena_must_strdup(arena, text);
    for (char *p = copy; *p != '\0'; p++) {
        *p = (char)tolower((unsigned char)*p);
    }
    return copy;
}

/* The text has no problem. */
const char *mapping_value_canonical(const struct catalog_column *column, const char *text,
                                    struct arena *arena)
{
    if (mapping_type_is(column, "bool")) {
        return boolean_canonical(text);
    }
    if (mapping_type_is(column, "uuid")) {
        return lower_case(text, arena);
    }
    if (mapping_type_is(column, "int2") || mapping_type_is(column, "int4") ||
        mapping_type_is(column, "int8")) {
        return arena_must_printf(arena, "%lld", strtoll(text, NULL, 10));
    }
    if (mapping_type_is(column, "bpchar")) {
        size_t len = strlen(text);
        while (len > 0 && text[len - 1] == ' ') {
            len--;
        }
        return arena_must_printf(arena, "%.*s", (int)len, text);
    }
    return text;
}

/* ---- JSON -------------------------------------------------------------------------------- */

static const char *scalar_text(const struct compiler *compiler, const struct node *node)
{
    return interpolate(compiler->document, node, compiler->arena, compiler->complaints,
                       compiler->environment);
}

static void write_json_text(struct buffer *out, const char *text)
{
    write_u8(out, '"');
    for (const char *p = text; *p != '\0'; p++) {
        unsigned char c = (unsigned char)*p;
        if (c == '"' || c == '\\') {
            write_format(out, "\\%c", c);
        } else if (c < 0x20) {
            write_format(out, "\\u%04x", (unsigned int)c);
        } else {
            write_u8(out, c);
        }
    }
    write_u8(out, '"');
}

/* The grammar of RFC 8259: its digits are kept as they stand. */
static bool is_json_number(const char *text)
{
    const char *p = text + (text[0] == '-');
    size_t digits = strspn(p, "0123456789");
    if (digits == 0 || (p[0] == '0' && digits > 1)) {
        return false;
    }
    p += digits;
    if (*p == '.') {
        digits = strspn(p + 1, "0123456789");
        if (digits == 0) {
            return false;
        }
        p += 1 + digits;
    }
    if (*p == 'e' || *p == 'E') {
        p += 1 + (p[1] == '+' || p[1] == '-');
        digits = strspn(p, "0123456789");
        if (digits == 0) {
            return false;
        }
        p += digits;
    }
    return *p == '\0';
}

/* Only what the file itself writes plainly is a number or a truth; what ${…} brings is text. */
static bool is_bare_json(const struct node *node)
{
    return !node->quoted && (node_is_text(node, "true") || node_is_text(node, "false") ||
                             is_json_number(node->text.ptr));
}

static bool write_json(const struct compiler *compiler, const struct node *node,
                       struct buffer *out);

static bool write_json_scalar(const struct compiler *compiler, const struct node *node,
                              struct buffer *out)
{
    if (node_is_null(node)) {
        write_text(out, "null");
        return true;
    }
    if (is_bare_json(node)) {
        write_text(out, node->text.ptr);
        return true;
    }
    const char *text = scalar_text(compiler, node);
    if (text == NULL) {
        return false;
    }
    write_json_text(out, text);
    return true;
}

static bool write_json(const struct compiler *compiler, const struct node *node, struct buffer *out)
{
    bool good = true;
    switch (node->kind) {
    case NODE_SCALAR:
        return write_json_scalar(compiler, node, out);
    case NODE_SEQUENCE:
        write_u8(out, '[');
        for (size_t i = 0; i < node->count; i++) {
            write_text(out, i == 0 ? "" : ", ");
            good = write_json(compiler, node->items[i], out) && good;
        }
        write_u8(out, ']');
        return good;
    case NODE_MAPPING:
        write_u8(out, '{');
        for (size_t i = 0; i < node->count; i++) {
            write_text(out, i == 0 ? "" : ", ");
            write_json_text(out, node->pairs[i].key->text.ptr);
            write_text(out, ": ");
            good = write_json(compiler, node->pairs[i].value, out) && good;
        }
        write_u8(out, '}');
        return good;
    }
    return false;
}

/* ---- arrays ------------------------------------------------------------------------------ */

static bool is_json_name(const char *schema, const char *name)
{
    return strcmp(schema, "pg_catalog") == 0 &&
           (strcmp(name, "json") == 0 || strcmp(name, "jsonb") == 0);
}

static void write_array_text(struct buffer *out, const char *text)
{
    write_u8(out, '"');
    for (const char *p = text; *p != '\0'; p++) {
        if (*p == '"' || *p == '\\') {
            write_u8(out, '\\');
        }
        write_u8(out, (uint8_t)*p);
    }
    write_u8(out, '"');
}

static bool write_array(const struct compiler *compiler, const struct node *list,
                        const struct catalog_column *column, struct buffer *out);

static bool write_array_item(const struct compiler *compiler, const struct node *item,
                             const struct catalog_column *column, struct buffer *out)
{
    if (node_is_null(item)) {
        write_text(out, "NULL");
        return true;
    }
    if (is_json_name(column->element_schema, column->element_name)) {
        struct buffer json;
        buffer_init(&json, compiler->arena, CONSTANT_BYTES_MAX);
        bool good = write_json(compiler, item, &json);
        write_array_text(out, buffer_text(&json));
        return good;
    }
    if (item->kind == NODE_SEQUENCE) {
        return write_array(compiler, item, column, out);
    }
    if (item->kind == NODE_MAPPING) {
        complain(compiler->complaints, COMPLAINT_ERROR, CODE_VALUE, item, NULL,
                 "a map cannot be an element of column \"%s\" of type %s", column->name,
                 column->type);
        return false;
    }
    const char *text = scalar_text(compiler, item);
    if (text == NULL) {
        return false;
    }
    write_array_text(out, text);
    return true;
}

static bool write_array(const struct compiler *compiler, const struct node *list,
                        const struct catalog_column *column, struct buffer *out)
{
    bool good = true;
    write_u8(out, '{');
    for (size_t i = 0; i < list->count; i++) {
        write_text(out, i == 0 ? "" : ",");
        good = write_array_item(compiler, list->items[i], column, out) && good;
    }
    write_u8(out, '}');
    return good;
}

/* ---- constants --------------------------------------------------------------------------- */

static bool scalar_constant(const struct compiler *compiler, const struct node *node,
                            const struct catalog_column *column, struct value *ret_value)
{
    const char *text = scalar_text(compiler, node);
    if (text == NULL) {
        return false;
    }
    const char *problem = mapping_value_problem(column, text);
    if (problem != NULL) {
        bool json = mapping_type_is(column, "json") || mapping_type_is(column, "jsonb");
        complain(compiler->complaints, COMPLAINT_ERROR, CODE_VALUE, node,
                 json ? "a JSON text needs its own quotes: '\"text\"'" : NULL,
                 "\"%s\" %s: column \"%s\" has type %s", text, problem, column->name, column->type);
        return false;
    }
    *ret_value = (struct value){VALUE_TEXT, bytes_of(text)};
    return true;
}

static bool built_constant(const struct compiler *compiler, const struct node *node,
                           const struct catalog_column *column, struct value *ret_value)
{
    bool json = mapping_type_is(column, "json") || mapping_type_is(column, "jsonb");
    if (!json && (node->kind == NODE_MAPPING || column->element_name == NULL)) {
        complain(compiler->complaints, COMPLAINT_ERROR, CODE_VALUE, node, NULL,
                 "a %s cannot be the value of column \"%s\" of type %s",
                 node->kind == NODE_MAPPING ? "map" : "list", column->name, column->type);
        return false;
    }
    struct buffer text;
    buffer_init(&text, compiler->arena, CONSTANT_BYTES_MAX);
    bool good =
        json ? write_json(compiler, node, &text) : write_array(compiler, node, column, &text);
    if (good && text.failed) {
        complain(compiler->complaints, COMPLAINT_ERROR, CODE_VALUE, node, NULL,
                 "a constant cannot be larger than %zu bytes", CONSTANT_BYTES_MAX);
        return false;
    }
    *ret_value = (struct value){VALUE_TEXT, buffer_bytes(&text)};
    return good;
}

bool mapping_constant(const struct compiler *compiler, const struct node *node,
                      const struct catalog_column *column, struct value *ret_value)
{
    if (node_is_null(node)) {
        *ret_value = (struct value){.kind = VALUE_NULL};
        return true;
    }
    return node->kind == NODE_SCALAR ? scalar_constant(compiler, node, column, ret_value)
                                     : built_constant(compiler, node, column, ret_value);
}
