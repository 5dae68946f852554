#include "common/catalog.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* One snapshot for all queries; an empty path makes format_type and pg_get_constraintdef qualify.
 */
static const char begin_sql[] = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;"
                                "SET LOCAL search_path = ''";

static const char database_sql[] =
    "SELECT s.system_identifier, pg_catalog.current_database(),"
    "       pg_catalog.split_part(pg_catalog.current_setting('server_version'), ' ', 1),"
    "       pg_catalog.current_setting('server_version_num'),"
    "       pg_catalog.current_setting('server_encoding'),"
    "       pg_catalog.pg_is_in_recovery()"
    "  FROM pg_catalog.pg_control_system() s";

static const char names_sql[] =
    "SELECT n.nspname || '.' || c.relname"
    "  FROM pg_catalog.pg_class c"
    "  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
    " WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')"
    "   AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'rowhaul')"
    " ORDER BY n.nspname COLLATE \"C\", c.relname COLLATE \"C\"";

/*
 * $1 is a JSON list of [schema, table]; a table asked for twice comes once. Rows of a table that
 * was analysed scale with its size since, as the planner does it; one that never was is guessed by
 * the width of its columns (28 bytes of headers, 32 for a value of variable length).
 */
static const char tables_sql[] =
    "WITH wanted AS ("
    "    SELECT e.value ->> 0 AS schema, e.value ->> 1 AS name, pg_catalog.min(e.ord) AS ord"
    "      FROM pg_catalog.jsonb_array_elements($1::pg_catalog.jsonb)"
    "           WITH ORDINALITY AS e(value, ord)"
    "     GROUP BY 1, 2)"
    "SELECT c.oid, n.nspname, c.relname, c.relkind, c.relrowsecurity,"
    "       pg_catalog.row_security_active(c.oid),"
    "       u.usage AND pg_catalog.has_table_privilege(c.oid, 'SELECT'),"
    "       u.usage AND pg_catalog.has_table_privilege(c.oid, 'INSERT'),"
    "       u.usage AND pg_catalog.has_table_privilege(c.oid, 'UPDATE'),"
    "       u.usage AND pg_catalog.has_table_privilege(c.oid, 'DELETE'),"
    "       s.rows, s.bytes, r.root"
    "  FROM wanted w"
    "  JOIN pg_catalog.pg_namespace n ON n.nspname = w.schema"
    "  JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = w.name"
    "       AND c.relkind IN ('r', 'p', 'v', 'm', 'f')"
    " CROSS JOIN LATERAL (SELECT pg_catalog.has_schema_privilege(n.oid, 'USAGE') AS usage) u"
    "  LEFT JOIN LATERAL ("
    "       SELECT rn.nspname || '.' || rc.relname AS root"
    "         FROM pg_catalog.pg_class rc"
    "         JOIN pg_catalog.pg_namespace rn ON rn.oid = rc.relnamespace"
    "        WHERE c.relispartition AND rc.oid = pg_catalog.pg_partition_root(c.oid)) r ON true"
    " CROSS JOIN LATERAL ("
    "       SELECT coalesce(pg_catalog.sum(pg_catalog.round("
    "                  CASE WHEN l.relpages > 0 AND l.reltuples >= 0"
    "                       THEN l.reltuples::pg_catalog.float8 * z.main"
    "                            / (l.relpages::pg_catalog.float8"
    "                               * pg_catalog.current_setting('block_size')::pg_catalog.int8)"
    "                       ELSE z.main::pg_catalog.float8 / width.bytes END)), 0) AS rows,"
    "              coalesce(pg_catalog.sum(z.total), 0) AS bytes"
    "         FROM (SELECT c.oid AS leaf WHERE c.relkind IN ('r', 'm')"
    "               UNION ALL"
    "               SELECT t.relid FROM pg_catalog.pg_partition_tree(c.oid) t"
    "                WHERE c.relkind = 'p' AND t.isleaf) leaves"
    "         JOIN pg_catalog.pg_class l ON l.oid = leaves.leaf AND l.relkind IN ('r', 'm')"
    "        CROSS JOIN LATERAL (SELECT pg_catalog.pg_relation_size(l.oid) AS main,"
    "                                   pg_catalog.pg_table_size(l.oid) AS total) z"
    "        CROSS JOIN LATERAL ("
    "               SELECT 28 + coalesce(pg_catalog.sum("
    "                          CASE WHEN a.attlen > 0 THEN a.attlen ELSE 32 END), 0) AS bytes"
    "                 FROM pg_catalog.pg_attribute a"
    "                WHERE a.attrelid = l.oid AND a.attnum > 0 AND NOT a.attisdropped) width) s"
    " ORDER BY w.ord";

