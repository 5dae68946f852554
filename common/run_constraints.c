/*
 * run_constraints -- what comes off the target's tables for a run, and back afterwards.
 *
 * Each object is recorded in rowhaul.deferred_ddl in the transaction that takes it off, with the
 * SQL that brings it back: the definition is pg_get_constraintdef's, read with an empty search_path
 * and therefore qualified. NOT VALID first and VALIDATE in a transaction of its own, so that one
 * bad row does not keep a constraint from guarding the new ones.
 */
#include "common/run.h"

#include "common/sql_text.h"

#include <stdio.h>
#include <string.h>

#define SQL_BYTES_MAX ((size_t)1 << 20) /* a foreign key of 32 columns has a few kB */

/* One object to take off; the texts live in the caller's scratch arena. */
struct deferred {
    const char *schema, *table, *object;
    const char *kind; /* as deferred_ddl.kind */
    const char *drop_sql, *restore_sql;
    const char *validate_sql; /* NULL: nothing to validate */
};

static struct buffer sql_begin(struct arena *scratch, const char *schema, const char *table)
{
    struct buffer sql;
    buffer_init(&sql, scratch, SQL_BYTES_MAX / 8);
    write_text(&sql, "ALTER TABLE ");
    sql_qualified(&sql, schema, table);
    return sql;
}

static const char *sql_end(struct buffer *sql)
{
    REQUIRE(!sql->failed);
    return buffer_text(sql);
}

/* ALTER TABLE "s"."t" <action> "name"<rest> */
static const char *alter(struct arena *scratch, const char *schema, const char *table,
                         const char *action, const char *name, const char *rest)
{
    struct buffer sql = sql_begin(scratch, schema, table);
    write_format(&sql, " %s ", action);
    sql_name(&sql, name);
    write_text(&sql, rest);
    return sql_end(&sql);
}

/* ---- off ---- */

static bool record(struct pg *target, const struct run *run, const struct deferred *d,
                   struct error *err)
{
    static const char sql[] =
        "INSERT INTO rowhaul.deferred_ddl (run, schema_name, table_name, object_name, kind,"
        "                                  drop_sql, restore_sql, validate_sql)"
        " VALUES ($1::uuid, $2, $3, $4, $5, $6, $7, $8)"
        " ON CONFLICT (run, schema_name, table_name, kind, object_name)"
        " DO UPDATE SET drop_sql = excluded.drop_sql, restore_sql = excluded.restore_sql,"
        "               validate_sql = excluded.validate_sql, state = 'dropped', message = NULL,"
        "               changed_at = pg_catalog.now()";
    const char *const values[] = {run->id_text, d->schema,   d->table,       d->object,
                                  d->kind,      d->drop_sql, d->restore_sql, d->validate_sql};
    RH_AUTO(pg_result_clear) PGresult *result = NULL;
    return pg_query_params(target, sql, RH_COUNT(values), values, &result, err);
}

static bool take_off(struct pg *target, const struct run *run, const struct deferred *d,
                     struct error *err)
{
    bool ok = pg_run(target, "BEGIN", err) && record(target, run, d, err) &&
              pg_run(target, d->drop_sql, err) && pg_run(target, "COMMIT", err);
    if (!ok) {
        pg_rollback(target);
        return error_wrap(err, "could not take %s \"%s\" off table \"%s.%s\"", d->kind, d->object,
                          d->schema, d->table);
    }
    return true;
}

/* What is there decides, not what is recorded: so a crash in between is no special case. */
static bool exists(struct pg *target, const char *sql, const struct deferred *d, char *ret_state,
                   struct error *err)
{
    const char *const values[] = {d->schema, d->table, d->object};
    RH_AUTO(pg_result_clear) PGresult *result = NULL;
    if (!pg_query_params(target, sql, RH_COUNT(values), values, &result, err)) {
        return error_wrap(err, "could not look for %s \"%s\" of table \"%s.%s\"", d->kind,
                          d->object, d->schema, d->table);
    }
    *ret_state = '\0';
    if (PQntuples(result) == 1) {
        *ret_state = PQgetvalue(result, 0, 0)[0];
    }
    return true;
}

