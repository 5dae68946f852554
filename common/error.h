/*
 * error -- what went wrong, and what may be done about it.
 *
 * Functions that can fail return bool and take `struct error *err` last; it is never NULL, and
 * outputs are untouched on failure. The action is decided where the cause is known (pg.c for
 * SQLSTATEs, kafka.c for Kafka's codes) and obeyed where the work can be repeated. Nobody between
 * branches on it.
 *
 * Texts follow PostgreSQL: lower case, no period, "could not"/"cannot", names in double quotes.
 * `code` names a fatal condition ("TOPIC_FOREIGN", see docs/errors.md) and decides the exit code.
 */
#ifndef RH_COMMON_ERROR_H
#define RH_COMMON_ERROR_H

#include "common/compiler.h"

#include <stdbool.h>

/* The code of an error that has none of its own: nobody foresaw it. */
#define ERROR_CODE_INTERNAL "RH-7000"

enum error_action {
    ERROR_RETRY, /* the same input may succeed later: lost connection, serialization failure */
    ERROR_ROW,   /* this input never will: a value the target cannot hold */
    ERROR_PARK,  /* this input will when another row is there: only the order is wrong */
    ERROR_STOP,  /* nothing may proceed: bad settings, fenced, schema drift */
};

/* Exit codes, stable; docs/exit-codes in interface documentation. */
enum exit_code {
    EXIT_DONE = 0,
    EXIT_WARNINGS = 1,
    EXIT_USAGE = 2,
    EXIT_CONFIG = 3,
    EXIT_CHECK = 4,
    EXIT_DIFFERENT = 5,
    EXIT_UNVERIFIED = 6,
    EXIT_SOURCE = 7,
    EXIT_TARGET = 8,
    EXIT_KAFKA = 9,
    EXIT_PAUSED = 10,
    EXIT_STATE = 13,
    EXIT_INTERNAL = 70,
    EXIT_SIGINT = 130,
    EXIT_SIGTERM = 143,
};

struct error {
    enum error_action action;
    enum exit_code exit_code; /* what a program ends with when this stops it; 0 = EXIT_INTERNAL */
    bool shown;               /* its complaints were printed already, place by place */
    char sqlstate[6];         /* "" unless PostgreSQL said so */
    int kafka_code;           /* rd_kafka_resp_err_t, 0 unless Kafka said so */
    const char *code;         /* "RETENTION_LOST", "RH-3012", ...: static text, or NULL */
    const char *hint;    /* the operator's next step: static text or in err->hint_text, or NULL */
    char constraint[64]; /* as PostgreSQL reports it, "" if none */
    char column[64];
    char text[1024]; /* outermost context first */
    char hint_text[512];
};

/* Both return false, so that `return error_set(...)` fails. error_set forgets what was there. */
bool error_set(struct error *err, enum error_action action, const char *format, ...)
    RH_PRINTF(3, 4);
/* The common fatal form: ERROR_STOP with an exit code and a documented code (see docs/errors.md).
 */
bool error_stop(struct error *err, enum exit_code exit_code, const char *code, const char *format,
                ...) RH_PRINTF(4, 5);
/* Puts "context: " before the text; the rest stays. */
bool error_wrap(struct error *err, const char *format, ...) RH_PRINTF(2, 3);
/* Sets the hint; returns false too, so that it can close a failing return. */
bool error_hint(struct error *err, const char *format, ...) RH_PRINTF(2, 3);

#endif
