/*
 * run_mapping -- the part of the file that a run keeps, as YAML of one plain form.
 *
 * Not the file's own bytes: they may hold passwords, and the plan is stored in the target and in
 * Kafka. Block style with one scalar a line: what may be null, a number or a truth stays plain,
 * text is in quotes, so that a document of the same meaning is read back.
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

/*
 * Characters beyond ASCII that YAML takes for a break or refuses in the open; an escape brought
 * them into the file, and an escape keeps them. Bytes of UTF-8 from first to last, of one length.
 */
static const struct unreadable {
    const char *first, *last;
    unsigned base; /* the first one's number */
} unreadables[] = {
    {"\xC2\x80", "\xC2\x9F", 0x80},           /* control characters, the next line among them */
    {"\xE2\x80\xA8", "\xE2\x80\xA9", 0x2028}, /* line and paragraph separator */
    {"\xEF\xBB\xBF", "\xEF\xBB\xBF", 0xFEFF}, /* byte order mark */
    {"\xEF\xBF\xBE", "\xEF\xBF\xBF", 0xFFFE}, /* no characters at all */
};

/* How many bytes of the text's start are such a character, and its number; 0: it is none. */
static size_t unreadable_at(struct bytes text, unsigned *ret_number)
{
    for (size_t i = 0; i < RH_COUNT(unreadables); i++) {
        const struct unreadable *range = &unreadables[i];
        size_t len = strlen(range->first);
        if (text.len >= len && memcmp(text.ptr, range->first, len) >= 0 &&
            memcmp(text.ptr, range->last, len) <= 0) {
            *ret_number = range->base + (unsigned char)text.ptr[len - 1] -
                          (unsigned char)range->first[len - 1];
            return len;
        }
    }
    return 0;
}

static void write_quoted(struct buffer *out, struct bytes text)
{
    write_u8(out, '"');
    for (size_t i = 0; i < text.len; i++) {
        unsigned char byte = (unsigned char)text.ptr[i];
        unsigned number = 0;
        size_t len = unreadable_at((struct bytes){text.ptr + i, text.len - i}, &number);
        if (len > 0) {
            write_format(out, "\\u%04x", number);
            i += len - 1;
        } else if (byte == '"' || byte == '\\') {
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

/*
 * Whether a plain scalar must stay plain, since it may be null, a number or a truth; of such
 * letters it can be plain anywhere, but for a dash alone. Any other one is text in any case, and in
 * quotes it cannot become something else in block style: the `-` of `[-]` would, and a key that
 * ends in colons.
 */
static bool stays_plain(struct bytes text)
{
    static const char letters[] =
        "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_.+-~";
    return strspn(text.ptr, letters) == text.len && !bytes_is(text, "-");
}

static void write_scalar(struct buffer *out, const struct node *node)
{
    if (node->quoted || !stays_plain(node->text)) {
        write_quoted(out, node->text);
    } else {
        write_bytes(out, node->text);
    }
}

/* YAML looks for a key's colon 1024 characters far, and one byte may need four. */
#define SIMPLE_KEY_BYTES_MAX 250

/* A longer key says that it is one and has the colon below; so does an empty plain one, which would
 * be no key at all. */
static void write_key(struct buffer *out, const struct node *key, size_t depth)
{
    bool is_simple = key->text.len > 0 && key->text.len <= SIMPLE_KEY_BYTES_MAX;
    write_text(out, is_simple ? "" : "? ");
    write_scalar(out, key);
    if (!is_simple) {
        write_text(out, "\n");
        write_indent(out, depth);
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
            write_key(out, node->pairs[i].key, depth);
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