/* PostgreSQL has no NOT VALID foreign keys on partitioned tables: those are added valid, or not. */
static bool defer_foreign_key(const struct run *run, struct pg *target,
                              const struct plan_deferred *planned, struct arena *scratch,
                              struct error *err)
{
    static const char sql[] =
        "SELECT c.relkind FROM pg_catalog.pg_constraint f"
        "  JOIN pg_catalog.pg_class c ON c.oid = f.conrelid"
        "  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname = $1 AND c.relname = $2 AND f.conname = $3 AND f.contype = 'f'";
    const struct catalog_foreign_key *key = planned->foreign_key;
    struct deferred d = {.schema = planned->schema,
                         .table = planned->table,
                         .object = key->name,
                         .kind = "foreign key"};
    char kind = '\0';
    if (!exists(target, sql, &d, &kind, err)) {
        return false;
    }
    if (kind == '\0') {
        return true;
    }
    /* A definition of one that was never valid says NOT VALID itself. */
    bool add_not_valid = key->validated && kind != 'p';
    const char *rest =
        arena_must_printf(scratch, " %s%s", key->definition, add_not_valid ? " NOT VALID" : "");
    d.drop_sql = alter(scratch, d.schema, d.table, "DROP CONSTRAINT", d.object, "");
    d.restore_sql = alter(scratch, d.schema, d.table, "ADD CONSTRAINT", d.object, rest);
    if (add_not_valid) {
        d.validate_sql = alter(scratch, d.schema, d.table, "VALIDATE CONSTRAINT", d.object, "");
    }
    return take_off(target, run, &d, err);
}

static bool defer_trigger(const struct run *run, struct pg *target,
                          const struct catalog_table *table, const struct catalog_trigger *trigger,
                          struct arena *scratch, struct error *err)
{
    static const char sql[] = "SELECT t.tgenabled FROM pg_catalog.pg_trigger t"
                              "  JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid"
                              "  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
                              " WHERE n.nspname = $1 AND c.relname = $2 AND t.tgname = $3"
                              "   AND NOT t.tgisinternal AND t.tgenabled IN ('O', 'A')";
    struct deferred d = {
        .schema = table->schema, .table = table->name, .object = trigger->name, .kind = "trigger"};
    char enabled = '\0';
    if (!exists(target, sql, &d, &enabled, err)) {
        return false;
    }
    if (enabled == '\0') {
        return true;
    }
    const char *enable = enabled == 'A' ? "ENABLE ALWAYS TRIGGER" : "ENABLE TRIGGER";
    d.drop_sql = alter(scratch, d.schema, d.table, "DISABLE TRIGGER", d.object, "");
    d.restore_sql = alter(scratch, d.schema, d.table, enable, d.object, "");
    return take_off(target, run, &d, err);
}

static bool defer_triggers(const struct run *run, struct pg *target,
                           const struct plan_output *output, struct arena *scratch,
                           struct error *err)
{
    const struct catalog_table *table = output->target;
    for (size_t i = 0; output->triggers == TRIGGERS_OFF && i < table->triggers_count; i++) {
        const struct catalog_trigger *trigger = &table->triggers[i];
        if (trigger->before && trigger->row && trigger->enabled &&
            !defer_trigger(run, target, table, trigger, scratch, err)) {
            return false;
        }
    }
    return true;
}

bool run_defer_constraints(const struct run *run, struct pg *target, struct error *err)
{
    RH_AUTO(arena_release) struct arena scratch;
    arena_init(&scratch, SQL_BYTES_MAX);
    const struct plan *plan = &run->plan;
    for (size_t i = 0; i < plan->deferred_count; i++) {
        arena_reset(&scratch);
        if (!defer_foreign_key(run, target, &plan->deferred[i], &scratch, err)) {
            return false;
        }
    }
    for (size_t i = 0; i < plan->tables_count; i++) {
        for (size_t j = 0; j < plan->tables[i].outputs_count; j++) {
            arena_reset(&scratch);
            if (!defer_triggers(run, target, &plan->tables[i].outputs[j], &scratch, err)) {
                return false;
            }
        }
    }
    return true;
}

