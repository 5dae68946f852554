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

static void check_source(const struct plan *plan, struct complaints *findings)
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
                     arena_must_printf(findings->arena, "GRANT SELECT ON \"%s\".\"%s\" TO <role>",
                                       table->schema, table->name),
                     "the source role cannot read table \"%s.%s\"", table->schema, table->name);
        }
        if (table->row_security_applies) {
            complain(findings, COMPLAINT_ERROR, "RH-4103", plan->tables[i].node,
                     "use a role with BYPASSRLS, or the table's owner",
                     "row security of source table \"%s.%s\" hides rows from the role",
                     table->schema, table->name);
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
                         struct complaints *findings)
{
    if (!table->can_select || !table->can_insert || !table->can_update) {
        complain(findings, COMPLAINT_ERROR, "RH-4104", plan_table->node,
                 arena_must_printf(findings->arena,
                                   "GRANT SELECT, INSERT, UPDATE ON \"%s\".\"%s\" TO <role>",
                                   table->schema, table->name),
                 "the target role cannot read and write table \"%s.%s\"", table->schema,
                 table->name);
    }
    if (table->row_security_applies) {
        complain(findings, COMPLAINT_ERROR, "RH-4103", plan_table->node,
                 "use a role with BYPASSRLS, or the table's owner",
                 "row security of target table \"%s.%s\" hides rows from the role", table->schema,
                 table->name);
    }
}

static bool check_owner(struct pg *target, const char *schema, const char *name,
                        struct complaints *findings, struct error *err)
{
    static const char sql[] =
        "SELECT coalesce((SELECT pg_catalog.pg_has_role(c.relowner, 'USAGE')"
        "  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname = $1 AND c.relname = $2), false)";
    const char *const values[] = {schema, name};
    bool owns = false;
    if (!ask(target, sql, RH_COUNT(values), values, &owns, err)) {
        return error_wrap(err, "could not read the owner of target table \"%s.%s\"", schema, name);
    }
    if (!owns) {
        complain(findings, COMPLAINT_ERROR, "RH-4109", NULL,
                 arena_must_printf(findings->arena, "GRANT the owner of \"%s\".\"%s\" TO <role>",
                                   schema, name),
                 "the target role does not own table \"%s.%s\", whose constraints or triggers are "
                 "taken off for the run",
                 schema, name);
    }
    return true;
}

static bool check_target_table(struct pg *target, const struct plan_table *plan_table,
                               const struct plan_output *output, struct complaints *findings,
                               struct error *err)
{
    const struct catalog_table *table = output->target;
    check_grants(plan_table, table, findings);
    if (output->triggers == TRIGGERS_OFF &&
        !check_owner(target, table->schema, table->name, findings, err)) {
        return false;
    }
    /* Without SELECT the question itself would fail; that it cannot is said already. */
    return !table->can_select || table->row_security_applies ||
           check_empty(target, plan_table, table, findings, err);
}

static bool check_schema(struct pg *target, struct complaints *findings, struct error *err)
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
                 "GRANT CREATE ON DATABASE <target> TO <role>; where the schema is there already, "
                 "use the role that made it",
                 "the target role cannot create the rowhaul schema");
    }
    return true;
}

bool run_check(const struct config *config, const struct plan *plan, struct pg *target,
               uint32_t brokers, struct complaints *findings, struct error *err)
{
    check_kafka(&config->settings, brokers, findings);
    check_source(plan, findings);
    if (!check_schema(target, findings, err)) {
        return false;
    }
    for (size_t i = 0; i < plan->tables_count; i++) {
        for (size_t j = 0; j < plan->tables[i].outputs_count; j++) {
            if (!seen_before(plan, i, j) &&
                !check_target_table(target, &plan->tables[i], &plan->tables[i].outputs[j], findings,
                                    err)) {
                return false;
            }
        }
    }
    for (size_t i = 0; i < plan->deferred_count; i++) {
        if (!check_owner(target, plan->deferred[i].schema, plan->deferred[i].table, findings,
                         err)) {
            return false;
        }
    }
    return true;
}