/*
 * The queries below get the tables' OIDs as an array; their first column is the table's place in
 * it, from 1, and they come ordered by it.
 */
/* int2vector and oidvector have elements, but are no element's array: their texts are of their own.
 */
static const char columns_sql[] =
    "WITH RECURSIVE chain(declared, base, modifier, not_null) AS ("
    "    SELECT t.oid, t.oid, -1, false FROM pg_catalog.pg_type t"
    "    UNION ALL"
    "    SELECT c.declared, d.typbasetype,"
    "           CASE WHEN d.typtypmod <> -1 THEN d.typtypmod ELSE c.modifier END,"
    "           c.not_null OR d.typnotnull"
    "      FROM chain c JOIN pg_catalog.pg_type d ON d.oid = c.base AND d.typtype = 'd'),"
    "resolved AS ("
    "    SELECT c.declared, c.modifier, c.not_null, b.*"
    "      FROM chain c JOIN pg_catalog.pg_type b ON b.oid = c.base AND b.typtype <> 'd')"
    "SELECT w.ord, a.attname,"
    "       pg_catalog.format_type(a.atttypid, a.atttypmod),"
    "       pg_catalog.format_type(a.atttypid, NULL),"
    "       b.typname, tn.nspname, t.typtype, t.typcategory,"
    "       a.attnotnull OR b.not_null,"
    "       a.atthasdef OR t.typdefault IS NOT NULL,"
    "       a.attgenerated, a.attidentity, coalesce(k.collisdeterministic, true),"
    "       CASE WHEN t.typtype = 'd' THEN b.modifier ELSE a.atttypmod END,"
    "       CASE WHEN t.typtype = 'd' THEN bn.nspname END,"
    "       CASE WHEN t.typtype = 'd' THEN b.typtype END,"
    "       e.typname, en.nspname, e.typtype"
    "  FROM pg_catalog.unnest($1::pg_catalog.oid[]) WITH ORDINALITY AS w(oid, ord)"
    "  JOIN pg_catalog.pg_attribute a ON a.attrelid = w.oid AND a.attnum > 0 AND NOT a.attisdropped"
    "  JOIN pg_catalog.pg_type t ON t.oid = a.atttypid"
    "  JOIN pg_catalog.pg_namespace tn ON tn.oid = t.typnamespace"
    "  JOIN resolved b ON b.declared = t.oid"
    "  JOIN pg_catalog.pg_namespace bn ON bn.oid = b.typnamespace"
    "  LEFT JOIN pg_catalog.pg_type i ON i.oid = b.typelem AND i.typarray = b.oid"
    "  LEFT JOIN resolved e ON e.declared = i.oid"
    "  LEFT JOIN pg_catalog.pg_namespace en ON en.oid = e.typnamespace"
    "  LEFT JOIN pg_catalog.pg_collation k ON k.oid = a.attcollation"
    " ORDER BY w.ord, a.attnum";

static const char indexes_sql[] =
    "SELECT w.ord, c.relname, i.indisprimary, i.indisunique, NOT i.indimmediate,"
    "       i.indpred IS NOT NULL, i.indexprs IS NOT NULL, i.indisvalid AND i.indislive,"
    "       CASE WHEN i.indexprs IS NULL THEN"
    "           (SELECT pg_catalog.json_agg(a.attname ORDER BY k.ord)"
    "              FROM pg_catalog.unnest(i.indkey) WITH ORDINALITY AS k(attnum, ord)"
    "              JOIN pg_catalog.pg_attribute a"
    "                   ON a.attrelid = i.indrelid AND a.attnum = k.attnum"
    "             WHERE k.ord <= i.indnkeyatts) END"
    "  FROM pg_catalog.unnest($1::pg_catalog.oid[]) WITH ORDINALITY AS w(oid, ord)"
    "  JOIN pg_catalog.pg_index i ON i.indrelid = w.oid AND i.indisunique"
    "  JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid"
    " ORDER BY w.ord, i.indisprimary DESC, c.relname COLLATE \"C\"";

