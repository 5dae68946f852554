/*
 * settings_table -- the rows behind settings.h: one per key of the file, everything known about it.
 *
 * Parsing, range checks, defaults, "did you mean" and docs/settings.md all read the same rows; a
 * key exists when it has one. Private to the settings files.
 */
#ifndef RH_COMMON_SETTINGS_TABLE_H
#define RH_COMMON_SETTINGS_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum setting_kind {
    SETTING_TEXT,
    SETTING_URL, /* a PostgreSQL connection string */
    SETTING_COUNT,
    SETTING_BYTES,
    SETTING_MILLISECONDS,
    SETTING_PERCENT, /* stored as a share: 5% is 0.05 */
    SETTING_BOOL,
    SETTING_ENUM,
    /* The kinds below have no value of their own. */
    SETTING_KAFKA,     /* "kafka.*": every key below is librdkafka's */
    SETTING_ELSEWHERE, /* known here, read by the mapping */
    SETTING_REFUSED,   /* known, but not in this version */
};

/* What a text may look like. */
struct setting_pattern {
    const char *first; /* characters allowed at the start */
    const char *rest;
    size_t len_max;
    const char *shown;
};

/* A value of an enum; the list ends with name NULL. */
struct setting_choice {
    const char *name;
    unsigned value;
};

/* A word that is allowed instead of a number: "auto", "unlimited", "none". */
struct setting_word {
    const char *name;
    uint64_t value;
};

struct setting {
    const char *path; /* "topics.partitions"; at most one dot */
    enum setting_kind kind;
    const char *unit;         /* of a COUNT, for the page: "rows"; or NULL */
    const char *default_text; /* as it would be written in the file, or NULL */
    uint64_t min, max;        /* inclusive, in bytes, milliseconds, percent or the count's unit */
    struct setting_word word;
    const struct setting_choice *choices;  /* ENUM */
    const struct setting_pattern *pattern; /* TEXT, or NULL: any */
    bool required;
    bool secret;   /* never shown; `file:PATH` reads it from a file */
    size_t offset; /* into struct settings */
    size_t size;   /* of the member; 0: checked only, not stored */
    const char *help;
};

extern const struct setting settings_table[];
extern const size_t settings_table_count;

#endif
