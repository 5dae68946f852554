#include "common/catalog.h"

#include <string.h>

/*
 * A stored object is a table of its fields: one row writes and reads a field, so that the two
 * cannot drift apart. Objects below a table are lists in it, described by the same rows.
 */
enum member_kind {
    MEMBER_TEXT,     /* const char *, never NULL: the compiler compares it unasked */
    MEMBER_MAYBE,    /* const char *, NULL is JSON null */
    MEMBER_BOOL,     /* bool */
    MEMBER_CHAR,     /* char: a text of one byte, or empty for 0 */
    MEMBER_INT,      /* int32_t */
    MEMBER_BYTES,    /* uint64_t */
    MEMBER_ESTIMATE, /* double */
    MEMBER_NAMES,    /* const char **, its count at count_offset */
    MEMBER_PARTNERS, /* the same beside other names: as many as count_offset says already */
    MEMBER_OBJECTS,  /* an array of structs described by `shape`, its count at count_offset */
};

struct shape;
struct member {
    const char *name;
    enum member_kind kind;
    size_t offset;
    size_t count_offset;
    const struct shape *shape;
};

struct shape {
    const char *what; /* in messages */
    size_t size;
    size_t members_count;
    const struct member *members;
};

#define MEMBER(type, field, kind)                                                                  \
    {                                                                                              \
#field, (kind), offsetof(struct type, field), 0, NULL                                      \
    }
#define MEMBER_LIST(type, field, count, kind, shape)                                               \
    {                                                                                              \
#field, (kind), offsetof(struct type, field), offsetof(struct type, count), (shape)        \
    }
#define SHAPE(what, type, members)                                                                 \
    {                                                                                              \
        (what), sizeof(struct type), RH_COUNT(members), (members)                                  \
    }

static const struct member column_members[] = {
    MEMBER(catalog_column, name, MEMBER_TEXT),
    MEMBER(catalog_column, type, MEMBER_TEXT),
    MEMBER(catalog_column, base_type, MEMBER_TEXT),
    MEMBER(catalog_column, type_name, MEMBER_TEXT),
    MEMBER(catalog_column, type_schema, MEMBER_TEXT),
    MEMBER(catalog_column, type_type, MEMBER_CHAR),
    MEMBER(catalog_column, type_category, MEMBER_CHAR),
    MEMBER(catalog_column, not_null, MEMBER_BOOL),
    MEMBER(catalog_column, has_default, MEMBER_BOOL),
    MEMBER(catalog_column, generated, MEMBER_CHAR),
    MEMBER(catalog_column, identity, MEMBER_CHAR),
    MEMBER(catalog_column, collation_deterministic, MEMBER_BOOL),
    MEMBER(catalog_column, modifier, MEMBER_INT),
    MEMBER(catalog_column, domain_base_schema, MEMBER_MAYBE),
    MEMBER(catalog_column, domain_base_type, MEMBER_CHAR),
    MEMBER(catalog_column, element_name, MEMBER_MAYBE),
    MEMBER(catalog_column, element_schema, MEMBER_MAYBE),
    MEMBER(catalog_column, element_type, MEMBER_CHAR),
};
static const struct shape column_shape = SHAPE("column", catalog_column, column_members);

static const struct member index_members[] = {
    MEMBER(catalog_index, name, MEMBER_TEXT),
    MEMBER(catalog_index, primary, MEMBER_BOOL),
    MEMBER(catalog_index, unique, MEMBER_BOOL),
    MEMBER(catalog_index, deferrable, MEMBER_BOOL),
    MEMBER(catalog_index, partial, MEMBER_BOOL),
    MEMBER(catalog_index, expressions, MEMBER_BOOL),
    MEMBER(catalog_index, valid, MEMBER_BOOL),
    MEMBER_LIST(catalog_index, columns, columns_count, MEMBER_NAMES, NULL),
};
static const struct shape index_shape = SHAPE("index", catalog_index, index_members);