/*
 * A constraint with a parent on the same table only repeats it for one partition of the referenced
 * table; one with a parent on another table is a partition's own copy, which counts there.
 */
static const char foreign_keys_sql[] =
    "SELECT w.ord, f.conname, pg_catalog.pg_get_constraintdef(f.oid), n.nspname, c.relname,"
    "       (SELECT pg_catalog.json_agg(a.attname ORDER BY k.ord)"
    "          FROM pg_catalog.unnest(f.conkey) WITH ORDINALITY AS k(attnum, ord)"
    "          JOIN pg_catalog.pg_attribute a"
    "               ON a.attrelid = f.conrelid AND a.attnum = k.attnum),"
    "       (SELECT pg_catalog.json_agg(a.attname ORDER BY k.ord)"
    "          FROM pg_catalog.unnest(f.confkey) WITH ORDINALITY AS k(attnum, ord)"
    "          JOIN pg_catalog.pg_attribute a"
    "               ON a.attrelid = f.confrelid AND a.attnum = k.attnum),"
    "       f.confdeltype, f.convalidated"
    "  FROM pg_catalog.unnest($1::pg_catalog.oid[]) WITH ORDINALITY AS w(oid, ord)"
    "  JOIN pg_catalog.pg_constraint f ON f.conrelid = w.oid AND f.contype = 'f'"
    "  JOIN pg_catalog.pg_class c ON c.oid = f.confrelid"
    "  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
    "  LEFT JOIN pg_catalog.pg_constraint p ON p.oid = f.conparentid"
    " WHERE p.oid IS NULL OR p.conrelid <> f.conrelid"
    " ORDER BY w.ord, f.conname COLLATE \"C\"";

/* tgtype: 1 is ROW, 2 is BEFORE. A partition's own triggers change rows written by the root too. */
static const char triggers_sql[] =
    "SELECT w.ord, t.tgname, n.nspname, c.relname, (t.tgtype & 2) <> 0, (t.tgtype & 1) <> 0,"
    "       t.tgenabled IN ('O', 'A')"
    "  FROM pg_catalog.unnest($1::pg_catalog.oid[]) WITH ORDINALITY AS w(oid, ord)"
    "  JOIN pg_catalog.pg_class root ON root.oid = w.oid"
    " CROSS JOIN LATERAL ("
    "       SELECT w.oid"
    "       UNION"
    "       SELECT p.relid::pg_catalog.oid FROM pg_catalog.pg_partition_tree(w.oid) p"
    "        WHERE root.relkind = 'p') carrier"
    "  JOIN pg_catalog.pg_class c ON c.oid = carrier.oid"
    "  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
    "  JOIN pg_catalog.pg_trigger t ON t.tgrelid = c.oid AND NOT t.tgisinternal"
    "       AND (t.tgparentid = 0 OR c.oid = w.oid)"
    " ORDER BY w.ord, t.tgname COLLATE \"C\", n.nspname COLLATE \"C\", c.relname COLLATE \"C\"";

/* ---- cells of a result ------------------------------------------------------------------- */

struct cells {
    PGresult *result;
    struct arena *arena;
};

static const char *cell_text(const struct cells *cells, int row, int column)
{
    return arena_must_strdup(cells->arena, PQgetvalue(cells->result, row, column));
}

static const char *cell_text_or_null(const struct cells *cells, int row, int column)
{
    return PQgetisnull(cells->result, row, column) ? NULL : cell_text(cells, row, column);
}

static bool cell_bool(const struct cells *cells, int row, int column)
{
    return PQgetvalue(cells->result, row, column)[0] == 't';
}

/* A "char": the empty text is 0, as the catalogs have it for "not generated", "no identity". */
static char cell_char(const struct cells *cells, int row, int column)
{
    return PQgetvalue(cells->result, row, column)[0];
}

static int32_t cell_int(const struct cells *cells, int row, int column)
{
    return (int32_t)strtol(PQgetvalue(cells->result, row, column), NULL, 10);
}

