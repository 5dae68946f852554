/*
 * catalog -- what a database says about its tables, as far as a mapping uses it.
 *
 * In:     a connection and the names asked for. Out: tables in the arena; JSON and back, so that a
 *         plan compiled once is compiled the same by every worker, from the stored catalogs.
 * Never:  decides; the mapping compiler does.
 */
#ifndef RH_COMMON_CATALOG_H
#define RH_COMMON_CATALOG_H

#include "common/arena.h"
#include "common/error.h"
#include "common/pg.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct catalog_column {
    const char *name;
    const char *
        type; /* format_type(oid, typmod): "numeric(14,2)", schema-qualified unless in pg_catalog */
    const char *base_type;   /* format_type(oid, NULL) */
    const char *type_name;   /* pg_type.typname of the type, or of the domain's base type */
    const char *type_schema; /* of the declared type */
    char type_type;          /* pg_type.typtype of the declared type: b c d e m p r */
    char type_category;      /* pg_type.typcategory */
    bool not_null;
    bool has_default;
    char generated; /* 's' or 0 */
    char identity;  /* 'a', 'd' or 0 */
    bool collation_deterministic;
    int32_t modifier; /* typmod of the column, or of the domain it is declared with; -1: none */
    const char *domain_base_schema; /* NULL unless the declared type is a domain: of type_name */
    char domain_base_type;          /* pg_type.typtype of type_name; 0 unless a domain */
    const char *element_name;       /* NULL unless an array: pg_type.typname of the elements */
    const char *element_schema;
    char element_type; /* pg_type.typtype of the elements, 0 unless an array */
};

struct catalog_index {
    const char *name;
    bool primary, unique, deferrable, partial, expressions, valid;
    size_t columns_count;
    const char **columns; /* key columns (not INCLUDE), in index order; empty where expressions */
};

struct catalog_foreign_key {
    const char *name;
    const char *definition;     /* pg_get_constraintdef */
    const char *schema, *table; /* referenced */
    size_t columns_count;
    const char **columns, **referenced;
    char on_delete; /* a r c n d, as pg_constraint */
    bool validated;
};

struct catalog_trigger {
    const char *name;
    const char *schema, *table; /* what carries it: the table itself or one of its partitions */
    bool before, row, enabled;  /* enabled: fires for an ordinary session */
};

struct catalog_table {
    const char *schema, *name;
    char kind;                  /* pg_class.relkind: r p v m f */
    const char *partition_root; /* "schema.table" when this is a partition, else NULL */
    bool row_security;          /* enabled on the table */
    bool row_security_applies;  /* to the connected role: rows would be hidden */
    bool can_select, can_insert, can_update, can_delete; /* the connected role */
    double rows_estimate; /* reltuples (partitions summed), or from size where never analysed */
    uint64_t bytes;
    size_t columns_count;
    struct catalog_column *columns; /* without dropped ones, in attnum order */
    size_t indexes_count;
    struct catalog_index *indexes; /* unique ones only */
    size_t foreign_keys_count;
    struct catalog_foreign_key *foreign_keys; /* of this table */
    size_t triggers_count;
    struct catalog_trigger *triggers; /* user triggers */
};

struct catalog {
    const char *system_identifier;
    const char *database;
    const char *server_version; /* "15.18" */
    int server_version_num;
    const char *server_encoding;
    bool in_recovery;
    size_t names_count;
    const char **names; /* every user table and view, "schema.table": for "did you mean"; not stored
                           in JSON */
    size_t tables_count;
    struct catalog_table *tables; /* those asked for that exist */
};

struct table_name {
    const char *schema, *name;
};

/*
 * Reads in one read-only snapshot with an empty search_path, so that types and definitions come
 * schema-qualified whatever the role's own path is. The connection must not be in a transaction.
 */
bool catalog_read(struct pg *pg, const struct table_name *wanted, size_t wanted_count,
                  struct arena *arena, struct catalog *ret_catalog,
                  struct error *err) RH_MUST_CHECK;
const struct catalog_table *catalog_find(const struct catalog *catalog, const char *schema,
                                         const char *name);
/* Index of the column, or SIZE_MAX. */
size_t catalog_column_find(const struct catalog_table *table, const char *name);
/* Whether its type, or its domain's base type, is PostgreSQL's own and not an extension's. */
bool catalog_column_is_built_in(const struct catalog_column *column);

json_t *catalog_to_json(const struct catalog *catalog);
bool catalog_from_json(const json_t *json, struct arena *arena, struct catalog *ret_catalog,
                       struct error *err) RH_MUST_CHECK;

#endif
