#include "common/key.h"

#include <string.h>

/*
 * Types whose text output is one-to-one with SQL equality, possibly after canonical_numeric or
 * canonical_bpchar. A type that is not here cannot be a key: for it nobody has shown that.
 */
static const struct key_type {
    const char *name; /* pg_type.typname */
    enum key_kind kind;
    bool collatable; /* equality depends on the collation */
} key_types[] = {
    {"int2", KEY_VERBATIM, false},        {"int4", KEY_VERBATIM, false},
    {"int8", KEY_VERBATIM, false},        {"oid", KEY_VERBATIM, false},
    {"uuid", KEY_VERBATIM, false},        {"bool", KEY_VERBATIM, false},
    {"text", KEY_VERBATIM, true},         {"varchar", KEY_VERBATIM, true},
    {"name", KEY_VERBATIM, true},         {"char", KEY_VERBATIM, false},
    {"bytea", KEY_VERBATIM, false},       {"date", KEY_VERBATIM, false},
    {"time", KEY_VERBATIM, false},        {"timestamp", KEY_VERBATIM, false},
    {"timestamptz", KEY_VERBATIM, false}, {"inet", KEY_VERBATIM, false},
    {"cidr", KEY_VERBATIM, false},        {"macaddr", KEY_VERBATIM, false},
    {"macaddr8", KEY_VERBATIM, false},    {"pg_lsn", KEY_VERBATIM, false},
    {"xid8", KEY_VERBATIM, false},        {"bit", KEY_VERBATIM, false},
    {"varbit", KEY_VERBATIM, false},      {"numeric", KEY_NUMERIC, false},
    {"bpchar", KEY_BPCHAR, true},
};

enum key_kind key_kind_of(const char *type_name, char type_type, bool collation_deterministic)
{
    if (type_type == 'e') {
        return KEY_VERBATIM;
    }
    /* Composites, ranges and the like may bear any name; only base types and domains go by it. */
    if (type_type != 'b' && type_type != 'd') {
        return KEY_REFUSED;
    }
    for (size_t i = 0; i < RH_COUNT(key_types); i++) {
        const struct key_type *type = &key_types[i];
        if (strcmp(type->name, type_name) == 0) {
            return type->collatable && !collation_deterministic ? KEY_REFUSED : type->kind;
        }
    }
    return KEY_REFUSED;
}

/* 1.50 -> 1.5, 2.00 -> 2, -0 -> 0; NaN and Infinity have no point and stay. */
static struct bytes canonical_numeric(struct bytes text)
{
    if (text.len > 0 && memchr(text.ptr, '.', text.len) != NULL) {
        while (text.ptr[text.len - 1] == '0') {
            text.len--;
        }
        if (text.ptr[text.len - 1] == '.') {
            text.len--;
        }
    }
    return bytes_is(text, "-0") ? BYTES_LITERAL("0") : text;
}

static struct bytes canonical_bpchar(struct bytes text)
{
    while (text.len > 0 && text.ptr[text.len - 1] == ' ') {
        text.len--;
    }
    return text;
}

static struct bytes canonical(enum key_kind kind, struct bytes text)
{
    switch (kind) {
    case KEY_VERBATIM:
        return text;
    case KEY_NUMERIC:
        return canonical_numeric(text);
    case KEY_BPCHAR:
        return canonical_bpchar(text);
    case KEY_REFUSED:
        break;
    }
    REQUIRE(kind != KEY_REFUSED); /* the mapping compiler lets no such column be a key */
    return text;
}

static bool write_part(struct buffer *out, enum key_kind kind, struct value value, size_t number,
                       struct error *err)
{
    if (value.kind == VALUE_NULL) {
        return error_set(err, ERROR_ROW, "key column %zu is null", number);
    }
    if (value.kind == VALUE_UNCHANGED) {
        return error_set(err, ERROR_ROW, "key column %zu was not sent by the source", number);
    }
    struct bytes part = canonical(kind, value.bytes);
    if (part.len > UINT32_MAX) {
        return error_set(err, ERROR_ROW, "key column %zu is too long: %zu bytes", number, part.len);
    }
    write_u32(out, (uint32_t)part.len);
    write_bytes(out, part);
    if (out->failed) {
        return error_set(err, ERROR_ROW, "key does not fit into %zu bytes", out->max_bytes);
    }
    return true;
}

bool key_write(struct buffer *out, const struct value *values, const size_t *key_columns,
               const enum key_kind *kinds, size_t key_count, struct error *err)
{
    REQUIRE(key_count > 0);
    size_t before = out->len;
    for (size_t i = 0; i < key_count; i++) {
        if (!write_part(out, kinds[i], values[key_columns[i]], i + 1, err)) {
            out->len = before;
            return false;
        }
    }
    return true;
}

static bool key_malformed(struct error *err, struct bytes key, size_t count)
{
    return error_stop(err, EXIT_STATE, "WIRE_MALFORMED", "key of %zu bytes does not have %zu parts",
                      key.len, count);
}

bool key_parts(struct bytes key, struct bytes *ret_parts, size_t count, struct error *err)
{
    struct reader reader;
    reader_init(&reader, key);
    for (size_t i = 0; i < count; i++) {
        (void)read_bytes(&reader, read_u32(&reader)); /* first pass: outputs stay as they were */
    }
    if (reader.failed || reader.left > 0) {
        return key_malformed(err, key, count);
    }

    reader_init(&reader, key);
    for (size_t i = 0; i < count; i++) {
        ret_parts[i] = read_bytes(&reader, read_u32(&reader));
    }
    return true;
}
