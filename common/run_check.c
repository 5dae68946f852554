/*
 * run_check -- what the state of the systems has against creating a run.
 *
 *   RH-4101  one replica of every message: losing a broker's disk loses rows
 *   RH-4102  the source role cannot read a table
 *   RH-4103  row security hides rows from a role
 *   RH-4104  the target role cannot write a table
 *   RH-4105  the target role cannot create the rowhaul schema
 *   RH-4106  a target table has rows that are not ours
 *   RH-4107  more replicas asked for than there are brokers
 *   RH-4108  the source is a standby
 *   RH-4109  the target role does not own a table whose constraints or triggers come off
 */
#include "common/run_parts.h"

#include "common/sql_text.h"

#include <inttypes.h>
#include <string.h>

#define SQL_BYTES_MAX 8192

/* Names for the SQL of a mend, quoted where they have to be. */
struct who {
    const char *source_role, *target_role, *target_database;
};

uint32_t run_replication_factor(const struct settings *settings, uint32_t brokers)
{
    const uint32_t automatic_max = 3;
    if (settings->topics_replication_factor != 0) {
        return settings->topics_replication_factor;
    }
    return brokers < automatic_max ? brokers : automatic_max;
}

static void check_kafka(const struct settings *settings, uint32_t brokers,
                        struct complaints *findings)
{
    uint32_t factor = run_replication_factor(settings, brokers);
    if (factor > brokers) {
        complain(findings, COMPLAINT_ERROR, "RH-4107", NULL, "set topics.replication_factor: auto",
                 "topics.replication_factor is %" PRIu32 ", but Kafka has %" PRIu32 " brokers",
                 factor, brokers);
    } else if (factor < 2 && !settings->topics_allow_unsafe) {
        complain(findings, COMPLAINT_ERROR, "RH-4101", NULL,
                 "add brokers, or accept it: topics.allow_unsafe: true, or --allow-unsafe-kafka",
                 "replication factor 1: losing one broker's disk would lose messages");
    }
}

/* Without USAGE on the schema no privilege on the table helps; granting it twice does no harm. */
static const char *grant(const struct complaints *findings, const char *privileges,
                         const struct catalog_table *table, const char *role)
{
    return arena_must_printf(findings->arena,
                             "GRANT USAGE ON SCHEMA \"%s\" TO %s; GRANT %s ON \"%s\".\"%s\" TO %s",
                             table->schema, role, privileges, table->schema, table->name, role);
}

static void check_source(const struct plan *plan, const struct who *who,
                         struct complaints *findings)
{
    if (plan->source->in_recovery) {
        complain(findings, COMPLAINT_ERROR, "RH-4108", NULL,
                 "name the primary in source.url, or add target_session_attrs=primary",
                 "the source is a standby");
    }
    for (size_t i = 0; i < plan->tables_count; i++) {
        const struct catalog_table *table = plan->tables[i].source;
        if (!table->can_select) {
            complain(findings, COMPLAINT_ERROR, "RH-4102", plan->tables[i].node,
                     grant(findings, "SELECT", table, who->source_role),
                     "role %s cannot read source table \"%s.%s\"", who->source_role, table->schema,
                     table->name);
        }
        if (table->row_security_applies) {
            complain(findings, COMPLAINT_ERROR, "RH-4103", plan->tables[i].node,
                     "use a role with BYPASSRLS, or the table's owner",
                     "row security of source table \"%s.%s\" hides rows from role %s",
                     table->schema, table->name, who->source_role);
        }
    }
}

/* The same table may be an output of several: asked once. */
static bool seen_before(const struct plan *plan, size_t table_index, size_t output_index)
{
    const struct catalog_table *target = plan->tables[table_index].outputs[output_index].target;
    for (size_t i = 0; i <= table_index; i++) {
        size_t end = i == table_index ? output_index : plan->tables[i].outputs_count;
        for (size_t j = 0; j < end; j++) {
            if (plan->tables[i].outputs[j].target == target) {
                return true;
            }
        }
    }
    return false;
}

