/* YAML documents: a tree that is well formed or a complaint with its place; and what a run keeps of
 * a document (run_mapping_text) reads as the same document again. */
#include "tests/fuzz/fuzz.h"

#include "common/document.h"
#include "common/run_parts.h"

#define ARENA_BYTES  ((size_t)64 << 20)
#define DEPTH_MAX    64 /* as document.c has it */
#define SMALL_ARENAS 3

static void check_scalar(const struct node *node)
{
    REQUIRE(node->kind == NODE_SCALAR);
    REQUIRE(node->text.ptr[node->text.len] == '\0' && strlen(node->text.ptr) == node->text.len);
}

static void check_node(const struct node *node, size_t depth)
{
    REQUIRE(depth <= DEPTH_MAX && node->line > 0 && node->column > 0);
    switch (node->kind) {
    case NODE_SCALAR:
        check_scalar(node);
        return;
    case NODE_SEQUENCE:
        for (size_t i = 0; i < node->count; i++) {
            check_node(node->items[i], depth + 1);
        }
        return;
    case NODE_MAPPING:
        for (size_t i = 0; i < node->count; i++) {
            check_scalar(node->pairs[i].key);
            REQUIRE(node_get(node, node->pairs[i].key->text.ptr) == node->pairs[i].value);
            check_node(node->pairs[i].value, depth + 1);
        }
        return;
    }
}

/* Neither null nor a truth nor a number: in quotes it means the same. */
static bool is_text(const struct node *node)
{
    const char *text = node->text.ptr;
    bool is_number =
        strpbrk(text, "0123456789") != NULL && text[strspn(text, "0123456789.+-eE")] == '\0';
    return !node_is_null(node) && !is_number && strcmp(text, "true") != 0 &&
           strcmp(text, "false") != 0;
}

static void check_same(const struct node *a, const struct node *b)
{
    REQUIRE(a->kind == b->kind && a->count == b->count);
    switch (a->kind) {
    case NODE_SCALAR:
        REQUIRE(bytes_equal(a->text, b->text) && node_is_null(a) == node_is_null(b));
        REQUIRE(a->quoted == b->quoted || (b->quoted && is_text(a)));
        return;
    case NODE_SEQUENCE:
        for (size_t i = 0; i < a->count; i++) {
            check_same(a->items[i], b->items[i]);
        }
        return;
    case NODE_MAPPING:
        for (size_t i = 0; i < a->count; i++) {
            check_same(a->pairs[i].key, b->pairs[i].key);
            check_same(a->pairs[i].value, b->pairs[i].value);
        }
        return;
    }
}

static void check_kept(const struct document *document, struct arena *arena)
{
    static const char *const kept[] = {"version", "vars", "tables"};
    struct document again;
    struct error err = {0};
    const char *text = run_mapping_text(document, arena);
    if (text[0] == '\0') {
        return; /* a file without any of its keys */
    }
    REQUIRE(document_parse("kept", bytes_of(text), arena, &again, &err));
    for (size_t i = 0; i < RH_COUNT(kept); i++) {
        const struct node *before = node_get(document->root, kept[i]);
        const struct node *after = node_get(again.root, kept[i]);
        REQUIRE((before == NULL) == (after == NULL));
        if (before != NULL) {
            check_same(before, after);
        }
    }
    REQUIRE(strcmp(run_mapping_text(&again, arena), text) == 0);
}

static void check_refusal(const struct error *err)
{
    REQUIRE(strncmp(err->text, "f.yaml:", 7) == 0);
    REQUIRE(err->action == ERROR_STOP && err->exit_code == EXIT_CONFIG && err->code != NULL);
}

static void check_small_arenas(struct bytes text)
{
    for (size_t i = 0; i < SMALL_ARENAS; i++) {
        RH_AUTO(arena_release) struct arena small;
        struct document document;
        struct error err = {0};
        arena_init(&small, (size_t)256 << (3 * i));
        if (!document_parse("f.yaml", text, &small, &document, &err)) {
            check_refusal(&err);
        }
        REQUIRE(small.total_bytes <= small.limit_bytes);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    RH_AUTO(arena_release) struct arena arena;
    struct document document;
    struct error err = {0};
    struct bytes text = fuzz_bytes(data, size);
    arena_init(&arena, ARENA_BYTES);
    if (document_parse("f.yaml", text, &arena, &document, &err)) {
        check_node(document.root, 1);
        check_kept(&document, &arena);
    } else {
        check_refusal(&err);
    }
    check_small_arenas(text);
    return 0;
}
