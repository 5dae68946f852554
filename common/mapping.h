/*
 * mapping -- compiles the mapping file against both catalogs into an immutable plan.
 *
 * In:     a parsed document, the two catalogs. Out: a plan in the arena, or complaints, all of
 * them. Never:  does I/O: the same text, catalogs and environment give the same plan everywhere.
 *
 * Rows never see YAML or names again: they meet column indexes, ready SQL and compiled rules.
 */
#ifndef RH_COMMON_MAPPING_H
#define RH_COMMON_MAPPING_H

#include "common/catalog.h"
#include "common/complaint.h"
#include "common/document.h"
#include "common/environment.h"
#include "common/key.h"
#include "common/row.h"
#include "common/settings.h"

#include <stdbool.h>
#include <stdint.h>

enum rule_kind {
    RULE_COLUMN, /* a source column as it is */
    RULE_CONST,
    RULE_MAP, /* {map: {from, values, otherwise}} */
};

struct map_entry {
    struct bytes from; /* sorted by bytes_compare */
    struct value to;
};

struct rule {
    enum rule_kind kind;
    const char *id;          /* "table.output_column", for rejects and messages */
    size_t source_column;    /* COLUMN, MAP: index into plan_table.columns */
    const char *source_name; /* COLUMN, MAP: its name, for messages */
    /* COLUMN: char(n) into another type loses its padding, as the cast does. MAP: before looking up
     */
    bool strip_padding;
    struct value constant;
    struct map_entry *map;
    size_t map_count;
    enum map_otherwise { MAP_KEEP, MAP_REJECT, MAP_RULE } otherwise;
    struct rule *otherwise_rule; /* MAP_RULE */
    bool has_null;               /* map has an entry for NULL */
    struct value null_to;
};

struct plan_column {
    const struct catalog_column *target;
    struct rule rule;
    bool passes_through; /* RULE_COLUMN and values are equal text on both sides: checksum may be
                            pushed down */
};

enum on_error { ON_ERROR_REJECT, ON_ERROR_STOP, ON_ERROR_PARK };
enum triggers_policy { TRIGGERS_NONE, TRIGGERS_OFF, TRIGGERS_FIRE };

struct plan_output {
    const struct catalog_table *target;
    size_t columns_count;
    struct plan_column *columns; /* those that are written, target attnum order */
    size_t key_count;
    size_t *key;     /* indexes into columns: the arbiter */
    bool overriding; /* an identity column is written: OVERRIDING SYSTEM VALUE */
    bool checksum;   /* all columns pass through and the key does: verify by checksum */
    enum triggers_policy triggers;
    size_t fire_columns_count;
    const char **fire_columns; /* touched by triggers: excluded from comparison */
};

struct plan_table {
    size_t index; /* in plan.tables */
    const char *id;
    const struct catalog_table *source;
    const struct node *node; /* where it stands in the file */
    size_t columns_count;
    const struct catalog_column **columns; /* wire order: what a ROW carries */
    size_t key_count;
    size_t *key; /* indexes into columns, in key order */
    enum key_kind *key_kinds;
    const char *where_sql; /* "" or a SQL condition over the source's quoted columns, AND-able */
    uint32_t level; /* of the foreign-key order of the targets: parents have lower ones, from 0 */
    enum on_error on_error;
    size_t outputs_count;
    struct plan_output *outputs; /* parents before children, else in the file's order */
};

/* A foreign key on the target that is dropped for the run (cycle or self-reference) and restored.
 */
struct plan_deferred {
    const char *schema, *table; /* the target table that carries it */
    const struct catalog_foreign_key *foreign_key;
};

struct plan {
    const char *name;
    uint64_t source_fingerprint;    /* tables, columns, keys, filter: travels in every message */
    uint64_t transform_fingerprint; /* outputs, rules */
    const struct catalog *source, *target;
    size_t tables_count;
    struct plan_table *tables; /* in the file's order */
    uint32_t levels_count;
    size_t deferred_count;
    struct plan_deferred *deferred;
};

/*
 * The tables a document names, before any catalog is read: so that catalog_read knows what to ask.
 * Complaints about form come here too.
 */
bool mapping_tables(const struct document *document, struct arena *arena,
                    struct complaints *complaints, struct table_name **ret_source,
                    size_t *ret_source_count, struct table_name **ret_target,
                    size_t *ret_target_count) RH_MUST_CHECK;

/*
 * Compiles `tables:`. `environment` is read before the process's own environment and is told what
 * was taken from there. The catalogs must outlive the plan. False: complaints has an error.
 */
bool mapping_compile(const struct document *document, const struct catalog *source,
                     const struct catalog *target, struct environment *environment,
                     struct arena *arena, struct complaints *complaints,
                     struct plan *ret_plan) RH_MUST_CHECK;

const struct plan_table *plan_table_find(const struct plan *plan, const char *id);

/* The condition of `where:` and key ranges need typed literals: 'text'::pg_catalog.type. */
void sql_typed_literal(struct buffer *buffer, struct bytes value,
                       const struct catalog_column *column);
/*
 * Goes behind a column's name where it is compared: the operators of enums are not found through a
 * domain, so there it casts to the enum. Indexes and their order serve the cast column all the
 * same.
 */
void sql_compared_as(struct buffer *buffer, const struct catalog_column *column);

#endif
