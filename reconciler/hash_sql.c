#include "reconciler/hash_sql.h"

#include "common/sql_text.h"

#include <inttypes.h>
#include <string.h>

#define SEED_FIRST 1 /* a column's seed is its place, so that columns that swap values differ */

/* ---- which hash ---- */

static enum hash_kind kind_of(const struct catalog_column *column)
{
    static const struct {
        const char *type;
        enum hash_kind kind;
    } kinds[] = {
        {"int2", HASH_INTEGER}, {"int4", HASH_INTEGER},        {"int8", HASH_INTEGER},
        {"bool", HASH_BOOLEAN}, {"uuid", HASH_UUID},           {"date", HASH_RECORD},
        {"bytea", HASH_RECORD}, {"timestamp", HASH_TIMESTAMP}, {"timestamptz", HASH_TIMESTAMPTZ},
        {"text", HASH_TEXT},    {"varchar", HASH_TEXT},
    };
    for (size_t i = 0; catalog_column_is_built_in(column) && i < RH_COUNT(kinds); i++) {
        if (strcmp(kinds[i].type, column->type_name) == 0) {
            return kinds[i].kind;
        }
    }
    return HASH_OUTPUT;
}

static struct hash_column make_column(const struct catalog_column *source,
                                      const struct catalog_column *target, size_t place)
{
    enum hash_kind kind = kind_of(source);
    return (struct hash_column){
        .side = {[PG_SOURCE] = source, [PG_TARGET] = target},
        .kind = kind == kind_of(target) ? kind : HASH_OUTPUT,
        .seed = SEED_FIRST + (uint32_t)place,
    };
}

bool column_is_fired(const struct plan_output *output, const struct plan_column *column)
{
    for (size_t i = 0; i < output->fire_columns_count; i++) {
        if (strcmp(output->fire_columns[i], column->target->name) == 0) {
            return true;
        }
    }
    return false;
}

const struct plan_column *key_carrier(const struct plan_output *output, size_t source_column)
{
    for (size_t i = 0; i < output->key_count; i++) {
        const struct plan_column *column = &output->columns[output->key[i]];
        if (column->rule.kind == RULE_COLUMN && column->rule.source_column == source_column) {
            return column;
        }
    }
    return NULL;
}

bool hash_plan_possible(const struct plan_table *table, const struct plan_output *output)
{
    for (size_t i = 0; i < output->columns_count; i++) {
        const struct plan_column *column = &output->columns[i];
        if (!column->passes_through && !column_is_fired(output, column)) {
            return false;
        }
    }
    for (size_t i = 0; i < table->key_count; i++) {
        const struct plan_column *carrier = key_carrier(output, table->key[i]);
        if (carrier == NULL || !carrier->passes_through) {
            return false;
        }
    }
    return output->key_count == table->key_count;
}

void hash_plan_init(struct hash_plan *hash, const struct plan_table *table,
                    const struct plan_output *output, bool as_utf8, struct arena *arena)
{
    REQUIRE(hash_plan_possible(table, output));
    *hash = (struct hash_plan){.table = table, .output = output, .as_utf8 = as_utf8};
    hash->columns = arena_must_alloc(arena, output->columns_count * sizeof(*hash->columns));
    for (size_t i = 0; i < output->columns_count; i++) {
        const struct plan_column *column = &output->columns[i];
        if (!column_is_fired(output, column)) {
            hash->columns[hash->columns_count++] =
                make_column(table->columns[column->rule.source_column], column->target, i);
        }
    }
    hash->key_count = table->key_count;
    hash->keys = arena_must_alloc(arena, table->key_count * sizeof(*hash->keys));
    for (size_t i = 0; i < table->key_count; i++) {
        const struct plan_column *carrier = key_carrier(output, table->key[i]);
        REQUIRE(carrier != NULL);
        hash->keys[i] = make_column(table->columns[table->key[i]], carrier->target, i);
    }
}

/* ---- texts ---- */

/* Built-in types whose cast to text is their output function. */
static bool cast_is_output(const struct catalog_column *column)
{
    static const char *const types[] = {"int2",   "int4",   "int8",      "numeric",     "float4",
                                        "float8", "json",   "jsonb",     "uuid",        "date",
                                        "time",   "timetz", "timestamp", "timestamptz", "interval",
                                        "bytea",  "text",   "varchar"};
    for (size_t i = 0; catalog_column_is_built_in(column) && i < RH_COUNT(types); i++) {
        if (strcmp(types[i], column->type_name) == 0) {
            return true;
        }
    }
    return false;
}

/*
 * The output text, NULL for NULL. IS DISTINCT FROM NULL, because a composite of NULLs IS NULL
 * without being NULL.
 */
