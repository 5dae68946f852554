#include "common/mapping_parts.h"
#include "common/nearest.h"

#include <string.h>

static const char *const root_later[] = {"assertions", "queries"};
static const char *const table_keys[] = {"id", "from",     "key",           "where",
                                         "to", "on_error", "on_new_column", "delete"};
static const char *const table_later[] = {"validate", "examples"};
/* What happens to a table's rows may be said at the table or at an output. */
static const char *const output_keys[] = {"table",   "key",        "copy",     "drop",
                                          "columns", "triggers",   "on_error", "on_new_column",
                                          "delete",  "on_conflict"};
static const char *const output_later[] = {"when",     "each",     "children_of", "on_delete",
                                           "validate", "examples", "merge"};
static const char *const trigger_keys[] = {"fire"};

/* ---- helpers ----------------------------------------------------------------------------- */

const char *mapping_did_you_mean(const struct compiler *compiler, const char *name,
                                 const char *const *names, size_t names_count,
                                 const char *otherwise)
{
    const char *nearest = nearest_name(name, names, names_count);
    return nearest == NULL ? otherwise
                           : arena_must_printf(compiler->arena, "did you mean \"%s\"?", nearest);
}

void mapping_complain_later(const struct compiler *compiler, const struct node *node,
                            const char *text)
{
    complain(compiler->complaints, COMPLAINT_ERROR, CODE_LATER, node, NULL,
             "\"%s\" is not in this version", text);
}

static bool is_among(const char *name, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(names[i], name) == 0) {
            return true;
        }
    }
    return false;
}

void mapping_check_keys(const struct compiler *compiler, const struct node *node, const char *what,
                        const char *const *known, size_t known_count, const char *const *later,
                        size_t later_count)
{
    for (size_t i = 0; i < node->count; i++) {
        const struct node *key = node->pairs[i].key;
        const char *name = key->text.ptr;
        if (is_among(name, known, known_count)) {
            continue;
        }
        if (is_among(name, later, later_count)) {
            mapping_complain_later(compiler, key, name);
        } else {
            complain(compiler->complaints, COMPLAINT_ERROR, CODE_UNKNOWN_KEY, key,
                     mapping_did_you_mean(compiler, name, known, known_count, NULL),
                     "unknown key \"%s\" in %s", name, what);
        }
    }
}

static void complain_form(const struct compiler *compiler, const struct node *node,
                          const char *hint, const char *text)
{
    complain(compiler->complaints, COMPLAINT_ERROR, CODE_FORM, node, hint, "%s", text);
}

/* A list of names; without the key an empty one whose node is NULL. */
static void read_names(const struct compiler *compiler, const struct node *parent, const char *key,
                       struct draft_names *names)
{
    const struct node *list = node_get(parent, key);
    if (list == NULL) {
        return;
    }
    names->node = list;
    if (list->kind != NODE_SEQUENCE) {
        complain(compiler->complaints, COMPLAINT_ERROR, CODE_FORM, list,
                 arena_must_printf(compiler->arena, "write %s: [name, name]", key),
                 "\"%s\" must be a list of columns", key);
        return;
    }
    names->nodes = arena_must_alloc(compiler->arena, (list->count + 1) * sizeof(*names->nodes));
    for (size_t i = 0; i < list->count; i++) {
        if (list->items[i]->kind == NODE_SCALAR && list->items[i]->text.len > 0) {
            names->nodes[names->count++] = list->items[i];
        } else {
            complain(compiler->complaints, COMPLAINT_ERROR, CODE_FORM, list->items[i], NULL,
                     "\"%s\" must be a list of columns", key);
        }
    }
}

/* A key that is given must name something, or it would silently mean the primary key. */
static void read_key(const struct compiler *compiler, const struct node *parent,
                     struct draft_names *names)
{
    read_names(compiler, parent, "key", names);
    if (names->node != NULL && names->node->kind == NODE_SEQUENCE && names->node->count == 0) {
        complain_form(compiler, names->node, "leave \"key\" out to use the primary key",
                      "\"key\" names no column");
    }
}

/* ---- words with a fixed set of values ---------------------------------------------------- */

struct word {
    const char *text;
    int value;
    bool later;
};

static const struct word on_error_words[] = {{"reject", ON_ERROR_REJECT, false},
                                             {"stop", ON_ERROR_STOP, false},
                                             {"park", ON_ERROR_PARK, false}};
static const struct word on_new_column_words[] = {{"stop", 0, false}, {"ignore", 1, false}};
static const struct word delete_words[] = {
    {"restrict", 0, false}, {"cascade", 1, true}, {"keep", 2, true}};
static const struct word on_conflict_words[] = {
    {"update", 0, false}, {"nothing", 1, true}, {"newest", 2, true}, {"merge", 3, true}};

