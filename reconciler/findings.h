/*
 * findings -- what a verification found about one output: counts, a verdict, listed differences.
 *
 * In:     differences, one at a time. Out: exact counts of all of them, and the first ones in full
 *         until the limit of the list or of its memory is reached. No I/O.
 */
#ifndef RH_RECONCILER_FINDINGS_H
#define RH_RECONCILER_FINDINGS_H

#include "common/mapping.h"

#include <stdbool.h>
#include <stdint.h>

enum verify_mode { VERIFY_AUTO, VERIFY_COUNTS, VERIFY_CHECKSUM, VERIFY_ROWS };
/* In the order of what wins when several tables have their say. */
enum verdict { VERDICT_EQUAL, VERDICT_UNVERIFIED, VERDICT_DIFFERENT };
enum difference_kind { DIFFERENCE_MISSING, DIFFERENCE_EXTRA, DIFFERENCE_DIFFERENT };

#define DIFFERENCES_ALL UINT64_MAX

struct column_difference {
    const char *name; /* of the target */
    struct value expected, actual;
};

/* A row of rowhaul.rejects; NULL where it says nothing. */
struct shown_reject {
    const char *kind, *sqlstate, *rule, *constraint, *column, *message;
};

struct difference {
    enum difference_kind kind;
    size_t source_key_count, target_key_count; /* 0: not known */
    struct bytes *source_key;                  /* canonical texts */
    struct bytes *target_key;
    size_t columns_count;
    struct column_difference *columns;
    const char *reason; /* why the source row has no image that the target could hold, or NULL */
    struct shown_reject *reject; /* NULL: none */
    struct difference *next;
};

struct findings {
    const struct plan_table *table;
    const struct plan_output *output;
    enum verify_mode mode; /* never AUTO */
    enum verdict verdict;
    const char *reason; /* of unverified */
    bool counted;       /* the two counts below are known */
    uint64_t source_rows, target_rows;
    bool has_checksums;
    uint64_t source_checksum, target_checksum;
    uint64_t missing, extra, different;
    uint64_t listed, listed_max;
    bool memory_full; /* nothing more is listed */
    struct difference *first, *last;
    struct arena arena; /* of the list and the reason */
};

void findings_init(struct findings *findings, const struct plan_table *table,
                   const struct plan_output *output, enum verify_mode mode, uint64_t listed_max);
void findings_release(struct findings *findings);
/* As after init: a table is verified again from its beginning. */
void findings_reset(struct findings *findings);

/* True while differences are listed: who would read more only for the list may stop. */
bool findings_lists(const struct findings *findings);
/*
 * Counts a difference and lists a copy of it (of everything it points to, but not `next`, `name`
 * and `reject`'s struct itself is copied too).
 */
void findings_add(struct findings *findings, const struct difference *difference);
/* Counts differences of one kind that are not listed. */
void findings_count(struct findings *findings, enum difference_kind kind, uint64_t count);
bool findings_truncated(const struct findings *findings);
/* The verdict that the counts mean. */
void findings_judge(struct findings *findings);
void findings_unverified(struct findings *findings, const char *reason);

const char *verify_mode_name(enum verify_mode mode);
const char *verdict_name(enum verdict verdict);
const char *difference_kind_name(enum difference_kind kind);
/* The verdict over several tables. */
enum verdict verdict_worse(enum verdict a, enum verdict b);

#endif
