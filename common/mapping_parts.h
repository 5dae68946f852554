/*
 * mapping_parts -- what the files of the mapping compiler share; nobody else includes it.
 *
 * The order of work:  form (the file's shape -> a draft), rules and where (names and types against
 * the catalogs), check (tables, keys), levels (foreign keys), fingerprint.
 *
 * Each complaint has a code of its own, which docs/errors.md explains.
 */
#ifndef RH_COMMON_MAPPING_PARTS_H
#define RH_COMMON_MAPPING_PARTS_H

#include "common/mapping.h"

/* Form */
#define CODE_FORM         "RH-3200"
#define CODE_UNKNOWN_KEY  "RH-3201"
#define CODE_LATER        "RH-3202" /* not in this version */
#define CODE_MISSING_KEY  "RH-3203"
#define CODE_TABLE_NAME   "RH-3204"
#define CODE_TABLE_ID     "RH-3205"
#define CODE_SOURCE_TWICE "RH-3206"
#define CODE_TARGET_TWICE "RH-3207"
#define CODE_VERSION      "RH-3208"
/* Tables */
#define CODE_SOURCE_MISSING   "RH-3210"
#define CODE_SOURCE_KIND      "RH-3211"
#define CODE_SOURCE_PARTITION "RH-3212"
#define CODE_TARGET_MISSING   "RH-3213"
#define CODE_TARGET_KIND      "RH-3214"
#define CODE_SAME_TABLE       "RH-3215"
/* Columns and keys */
#define CODE_SOURCE_COLUMN      "RH-3220"
#define CODE_TARGET_COLUMN      "RH-3221"
#define CODE_SOURCE_KEY         "RH-3222" /* none */
#define CODE_KEY_NOT_UNIQUE     "RH-3223"
#define CODE_KEY_TYPE           "RH-3224"
#define CODE_ARBITER            "RH-3225"
#define CODE_ARBITER_DEFERRABLE "RH-3226"
#define CODE_KEY_NOT_WRITTEN    "RH-3227"
#define CODE_KEY_NOT_DERIVED    "RH-3228"
#define CODE_ASSIGNED_TWICE     "RH-3230"
#define CODE_DROP               "RH-3231"
#define CODE_NO_TARGET_COLUMN   "RH-3232"
#define CODE_NO_VALUE           "RH-3233"
#define CODE_GENERATED          "RH-3234"
#define CODE_NULL_REFUSED       "RH-3235"
#define CODE_MAYBE_NULL         "RH-3236" /* warning */
#define CODE_NOTHING_WRITTEN    "RH-3237"
/* Types and values */
#define CODE_TYPES         "RH-3240"
#define CODE_TYPES_WARNING "RH-3241" /* warning */
#define CODE_VALUE         "RH-3242"
#define CODE_MAP_TYPE      "RH-3243"
/* Triggers and conditions */
#define CODE_TRIGGERS       "RH-3250"
#define CODE_TRIGGERS_AFTER "RH-3251" /* warning */
#define CODE_FIRE           "RH-3252"
#define CODE_WHERE          "RH-3260"

/* ---- the file as it stands, before any catalog ------------------------------------------- */

struct draft_names {
    size_t count;
    const struct node **nodes; /* scalars; their text is the name */
    const struct node *node;   /* the list itself; NULL when the key is not there */
};

enum copy_mode { COPY_ALL, COPY_NONE, COPY_LIST };

struct draft_output {
    const struct node *node;
    const struct node *table_node;
    struct table_name table; /* name NULL: its form was refused */
    struct draft_names key;  /* node NULL: the primary key */
    enum copy_mode copy;
    struct draft_names copy_list;
    struct draft_names drop;
    const struct node *columns; /* a mapping, or NULL */
    enum triggers_policy triggers;
    struct draft_names fire;
};

struct draft_table {
    const struct node *node;
    const struct node *from_node;
    const char *id;
    struct table_name from; /* name NULL: its form was refused */
    struct draft_names key;
    const struct node *where;
    enum on_error on_error;
    const struct node *on_error_node; /* where it was said, NULL: nowhere */
    size_t outputs_count;
    struct draft_output *outputs;
};

struct draft {
    size_t tables_count;
    struct draft_table *tables;
};

/* One compilation; everything borrowed. Form alone has no catalogs. */
struct compiler {
    const struct document *document;
    const struct catalog *source, *target;
    struct environment *environment;
    struct arena *arena;
    struct complaints *complaints;
};

/* Complaints tell what is not right; the draft holds what is. */
void mapping_form(const struct compiler *compiler, struct draft *ret_draft);
/* Complains about each key of a mapping that is not known; a `later` one is not in this version. */
void mapping_check_keys(const struct compiler *compiler, const struct node *node, const char *what,
                        const char *const *known, size_t known_count, const char *const *later,
                        size_t later_count);