/* A list of names comes as JSON, which needs no rules of quoting of our own; NULL is no names. */
static bool cell_names(const struct cells *cells, int row, int column, const char ***ret_names,
                       size_t *ret_count, struct error *err)
{
    if (PQgetisnull(cells->result, row, column)) {
        *ret_names = NULL;
        *ret_count = 0;
        return true;
    }
    json_error_t json_error;
    json_t *list = json_loads(PQgetvalue(cells->result, row, column), 0, &json_error);
    if (list == NULL) {
        return error_set(err, ERROR_STOP, "could not read names in the catalog: %s",
                         json_error.text);
    }
    size_t count = json_array_size(list);
    const char **names = arena_must_alloc(cells->arena, (count + 1) * sizeof(*names));
    for (size_t i = 0; i < count; i++) {
        names[i] = arena_must_strdup(cells->arena, json_string_value(json_array_get(list, i)));
    }
    json_decref(list);
    *ret_names = names;
    *ret_count = count;
    return true;
}

/* ---- one row each ------------------------------------------------------------------------ */

static bool read_column(const struct cells *cells, int row, void *object, struct error *err)
{
    (void)err; /* nothing here can fail; the others of the table of details can */
    struct catalog_column *column = object;
    column->name = cell_text(cells, row, 1);
    column->type = cell_text(cells, row, 2);
    column->base_type = cell_text(cells, row, 3);
    column->type_name = cell_text(cells, row, 4);
    column->type_schema = cell_text(cells, row, 5);
    column->type_type = cell_char(cells, row, 6);
    column->type_category = cell_char(cells, row, 7);
    column->not_null = cell_bool(cells, row, 8);
    column->has_default = cell_bool(cells, row, 9);
    column->generated = cell_char(cells, row, 10);
    column->identity = cell_char(cells, row, 11);
    column->collation_deterministic = cell_bool(cells, row, 12);
    column->modifier = cell_int(cells, row, 13);
    column->domain_base_schema = cell_text_or_null(cells, row, 14);
    column->domain_base_type = cell_char(cells, row, 15);
    column->element_name = cell_text_or_null(cells, row, 16);
    column->element_schema = cell_text_or_null(cells, row, 17);
    column->element_type = cell_char(cells, row, 18);
    return true;
}

static bool read_index(const struct cells *cells, int row, void *object, struct error *err)
{
    struct catalog_index *index = object;
    index->name = cell_text(cells, row, 1);
    index->primary = cell_bool(cells, row, 2);
    index->unique = cell_bool(cells, row, 3);
    index->deferrable = cell_bool(cells, row, 4);
    index->partial = cell_bool(cells, row, 5);
    index->expressions = cell_bool(cells, row, 6);
    index->valid = cell_bool(cells, row, 7);
    return cell_names(cells, row, 8, &index->columns, &index->columns_count, err);
}

static bool read_foreign_key(const struct cells *cells, int row, void *object, struct error *err)
{
    struct catalog_foreign_key *key = object;
    key->name = cell_text(cells, row, 1);
    key->definition = cell_text(cells, row, 2);
    key->schema = cell_text(cells, row, 3);
    key->table = cell_text(cells, row, 4);
    key->on_delete = cell_char(cells, row, 7);
    key->validated = cell_bool(cells, row, 8);
    size_t referenced_count;
    return cell_names(cells, row, 5, &key->columns, &key->columns_count, err) &&
           cell_names(cells, row, 6, &key->referenced, &referenced_count, err);
}

static bool read_trigger(const struct cells *cells, int row, void *object, struct error *err)
{
    (void)err; /* nothing here can fail; the others of the table of details can */
    struct catalog_trigger *trigger = object;
    trigger->name = cell_text(cells, row, 1);
    trigger->schema = cell_text(cells, row, 2);
    trigger->table = cell_text(cells, row, 3);
    trigger->before = cell_bool(cells, row, 4);
    trigger->row = cell_bool(cells, row, 5);
    trigger->enabled = cell_bool(cells, row, 6);
    return true;
}

static void read_table(const struct cells *cells, int row, struct catalog_table *table)
{
    table->schema = cell_text(cells, row, 1);
    table->name = cell_text(cells, row, 2);
    table->kind = cell_char(cells, row, 3);
    table->row_security = cell_bool(cells, row, 4);
    table->row_security_applies = cell_bool(cells, row, 5);
    table->can_select = cell_bool(cells, row, 6);
    table->can_insert = cell_bool(cells, row, 7);
    table->can_update = cell_bool(cells, row, 8);
    table->can_delete = cell_bool(cells, row, 9);
    table->rows_estimate = strtod(PQgetvalue(cells->result, row, 10), NULL);
    table->bytes = strtoull(PQgetvalue(cells->result, row, 11), NULL, 10);
    table->partition_root = cell_text_or_null(cells, row, 12);
}

