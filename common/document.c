#include "common/document.h"

#include "common/compiler.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <yaml.h>

/*
 * What can be wrong with a file before anybody asks what it means:
 *
 *   RH-2001  the file cannot be opened or read (exit 2)
 *   RH-3001  not valid YAML, or bytes that no YAML may have
 *   RH-3002  the file is empty
 *   RH-3003  a key stands twice in one mapping
 *   RH-3004  YAML that is left out on purpose: several documents, tags, merge keys, keys that are
 *            no scalars
 *   RH-3005  a limit: bytes, nodes, depth, anchors, memory
 *   RH-3006  an alias without its anchor, inside its own anchor, or an anchor defined twice
 *   RH-3007  a value that the room reading it refused (document_error)
 */
static const char code_unreadable[] = "RH-2001";
static const char code_syntax[] = "RH-3001";
static const char code_empty[] = "RH-3002";
static const char code_duplicate[] = "RH-3003";
static const char code_unsupported[] = "RH-3004";
static const char code_limit[] = "RH-3005";
static const char code_alias[] = "RH-3006";
static const char code_value[] = "RH-3007";

enum {
    FILE_BYTES_MAX = 10 * 1024 * 1024, /* a mapping of 1,000 tables has about 2 MiB */
    READ_CHUNK_BYTES = 64 * 1024,
    NODES_MAX = 200000, /* with every alias written out, so that a walk over the tree is bounded */
    DEPTH_MAX = 64,     /* likewise: readers recurse */
    ANCHORS_MAX = 4096, /* they are searched one after the other */
};

/* The size of a node when its aliases are written out. */
struct extent {
    size_t nodes;
    int depth;
};

struct anchor {
    const char *name;
    struct node *node;
    struct extent extent;
    bool open; /* its node is still being read: an alias to it would be a cycle */
    struct anchor *next;
};

struct loader {
    const char *name;
    yaml_parser_t parser;
    struct arena *arena;
    struct anchor *anchors; /* newest first */
    size_t anchors_count;
    size_t nodes_count;
    struct error *err;
};

/* Borrowed from the event, whatever its kind. */
struct node_properties {
    const char *anchor;
    const char *tag;
    enum node_kind kind;
};

static bool load_node(struct loader *loader, const yaml_event_t *event, int depth,
                      struct node **ret_node, struct extent *ret_extent);

static void loader_release(struct loader *loader)
{
    yaml_parser_delete(&loader->parser);
}

static int mark_line(yaml_mark_t mark)
{
    return (int)mark.line + 1;
}

static int mark_column(yaml_mark_t mark)
{
    return (int)mark.column + 1;
}

RH_PRINTF(4, 5)
static bool refuse(struct loader *loader, const char *code, yaml_mark_t mark, const char *format,
                   ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args); /* a long text is cut */
    va_end(args);
    return error_stop(loader->err, EXIT_CONFIG, code, "%s:%d:%d: %s", loader->name, mark_line(mark),
                      mark_column(mark), text);
}

static bool refuse_memory(struct loader *loader, yaml_mark_t mark)
{
    return refuse(loader, code_limit, mark, "file needs more memory than it may have");
}

/* Counts as libyaml does: characters, not bytes. */
static yaml_mark_t mark_at(struct bytes text, size_t offset)
{
    yaml_mark_t mark = {.index = offset};
    for (size_t i = 0; i < offset && i < text.len; i++) {
        unsigned char byte = (unsigned char)text.ptr[i];
        if (byte == '\n') {
            mark.line++;
            mark.column = 0;
        } else if ((byte & 0xC0u) != 0x80u) {
            mark.column++;
        }
    }
    return mark;
}