void mapping_complain_later(const struct compiler *compiler, const struct node *node,
                            const char *text);
/* `did you mean "x"?` in the arena, or `otherwise`. */
const char *mapping_did_you_mean(const struct compiler *compiler, const char *name,
                                 const char *const *names, size_t names_count,
                                 const char *otherwise);
/* The same over the columns of a table. */
const char *mapping_nearest_column(const struct compiler *compiler, const char *name,
                                   const struct catalog_table *table, const char *otherwise);
/* Index of the column a scalar names, or SIZE_MAX with a complaint of this code. */
size_t mapping_find_column(const struct compiler *compiler, enum pg_role side,
                           const struct catalog_table *table, const struct node *node,
                           const char *code);

/* ---- rules ------------------------------------------------------------------------------- */

/* An output column while its output is being compiled. */
struct assignment {
    const struct node *node; /* who says so; NULL: nobody, the column is not written */
    bool valid;              /* the rule compiled */
    struct rule rule;        /* source_column is an index into the source's catalog columns */
};

struct output_work {
    const struct draft_table *table;
    const struct draft_output *draft;
    const struct catalog_table *source, *target;
    struct assignment *assignments; /* one per target column */
};

/* Fills work->assignments from `copy`, `drop` and `columns`. */
void mapping_assign(const struct compiler *compiler, struct output_work *work);
/* Marks the source columns a rule reads, by catalog index. */
void mapping_mark_used(const struct rule *rule, bool *used);
/* Turns catalog indexes of source columns into wire indexes. */
void mapping_renumber(struct rule *rule, const size_t *wire_of);

/* ---- types and values -------------------------------------------------------------------- */

struct pairing {
    bool allowed;
    bool passes;         /* the text on both sides is the same */
    bool injective;      /* different values stay different */
    bool strips_padding; /* char(n) into another type */
    const char *warning; /* what may be lost or refused, or NULL */
};

struct pairing mapping_pair_types(const struct catalog_column *source,
                                  const struct catalog_column *target, struct arena *arena);
char mapping_type_kind(const struct catalog_column *column);          /* typtype below domains */
const char *mapping_type_schema(const struct catalog_column *column); /* of type_name */
bool mapping_type_is(const struct catalog_column *column, const char *name); /* in pg_catalog */
bool mapping_type_is_text(const struct catalog_column *column); /* text varchar bpchar citext */

/* The value of a constant for a column: scalars, null, JSON, array literals. */
bool mapping_constant(const struct compiler *compiler, const struct node *node,
                      const struct catalog_column *column, struct value *ret_value);
/* What is wrong with a text for the column's type as far as can be said without a server, or NULL.
 */
const char *mapping_value_problem(const struct catalog_column *column, const char *text);
/* The way the type prints this text: booleans t and f, integers without zeros and plus. */
const char *mapping_value_canonical(const struct catalog_column *column, const char *text,
                                    struct arena *arena);
bool mapping_type_has_canonical(const struct catalog_column *column);

/* ---- the rest ---------------------------------------------------------------------------- */

/* The SQL of a table's `where:`; "" without one. */
const char *mapping_where(const struct compiler *compiler, const struct draft_table *draft,
                          const struct catalog_table *source);

const struct catalog_table *mapping_find_source(const struct compiler *compiler,
                                                const struct draft_table *draft);
const struct catalog_table *mapping_find_target(const struct compiler *compiler,
                                                const struct draft_table *table,
                                                const struct draft_output *output);
/* The source key as catalog column indexes and kinds. False: complained. */
bool mapping_source_key(const struct compiler *compiler, const struct draft_table *draft,
                        const struct catalog_table *source, size_t **ret_key,
                        enum key_kind **ret_kinds, size_t *ret_count);
/* The arbiter as catalog column indexes of the target. False: complained. */
bool mapping_arbiter(const struct compiler *compiler, const struct draft_output *draft,
                     const struct catalog_table *target, size_t **ret_key, size_t *ret_count);
/* Columns that must have a value have one; target triggers have their decision. */
void mapping_check_output(const struct compiler *compiler, const struct output_work *work);
/* The arbiter's columns are written and made from the whole source key, injectively. */
void mapping_check_arbiter(const struct compiler *compiler, const struct output_work *work,
                           const size_t *arbiter, size_t arbiter_count, const size_t *source_key,
                           size_t source_key_count);

/* Levels, outputs' order, deferred foreign keys. */
void mapping_levels(struct plan *plan, struct arena *arena);
void mapping_fingerprints(struct plan *plan);

#endif