/* ---- the queries ------------------------------------------------------------------------- */

/* What hangs below a table: a query, a row's reader, and where the array goes in the table. */
struct detail {
    const char *what;
    const char *sql;
    size_t object_size;
    size_t count_offset, objects_offset;
    bool (*read)(const struct cells *cells, int row, void *object, struct error *err);
};

#define DETAIL(objects, sql, type, read)                                                           \
    {                                                                                              \
#objects, (sql), sizeof(struct type), offsetof(struct catalog_table, objects##_count),     \
            offsetof(struct catalog_table, objects), (read)                                        \
    }

static const struct detail details[] = {
    DETAIL(columns, columns_sql, catalog_column, read_column),
    DETAIL(indexes, indexes_sql, catalog_index, read_index),
    DETAIL(foreign_keys, foreign_keys_sql, catalog_foreign_key, read_foreign_key),
    DETAIL(triggers, triggers_sql, catalog_trigger, read_trigger),
};

/* Reads the run of rows from `first` that belong to one table; returns how many, or -1. */
static int read_details_of(const struct detail *detail, const struct cells *cells, int first,
                           struct catalog_table *table, struct error *err)
{
    int end = first;
    while (end < PQntuples(cells->result) && cell_int(cells, end, 0) == cell_int(cells, first, 0)) {
        end++;
    }
    size_t count = (size_t)(end - first);
    char *objects = arena_must_alloc(cells->arena, count * detail->object_size);
    for (size_t i = 0; i < count; i++) {
        if (!detail->read(cells, first + (int)i, objects + i * detail->object_size, err)) {
            return -1;
        }
    }
    memcpy((char *)table + detail->count_offset, &count, sizeof(count));
    memcpy((char *)table + detail->objects_offset, &objects, sizeof(objects));
    return (int)count;
}

static bool read_details(struct pg *pg, const struct detail *detail, const char *oids,
                         struct arena *arena, struct catalog *catalog, struct error *err)
{
    RH_AUTO(pg_result_clear) PGresult *result = NULL;
    if (!pg_query_params(pg, detail->sql, 1, (const char *const[]){oids}, &result, err)) {
        return error_wrap(err, "could not read the %s of the catalog", detail->what);
    }
    struct cells cells = {.result = result, .arena = arena};
    int row = 0;
    while (row < PQntuples(result)) {
        size_t place = (size_t)cell_int(&cells, row, 0) - 1;
        REQUIRE(place < catalog->tables_count);
        int count = read_details_of(detail, &cells, row, &catalog->tables[place], err);
        if (count < 0) {
            return false;
        }
        row += count;
    }
    return true;
}

static bool read_database(struct pg *pg, struct arena *arena, struct catalog *catalog,
                          struct error *err)
{
    RH_AUTO(pg_result_clear) PGresult *result = NULL;
    if (!pg_query(pg, database_sql, &result, err)) {
        return error_wrap(err, "could not read what the server is");
    }
    struct cells cells = {.result = result, .arena = arena};
    catalog->system_identifier = cell_text(&cells, 0, 0);
    catalog->database = cell_text(&cells, 0, 1);
    catalog->server_version = cell_text(&cells, 0, 2);
    catalog->server_version_num = cell_int(&cells, 0, 3);
    catalog->server_encoding = cell_text(&cells, 0, 4);
    catalog->in_recovery = cell_bool(&cells, 0, 5);
    return true;
}

static bool read_names(struct pg *pg, struct arena *arena, struct catalog *catalog,
                       struct error *err)
{
    RH_AUTO(pg_result_clear) PGresult *result = NULL;
    if (!pg_query(pg, names_sql, &result, err)) {
        return error_wrap(err, "could not read the names of the tables");
    }
    struct cells cells = {.result = result, .arena = arena};
    catalog->names_count = (size_t)PQntuples(result);
    catalog->names = arena_must_alloc(arena, (catalog->names_count + 1) * sizeof(*catalog->names));
    for (int i = 0; i < PQntuples(result); i++) {
        catalog->names[i] = cell_text(&cells, i, 0);
    }
    return true;
}