static const struct member foreign_key_members[] = {
    MEMBER(catalog_foreign_key, name, MEMBER_TEXT),
    MEMBER(catalog_foreign_key, definition, MEMBER_TEXT),
    MEMBER(catalog_foreign_key, schema, MEMBER_TEXT),
    MEMBER(catalog_foreign_key, table, MEMBER_TEXT),
    MEMBER_LIST(catalog_foreign_key, columns, columns_count, MEMBER_NAMES, NULL),
    MEMBER_LIST(catalog_foreign_key, referenced, columns_count, MEMBER_PARTNERS, NULL),
    MEMBER(catalog_foreign_key, on_delete, MEMBER_CHAR),
    MEMBER(catalog_foreign_key, validated, MEMBER_BOOL),
};
static const struct shape foreign_key_shape =
    SHAPE("foreign key", catalog_foreign_key, foreign_key_members);

static const struct member trigger_members[] = {
    MEMBER(catalog_trigger, name, MEMBER_TEXT),  MEMBER(catalog_trigger, schema, MEMBER_TEXT),
    MEMBER(catalog_trigger, table, MEMBER_TEXT), MEMBER(catalog_trigger, before, MEMBER_BOOL),
    MEMBER(catalog_trigger, row, MEMBER_BOOL),   MEMBER(catalog_trigger, enabled, MEMBER_BOOL),
};
static const struct shape trigger_shape = SHAPE("trigger", catalog_trigger, trigger_members);

static const struct member table_members[] = {
    MEMBER(catalog_table, schema, MEMBER_TEXT),
    MEMBER(catalog_table, name, MEMBER_TEXT),
    MEMBER(catalog_table, kind, MEMBER_CHAR),
    MEMBER(catalog_table, partition_root, MEMBER_MAYBE),
    MEMBER(catalog_table, row_security, MEMBER_BOOL),
    MEMBER(catalog_table, row_security_applies, MEMBER_BOOL),
    MEMBER(catalog_table, can_select, MEMBER_BOOL),
    MEMBER(catalog_table, can_insert, MEMBER_BOOL),
    MEMBER(catalog_table, can_update, MEMBER_BOOL),
    MEMBER(catalog_table, can_delete, MEMBER_BOOL),
    MEMBER(catalog_table, rows_estimate, MEMBER_ESTIMATE),
    MEMBER(catalog_table, bytes, MEMBER_BYTES),
    MEMBER_LIST(catalog_table, columns, columns_count, MEMBER_OBJECTS, &column_shape),
    MEMBER_LIST(catalog_table, indexes, indexes_count, MEMBER_OBJECTS, &index_shape),
    MEMBER_LIST(catalog_table, foreign_keys, foreign_keys_count, MEMBER_OBJECTS,
                &foreign_key_shape),
    MEMBER_LIST(catalog_table, triggers, triggers_count, MEMBER_OBJECTS, &trigger_shape),
};
static const struct shape table_shape = SHAPE("table", catalog_table, table_members);

static const struct member catalog_members[] = {
    MEMBER(catalog, system_identifier, MEMBER_TEXT),
    MEMBER(catalog, database, MEMBER_TEXT),
    MEMBER(catalog, server_version, MEMBER_TEXT),
    MEMBER(catalog, server_version_num, MEMBER_INT),
    MEMBER(catalog, server_encoding, MEMBER_TEXT),
    MEMBER(catalog, in_recovery, MEMBER_BOOL),
    MEMBER_LIST(catalog, tables, tables_count, MEMBER_OBJECTS, &table_shape),
};
static const struct shape catalog_shape = SHAPE("catalog", catalog, catalog_members);

_Static_assert(sizeof(int) == sizeof(int32_t), "server_version_num is stored as MEMBER_INT");

/* ---- writing ----------------------------------------------------------------------------- */

static json_t *write_object(const struct shape *shape, const char *object);

/* Copies a member out of its struct: one place for the access by offset. */
#define LOAD(variable, object, offset) memcpy(&(variable), (object) + (offset), sizeof(variable))

