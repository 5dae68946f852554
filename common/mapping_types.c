/*
 * Which value of one type may become a value of another. Values travel as PostgreSQL text and are
 * parsed by the target's input function, so a pair is allowed when the one's output is the other's
 * input: not when a cast exists. 1.50 is no integer to the parser, whatever the cast would round.
 */
#include "common/mapping_parts.h"

#include <string.h>

/* A type below domains, as the pairing sees it: of a column, or of an array column's elements. */
struct type {
    const char *schema, *name;
    char kind; /* pg_type.typtype */
    int32_t modifier;
    bool array;
    const struct catalog_column *column;
};

char mapping_type_kind(const struct catalog_column *column)
{
    return column->type_type == 'd' ? column->domain_base_type : column->type_type;
}

const char *mapping_type_schema(const struct catalog_column *column)
{
    return column->domain_base_schema != NULL ? column->domain_base_schema : column->type_schema;
}

bool mapping_type_is(const struct catalog_column *column, const char *name)
{
    return strcmp(column->type_name, name) == 0 &&
           strcmp(mapping_type_schema(column), "pg_catalog") == 0;
}

static struct type type_of(const struct catalog_column *column)
{
    return (struct type){.schema = mapping_type_schema(column),
                         .name = column->type_name,
                         .kind = mapping_type_kind(column),
                         .modifier = column->modifier,
                         .array = column->element_name != NULL,
                         .column = column};
}

static struct type element_of(const struct catalog_column *column)
{
    return (struct type){.schema = column->element_schema,
                         .name = column->element_name,
                         .kind = column->element_type,
                         .modifier = column->modifier,
                         .column = column};
}

static bool built_in(const struct type *type)
{
    return strcmp(type->schema, "pg_catalog") == 0;
}

static bool is(const struct type *type, const char *name)
{
    return built_in(type) && strcmp(type->name, name) == 0;
}

/* citext comes from an extension, in whatever schema it was put. */
static bool is_citext(const struct type *type)
{
    return !built_in(type) && type->kind == 'b' && strcmp(type->name, "citext") == 0;
}

static bool is_text(const struct type *type)
{
    return is(type, "text") || is(type, "varchar") || is(type, "bpchar") || is_citext(type);
}

bool mapping_type_is_text(const struct catalog_column *column)
{
    struct type type = type_of(column);
    return is_text(&type);
}

/* An extension's type is the same in any schema; an enum or composite is not. */
static bool same_type(const struct type *a, const struct type *b)
{
    if (strcmp(a->name, b->name) != 0 || a->kind != b->kind) {
        return false;
    }
    if (strcmp(a->schema, b->schema) == 0) {
        return true;
    }
    if (a->array && b->array) {
        struct type of_a = element_of(a->column), of_b = element_of(b->column);
        return same_type(&of_a, &of_b);
    }
    return a->kind == 'b' && !built_in(a) && !built_in(b);
}

/* ---- modifiers of one type ---------------------------------------------------------------- */

/* What typmods mean: numeric has precision and scale, times a precision, texts a length. */
enum modifier_kind {
    MODIFIER_OTHER,
    MODIFIER_LENGTH,
    MODIFIER_BITS,
    MODIFIER_NUMERIC,
    MODIFIER_TIME
};

#define VARHDRSZ           4 /* typmods of texts and numeric are offset by it */
#define NO_LIMIT           INT32_MAX
#define TIME_DIGITS_MAX    6 /* what a time without typmod has */
#define NUMERIC_SCALE_BITS 11

static enum modifier_kind modifier_kind_of(const struct type *type)
{
    static const struct {
        const char *name;
        enum modifier_kind kind;
    } kinds[] = {
        {"varchar", MODIFIER_LENGTH},   {"bpchar", MODIFIER_LENGTH},   {"varbit", MODIFIER_BITS},
        {"bit", MODIFIER_BITS},         {"numeric", MODIFIER_NUMERIC}, {"timestamp", MODIFIER_TIME},
        {"timestamptz", MODIFIER_TIME}, {"time", MODIFIER_TIME},       {"timetz", MODIFIER_TIME}};
    for (size_t i = 0; i < RH_COUNT(kinds); i++) {
        if (is(type, kinds[i].name)) {
            return kinds[i].kind;
        }
    }
    return MODIFIER_OTHER;
}

static int32_t length_limit(const struct type *type)
{
    int32_t offset = modifier_kind_of(type) == MODIFIER_LENGTH ? VARHDRSZ : 0;
    return type->modifier > offset ? type->modifier - offset : NO_LIMIT;
}

static bool numeric_limited(const struct type *type)
{
    return type->modifier >= VARHDRSZ;
}

/* As numeric.c does it: the scale is signed and has eleven bits. */
static int32_t numeric_scale(const struct type *type)
{
    int32_t half = 1 << (NUMERIC_SCALE_BITS - 1);
    return (((type->modifier - VARHDRSZ) & ((half << 1) - 1)) ^ half) - half;
}

