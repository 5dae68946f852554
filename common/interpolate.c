#include "common/compiler.h"
#include "common/environment.h"
#include "common/nearest.h"
#include "common/settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 *   RH-3120  `${` without its `}`
 *   RH-3121  a name that neither vars nor the environment has
 *   RH-3122  what stands between the braces is no name
 *   RH-3123  the name is a list, a mapping or nothing
 *   RH-3124  a value of vars uses vars
 *   RH-3125  the text becomes too long
 */
static const char code_unterminated[] = "RH-3120";
static const char code_unknown[] = "RH-3121";
static const char code_name[] = "RH-3122";
static const char code_not_single[] = "RH-3123";
static const char code_recursion[] = "RH-3124";
static const char code_length[] = "RH-3125";

enum {
    TEXT_BYTES_MAX = 1024 * 1024,
    SUGGESTIONS_MAX = 1000, /* names of vars that "did you mean" looks at */
};

#define NAME_CHARACTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-"

struct interpolation {
    const struct node *vars;
    const struct node *node; /* where the text stands, for complaints */
    struct arena *arena;
    struct complaints *complaints;
    struct environment *used;
    struct buffer out;
};

static bool expand(struct interpolation *job, const char *text, bool in_vars);

/* The node at "a.b.c", or NULL. */
static const struct node *find_var(const struct node *vars, const char *path, struct arena *arena)
{
    struct arena_mark scratch = arena_mark(arena);
    const struct node *node = vars;
    while (node != NULL && path != NULL) {
        const char *dot = strchr(path, '.');
        size_t len = dot == NULL ? strlen(path) : (size_t)(dot - path);
        node = node_get(node, arena_must_printf(arena, "%.*s", (int)len, path));
        path = dot == NULL ? NULL : dot + 1;
    }
    arena_rollback(arena, scratch);
    return node;
}

struct names {
    const char *names[SUGGESTIONS_MAX];
    size_t count;
};

static void collect_names(const struct node *node, const char *prefix, struct arena *arena,
                          struct names *names)
{
    if (node == NULL || node->kind != NODE_MAPPING) {
        return;
    }
    for (size_t i = 0; i < node->count && names->count < SUGGESTIONS_MAX; i++) {
        const char *name = arena_must_printf(arena, "%s%s", prefix, node->pairs[i].key->text.ptr);
        if (node->pairs[i].value->kind == NODE_SCALAR) {
            names->names[names->count++] = name;
        } else {
            collect_names(node->pairs[i].value, arena_must_printf(arena, "%s.", name), arena,
                          names);
        }
    }
}

static bool complain_unknown(struct interpolation *job, const char *name)
{
    /* Rolled back: a file may have a hundred thousand unknown names. */
    struct arena_mark scratch = arena_mark(job->arena);
    struct names names = {.count = 0};
    char hint[128] = "set it in the environment or in vars; a literal ${ is written $${";
    collect_names(job->vars, "", job->arena, &names);
    const char *near = nearest_name(name, names.names, names.count);
    if (near != NULL) {
        (void)snprintf(hint, sizeof(hint), "did you mean \"${%s}\"?", near); /* near is short */
    }
    arena_rollback(job->arena, scratch);
    complain(job->complaints, COMPLAINT_ERROR, code_unknown, job->node,
             arena_must_strdup(job->complaints->arena, hint),
             "\"${%s}\" is neither in vars nor in the environment", name);
    return false;
}

/* The plan's stored value before the process's, which is stored when it is read. */
static const char *read_environment(struct environment *used, const char *name)
{
    const char *value = used == NULL ? NULL : environment_get(used, name);
    if (value != NULL) {
        return value;
    }
    value = getenv(name);
    if (value != NULL && used != NULL) {
        environment_add(used, name, value);
    }
    return value;
}

static bool expand_var(struct interpolation *job, const char *name, const struct node *var)
{
    if (var->kind != NODE_SCALAR) {
        const char *kind = var->kind == NODE_MAPPING ? "mapping" : "list";
        complain(job->complaints, COMPLAINT_ERROR, code_not_single, job->node,
                 var->kind == NODE_MAPPING ? "name one of its values, like ${a.b}" : NULL,
                 "\"${%s}\" is a %s, not a single value", name, kind);
        return false;
    }
    if (node_is_null(var)) {
        complain(job->complaints, COMPLAINT_ERROR, code_not_single, job->node,
                 "write \"\" for an empty text", "\"${%s}\" has no value in vars", name);
        return false;
    }
    return expand(job, var->text.ptr, true);
}

static bool expand_name(struct interpolation *job, const char *name, bool in_vars)
{
    const struct node *var = find_var(job->vars, name, job->arena);
    if (var != NULL && !in_vars) {
        return expand_var(job, name, var);
    }
    const char *value = read_environment(job->used, name);
    if (value != NULL) {
        write_text(&job->out, value);
        return true;
    }
    if (var != NULL) {
        complain(job->complaints, COMPLAINT_ERROR, code_recursion, job->node,
                 "values of vars can only use the environment",
                 "\"${%s}\" is itself a value of vars", name);
        return false;
    }
    return complain_unknown(job, name);
}

/* `text` stands behind "${"; ret_after is behind the "}". */
static bool expand_braces(struct interpolation *job, const char *text, bool in_vars,
                          const char **ret_after)
{
    const char *end = strchr(text, '}');
    if (end == NULL) {
        complain(job->complaints, COMPLAINT_ERROR, code_unterminated, job->node,
                 "write ${NAME}; a literal ${ is written $${", "\"${\" has no closing \"}\"");
        return false;
    }
    const char *name = arena_must_printf(job->arena, "%.*s", (int)(end - text), text);
    *ret_after = end + 1;
    if (name[0] == '\0' || name[strspn(name, NAME_CHARACTERS)] != '\0') {
        complain(job->complaints, COMPLAINT_ERROR, code_name, job->node,
                 "a name has letters, digits, \"_\", \"-\" and dots; there are no default values",
                 "\"${%s}\" is not a name", name);
        return false;
    }
    return expand_name(job, name, in_vars);
}

static bool expand(struct interpolation *job, const char *text, bool in_vars)
{
    for (;;) {
        const char *dollar = strchr(text, '$');
        size_t len = dollar == NULL ? strlen(text) : (size_t)(dollar - text);
        write_bytes(&job->out, (struct bytes){text, len});
        if (dollar == NULL) {
            return true;
        }
        if (strncmp(dollar, "$${", 3) == 0) {
            write_text(&job->out, "${");
            text = dollar + 3;
        } else if (dollar[1] == '{') {
            if (!expand_braces(job, dollar + 2, in_vars, &text)) {
                return false;
            }
        } else {
            write_text(&job->out, "$");
            text = dollar + 1;
        }
    }
}

const char *interpolate(const struct document *document, const struct node *node,
                        struct arena *arena, struct complaints *complaints,
                        struct environment *used)
{
    REQUIRE(node != NULL && node->kind == NODE_SCALAR);
    if (strchr(node->text.ptr, '$') == NULL) {
        return node->text.ptr;
    }
    struct interpolation job = {.vars = node_get(document->root, "vars"),
                                .node = node,
                                .arena = arena,
                                .complaints = complaints,
                                .used = used};
    buffer_init(&job.out, arena, TEXT_BYTES_MAX);
    if (!expand(&job, node->text.ptr, false)) {
        return NULL;
    }
    const char *text = buffer_text(&job.out);
    if (job.out.failed) {
        complain(complaints, COMPLAINT_ERROR, code_length, node, NULL,
                 "text is longer than 1 MiB with its variables written out");
        return NULL;
    }
    return text;
}
