#include "cli/validate.h"

#include "cli/output.h"
#include "cli/session.h"

#include <inttypes.h>

const struct option_spec validate_option_specs[] = {
    {"offline", 0, OPTION_FLAG, NULL, "check the file's form only; ask no database",
     offsetof(struct validate_options, offline), false},
    {NULL, 0, OPTION_FLAG, NULL, NULL, 0, false},
};

void validate_print_output(const struct plan_table *table, const struct plan_output *output,
                           FILE *stream)
{
    fprintf(stream, "%s: %s.%s -> %s.%s, %zu column%s, key ", table->id, table->source->schema,
            table->source->name, output->target->schema, output->target->name,
            output->columns_count, output->columns_count == 1 ? "" : "s");
    for (size_t i = 0; i < table->key_count; i++) {
        fprintf(stream, "%s%s", i == 0 ? "" : ", ", table->columns[table->key[i]]->name);
    }
    fprintf(stream, ", level %" PRIu32 "\n", table->level);
}

static json_t *output_object(const struct plan_table *table, const struct plan_output *output,
                             struct arena *arena)
{
    json_t *key = json_array();
    for (size_t i = 0; i < table->key_count; i++) {
        (void)json_array_append_new(key,
                                    output_text(bytes_of(table->columns[table->key[i]]->name)));
    }
    json_t *object = json_object();
    output_set(object, "id", output_text(bytes_of(table->id)));
    output_set(object, "source",
               output_text(bytes_of(
                   arena_must_printf(arena, "%s.%s", table->source->schema, table->source->name))));
    output_set(object, "target",
               output_text(bytes_of(arena_must_printf(arena, "%s.%s", output->target->schema,
                                                      output->target->name))));
    output_set(object, "columns", json_integer((json_int_t)output->columns_count));
    output_set(object, "key", key);
    output_set(object, "level", json_integer((json_int_t)table->level));
    return object;
}

static bool print_plan(struct session *session, const struct plan *plan, struct error *err)
{
    for (size_t i = 0; i < plan->tables_count; i++) {
        const struct plan_table *table = &plan->tables[i];
        for (size_t j = 0; j < table->outputs_count; j++) {
            const struct plan_output *output = &table->outputs[j];
            if (!session->json) {
                validate_print_output(table, output, stdout);
            } else if (!output_json(output_object(table, output, &session->arena), err)) {
                return false;
            }
        }
    }
    return true;
}

/* What the file names, and what the databases have of it. */
struct names {
    struct table_name *source, *target;
    size_t source_count, target_count;
};

static bool read_catalog(struct session *session, enum pg_role role, const struct table_name *names,
                         size_t count, struct catalog *ret_catalog, struct error *err)
{
    const struct settings *settings = &session->config.settings;
    struct pg pg = {0};
    bool ok = pg_open(&pg, role, role == PG_SOURCE ? settings->source_url : settings->target_url,
                      SESSION_PROGRAM, err) &&
              catalog_read(&pg, names, count, &session->arena, ret_catalog, err);
    pg_close(&pg);
    return ok || error_wrap(err, "could not read the catalog of the %s",
                            role == PG_SOURCE ? "source" : "target");
}

/* As run_compile does; here the warnings count too. */
static bool compile(struct session *session, const struct names *names,
                    struct complaints *complaints, struct error *err)
{
    struct arena *arena = &session->arena;
    struct catalog *source = arena_must_alloc(arena, sizeof(*source));
    struct catalog *target = arena_must_alloc(arena, sizeof(*target));
    struct environment environment = {.arena = arena};
    struct plan plan;
    if (!read_catalog(session, PG_SOURCE, names->source, names->source_count, source, err) ||
        !read_catalog(session, PG_TARGET, names->target, names->target_count, target, err)) {
        return false;
    }
    if (!mapping_compile(&session->config.document, source, target, &environment, arena, complaints,
                         &plan)) {
        return complaints_report(complaints, err);
    }
    complaints_print(complaints, stderr);
    return print_plan(session, &plan, err);
}

static bool check(struct session *session, bool offline, struct complaints *complaints,
                  struct error *err)
{
    struct names names;
    if (!kafka_check_properties(&session->config.settings, err)) {
        complaint_show(session->config.settings.file, err);
        return false;
    }
    if (!mapping_tables(&session->config.document, &session->arena, complaints, &names.source,
                        &names.source_count, &names.target, &names.target_count)) {
        return complaints_report(complaints, err);
    }
    if (!offline) {
        return compile(session, &names, complaints, err);
    }
    complaints_print(complaints, stderr);
    return true;
}

static void print_summary(const struct session *session, bool offline, size_t warnings)
{
    if (session->json) {
        return; /* the lines are the result; warnings are on stderr and in the exit code */
    }
    printf("%s: %s; %zu warning%s\n", session->config.settings.file,
           offline ? "the form is right, no database was asked" : "the mapping is right", warnings,
           warnings == 1 ? "" : "s");
}

int validate_command(void *options, size_t argc, char **argv)
{
    (void)argc; /* the table allows no words */
    (void)argv;
    const struct validate_options *given = options;
    struct error err = {0};
    struct session session = {.json = false};
    struct complaints complaints = {.warnings_count = 0};
    bool ok = session_configure(&session, &given->common, &err);
    if (ok) {
        complaints_init(&complaints, &session.arena, session.config.settings.file);
        ok = check(&session, given->offline, &complaints, &err);
    }
    if (ok) {
        print_summary(&session, given->offline, complaints.warnings_count);
    }
    enum exit_code done = complaints.warnings_count > 0 ? EXIT_WARNINGS : EXIT_DONE;
    return session_end(&session, "validate_failed", ok, done, &err);
}