/* A query of a yes or no: SELECT … AS one boolean. */
static bool ask(struct pg *target, const char *sql, int count, const char *const *values, bool *ret,
                struct error *err)
{
    RH_AUTO(pg_result_clear) PGresult *result = NULL;
    if (!pg_query_params(target, sql, count, values, &result, err)) {
        return false;
    }
    REQUIRE(PQntuples(result) == 1);
    *ret = PQgetvalue(result, 0, 0)[0] == 't';
    return true;
}

static bool check_empty(struct pg *target, const struct plan_table *plan_table,
                        const struct catalog_table *table, struct complaints *findings,
                        struct error *err)
{
    RH_AUTO(arena_release) struct arena scratch;
    arena_init(&scratch, SQL_BYTES_MAX);
    struct buffer sql;
    buffer_init(&sql, &scratch, SQL_BYTES_MAX / 2);
    write_text(&sql, "SELECT EXISTS (SELECT FROM ");
    sql_qualified(&sql, table->schema, table->name);
    write_text(&sql, ")");
    bool filled = false;
    if (!ask(target, buffer_text(&sql), 0, NULL, &filled, err)) {
        return error_wrap(err, "could not look into target table \"%s.%s\"", table->schema,
                          table->name);
    }
    if (filled) {
        complain(
            findings, COMPLAINT_ERROR, "RH-4106", plan_table->node,
            "empty it, together with the tables that refer to it, or take it out of the mapping",
            "target table \"%s.%s\" is not empty, and its rows are not of this run", table->schema,
            table->name);
    }
    return true;
}

static void check_grants(const struct plan_table *plan_table, const struct catalog_table *table,
                         const struct who *who, struct complaints *findings)
{
    if (!table->can_select || !table->can_insert || !table->can_update) {
        complain(findings, COMPLAINT_ERROR, "RH-4104", plan_table->node,
                 grant(findings, "SELECT, INSERT, UPDATE", table, who->target_role),
                 "role %s cannot read and write target table \"%s.%s\"", who->target_role,
                 table->schema, table->name);
    }
    if (table->row_security_applies) {
        complain(findings, COMPLAINT_ERROR, "RH-4103", plan_table->node,
                 "use a role with BYPASSRLS, or the table's owner",
                 "row security of target table \"%s.%s\" hides rows from role %s", table->schema,
                 table->name, who->target_role);
    }
}

/* node: the table's entry in the mapping, or NULL. */
static bool check_owner(struct pg *target, const struct node *node, const char *schema,
                        const char *name, const struct who *who, struct complaints *findings,
                        struct error *err)
{
    static const char sql[] =
        "SELECT pg_catalog.pg_get_userbyid(c.relowner), pg_catalog.pg_has_role(c.relowner, 'USAGE')"
        "  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname = $1 AND c.relname = $2";
    const char *const values[] = {schema, name};
    RH_AUTO(pg_result_clear) PGresult *result = NULL;
    if (!pg_query_params(target, sql, RH_COUNT(values), values, &result, err)) {
        return error_wrap(err, "could not read the owner of target table \"%s.%s\"", schema, name);
    }
    if (PQntuples(result) == 1 && PQgetvalue(result, 0, 1)[0] == 't') {
        return true;
    }
    const char *owner = PQntuples(result) == 1 ? PQgetvalue(result, 0, 0) : "its owner";
    complain(findings, COMPLAINT_ERROR, "RH-4109", node,
             arena_must_printf(findings->arena,
                               "GRANT \"%s\" TO %s, or connect as the owner for the run", owner,
                               who->target_role),
             "role %s does not own target table \"%s.%s\", whose constraints or triggers are taken "
             "off for the run",
             who->target_role, schema, name);
    return true;
}