static void write_output_text(struct buffer *sql, const struct catalog_column *column)
{
    if (cast_is_output(column)) {
        sql_name(sql, column->name);
        write_text(sql, "::pg_catalog.text");
        return;
    }
    write_text(sql, "CASE WHEN ");
    sql_name(sql, column->name);
    write_text(sql, " IS DISTINCT FROM NULL THEN pg_catalog.concat(");
    sql_name(sql, column->name);
    write_text(sql, ") END");
}

/* As key.c makes them canonical. */
static void write_canonical_text(struct buffer *sql, const struct catalog_column *column,
                                 enum key_kind kind)
{
    switch (kind) {
    case KEY_NUMERIC:
        write_text(sql, "pg_catalog.trim_scale(");
        sql_name(sql, column->name);
        write_text(sql, ")::pg_catalog.text");
        return;
    case KEY_BPCHAR: /* the cast strips the padding */
        sql_name(sql, column->name);
        write_text(sql, "::pg_catalog.text");
        return;
    case KEY_VERBATIM:
        write_output_text(sql, column);
        return;
    case KEY_REFUSED:
        break;
    }
    REQUIRE(kind != KEY_REFUSED); /* the mapping compiler lets no such column be a key */
}

void write_key_text(struct buffer *sql, const struct hash_plan *hash, size_t key, enum pg_role side)
{
    write_canonical_text(sql, hash->keys[key].side[side], hash->table->key_kinds[key]);
}

/* ---- hashes ---- */

#define TEXT_HASH "coalesce(pg_catalog.hashtextextended((@) COLLATE pg_catalog.\"C\", #), 0)"
#define UTF8_HASH "pg_catalog.hash_record_extended(ROW(pg_catalog.convert_to((@), 'UTF8')), #)"

/* @ is the column, # the seed. hash_record_extended gives 0 for a row of one NULL by itself. */
static const char *const templates[] = {
    [HASH_INTEGER] = "coalesce(pg_catalog.hashint4extended(#, @::pg_catalog.int8), 0)",
    [HASH_BOOLEAN] = "coalesce(pg_catalog.hashint4extended(@::pg_catalog.int4, #), 0)",
    [HASH_UUID] = "coalesce(pg_catalog.uuid_hash_extended(@, #), 0)",
    [HASH_RECORD] = "pg_catalog.hash_record_extended(ROW(@), #)",
    [HASH_TIMESTAMP] = "pg_catalog.hash_record_extended(ROW(pg_catalog.timestamp_send(@)), #)",
    [HASH_TIMESTAMPTZ] = "pg_catalog.hash_record_extended(ROW(pg_catalog.timestamptz_send(@)), #)",
    [HASH_TEXT] = NULL, /* TEXT_HASH or UTF8_HASH of a text */
    [HASH_OUTPUT] = NULL,
};

static void write_hash(struct buffer *sql, const struct hash_plan *hash,
                       const struct hash_column *column, enum key_kind form, enum pg_role side)
{
    const struct catalog_column *own = column->side[side];
    const char *native = form == KEY_VERBATIM ? templates[column->kind] : NULL;
    const char *at = native != NULL ? native : hash->as_utf8 ? UTF8_HASH : TEXT_HASH;
    for (; *at != '\0'; at++) {
        if (*at == '#') {
            write_format(sql, "%" PRIu32, column->seed);
        } else if (*at != '@') {
            write_u8(sql, (uint8_t)*at);
        } else if (native != NULL) {
            sql_name(sql, own->name);
        } else {
            write_canonical_text(sql, own, form);
        }
    }
}

/* The sessions' search_path is empty: no other `#` can stand before pg_catalog's. */
void write_row_hash(struct buffer *sql, const struct hash_plan *hash, enum pg_role side)
{
    write_text(sql, "pg_catalog.hashint4extended(0, ");
    for (size_t i = 0; i < hash->columns_count; i++) {
        write_text(sql, i > 0 ? " # " : "");
        write_hash(sql, hash, &hash->columns[i], KEY_VERBATIM, side);
    }
    write_text(sql, ")");
}

void write_key_hash(struct buffer *sql, const struct hash_plan *hash, enum pg_role side)
{
    write_text(sql, "(");
    for (size_t i = 0; i < hash->key_count; i++) {
        write_text(sql, i > 0 ? " # " : "");
        write_hash(sql, hash, &hash->keys[i], hash->table->key_kinds[i], side);
    }
    write_text(sql, ")");
}

/* ---- tables ---- */

void write_relation(struct buffer *sql, const struct catalog_table *table)
{
    if (table->kind == 'r') {
        write_text(sql, "ONLY ");
    }
    sql_qualified(sql, table->schema, table->name);
}

void write_from(struct buffer *sql, const struct plan_table *table,
                const struct plan_output *output, enum pg_role side)
{
    write_text(sql, " FROM ");
    write_relation(sql, side == PG_SOURCE ? table->source : output->target);
    bool filtered = side == PG_SOURCE && table->where_sql[0] != '\0';
    write_text(sql, " WHERE (");
    write_text(sql, filtered ? table->where_sql : "true");
    write_text(sql, ")");
}