static bool refuse_syntax(struct loader *loader, struct bytes text)
{
    const yaml_parser_t *parser = &loader->parser;
    const char *problem = parser->problem != NULL ? parser->problem : "out of memory";
    if (parser->error == YAML_READER_ERROR) {
        return refuse(loader, code_syntax, mark_at(text, parser->problem_offset), "%s", problem);
    }
    size_t index = parser->problem_mark.index;
    if (parser->context != NULL) {
        (void)refuse(loader, code_syntax, parser->problem_mark, "%s (%s, line %d)", problem,
                     parser->context, mark_line(parser->context_mark));
    } else {
        (void)refuse(loader, code_syntax, parser->problem_mark, "%s", problem);
    }
    /* The mark counts characters; in ASCII, where a tab is the usual culprit, these are bytes. */
    if (index < text.len && text.ptr[index] == '\t') {
        return error_hint(loader->err, "indent with spaces, YAML does not allow tabs here");
    }
    return false;
}

static bool next_event(struct loader *loader, yaml_event_t *event)
{
    if (yaml_parser_parse(&loader->parser, event)) {
        return true;
    }
    struct bytes text = {
        (const char *)loader->parser.input.string.start,
        (size_t)(loader->parser.input.string.end - loader->parser.input.string.start)};
    return refuse_syntax(loader, text);
}

/* --- Properties: anchors and tags ------------------------------------------------------------ */

static const struct {
    const char *tag;
    enum node_kind kind;
} core_tags[] = {
    {YAML_STR_TAG, NODE_SCALAR},  {YAML_INT_TAG, NODE_SCALAR},  {YAML_FLOAT_TAG, NODE_SCALAR},
    {YAML_BOOL_TAG, NODE_SCALAR}, {YAML_NULL_TAG, NODE_SCALAR}, {YAML_SEQ_TAG, NODE_SEQUENCE},
    {YAML_MAP_TAG, NODE_MAPPING},
};

static bool check_tag(struct loader *loader, struct node_properties properties, yaml_mark_t mark)
{
    if (properties.tag == NULL || strcmp(properties.tag, "!") == 0) {
        return true;
    }
    for (size_t i = 0; i < RH_COUNT(core_tags); i++) {
        if (strcmp(properties.tag, core_tags[i].tag) == 0 && core_tags[i].kind == properties.kind) {
            return true;
        }
    }
    (void)refuse(loader, code_unsupported, mark, "tag \"%s\" is not supported here",
                 properties.tag);
    return error_hint(loader->err, "leave the tag out; types come from the target's columns");
}

static struct anchor *find_anchor(struct loader *loader, const char *name)
{
    for (struct anchor *anchor = loader->anchors; anchor != NULL; anchor = anchor->next) {
        if (strcmp(anchor->name, name) == 0) {
            return anchor;
        }
    }
    return NULL;
}

/* ret_anchor is NULL when the node has none. */
static bool open_anchor(struct loader *loader, const char *name, struct node *node,
                        yaml_mark_t mark, struct anchor **ret_anchor)
{
    *ret_anchor = NULL;
    if (name == NULL) {
        return true;
    }
    const struct anchor *earlier = find_anchor(loader, name);
    if (earlier != NULL) {
        return refuse(loader, code_alias, mark,
                      "anchor \"%s\" is already defined at line %d, column %d", name,
                      earlier->node->line, earlier->node->column);
    }
    if (++loader->anchors_count > ANCHORS_MAX) {
        return refuse(loader, code_limit, mark, "file has more than %d anchors", ANCHORS_MAX);
    }
    struct anchor *anchor = arena_alloc(loader->arena, sizeof(*anchor));
    char *copy = bytes_to_text(loader->arena, bytes_of(name));
    if (anchor == NULL || copy == NULL) {
        return refuse_memory(loader, mark);
    }
    *anchor = (struct anchor){.name = copy, .node = node, .open = true, .next = loader->anchors};
    loader->anchors = anchor;
    *ret_anchor = anchor;
    return true;
}