static json_t *write_names(const char *object, const struct member *member)
{
    const char **names;
    size_t count;
    LOAD(names, object, member->offset);
    LOAD(count, object, member->count_offset);
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        json_array_append_new(list, json_string(names[i]));
    }
    return list;
}

static json_t *write_objects(const char *object, const struct member *member)
{
    const char *objects;
    size_t count;
    LOAD(objects, object, member->offset);
    LOAD(count, object, member->count_offset);
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        json_array_append_new(list, write_object(member->shape, objects + i * member->shape->size));
    }
    return list;
}

static json_t *write_member(const char *object, const struct member *member)
{
    union {
        const char *text;
        bool boolean;
        int32_t number;
        uint64_t bytes;
        double estimate;
        char letter[2];
    } as = {0};
    switch (member->kind) {
    case MEMBER_TEXT:
    case MEMBER_MAYBE:
        LOAD(as.text, object, member->offset);
        return as.text == NULL ? json_null() : json_string(as.text);
    case MEMBER_BOOL:
        LOAD(as.boolean, object, member->offset);
        return json_boolean(as.boolean);
    case MEMBER_CHAR:
        LOAD(as.letter[0], object, member->offset);
        return json_string(as.letter);
    case MEMBER_INT:
        LOAD(as.number, object, member->offset);
        return json_integer(as.number);
    case MEMBER_BYTES:
        LOAD(as.bytes, object, member->offset);
        return json_integer((json_int_t)as.bytes);
    case MEMBER_ESTIMATE:
        LOAD(as.estimate, object, member->offset);
        return json_real(as.estimate);
    case MEMBER_NAMES:
    case MEMBER_PARTNERS:
        return write_names(object, member);
    case MEMBER_OBJECTS:
        return write_objects(object, member);
    }
    return NULL;
}

static json_t *write_object(const struct shape *shape, const char *object)
{
    json_t *json = json_object();
    for (size_t i = 0; i < shape->members_count; i++) {
        const struct member *member = &shape->members[i];
        int failed = json_object_set_new(json, member->name, write_member(object, member));
        REQUIRE(failed == 0); /* names from a server are UTF-8 */
    }
    return json;
}

json_t *catalog_to_json(const struct catalog *catalog)
{
    return write_object(&catalog_shape, (const char *)catalog);
}

/* ---- reading ----------------------------------------------------------------------------- */

static bool read_object(const struct shape *shape, const json_t *json, struct arena *arena,
                        char *object, struct error *err);

#define STORE(object, offset, variable) memcpy((object) + (offset), &(variable), sizeof(variable))

static bool read_names(const json_t *json, const struct member *member, struct arena *arena,
                       char *object)
{
    if (!json_is_array(json)) {
        return false;
    }
    size_t count = json_array_size(json);
    size_t partners_count;
    LOAD(partners_count, object, member->count_offset);
    if (member->kind == MEMBER_PARTNERS && count != partners_count) {
        return false;
    }
    const char **names = arena_must_alloc(arena, (count + 1) * sizeof(*names));
    for (size_t i = 0; i < count; i++) {
        const json_t *name = json_array_get(json, i);
        if (!json_is_string(name)) {
            return false;
        }
        names[i] = arena_must_strdup(arena, json_string_value(name));
    }
    STORE(object, member->offset, names);
    STORE(object, member->count_offset, count);
    return true;
}

static bool read_objects(const json_t *json, const struct member *member, struct arena *arena,
                         char *object, struct error *err)
{
    size_t count = json_array_size(json);
    char *objects = arena_must_alloc(arena, (count + 1) * member->shape->size);
    for (size_t i = 0; i < count; i++) {
        if (!read_object(member->shape, json_array_get(json, i), arena,
                         objects + i * member->shape->size, err)) {
            return false;
        }
    }
    STORE(object, member->offset, objects);
    STORE(object, member->count_offset, count);
    return true;
}

