/*
 * run_mapping -- the part of the file that a run keeps, as YAML of one plain form.
 *
 * Not the file's own bytes: they may hold passwords, and the plan is stored in the target and in
 * Kafka. Block style with one scalar a line: there a plain scalar of the file is plain again
 * whatever it holds, and quoted ones stay quoted, so that the same document is read back.
 */
#include "common/run_parts.h"

#include <string.h>

/* What mapping_compile reads; servers, Kafka and tuning stay behind. */
static const char *const kept_keys[] = {"version", "name",       "mode",   "vars",
                                        "tables",  "assertions", "queries"};

#define TEXT_BYTES_MAX ((size_t)64 << 20) /* a file has at most 10 MiB; aliases are written out */

static void write_indent(struct buffer *out, size_t depth)
{
    for (size_t i = 0; i < depth; i++) {
        write_text(out, "  ");
    }
}

static void write_quoted(struct buffer *out, struct bytes text)
{
    write_u8(out, '"');
    for (size_t i = 0; i < text.len; i++) {
        unsigned char byte = (unsigned char)text.ptr[i];
        if (byte == '"' || byte == '\\') {
            write_u8(out, '\\');
            write_u8(out, byte);
        } else if (byte < 0x20 || byte == 0x7f) {
            write_format(out, "\\x%02x", byte);
        } else {
            write_u8(out, byte);
        }
    }
    write_u8(out, '"');
}

/* A plain scalar over several lines is text in any case: no null, number or truth has a break. */
static void write_scalar(struct buffer *out, const struct node *node)
{
    if (node->quoted || memchr(node->text.ptr, '\n', node->text.len) != NULL) {
        write_quoted(out, node->text);
    } else {
        write_bytes(out, node->text);
    }
}

/* Continues a line that ends in "key:" or "-". */
static void write_node(struct buffer *out, const struct node *node, size_t depth)
{
    switch (node->kind) {
    case NODE_SCALAR:
        write_text(out, " ");
        write_scalar(out, node);
        write_text(out, "\n");
        return;
    case NODE_SEQUENCE:
        write_text(out, node->count == 0 ? " []\n" : "\n");
        for (size_t i = 0; i < node->count; i++) {
            write_indent(out, depth);
            write_text(out, "-");
            write_node(out, node->items[i], depth + 1);
        }
        return;
    case NODE_MAPPING:
        write_text(out, node->count == 0 ? " {}\n" : "\n");
        for (size_t i = 0; i < node->count; i++) {
            write_indent(out, depth);
            write_scalar(out, node->pairs[i].key);
            write_text(out, ":");
            write_node(out, node->pairs[i].value, depth + 1);
        }
        return;
    }
}

const char *run_mapping_text(const struct document *document, struct arena *arena)
{
    struct buffer out;
    buffer_init(&out, arena, TEXT_BYTES_MAX);
    for (size_t i = 0; i < RH_COUNT(kept_keys); i++) {
        const struct node *node = node_get(document->root, kept_keys[i]);
        if (node != NULL) {
            write_format(&out, "%s:", kept_keys[i]);
            write_node(&out, node, 1);
        }
    }
    REQUIRE(!out.failed); /* the document's own limits are lower */
    return buffer_text(&out);
}