/* The names asked for as JSON text in the arena. */
static const char *wanted_to_json(const struct table_name *wanted, size_t wanted_count,
                                  struct arena *arena)
{
    json_t *list = json_array();
    for (size_t i = 0; i < wanted_count; i++) {
        REQUIRE(json_array_append_new(list,
                                      json_pack("[s, s]", wanted[i].schema, wanted[i].name)) == 0);
    }
    char *text = json_dumps(list, JSON_COMPACT);
    json_decref(list);
    REQUIRE(text != NULL);
    const char *copy = arena_must_strdup(arena, text);
    free(text); /* jansson's */
    return copy;
}

/* ret_oids: the tables' OIDs as an array literal, in the order of catalog->tables. */
static bool read_tables(struct pg *pg, const struct table_name *wanted, size_t wanted_count,
                        struct arena *arena, struct catalog *catalog, const char **ret_oids,
                        struct error *err)
{
    const char *names = wanted_to_json(wanted, wanted_count, arena);
    RH_AUTO(pg_result_clear) PGresult *result = NULL;
    if (!pg_query_params(pg, tables_sql, 1, (const char *const[]){names}, &result, err)) {
        return error_wrap(err, "could not read the tables of the catalog");
    }
    struct cells cells = {.result = result, .arena = arena};
    catalog->tables_count = (size_t)PQntuples(result);
    catalog->tables =
        arena_must_alloc(arena, (catalog->tables_count + 1) * sizeof(*catalog->tables));
    struct buffer oids;
    buffer_init(&oids, arena, SIZE_MAX);
    for (int i = 0; i < PQntuples(result); i++) {
        read_table(&cells, i, &catalog->tables[i]);
        write_text(&oids, i == 0 ? "{" : ",");
        write_text(&oids, PQgetvalue(result, i, 0));
    }
    write_text(&oids, PQntuples(result) == 0 ? "{}" : "}");
    *ret_oids = buffer_text(&oids);
    return true;
}

static bool read_all(struct pg *pg, const struct table_name *wanted, size_t wanted_count,
                     struct arena *arena, struct catalog *catalog, struct error *err)
{
    const char *oids = NULL;
    if (!pg_run(pg, begin_sql, err) || !read_database(pg, arena, catalog, err) ||
        !read_names(pg, arena, catalog, err) ||
        !read_tables(pg, wanted, wanted_count, arena, catalog, &oids, err)) {
        return false;
    }
    for (size_t i = 0; i < RH_COUNT(details); i++) {
        if (!read_details(pg, &details[i], oids, arena, catalog, err)) {
            return false;
        }
    }
    return pg_run(pg, "COMMIT", err);
}

bool catalog_read(struct pg *pg, const struct table_name *wanted, size_t wanted_count,
                  struct arena *arena, struct catalog *ret_catalog, struct error *err)
{
    REQUIRE(PQtransactionStatus(pg->conn) == PQTRANS_IDLE);
    struct catalog catalog = {0};
    if (!read_all(pg, wanted, wanted_count, arena, &catalog, err)) {
        struct error of_rollback;
        bool rolled_back = pg_run(pg, "ROLLBACK", &of_rollback);
        (void)rolled_back; /* the first error is the one to tell; a lost connection has ended it */
        return false;
    }
    *ret_catalog = catalog;
    return true;
}

/* ---- looking up -------------------------------------------------------------------------- */

const struct catalog_table *catalog_find(const struct catalog *catalog, const char *schema,
                                         const char *name)
{
    for (size_t i = 0; i < catalog->tables_count; i++) {
        const struct catalog_table *table = &catalog->tables[i];
        if (strcmp(table->name, name) == 0 && strcmp(table->schema, schema) == 0) {
            return table;
        }
    }
    return NULL;
}

size_t catalog_column_find(const struct catalog_table *table, const char *name)
{
    for (size_t i = 0; i < table->columns_count; i++) {
        if (strcmp(table->columns[i].name, name) == 0) {
            return i;
        }
    }
    return SIZE_MAX;
}

bool catalog_column_is_built_in(const struct catalog_column *column)
{
    const char *schema =
        column->domain_base_schema != NULL ? column->domain_base_schema : column->type_schema;
    return strcmp(schema, "pg_catalog") == 0;
}