static bool check_target_table(struct pg *target, const struct plan_table *plan_table,
                               const struct plan_output *output, const struct who *who,
                               struct complaints *findings, struct error *err)
{
    const struct catalog_table *table = output->target;
    check_grants(plan_table, table, who, findings);
    if (output->triggers == TRIGGERS_OFF &&
        !check_owner(target, plan_table->node, table->schema, table->name, who, findings, err)) {
        return false;
    }
    /* Without SELECT the question itself would fail; that it cannot is said already. */
    return !table->can_select || table->row_security_applies ||
           check_empty(target, plan_table, table, findings, err);
}

static bool check_schema(struct pg *target, const struct who *who, struct complaints *findings,
                         struct error *err)
{
    static const char sql[] =
        "SELECT CASE WHEN pg_catalog.to_regnamespace('rowhaul') IS NULL"
        " THEN pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE')"
        " ELSE pg_catalog.has_schema_privilege('rowhaul', 'CREATE') END";
    bool may = false;
    if (!ask(target, sql, 0, NULL, &may, err)) {
        return error_wrap(err, "could not read the role's privileges on the target");
    }
    if (!may) {
        complain(findings, COMPLAINT_ERROR, "RH-4105", NULL,
                 arena_must_printf(findings->arena,
                                   "GRANT CREATE ON DATABASE %s TO %s; where the schema is there "
                                   "already, use the role that made it",
                                   who->target_database, who->target_role),
                 "role %s cannot create the rowhaul schema on the target", who->target_role);
    }
    return true;
}

static bool read_who(struct pg *source, struct pg *target, struct arena *arena, struct who *ret_who,
                     struct error *err)
{
    static const char role_sql[] = "SELECT pg_catalog.quote_ident(current_user)";
    static const char database_sql[] =
        "SELECT pg_catalog.quote_ident(pg_catalog.current_database())";
    return pg_query_text(source, role_sql, arena, &ret_who->source_role, err) &&
           pg_query_text(target, role_sql, arena, &ret_who->target_role, err) &&
           pg_query_text(target, database_sql, arena, &ret_who->target_database, err);
}

/* The entry of the mapping that writes this target table, or NULL. */
static const struct node *entry_of(const struct plan *plan, const char *schema, const char *name)
{
    for (size_t i = 0; i < plan->tables_count; i++) {
        for (size_t j = 0; j < plan->tables[i].outputs_count; j++) {
            const struct catalog_table *target = plan->tables[i].outputs[j].target;
            if (strcmp(target->schema, schema) == 0 && strcmp(target->name, name) == 0) {
                return plan->tables[i].node;
            }
        }
    }
    return NULL;
}

/* Several constraints of one table: asked once. */
static bool check_deferred(struct pg *target, const struct plan *plan, const struct who *who,
                           struct complaints *findings, struct error *err)
{
    for (size_t i = 0; i < plan->deferred_count; i++) {
        const char *schema = plan->deferred[i].schema, *table = plan->deferred[i].table;
        bool seen = false;
        for (size_t j = 0; j < i; j++) {
            seen = seen || (strcmp(plan->deferred[j].schema, schema) == 0 &&
                            strcmp(plan->deferred[j].table, table) == 0);
        }
        if (!seen && !check_owner(target, entry_of(plan, schema, table), schema, table, who,
                                  findings, err)) {
            return false;
        }
    }
    return true;
}

bool run_check(const struct config *config, const struct plan *plan, struct pg *source,
               struct pg *target, uint32_t brokers, struct complaints *findings, struct error *err)
{
    struct who who;
    if (!read_who(source, target, findings->arena, &who, err)) {
        return false;
    }
    check_kafka(&config->settings, brokers, findings);
    check_source(plan, &who, findings);
    if (!check_schema(target, &who, findings, err)) {
        return false;
    }
    for (size_t i = 0; i < plan->tables_count; i++) {
        for (size_t j = 0; j < plan->tables[i].outputs_count; j++) {
            if (!seen_before(plan, i, j) &&
                !check_target_table(target, &plan->tables[i], &plan->tables[i].outputs[j], &who,
                                    findings, err)) {
                return false;
            }
        }
    }
    return check_deferred(target, plan, &who, findings, err);
}