static int32_t numeric_integer_digits(const struct type *type)
{
    return (((type->modifier - VARHDRSZ) >> 16) & 0xffff) - numeric_scale(type);
}

static void pair_lengths(const struct type *source, const struct type *target,
                         struct pairing *pairing, struct arena *arena)
{
    int32_t from = length_limit(source), to = length_limit(target);
    bool fixed = is(target, "bpchar") || is(target, "bit");
    pairing->passes = fixed ? from == to : from <= to;
    if (from > to || (is(target, "bit") && from != to)) {
        pairing->warning = arena_must_printf(arena, "values that do not fit %s are rejected",
                                             target->column->type);
    }
}

static void pair_numerics(const struct type *source, const struct type *target,
                          struct pairing *pairing, struct arena *arena)
{
    if (!numeric_limited(target) || source->modifier == target->modifier) {
        return;
    }
    bool known = numeric_limited(source);
    pairing->passes = known && numeric_scale(source) == numeric_scale(target) &&
                      numeric_integer_digits(source) <= numeric_integer_digits(target);
    bool rounds = !known || numeric_scale(source) > numeric_scale(target);
    bool refuses = !known || numeric_integer_digits(source) > numeric_integer_digits(target);
    pairing->injective = !rounds;
    if (rounds) {
        pairing->warning = arena_must_printf(
            arena, "digits beyond %d decimals are lost: the target rounds%s", numeric_scale(target),
            refuses ? "; values that do not fit are rejected" : "");
    } else if (refuses) {
        pairing->warning = arena_must_printf(arena, "values that do not fit %s are rejected",
                                             target->column->type);
    }
}

static void pair_times(const struct type *source, const struct type *target,
                       struct pairing *pairing)
{
    int32_t from = source->modifier >= 0 ? source->modifier : TIME_DIGITS_MAX;
    int32_t to = target->modifier >= 0 ? target->modifier : TIME_DIGITS_MAX;
    if (from <= to) {
        return;
    }
    pairing->passes = false;
    pairing->injective = false;
    pairing->warning = "fractions of a second are lost: the target rounds";
}

static void pair_modifiers(const struct type *source, const struct type *target,
                           struct pairing *pairing, struct arena *arena)
{
    switch (modifier_kind_of(target)) {
    case MODIFIER_LENGTH:
    case MODIFIER_BITS:
        pair_lengths(source, target, pairing, arena);
        break;
    case MODIFIER_NUMERIC:
        pair_numerics(source, target, pairing, arena);
        break;
    case MODIFIER_TIME:
        pair_times(source, target, pairing);
        break;
    case MODIFIER_OTHER:
        if (target->modifier < 0 || source->modifier == target->modifier) {
            break;
        }
        pairing->passes = false;
        pairing->injective = false;
        pairing->warning = arena_must_printf(
            arena, "values that do not fit %s are changed or rejected", target->column->type);
        break;
    }
}

/* ---- pairs of two types ------------------------------------------------------------------ */

enum {
    PASSES = 1, /* equal text on both sides, and a checksum of either type's values is the same */
    INJECTIVE = 2, /* different values stay different */
};

/* Built-in pairs beside the classes below; everything that is in neither is refused. */
static const struct {
    const char *source, *target;
    int flags;
    const char *warning;
} pairs[] = {
    {"int2", "int4", PASSES | INJECTIVE, NULL},
    {"int2", "int8", PASSES | INJECTIVE, NULL},
    {"int4", "int8", PASSES | INJECTIVE, NULL},
    {"int4", "int2", INJECTIVE, "values out of the range of smallint are rejected"},
    {"int8", "int2", INJECTIVE, "values out of the range of smallint are rejected"},
    {"int8", "int4", INJECTIVE, "values out of the range of integer are rejected"},
    {"int2", "float8", INJECTIVE, NULL},
    {"int4", "float8", INJECTIVE, NULL},
    {"int8", "float8", 0, "integers beyond 2^53 lose digits"},
    {"float4", "float8", INJECTIVE, NULL},
    {"json", "jsonb", 0, NULL},
    {"jsonb", "json", INJECTIVE, NULL},
    {"date", "timestamp", INJECTIVE, NULL},
    {"date", "timestamptz", INJECTIVE, NULL},
    {"timestamp", "timestamptz", INJECTIVE, "the time is taken to be in UTC"},
    {"timestamptz", "timestamp", INJECTIVE, "the time is written in UTC"},
};

static int32_t integer_digits(const struct type *type)
{
    static const struct {
        const char *name;
        int32_t digits;
    } integers[] = {{"int2", 5}, {"int4", 10}, {"int8", 19}};
    for (size_t i = 0; i < RH_COUNT(integers); i++) {
        if (is(type, integers[i].name)) {
            return integers[i].digits;
        }
    }
    return 0;
}