static bool read_text(const json_t *json, const struct member *member, struct arena *arena,
                      char *object)
{
    const char *text = NULL;
    if (!json_is_string(json) && !(member->kind == MEMBER_MAYBE && json_is_null(json))) {
        return false;
    }
    if (json_is_string(json)) {
        text = arena_must_strdup(arena, json_string_value(json));
    }
    STORE(object, member->offset, text);
    return true;
}

static bool read_number(const json_t *json, const struct member *member, char *object)
{
    if (member->kind == MEMBER_ESTIMATE) {
        double estimate = json_number_value(json);
        STORE(object, member->offset, estimate);
        return json_is_number(json);
    }
    json_int_t integer = json_integer_value(json);
    if (!json_is_integer(json)) {
        return false;
    }
    if (member->kind == MEMBER_BYTES) {
        uint64_t bytes = (uint64_t)integer;
        STORE(object, member->offset, bytes);
        return integer >= 0;
    }
    int32_t number = (int32_t)integer;
    STORE(object, member->offset, number);
    return number == integer;
}

/* False: not what a member of this kind looks like. */
static bool read_scalar(const json_t *json, const struct member *member, struct arena *arena,
                        char *object)
{
    bool truth = json_is_true(json);
    switch (member->kind) {
    case MEMBER_TEXT:
    case MEMBER_MAYBE:
        return read_text(json, member, arena, object);
    case MEMBER_BOOL:
        STORE(object, member->offset, truth);
        return json_is_boolean(json);
    case MEMBER_CHAR:
        if (!json_is_string(json) || json_string_length(json) > 1) {
            return false;
        }
        object[member->offset] = json_string_value(json)[0];
        return true;
    case MEMBER_INT:
    case MEMBER_BYTES:
    case MEMBER_ESTIMATE:
        return read_number(json, member, object);
    case MEMBER_NAMES:
    case MEMBER_PARTNERS:
        return read_names(json, member, arena, object);
    case MEMBER_OBJECTS:
        break;
    }
    return false;
}

static bool read_object(const struct shape *shape, const json_t *json, struct arena *arena,
                        char *object, struct error *err)
{
    for (size_t i = 0; i < shape->members_count; i++) {
        const struct member *member = &shape->members[i];
        const json_t *value = json_object_get(json, member->name);
        if (member->kind == MEMBER_OBJECTS && json_is_array(value)) {
            if (!read_objects(value, member, arena, object, err)) {
                return false;
            }
        } else if (value == NULL || !read_scalar(value, member, arena, object)) {
            return error_set(err, ERROR_STOP, "stored catalog: %s without a valid \"%s\"",
                             shape->what, member->name);
        }
    }
    return true;
}

/* What no server says, and the compiler does not ask again: a key is over columns of its table. */
static bool key_is_of_table(const struct catalog_index *key, const struct catalog_table *table)
{
    for (size_t i = 0; i < key->columns_count; i++) {
        if (catalog_column_find(table, key->columns[i]) == SIZE_MAX) {
            return false;
        }
        for (size_t j = 0; j < i; j++) {
            if (strcmp(key->columns[i], key->columns[j]) == 0) {
                return false;
            }
        }
    }
    return key->columns_count > 0;
}

static bool check_primary_keys(const struct catalog_table *table, struct error *err)
{
    for (size_t i = 0; i < table->indexes_count; i++) {
        const struct catalog_index *index = &table->indexes[i];
        if (index->primary && !key_is_of_table(index, table)) {
            return error_set(err, ERROR_STOP,
                             "stored catalog: primary key \"%s\" is not over columns of table "
                             "\"%s.%s\"",
                             index->name, table->schema, table->name);
        }
    }
    return true;
}

bool catalog_from_json(const json_t *json, struct arena *arena, struct catalog *ret_catalog,
                       struct error *err)
{
    struct catalog catalog = {0};
    if (!read_object(&catalog_shape, json, arena, (char *)&catalog, err)) {
        return false;
    }
    for (size_t i = 0; i < catalog.tables_count; i++) {
        if (!check_primary_keys(&catalog.tables[i], err)) {
            return false;
        }
    }
    *ret_catalog = catalog;
    return true;
}
