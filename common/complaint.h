/*
 * complaint -- a list of what is wrong with a file, so that all of it is printed, not the first.
 *
 * Each has a place (file:line:column), the rule's id or the object, the text, and a mend.
 */
#ifndef RH_COMMON_COMPLAINT_H
#define RH_COMMON_COMPLAINT_H

#include "common/arena.h"
#include "common/document.h"

#include <stddef.h>
#include <stdio.h>

enum complaint_level { COMPLAINT_ERROR, COMPLAINT_WARNING };

struct complaint {
    enum complaint_level level;
    const char *code; /* "RH-3nnn", see docs/errors.md */
    int line, column; /* 0, 0: no place */
    const char *text;
    const char *hint; /* the mend, or NULL */
    struct complaint *next;
};

struct complaints {
    struct arena *arena;
    const char *file;
    struct complaint *first; /* sorted by place; at most 1000 of each level are kept */
    size_t errors_count;     /* of all, kept or not */
    size_t warnings_count;
};

void complaints_init(struct complaints *complaints, struct arena *arena, const char *file);
/* node NULL: no place. The text is formatted into the arena; hint NULL or static or in the arena.
 */
void complain(struct complaints *complaints, enum complaint_level level, const char *code,
              const struct node *node, const char *hint, const char *format, ...) RH_PRINTF(6, 7);
/* One line each: `file:line:column: error RH-3004: text (hint)`. Sorted by place. */
void complaints_print(const struct complaints *complaints, FILE *stream);
/*
 * Prints all of them on stderr; false with the first as the error if one is an error. The error is
 * marked as shown, so that a person does not read it twice.
 */
bool complaints_report(const struct complaints *complaints, struct error *err) RH_MUST_CHECK;
/*
 * The same for an error whose text begins with its place in this file ("FILE:LINE:COLUMN: "):
 * what is not readable as YAML at all has no list.
 */
void complaint_show(const char *file, struct error *err);
/* The first error as an error object (EXIT_CONFIG) naming how many there are; false if any error.
 */
bool complaints_to_error(const struct complaints *complaints, struct error *err);

#endif