static struct pairing pair_to_numeric(const struct type *source, const struct type *target,
                                      struct arena *arena)
{
    struct pairing pairing = {.allowed = true, .injective = true};
    if (!numeric_limited(target)) {
        return pairing;
    }
    pairing.injective = numeric_scale(target) >= 0;
    if (numeric_integer_digits(target) < integer_digits(source)) {
        pairing.warning = arena_must_printf(arena, "values that do not fit %s are rejected",
                                            target->column->type);
    }
    return pairing;
}

/* With decimals in its type every value prints them, and no integer is written like that. */
static struct pairing pair_from_numeric(const struct type *source)
{
    if (numeric_limited(source) && numeric_scale(source) > 0) {
        return (struct pairing){0};
    }
    return (struct pairing){.allowed = true,
                            .injective = true,
                            .warning = "values with decimals or out of range are rejected"};
}

static struct pairing pair_to_text(const struct type *source, const struct type *target,
                                   struct arena *arena)
{
    struct pairing pairing = {.allowed = true,
                              .strips_padding = is(source, "bpchar") && !is(target, "bpchar"),
                              .injective = !is_citext(target) && !is(target, "bpchar")};
    bool plain = is(source, "text") || is(source, "varchar");
    pairing.passes = plain && (is(target, "text") || is(target, "varchar"));
    if (is(source, "bool")) {
        pairing.warning = "true and false arrive as t and f";
    }
    if (length_limit(target) != NO_LIMIT && modifier_kind_of(target) == MODIFIER_LENGTH &&
        (!is_text(source) || length_limit(source) > length_limit(target))) {
        pairing.passes = false;
        pairing.warning = arena_must_printf(arena, "values that do not fit %s are rejected",
                                            target->column->type);
    }
    return pairing;
}

static struct pairing pair_listed(const struct type *source, const struct type *target,
                                  struct arena *arena)
{
    for (size_t i = 0; i < RH_COUNT(pairs); i++) {
        if (!is(source, pairs[i].source) || !is(target, pairs[i].target)) {
            continue;
        }
        struct pairing pairing = {.allowed = true,
                                  .passes = (pairs[i].flags & PASSES) != 0,
                                  .injective = (pairs[i].flags & INJECTIVE) != 0};
        if (modifier_kind_of(target) == MODIFIER_TIME && !is(source, "date")) {
            pair_modifiers(source, target, &pairing, arena);
        }
        if (pairs[i].warning != NULL) {
            pairing.warning = pairs[i].warning;
        }
        return pairing;
    }
    return (struct pairing){0};
}

static struct pairing pair_types(const struct type *source, const struct type *target,
                                 struct arena *arena);

/* Types whose input function refuses every text: no column of one can be written. */
static bool has_no_input(const struct type *type)
{
    static const char *const names[] = {
        "pg_node_tree", "pg_ndistinct",          "pg_dependencies",
        "pg_mcv_list",  "pg_brin_bloom_summary", "pg_brin_minmax_multi_summary",
        "gtsvector"};
    for (size_t i = 0; i < RH_COUNT(names); i++) {
        if (is(type, names[i])) {
            return true;
        }
    }
    return false;
}

/* Element by element. Blanks inside an array literal cannot be stripped: the padding stays. */
static struct pairing pair_arrays(const struct type *source, const struct type *target,
                                  struct arena *arena)
{
    struct type from = element_of(source->column), to = element_of(target->column);
    struct pairing pairing = pair_types(&from, &to, arena);
    if (pairing.strips_padding) {
        pairing.strips_padding = false;
        pairing.injective = false;
        pairing.warning = "elements keep the padding of character(n)";
    }
    return pairing;
}

static struct pairing pair_types(const struct type *source, const struct type *target,
                                 struct arena *arena)
{
    if (has_no_input(target)) {
        return (struct pairing){0};
    }
    if (source->array && target->array) {
        return pair_arrays(source, target, arena);
    }
    if (same_type(source, target)) {
        struct pairing same = {.allowed = true, .passes = true, .injective = true};
        pair_modifiers(source, target, &same, arena);
        return same;
    }
    if (is_text(target)) {
        return pair_to_text(source, target, arena);
    }
    if (is_text(source)) {
        return (struct pairing){.allowed = true,
                                .strips_padding = is(source, "bpchar"),
                                .warning = "texts that the target type cannot read are rejected"};
    }
    if (source->kind == 'e' && target->kind == 'e') {
        return (struct pairing){.allowed = true,
                                .injective = true,
                                .warning = "labels that the target type lacks are rejected"};
    }
    if (is(target, "numeric") && integer_digits(source) > 0) {
        return pair_to_numeric(source, target, arena);
    }
    if (is(source, "numeric") && integer_digits(target) > 0) {
        return pair_from_numeric(source);
    }
    return pair_listed(source, target, arena);
}

struct pairing mapping_pair_types(const struct catalog_column *source,
                                  const struct catalog_column *target, struct arena *arena)
{
    struct type from = type_of(source), to = type_of(target);
    return pair_types(&from, &to, arena);
}
