/*
 * run_compile -- from the file and the two databases to a plan.
 */
#include "common/run.h"

#include <stdio.h>

static struct catalog *read_catalog(struct pg *pg, const struct table_name *tables, size_t count,
                                    struct arena *arena, struct error *err)
{
    struct catalog *catalog = arena_must_alloc(arena, sizeof(*catalog));
    return catalog_read(pg, tables, count, arena, catalog, err) ? catalog : NULL;
}

bool run_compile(const struct config *config, struct pg *source, struct pg *target,
                 struct arena *arena, struct plan *ret_plan, struct environment *environment,
                 struct error *err)
{
    environment->arena = arena;
    struct complaints complaints;
    complaints_init(&complaints, arena, config->settings.file);
    struct table_name *sources = NULL;
    struct table_name *targets = NULL;
    size_t sources_count = 0;
    size_t targets_count = 0;
    if (!mapping_tables(&config->document, arena, &complaints, &sources, &sources_count, &targets,
                        &targets_count)) {
        return complaints_report(&complaints, err);
    }
    const struct catalog *source_catalog = read_catalog(source, sources, sources_count, arena, err);
    if (source_catalog == NULL) {
        return error_wrap(err, "could not read the catalog of the source");
    }
    const struct catalog *target_catalog = read_catalog(target, targets, targets_count, arena, err);
    if (target_catalog == NULL) {
        return error_wrap(err, "could not read the catalog of the target");
    }
    struct plan plan = {.name = NULL};
    bool ok = mapping_compile(&config->document, source_catalog, target_catalog, environment, arena,
                              &complaints, &plan);
    REQUIRE(ok == (complaints.errors_count == 0));
    if (!complaints_report(&complaints, err)) {
        return false;
    }
    *ret_plan = plan;
    return true;
}
