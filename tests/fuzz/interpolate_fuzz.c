/* `${…}` in texts. The input's lines up to an empty one are `vars`, the rest is the text. */
#include "tests/fuzz/fuzz.h"

#include "common/environment.h"
#include "common/settings.h"

#include <stdlib.h>

#define ARENA_BYTES ((size_t)64 << 20)

/* `vars:` with one quoted value for each line NAME=VALUE, built as document_parse would. */
static struct node *vars_node(struct bytes *input, struct arena *arena)
{
    struct node *vars = arena_must_alloc(arena, sizeof(*vars));
    *vars = (struct node){.kind = NODE_MAPPING, .line = 1, .column = 1};
    vars->pairs = arena_must_alloc(arena, (input->len + 1) * sizeof(*vars->pairs));
    for (struct bytes line = fuzz_until(input, '\n'); line.len > 0;
         line = fuzz_until(input, '\n')) {
        struct node *nodes = arena_must_alloc(arena, 2 * sizeof(*nodes));
        const char *name = fuzz_text(arena, fuzz_until(&line, '='));
        const char *value = fuzz_text(arena, line);
        nodes[0] = (struct node){.line = 1, .column = 1, .quoted = true, .text = bytes_of(name)};
        nodes[1] = (struct node){.line = 1, .column = 1, .quoted = true, .text = bytes_of(value)};
        vars->pairs[vars->count++] = (struct node_pair){&nodes[0], &nodes[1]};
    }
    return vars;
}

/* As a person writes it who means every character. */
static const char *escaped(const char *text, struct arena *arena)
{
    struct buffer out;
    buffer_init(&out, arena, ARENA_BYTES);
    for (; *text != '\0'; text++) {
        if (text[0] == '$' && text[1] == '{') {
            write_u8(&out, '$');
        }
        write_u8(&out, (uint8_t)*text);
    }
    return buffer_text(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    RH_AUTO(arena_release) struct arena arena;
    struct bytes input = fuzz_bytes(data, size);
    arena_init(&arena, ARENA_BYTES);
    REQUIRE(setenv("A", "one ${B}", 1) == 0 && setenv("B", "$", 1) == 0);

    struct node vars_key = {.line = 1, .column = 1, .text = BYTES_LITERAL("vars")};
    struct node_pair pair = {&vars_key, vars_node(&input, &arena)};
    struct node root = {.kind = NODE_MAPPING, .count = 1, .pairs = &pair};
    struct document document = {.name = "f.yaml", .root = &root};
    const char *text = fuzz_text(&arena, input);
    struct node node = {.line = 1, .column = 1, .text = bytes_of(text)};
    struct complaints complaints;
    struct environment used = {.arena = &arena};
    complaints_init(&complaints, &arena, "f.yaml");

    const char *out = interpolate(&document, &node, &arena, &complaints, &used);
    REQUIRE((out == NULL) == (complaints.errors_count == 1));
    REQUIRE(strchr(text, '$') != NULL || out == text);
    if (out != NULL) {
        /* A plan keeps what it read: with that alone it reads the same elsewhere. */
        REQUIRE(unsetenv("A") == 0 && unsetenv("B") == 0);
        const char *again = interpolate(&document, &node, &arena, &complaints, &used);
        REQUIRE(again != NULL && strcmp(out, again) == 0);
    }

    node.text = bytes_of(escaped(text, &arena));
    out = interpolate(&document, &node, &arena, &complaints, NULL);
    REQUIRE(out != NULL && strcmp(out, text) == 0);
    return 0;
}