/* Looks a key's word up; true and ret_value when it is there and known. */
static bool read_word(const struct compiler *compiler, const struct node *parent, const char *key,
                      const struct word *words, size_t words_count, int *ret_value)
{
    const struct node *node = node_get(parent, key);
    if (node == NULL) {
        return false;
    }
    const char *names[8];
    REQUIRE(words_count <= RH_COUNT(names));
    for (size_t i = 0; i < words_count; i++) {
        names[i] = words[i].text;
        /* {newest: column}: the word is the mapping's key */
        bool same = node_is_text(node, words[i].text) || node_get(node, words[i].text) != NULL;
        if (!same) {
            continue;
        }
        if (words[i].later) {
            mapping_complain_later(
                compiler, node, arena_must_printf(compiler->arena, "%s: %s", key, words[i].text));
            return false;
        }
        if (node->kind != NODE_SCALAR) {
            continue;
        }
        *ret_value = words[i].value;
        return true;
    }
    const char *text = node->kind == NODE_SCALAR ? node->text.ptr : "";
    complain(compiler->complaints, COMPLAINT_ERROR, CODE_FORM, node,
             mapping_did_you_mean(compiler, text, names, words_count, NULL),
             "\"%s\" cannot be \"%s\"", key, text);
    return false;
}

/* on_error, on_new_column, delete: of a table or of one of its outputs. */
static void read_policies(const struct compiler *compiler, const struct node *node,
                          struct draft_table *table)
{
    int value;
    if (read_word(compiler, node, "on_error", on_error_words, RH_COUNT(on_error_words), &value)) {
        if (table->on_error_node != NULL && table->on_error != (enum on_error)value) {
            complain_form(compiler, node_get(node, "on_error"), "say it once, at the table",
                          "\"on_error\" is said twice and differs: it belongs to the source table");
        }
        table->on_error = (enum on_error)value;
        table->on_error_node = node_get(node, "on_error");
    }
    /* Nothing follows from these two before there is a change stream: only the form is checked. */
    (void)read_word(compiler, node, "on_new_column", on_new_column_words,
                    RH_COUNT(on_new_column_words), &value);
    (void)read_word(compiler, node, "delete", delete_words, RH_COUNT(delete_words), &value);
}

/* ---- tables ------------------------------------------------------------------------------ */

static bool read_two_names(const struct compiler *compiler, const struct node *node,
                           struct table_name *ret_name)
{
    if (node->count != 2 || node->items[0]->kind != NODE_SCALAR ||
        node->items[1]->kind != NODE_SCALAR || node->items[0]->text.len == 0 ||
        node->items[1]->text.len == 0) {
        complain(compiler->complaints, COMPLAINT_ERROR, CODE_TABLE_NAME, node,
                 "write [schema, table]", "a table's name has two parts");
        return false;
    }
    *ret_name = (struct table_name){node->items[0]->text.ptr, node->items[1]->text.ptr};
    return true;
}

/* `schema.table`, or `[schema, table]` for names with a dot in them. */
static bool read_table_name(const struct compiler *compiler, const struct node *node,
                            struct table_name *ret_name)
{
    if (node->kind == NODE_SEQUENCE) {
        return read_two_names(compiler, node, ret_name);
    }
    const char *text = node->kind == NODE_SCALAR ? node->text.ptr : "";
    const char *dot = strchr(text, '.');
    if (dot == NULL || dot == text || dot[1] == '\0') {
        complain(compiler->complaints, COMPLAINT_ERROR, CODE_TABLE_NAME, node, "write schema.table",
                 "table name \"%s\" has no schema", text);
        return false;
    }
    if (strchr(dot + 1, '.') != NULL) {
        complain(compiler->complaints, COMPLAINT_ERROR, CODE_TABLE_NAME, node,
                 "write [schema, table]", "table name \"%s\" has more than one dot", text);
        return false;
    }
    struct bytes schema = {text, (size_t)(dot - text)};
    *ret_name = (struct table_name){bytes_to_text(compiler->arena, schema), dot + 1};
    REQUIRE(ret_name->schema != NULL);
    return true;
}

static const struct node *required(const struct compiler *compiler, const struct node *node,
                                   const char *key, const char *what)
{
    const struct node *value = node_get(node, key);
    if (value == NULL) {
        complain(compiler->complaints, COMPLAINT_ERROR, CODE_MISSING_KEY, node, NULL,
                 "%s has no \"%s\"", what, key);
    }
    return value;
}