/* ---- back ---- */

enum restored_column { COLUMN_RESTORE, COLUMN_VALIDATE, COLUMN_STATE, COLUMN_OBJECT };

/* The new state of a record, in the transaction of the change or in one of its own. */
static bool set_state(struct pg *target, const char *run_id, const PGresult *list, int row,
                      const char *state, const char *message, struct error *err)
{
    static const char sql[] =
        "UPDATE rowhaul.deferred_ddl SET state = $3, message = $4, changed_at = pg_catalog.now()"
        " WHERE run = $1::uuid AND restore_sql = $2";
    const char *const values[] = {run_id, PQgetvalue(list, row, COLUMN_RESTORE), state, message};
    RH_AUTO(pg_result_clear) PGresult *result = NULL;
    return pg_query_params(target, sql, RH_COUNT(values), values, &result, err);
}

/* A step and its record together; not ret_done: `reason` says why the server refused it. */
static bool step(struct pg *target, const char *run_id, const PGresult *list, int row,
                 const char *sql, const char *state, struct error *reason, bool *ret_done,
                 struct error *err)
{
    *ret_done = pg_run(target, "BEGIN", reason) && pg_run(target, sql, reason) &&
                set_state(target, run_id, list, row, state, NULL, reason) &&
                pg_run(target, "COMMIT", reason);
    if (*ret_done) {
        return true;
    }
    pg_rollback(target);
    if (reason->action == ERROR_RETRY) {
        *err = *reason; /* nothing against the constraint: the server or a lock */
        return false;
    }
    return true;
}

static bool note_failure(struct pg *target, const char *run_id, const PGresult *list, int row,
                         const char *state, const struct error *reason, uint32_t *failed,
                         struct error *err)
{
    ++*failed;
    return set_state(target, run_id, list, row, state, reason->text, err);
}

static bool restore_one(struct pg *target, const char *run_id, const PGresult *list, int row,
                        uint32_t *failed, struct error *err)
{
    const char *restore_sql = PQgetvalue(list, row, COLUMN_RESTORE);
    bool validates = !PQgetisnull(list, row, COLUMN_VALIDATE);
    bool away = strcmp(PQgetvalue(list, row, COLUMN_STATE), "dropped") == 0;
    struct error reason;
    bool done = true;
    if (away && !step(target, run_id, list, row, restore_sql, validates ? "not valid" : "restored",
                      &reason, &done, err)) {
        return false;
    }
    /* duplicate_object: somebody brought it back already, by the same name. */
    if (!done && strcmp(reason.sqlstate, "42710") != 0) {
        return note_failure(target, run_id, list, row, "dropped", &reason, failed, err);
    }
    if (!validates) {
        return done || set_state(target, run_id, list, row, "restored", NULL, err);
    }
    if (!step(target, run_id, list, row, PQgetvalue(list, row, COLUMN_VALIDATE), "restored",
              &reason, &done, err)) {
        return false;
    }
    return done || note_failure(target, run_id, list, row, "not valid", &reason, failed, err);
}

bool run_restore_constraints(const char *run_id, struct pg *target, uint32_t *ret_failed,
                             struct error *err)
{
    static const char sql[] =
        "SELECT restore_sql, validate_sql, state, object_name FROM rowhaul.deferred_ddl"
        " WHERE run = $1::uuid AND state <> 'restored' ORDER BY schema_name, table_name, "
        "object_name";
    RH_AUTO(pg_result_clear) PGresult *list = NULL;
    if (!pg_query_params(target, sql, 1, &run_id, &list, err)) {
        return error_wrap(err, "could not read what is to be restored");
    }
    uint32_t failed = 0;
    for (int i = 0; i < PQntuples(list); i++) {
        if (!restore_one(target, run_id, list, i, &failed, err)) {
            return error_wrap(err, "could not restore \"%s\"", PQgetvalue(list, i, COLUMN_OBJECT));
        }
    }
    *ret_failed = failed;
    return true;
}