static bool load_alias(struct loader *loader, const yaml_event_t *event, struct node **ret_node,
                       struct extent *ret_extent)
{
    const char *name = (const char *)event->data.alias.anchor;
    const struct anchor *anchor = find_anchor(loader, name);
    if (anchor == NULL) {
        return refuse(loader, code_alias, event->start_mark, "alias \"%s\" has no anchor above it",
                      name);
    }
    if (anchor->open) {
        return refuse(loader, code_alias, event->start_mark,
                      "alias \"%s\" stands inside its own anchor", name);
    }
    *ret_node = anchor->node;
    *ret_extent = anchor->extent;
    return true;
}

/* --- Nodes ----------------------------------------------------------------------------------- */

static struct node_properties event_properties(const yaml_event_t *event)
{
    if (event->type == YAML_SCALAR_EVENT) {
        return (struct node_properties){(const char *)event->data.scalar.anchor,
                                        (const char *)event->data.scalar.tag, NODE_SCALAR};
    }
    if (event->type == YAML_SEQUENCE_START_EVENT) {
        return (struct node_properties){(const char *)event->data.sequence_start.anchor,
                                        (const char *)event->data.sequence_start.tag,
                                        NODE_SEQUENCE};
    }
    REQUIRE(event->type == YAML_MAPPING_START_EVENT);
    return (struct node_properties){(const char *)event->data.mapping_start.anchor,
                                    (const char *)event->data.mapping_start.tag, NODE_MAPPING};
}

static bool load_scalar(struct loader *loader, const yaml_event_t *event, struct node *node)
{
    const char *tag = (const char *)event->data.scalar.tag;
    struct bytes text = {(const char *)event->data.scalar.value, event->data.scalar.length};
    if (memchr(text.ptr, '\0', text.len) != NULL) {
        return refuse(loader, code_syntax, event->start_mark, "text has a NUL character");
    }
    char *copy = bytes_to_text(loader->arena, text);
    if (copy == NULL) {
        return refuse_memory(loader, event->start_mark);
    }
    node->text = (struct bytes){copy, text.len};
    node->quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    if (tag != NULL) {
        node->quoted = strcmp(tag, "!") == 0 || strcmp(tag, YAML_STR_TAG) == 0;
    }
    return true;
}

/* Adds a child's extent to its parent's. */
static bool extend(struct loader *loader, struct extent *extent, struct extent child, int depth,
                   yaml_mark_t mark)
{
    extent->nodes += child.nodes;
    if (extent->nodes > NODES_MAX) {
        return refuse(loader, code_limit, mark, "file has more than %d values, aliases written out",
                      NODES_MAX);
    }
    if (child.depth + 1 > extent->depth) {
        extent->depth = child.depth + 1;
    }
    if (depth + child.depth > DEPTH_MAX) {
        return refuse(loader, code_limit, mark, "values are nested more than %d deep", DEPTH_MAX);
    }
    return true;
}

/* Room for one more element; the array doubles. NULL: the arena's limit. */
static void *grow_array(struct loader *loader, void *array, size_t count, size_t *capacity,
                        size_t element_bytes)
{
    if (count < *capacity) {
        return array;
    }
    size_t grown = *capacity == 0 ? 4 : *capacity * 2;
    void *ptr = arena_grow(loader->arena, array, *capacity * element_bytes, grown * element_bytes);
    if (ptr != NULL) {
        *capacity = grown;
    }
    return ptr;
}

static bool load_sequence(struct loader *loader, struct node *node, int depth,
                          struct extent *extent)
{
    for (size_t capacity = 0;;) {
        RH_AUTO(yaml_event_delete) yaml_event_t event = {0};
        if (!next_event(loader, &event)) {
            return false;
        }
        if (event.type == YAML_SEQUENCE_END_EVENT) {
            return true;
        }
        struct node *item = NULL;
        struct extent item_extent = {0};
        if (!load_node(loader, &event, depth + 1, &item, &item_extent) ||
            !extend(loader, extent, item_extent, depth, event.start_mark)) {
            return false;
        }
        node->items = grow_array(loader, node->items, node->count, &capacity, sizeof(*node->items));
        if (node->items == NULL) {
            return refuse_memory(loader, event.start_mark);
        }
        node->items[node->count++] = item;
    }
}

