/*
 * fixture -- two small catalogs, and a plan between them, for the targets that need a mapping.
 */
#ifndef RH_TESTS_FUZZ_FIXTURE_H
#define RH_TESTS_FUZZ_FIXTURE_H

#include "tests/fuzz/fuzz.h"
#include "tests/support/catalog_builder.h"

#include "common/mapping.h"

#define FIXTURE_ARENA_BYTES ((size_t)64 << 20)

struct fixture {
    struct arena arena;
    struct catalog_builder source, target;
    struct complaints complaints; /* of the last compilation */
};

static void fixture_side(struct catalog_builder *builder, const char *number_type)
{
    struct catalog_table *users = build_table(builder, "public", "users");
    build_column(builder, users, "id", number_type);
    build_column(builder, users, "name", "text");
    build_column(builder, users, "code", "bpchar(3)");
    build_column(builder, users, "paid", "numeric(10,2)");
    build_column(builder, users, "active", "bool");
    build_column(builder, users, "tags", "text[]");
    build_column(builder, users, "data", "jsonb");
    build_column(builder, users, "mood", "public.mood");
    build_column(builder, users, "born", "date");
    build_primary(builder, users, "id");
    build_index(builder, users, "name,code");

    struct catalog_table *orders = build_table(builder, "public", "orders");
    build_column(builder, orders, "id", "uuid");
    build_column(builder, orders, "parent_id", "int8");
    build_column(builder, orders, "seen", "timestamptz");
    build_primary(builder, orders, "id");
    build_foreign_key(builder, orders, "orders_parent", "users");
}

RH_UNUSED static void fixture_init(struct fixture *fixture)
{
    arena_init(&fixture->arena, FIXTURE_ARENA_BYTES);
    catalog_builder_init(&fixture->source, &fixture->arena, "1");
    catalog_builder_init(&fixture->target, &fixture->arena, "2");
    fixture_side(&fixture->source, "int4");
    fixture_side(&fixture->target, "int8");
    build_trigger(&fixture->target.catalog.tables[1], "touch");
}

RH_UNUSED static void fixture_release(struct fixture *fixture)
{
    arena_release(&fixture->arena);
}

RH_UNUSED static bool fixture_compile(struct fixture *fixture, const struct document *document,
                                      struct environment *environment, struct plan *ret_plan)
{
    complaints_init(&fixture->complaints, &fixture->arena, "m.yaml");
    return mapping_compile(document, &fixture->source.catalog, &fixture->target.catalog,
                           environment, &fixture->arena, &fixture->complaints, ret_plan);
}

/* A mapping that is known to be right. */
RH_UNUSED static void fixture_plan(struct fixture *fixture, const char *mapping,
                                   struct plan *ret_plan)
{
    struct document document;
    struct error err = {0};
    struct environment environment = {.arena = &fixture->arena};
    REQUIRE(document_parse("m.yaml", bytes_of(mapping), &fixture->arena, &document, &err));
    REQUIRE(fixture_compile(fixture, &document, &environment, ret_plan));
}

#endif
