/*
 * document -- a YAML text as a tree whose nodes know their line and column.
 *
 * Out:    nodes in the caller's arena: scalar, sequence or mapping. Duplicate keys, a second
 *         document, invalid UTF-8, excessive depth or size are refused with file:line:column.
 * Never:  interpolates `${…}` (settings and mapping do); guesses types: a scalar is text plus the
 *         fact whether it was quoted.
 */
#ifndef RH_COMMON_DOCUMENT_H
#define RH_COMMON_DOCUMENT_H

#include "common/arena.h"
#include "common/bytes.h"
#include "common/error.h"

#include <stdbool.h>
#include <stddef.h>

enum node_kind { NODE_SCALAR, NODE_SEQUENCE, NODE_MAPPING };

struct node;
struct node_pair {
    struct node *key; /* always a scalar */
    struct node *value;
};

struct node {
    enum node_kind kind;
    int line;          /* from 1 */
    int column;        /* from 1 */
    bool quoted;       /* scalar in quotes or block style: text, never null/true/number */
    struct bytes text; /* scalar; NUL-terminated as well, no NUL inside */
    size_t count;      /* of items or pairs */
    struct node **items;
    struct node_pair *pairs;
};

struct document {
    const char *name; /* the file, for messages */
    struct node *root;
};

/* Aliases (`*x`) become the anchored node itself. `text` is borrowed for the call. */
bool document_parse(const char *name, struct bytes text, struct arena *arena,
                    struct document *ret_document, struct error *err) RH_MUST_CHECK;
/* Reads a whole file (at most 10 MiB) and parses it; ret_text may be NULL. Cannot open: EXIT_USAGE.
 */
bool document_read(const char *path, struct arena *arena, struct document *ret_document,
                   struct bytes *ret_text, struct error *err) RH_MUST_CHECK;

/* The value of a key, or NULL. node may be NULL or no mapping: NULL. */
struct node *node_get(const struct node *node, const char *key);
/* Plain null, ~ or empty. */
bool node_is_null(const struct node *node);
bool node_is_text(const struct node *node, const char *text);

/*
 * A complaint about a place: "file:line:column: text". Returns false. Sets ERROR_STOP, EXIT_CONFIG.
 * Collectors of many complaints (the mapping compiler) use struct complaints (complaint.h).
 */
bool document_error(const struct document *document, const struct node *node, struct error *err,
                    const char *format, ...) RH_PRINTF(4, 5);

#endif