static bool check_key(struct loader *loader, const struct node *key, yaml_mark_t mark)
{
    if (key->kind != NODE_SCALAR) {
        return refuse(loader, code_unsupported, mark, "a key must be a text");
    }
    if (!key->quoted && bytes_is(key->text, "<<")) {
        (void)refuse(loader, code_unsupported, mark, "merge keys (\"<<\") are not supported");
        return error_hint(loader->err, "write the keys out, or use an alias for a whole value");
    }
    return true;
}

static bool load_pair(struct loader *loader, const yaml_event_t *key_event, int depth,
                      struct extent *extent, struct node_pair *ret_pair)
{
    RH_AUTO(yaml_event_delete) yaml_event_t event = {0};
    struct extent key_extent = {0};
    struct extent value_extent = {0};
    return load_node(loader, key_event, depth + 1, &ret_pair->key, &key_extent) &&
           check_key(loader, ret_pair->key, key_event->start_mark) &&
           extend(loader, extent, key_extent, depth, key_event->start_mark) &&
           next_event(loader, &event) &&
           load_node(loader, &event, depth + 1, &ret_pair->value, &value_extent) &&
           extend(loader, extent, value_extent, depth, event.start_mark);
}

static int compare_pairs(const void *a, const void *b)
{
    const struct node_pair *left = *(const struct node_pair *const *)a;
    const struct node_pair *right = *(const struct node_pair *const *)b;
    int order = bytes_compare(left->key->text, right->key->text);
    return order != 0 ? order : (left > right) - (left < right);
}

/* libyaml accepts duplicate keys without a word. Sorted, because a map of values may be long. */
static bool check_duplicates(struct loader *loader, const struct node *node, yaml_mark_t mark)
{
    if (node->count < 2) {
        return true;
    }
    struct arena_mark scratch = arena_mark(loader->arena);
    const struct node_pair **sorted = arena_alloc(loader->arena, node->count * sizeof(*sorted));
    if (sorted == NULL) {
        return refuse_memory(loader, mark);
    }
    for (size_t i = 0; i < node->count; i++) {
        sorted[i] = &node->pairs[i];
    }
    qsort(sorted, node->count, sizeof(*sorted), compare_pairs);

    const struct node *earlier = NULL;
    const struct node_pair *later = NULL; /* the first in the file that is one too many */
    for (size_t i = 1; i < node->count; i++) {
        if (bytes_equal(sorted[i - 1]->key->text, sorted[i]->key->text) &&
            (later == NULL || sorted[i] < later)) {
            earlier = sorted[i - 1]->key;
            later = sorted[i];
        }
    }
    arena_rollback(loader->arena, scratch);
    if (later == NULL) {
        return true;
    }
    yaml_mark_t place = {.line = (size_t)later->key->line - 1,
                         .column = (size_t)later->key->column - 1};
    return refuse(loader, code_duplicate, place, "key \"%s\" is already at line %d, column %d",
                  later->key->text.ptr, earlier->line, earlier->column);
}

static bool load_mapping(struct loader *loader, struct node *node, int depth, yaml_mark_t mark,
                         struct extent *extent)
{
    for (size_t capacity = 0;;) {
        RH_AUTO(yaml_event_delete) yaml_event_t event = {0};
        if (!next_event(loader, &event)) {
            return false;
        }
        if (event.type == YAML_MAPPING_END_EVENT) {
            return check_duplicates(loader, node, mark);
        }
        struct node_pair pair = {0};
        if (!load_pair(loader, &event, depth, extent, &pair)) {
            return false;
        }
        node->pairs = grow_array(loader, node->pairs, node->count, &capacity, sizeof(*node->pairs));
        if (node->pairs == NULL) {
            return refuse_memory(loader, event.start_mark);
        }
        node->pairs[node->count++] = pair;
    }
}

