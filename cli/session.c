#include "cli/session.h"

#include "cli/output.h"
#include "common/nearest.h"
#include "common/program.h"
#include "common/shutdown.h"

#include <string.h>

#define ARENA_LIMIT_BYTES ((size_t)256 << 20)

static bool read_format(const char *format, bool *ret_json, struct error *err)
{
    *ret_json = format != NULL && strcmp(format, "json") == 0;
    if (format == NULL || *ret_json || strcmp(format, "text") == 0) {
        return true;
    }
    return error_stop(err, EXIT_USAGE, "RH-2010",
                      "option \"--format\" must be text or json, not \"%s\"", format);
}

bool session_configure(struct session *session, const struct common_options *options,
                       struct error *err)
{
    arena_init(&session->arena, ARENA_LIMIT_BYTES);
    return program_begin(SESSION_PROGRAM, options, &session->arena, &session->config, err) &&
           read_format(options->format, &session->json, err);
}

bool session_load_run(struct session *session, struct error *err)
{
    return pg_open(&session->target, PG_TARGET, session->config.settings.target_url,
                   SESSION_PROGRAM, err) &&
           run_load(&session->config, &session->target, &session->arena, &session->run, err);
}

/* A reader that left early got what it asked for; nothing of ours failed. */
static int exit_code_of(const char *event, bool ok, enum exit_code done, const struct error *err)
{
    if (!ok && shutdown_requested()) {
        return 128 + shutdown_signal();
    }
    if (ok || output_closed()) {
        return (int)done;
    }
    return program_end(event, false, err);
}

int session_end(struct session *session, const char *event, bool ok, enum exit_code done,
                const struct error *err)
{
    struct error unwritten = {0};
    bool written = output_flush(&unwritten);
    int code = exit_code_of(event, ok && written, done, ok ? &unwritten : err);
    pg_close(&session->target);
    arena_release(&session->arena);
    return code;
}

const struct plan_table *session_table(struct session *session, const char *id, struct error *err)
{
    const struct plan *plan = &session->run.plan;
    const struct plan_table *table = plan_table_find(plan, id);
    if (table != NULL) {
        return table;
    }
    const char **names =
        arena_must_alloc(&session->arena, (plan->tables_count + 1) * sizeof(*names));
    for (size_t i = 0; i < plan->tables_count; i++) {
        names[i] = plan->tables[i].id;
    }
    const char *nearest = nearest_name(id, names, plan->tables_count);
    (void)error_stop(err, EXIT_USAGE, "RH-2011", "the mapping has no table \"%s\"", id);
    if (nearest != NULL) {
        (void)error_hint(err, "did you mean \"%s\"?", nearest);
    }
    return NULL;
}
