/*
 * mapping_fixture -- compiles a mapping text against two catalogs made by hand; complaints come as
 * the text that people see.
 */
#ifndef RH_TESTS_MAPPING_FIXTURE_H
#define RH_TESTS_MAPPING_FIXTURE_H

#include "tests/support/catalog_builder.h"

#include "common/mapping.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct mapping_fixture {
    struct arena arena;
    struct catalog_builder source, target;
    struct environment environment;
    struct plan plan;
    bool compiled;
};

RH_UNUSED static void mapping_fixture_init(struct mapping_fixture *fixture)
{
    *fixture = (struct mapping_fixture){0};
    arena_init(&fixture->arena, (size_t)16 << 20);
    fixture->environment.arena = &fixture->arena;
    catalog_builder_init(&fixture->source, &fixture->arena, "1");
    catalog_builder_init(&fixture->target, &fixture->arena, "2");
}

RH_UNUSED static void mapping_fixture_release(struct mapping_fixture *fixture)
{
    arena_release(&fixture->arena);
}

RH_UNUSED static void parse_mapping(struct mapping_fixture *fixture, const char *text,
                                    struct document *document)
{
    struct error err;
    if (!document_parse("m.yaml", bytes_of(text), &fixture->arena, document, &err))
        fail_msg("%s", err.text);
}

RH_UNUSED static const char *shown_complaints(struct mapping_fixture *fixture,
                                              const struct complaints *complaints)
{
    char *text = NULL;
    size_t size;
    FILE *stream = open_memstream(&text, &size);
    assert_non_null(stream);
    complaints_print(complaints, stream);
    fclose(stream);
    const char *copy = arena_must_strdup(&fixture->arena, text);
    free(text);
    return copy;
}

/* The complaints' text; fixture->plan when fixture->compiled. */
RH_UNUSED static const char *compile_mapping(struct mapping_fixture *fixture, const char *text)
{
    struct document document;
    struct complaints complaints;
    parse_mapping(fixture, text, &document);
    complaints_init(&complaints, &fixture->arena, "m.yaml");
    fixture->compiled =
        mapping_compile(&document, &fixture->source.catalog, &fixture->target.catalog,
                        &fixture->environment, &fixture->arena, &complaints, &fixture->plan);
    assert_int_equal(fixture->compiled, complaints.errors_count == 0);
    return shown_complaints(fixture, &complaints);
}

RH_UNUSED static const struct plan *must_compile(struct mapping_fixture *fixture, const char *text)
{
    const char *complaints = compile_mapping(fixture, text);
    if (!fixture->compiled || complaints[0] != '\0')
        fail_msg("%s", complaints);
    return &fixture->plan;
}

#endif