static bool load_content(struct loader *loader, const yaml_event_t *event, int depth,
                         struct node *node, struct extent *extent)
{
    switch (node->kind) {
    case NODE_SCALAR:
        return load_scalar(loader, event, node);
    case NODE_SEQUENCE:
        return load_sequence(loader, node, depth, extent);
    case NODE_MAPPING:
        return load_mapping(loader, node, depth, event->start_mark, extent);
    }
    return false;
}

static bool load_node(struct loader *loader, const yaml_event_t *event, int depth,
                      struct node **ret_node, struct extent *ret_extent)
{
    yaml_mark_t mark = event->start_mark;
    if (event->type == YAML_ALIAS_EVENT) {
        return load_alias(loader, event, ret_node, ret_extent);
    }
    if (depth > DEPTH_MAX) {
        return refuse(loader, code_limit, mark, "values are nested more than %d deep", DEPTH_MAX);
    }
    if (++loader->nodes_count > NODES_MAX) {
        return refuse(loader, code_limit, mark, "file has more than %d values", NODES_MAX);
    }
    struct node_properties properties = event_properties(event);
    struct node *node = arena_alloc(loader->arena, sizeof(*node));
    if (node == NULL) {
        return refuse_memory(loader, mark);
    }
    node->kind = properties.kind;
    node->line = mark_line(mark);
    node->column = mark_column(mark);

    struct anchor *anchor = NULL;
    struct extent extent = {.nodes = 1, .depth = 1};
    if (!check_tag(loader, properties, mark) ||
        !open_anchor(loader, properties.anchor, node, mark, &anchor) ||
        !load_content(loader, event, depth, node, &extent)) {
        return false;
    }
    if (anchor != NULL) {
        anchor->open = false;
        anchor->extent = extent;
    }
    *ret_node = node;
    *ret_extent = extent;
    return true;
}

/* --- Documents ------------------------------------------------------------------------------- */

static bool refuse_empty(struct loader *loader)
{
    return refuse(loader, code_empty, (yaml_mark_t){0}, "file is empty");
}

/* What comes after the one document: the end of the document, then of the stream. */
static bool expect_end(struct loader *loader)
{
    for (;;) {
        RH_AUTO(yaml_event_delete) yaml_event_t event = {0};
        if (!next_event(loader, &event)) {
            return false;
        }
        if (event.type == YAML_STREAM_END_EVENT) {
            return true;
        }
        if (event.type != YAML_DOCUMENT_END_EVENT) {
            return refuse(loader, code_unsupported, event.start_mark,
                          "file has more than one document");
        }
    }
}

static bool load_root(struct loader *loader, struct node **ret_root)
{
    struct node *root = NULL;
    while (root == NULL) {
        RH_AUTO(yaml_event_delete) yaml_event_t event = {0};
        if (!next_event(loader, &event)) {
            return false;
        }
        if (event.type == YAML_STREAM_START_EVENT || event.type == YAML_DOCUMENT_START_EVENT) {
            continue;
        }
        if (event.type == YAML_STREAM_END_EVENT) {
            return refuse_empty(loader);
        }
        struct extent extent = {0};
        if (!load_node(loader, &event, 1, &root, &extent)) {
            return false;
        }
    }
    if (!expect_end(loader)) {
        return false;
    }
    if (node_is_null(root)) {
        return refuse_empty(loader);
    }
    *ret_root = root;
    return true;
}

static struct bytes without_bom(struct bytes text)
{
    static const char bom[] = "\xEF\xBB\xBF";
    const size_t bom_bytes = sizeof(bom) - 1;
    if (text.len >= bom_bytes && memcmp(text.ptr, bom, bom_bytes) == 0) {
        return (struct bytes){text.ptr + bom_bytes, text.len - bom_bytes};
    }
    return text;
}

static bool refuse_size(const char *name, struct error *err)
{
    return error_stop(err, EXIT_CONFIG, code_limit, "%s:1:1: file is larger than %d MiB", name,
                      FILE_BYTES_MAX / (1024 * 1024));
}

