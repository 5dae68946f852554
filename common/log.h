/*
 * log -- events on stderr (or a file): one line each, text for people or JSON for machines.
 *
 * An event has a stable, documented name (docs/events.md) and typed fields; values are fields,
 * never prose. Row contents never above debug, secrets never. Thread-safe. Rooms below the loops
 * do not log above debug.
 *
 *     log_event(LEVEL_INFO, "batch_committed", F_STR("table", name), F_INT("rows", rows));
 */
#ifndef RH_COMMON_LOG_H
#define RH_COMMON_LOG_H

#include "common/error.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum log_level { LEVEL_DEBUG, LEVEL_INFO, LEVEL_WARN, LEVEL_ERROR };
enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_JSON };

enum field_kind { FIELD_END, FIELD_STR, FIELD_INT, FIELD_REAL, FIELD_BOOL };
struct log_field {
    enum field_kind kind;
    const char *name;
    union {
        const char *str; /* NULL is left out */
        int64_t integer;
        double real;
        bool boolean;
    } value;
};

#define F_STR(field, text) ((struct log_field){FIELD_STR, (field), {.str = (text)}})
#define F_INT(field, number)                                                                       \
    ((struct log_field){FIELD_INT, (field), {.integer = (int64_t)(number)}})
#define F_REAL(field, number) ((struct log_field){FIELD_REAL, (field), {.real = (number)}})
#define F_BOOL(field, truth)  ((struct log_field){FIELD_BOOL, (field), {.boolean = (truth)}})

/* `program` is kept, not copied. Before the call, events go to stderr as text from LEVEL_INFO. */
void log_init(const char *program, enum log_format format, enum log_level level);
void log_to(FILE *stream); /* where events go; stderr at first; the caller keeps the stream */
enum log_format log_current_format(void);
enum log_level log_current_level(void);
bool log_format_parse(const char *text, enum log_format *ret_format) RH_MUST_CHECK;
bool log_level_parse(const char *text, enum log_level *ret_level) RH_MUST_CHECK;

#define log_event(level, event, ...)                                                               \
    log_fields((level), (event), (const struct log_field[]){__VA_ARGS__, {FIELD_END, NULL, {NULL}}})
void log_fields(enum log_level level, const char *event, const struct log_field *fields);
/* The event `error` with code, object text, sqlstate, hint: a failure's one line. */
void log_error(enum log_level level, const char *event, const struct error *err);

#endif