static void read_copy(const struct compiler *compiler, const struct node *node,
                      struct draft_output *output)
{
    const struct node *copy = node_get(node, "copy");
    if (copy == NULL || node_is_text(copy, "all")) {
        return;
    }
    if (node_is_text(copy, "none")) {
        output->copy = COPY_NONE;
    } else if (copy->kind == NODE_SEQUENCE) {
        output->copy = COPY_LIST;
        read_names(compiler, node, "copy", &output->copy_list);
    } else {
        complain_form(compiler, copy, NULL, "\"copy\" must be all, none or a list of columns");
    }
}

static void read_triggers(const struct compiler *compiler, const struct node *node,
                          struct draft_output *output)
{
    const struct node *triggers = node_get(node, "triggers");
    if (triggers == NULL) {
        return;
    }
    if (node_is_text(triggers, "off")) {
        output->triggers = TRIGGERS_OFF;
    } else if (triggers->kind == NODE_MAPPING && triggers->count > 0) {
        mapping_check_keys(compiler, triggers, "\"triggers\"", trigger_keys, RH_COUNT(trigger_keys),
                           NULL, 0);
        output->triggers = TRIGGERS_FIRE;
        read_names(compiler, triggers, "fire", &output->fire);
    } else {
        complain_form(compiler, triggers, NULL,
                      "\"triggers\" must be off or {fire: [columns that triggers change]}");
    }
}

static void read_output(const struct compiler *compiler, const struct node *node,
                        struct draft_table *table, struct draft_output *output)
{
    output->node = node;
    output->table_node = node;
    if (node->kind != NODE_MAPPING) {
        complain_form(compiler, node, "write - table: schema.table", "an output must be a mapping");
        return;
    }
    mapping_check_keys(compiler, node, "an output", output_keys, RH_COUNT(output_keys),
                       output_later, RH_COUNT(output_later));
    const struct node *name = required(compiler, node, "table", "an output");
    if (name != NULL) {
        output->table_node = name;
        if (!read_table_name(compiler, name, &output->table)) {
            output->table.name = NULL;
        }
    }
    int ignored;
    (void)read_word(compiler, node, "on_conflict", on_conflict_words, RH_COUNT(on_conflict_words),
                    &ignored); /* `update` is what happens anyway */
    read_key(compiler, node, &output->key);
    read_copy(compiler, node, output);
    read_names(compiler, node, "drop", &output->drop);
    read_triggers(compiler, node, output);
    read_policies(compiler, node, table);
    const struct node *columns = node_get(node, "columns");
    if (columns != NULL && columns->kind != NODE_MAPPING && !node_is_null(columns)) {
        complain_form(compiler, columns, "write columns: {column: rule}",
                      "\"columns\" must be a mapping");
    } else if (columns != NULL && columns->kind == NODE_MAPPING) {
        output->columns = columns;
    }
}

static void read_outputs(const struct compiler *compiler, const struct node *node,
                         struct draft_table *table)
{
    const struct node *to = required(compiler, node, "to", "a table");
    if (to == NULL) {
        return;
    }
    if (to->kind != NODE_SEQUENCE || to->count == 0) {
        complain_form(compiler, to, "write - table: schema.table",
                      "\"to\" must be a list of outputs");
        return;
    }
    table->outputs = arena_must_alloc(compiler->arena, to->count * sizeof(*table->outputs));
    table->outputs_count = to->count;
    for (size_t i = 0; i < to->count; i++) {
        read_output(compiler, to->items[i], table, &table->outputs[i]);
    }
}

/* ---- ids --------------------------------------------------------------------------------- */

/* An id names a topic, and the two topics of the run itself are called so. */
static const char *const reserved_ids[] = {"state", "control"};