bool document_parse(const char *name, struct bytes text, struct arena *arena,
                    struct document *ret_document, struct error *err)
{
    if (text.len > FILE_BYTES_MAX) {
        return refuse_size(name, err);
    }
    text = without_bom(text);
    RH_AUTO(loader_release) struct loader loader = {.name = name, .arena = arena, .err = err};
    const char *nul = text.len == 0 ? NULL : memchr(text.ptr, '\0', text.len);
    if (nul != NULL) {
        return refuse(&loader, code_syntax, mark_at(text, (size_t)(nul - text.ptr)),
                      "file has a NUL byte");
    }
    if (!yaml_parser_initialize(&loader.parser)) {
        return refuse_memory(&loader, (yaml_mark_t){0});
    }
    /* Otherwise libyaml would guess UTF-16, whose places we could not name. */
    yaml_parser_set_encoding(&loader.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&loader.parser, (const unsigned char *)text.ptr, text.len);

    char *name_copy = bytes_to_text(arena, bytes_of(name));
    struct node *root = NULL;
    if (name_copy == NULL) {
        return refuse_memory(&loader, (yaml_mark_t){0});
    }
    if (!load_root(&loader, &root)) {
        return false;
    }
    *ret_document = (struct document){.name = name_copy, .root = root};
    return true;
}

static void close_file(const int *fd)
{
    if (*fd >= 0) {
        (void)close(*fd); /* only read from: nothing can be lost */
    }
}

static bool refuse_file(const char *path, const char *verb, struct error *err)
{
    return error_stop(err, EXIT_USAGE, code_unreadable, "could not %s file \"%s\": %s", verb, path,
                      strerror(errno));
}

bool document_read(const char *path, struct arena *arena, struct document *ret_document,
                   struct bytes *ret_text, struct error *err)
{
    RH_AUTO(close_file) const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return refuse_file(path, "open", err);
    }
    struct buffer buffer;
    buffer_init(&buffer, arena, FILE_BYTES_MAX + READ_CHUNK_BYTES);
    for (;;) {
        char *room = buffer_reserve(&buffer, READ_CHUNK_BYTES);
        if (room == NULL || buffer.len > FILE_BYTES_MAX) {
            return refuse_size(path, err);
        }
        ssize_t got = read(fd, room, READ_CHUNK_BYTES);
        if (got == 0) {
            break;
        }
        if (got < 0 && errno != EINTR) {
            return refuse_file(path, "read", err);
        }
        buffer.len += got > 0 ? (size_t)got : 0;
    }
    struct bytes text = buffer_bytes(&buffer);
    if (!document_parse(path, text, arena, ret_document, err)) {
        return false;
    }
    if (ret_text != NULL) {
        *ret_text = text;
    }
    return true;
}

/* --- Looking at nodes ------------------------------------------------------------------------ */

struct node *node_get(const struct node *node, const char *key)
{
    if (node == NULL || node->kind != NODE_MAPPING) {
        return NULL;
    }
    for (size_t i = 0; i < node->count; i++) {
        if (bytes_is(node->pairs[i].key->text, key)) {
            return node->pairs[i].value;
        }
    }
    return NULL;
}

bool node_is_null(const struct node *node)
{
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL"};
    if (node == NULL || node->kind != NODE_SCALAR || node->quoted) {
        return false;
    }
    for (size_t i = 0; i < RH_COUNT(nulls); i++) {
        if (bytes_is(node->text, nulls[i])) {
            return true;
        }
    }
    return false;
}

bool node_is_text(const struct node *node, const char *text)
{
    return node != NULL && node->kind == NODE_SCALAR && bytes_is(node->text, text);
}

bool document_error(const struct document *document, const struct node *node, struct error *err,
                    const char *format, ...)
{
    char text[sizeof(err->text)];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args); /* a long text is cut */
    va_end(args);
    if (node == NULL) {
        return error_stop(err, EXIT_CONFIG, code_value, "%s: %s", document->name, text);
    }
    return error_stop(err, EXIT_CONFIG, code_value, "%s:%d:%d: %s", document->name, node->line,
                      node->column, text);
}