static const char id_characters[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-";

static void read_id(const struct compiler *compiler, const struct node *node,
                    struct draft_table *table)
{
    const struct node *id = node_get(node, "id");
    const struct node *place = id != NULL ? id : table->from_node;
    if (id != NULL && id->kind == NODE_SCALAR) {
        table->id = id->text.ptr;
    } else if (id == NULL) {
        table->id = table->from.name;
    } else {
        complain_form(compiler, id, NULL, "\"id\" must be a name");
    }
    if (table->id == NULL) {
        return;
    }
    if (table->id[0] == '\0' || table->id[strspn(table->id, id_characters)] != '\0') {
        complain(compiler->complaints, COMPLAINT_ERROR, CODE_TABLE_ID, place,
                 "write an \"id\" of letters, digits, dot, underscore and hyphen",
                 "\"%s\" cannot be a table's id", table->id);
    } else if (is_among(table->id, reserved_ids, RH_COUNT(reserved_ids))) {
        complain(compiler->complaints, COMPLAINT_ERROR, CODE_TABLE_ID, place,
                 "write another \"id\"", "the id \"%s\" is taken by the run itself", table->id);
    }
}

static void read_table(const struct compiler *compiler, const struct node *node,
                       struct draft_table *table)
{
    table->node = node;
    table->from_node = node;
    if (node->kind != NODE_MAPPING) {
        complain_form(compiler, node, "write - from: schema.table", "a table must be a mapping");
        return;
    }
    mapping_check_keys(compiler, node, "a table", table_keys, RH_COUNT(table_keys), table_later,
                       RH_COUNT(table_later));
    const struct node *from = required(compiler, node, "from", "a table");
    if (from != NULL) {
        table->from_node = from;
        if (!read_table_name(compiler, from, &table->from)) {
            table->from.name = NULL;
        }
    }
    read_id(compiler, node, table);
    read_key(compiler, node, &table->key);
    table->where = node_get(node, "where");
    read_policies(compiler, node, table);
    read_outputs(compiler, node, table);
}

/* ---- between tables ---------------------------------------------------------------------- */

static bool same_table(struct table_name a, struct table_name b)
{
    return a.name != NULL && b.name != NULL && strcmp(a.name, b.name) == 0 &&
           strcmp(a.schema, b.schema) == 0;
}

static void check_table_is_new(const struct compiler *compiler, const struct draft *draft,
                               size_t index)
{
    const struct draft_table *table = &draft->tables[index];
    bool id_seen = false, source_seen = false;
    for (size_t i = 0; i < index; i++) {
        const struct draft_table *before = &draft->tables[i];
        id_seen = id_seen ||
                  (table->id != NULL && before->id != NULL && strcmp(table->id, before->id) == 0);
        source_seen = source_seen || same_table(table->from, before->from);
    }
    if (source_seen) {
        complain(compiler->complaints, COMPLAINT_ERROR, CODE_SOURCE_TWICE, table->from_node,
                 "put all outputs under one entry's \"to\"",
                 "table \"%s.%s\" is read by two entries", table->from.schema, table->from.name);
    } else if (id_seen) {
        complain(compiler->complaints, COMPLAINT_ERROR, CODE_TABLE_ID, table->node,
                 "write an \"id\" of its own", "two tables have the id \"%s\"", table->id);
    }
}

static void check_target_is_new(const struct compiler *compiler, const struct draft *draft,
                                const struct draft_output *output)
{
    for (size_t i = 0; i < draft->tables_count; i++) {
        for (size_t j = 0; j < draft->tables[i].outputs_count; j++) {
            const struct draft_output *other = &draft->tables[i].outputs[j];
            if (other == output) {
                return;
            }
            if (!same_table(other->table, output->table)) {
                continue;
            }
            complain(compiler->complaints, COMPLAINT_ERROR, CODE_TARGET_TWICE, output->table_node,
                     "rows that several sources share need \"merge\", which is not in this version",
                     "table \"%s.%s\" is written by two outputs", output->table.schema,
                     output->table.name);
            return;
        }
    }
}

static void check_root(const struct compiler *compiler, const struct node *root)
{
    for (size_t i = 0; i < RH_COUNT(root_later); i++) {
        const struct node *later = node_get(root, root_later[i]);
        if (later != NULL) {
            mapping_complain_later(compiler, later, root_later[i]);
        }
    }
    const struct node *version = node_get(root, "version");
    if (version == NULL || !node_is_text(version, "1")) {
        complain(compiler->complaints, COMPLAINT_ERROR, CODE_VERSION,
                 version != NULL ? version : root, "write version: 1",
                 version != NULL ? "this version of the mapping is not known"
                                 : "the mapping does not say its version");
    }
}

void mapping_form(const struct compiler *compiler, struct draft *ret_draft)
{
    *ret_draft = (struct draft){0};
    const struct node *root = compiler->document->root;
    check_root(compiler, root);
    const struct node *tables = node_get(root, "tables");
    if (tables == NULL || tables->kind != NODE_SEQUENCE || tables->count == 0) {
        complain(
            compiler->complaints, COMPLAINT_ERROR, CODE_MISSING_KEY, tables != NULL ? tables : root,
            "write - from: schema.table below tables:", "the mapping has no list of \"tables\"");
        return;
    }
    struct draft draft = {.tables_count = tables->count};
    draft.tables = arena_must_alloc(compiler->arena, tables->count * sizeof(*draft.tables));
    for (size_t i = 0; i < tables->count; i++) {
        read_table(compiler, tables->items[i], &draft.tables[i]);
    }
    for (size_t i = 0; i < draft.tables_count; i++) {
        check_table_is_new(compiler, &draft, i);
        for (size_t j = 0; j < draft.tables[i].outputs_count; j++) {
            check_target_is_new(compiler, &draft, &draft.tables[i].outputs[j]);
        }
    }
    *ret_draft = draft;
}
