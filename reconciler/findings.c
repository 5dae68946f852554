#include "reconciler/findings.h"

/* The list of one table; beyond it differences are counted only. */
#define LIST_BYTES_MAX ((size_t)256 << 20)

static const char *const mode_names[] = {
    [VERIFY_AUTO] = "auto",
    [VERIFY_COUNTS] = "counts",
    [VERIFY_CHECKSUM] = "checksum",
    [VERIFY_ROWS] = "rows",
};

static const char *const verdict_names[] = {
    [VERDICT_EQUAL] = "equal",
    [VERDICT_UNVERIFIED] = "unverified",
    [VERDICT_DIFFERENT] = "different",
};

static const char *const kind_names[] = {
    [DIFFERENCE_MISSING] = "missing",
    [DIFFERENCE_EXTRA] = "extra",
    [DIFFERENCE_DIFFERENT] = "different",
};

const char *verify_mode_name(enum verify_mode mode)
{
    return mode_names[mode];
}

const char *verdict_name(enum verdict verdict)
{
    return verdict_names[verdict];
}

const char *difference_kind_name(enum difference_kind kind)
{
    return kind_names[kind];
}

enum verdict verdict_worse(enum verdict a, enum verdict b)
{
    return a > b ? a : b;
}

void findings_init(struct findings *findings, const struct plan_table *table,
                   const struct plan_output *output, enum verify_mode mode, uint64_t listed_max)
{
    *findings =
        (struct findings){.table = table, .output = output, .mode = mode, .listed_max = listed_max};
    arena_init(&findings->arena, LIST_BYTES_MAX);
}

void findings_release(struct findings *findings)
{
    arena_release(&findings->arena);
}

void findings_reset(struct findings *findings)
{
    struct arena arena = findings->arena;
    arena_reset(&arena);
    *findings = (struct findings){.table = findings->table,
                                  .output = findings->output,
                                  .mode = findings->mode,
                                  .listed_max = findings->listed_max,
                                  .arena = arena};
}

bool findings_lists(const struct findings *findings)
{
    return findings->listed < findings->listed_max && !findings->memory_full;
}

/* ---- copies: each says false when the list's memory is full ---- */

static bool copy_text(struct arena *arena, const char **text)
{
    if (*text != NULL) {
        *text = bytes_to_text(arena, bytes_of(*text));
        return *text != NULL;
    }
    return true;
}

static bool copy_value(struct arena *arena, struct value *value)
{
    if (value->kind == VALUE_TEXT) {
        value->bytes = bytes_copy(arena, value->bytes);
        return value->bytes.ptr != NULL;
    }
    return true;
}

static bool copy_key(struct arena *arena, struct bytes **key, size_t count)
{
    struct bytes *copy = arena_alloc(arena, (count + 1) * sizeof *copy);
    if (copy == NULL) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        copy[i] = bytes_copy(arena, (*key)[i]);
        if (copy[i].ptr == NULL) {
            return false;
        }
    }
    *key = copy;
    return true;
}

static bool copy_columns(struct arena *arena, struct difference *difference)
{
    size_t count = difference->columns_count;
    struct column_difference *copy = arena_alloc(arena, (count + 1) * sizeof *copy);
    if (copy == NULL) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        copy[i] = difference->columns[i];
        if (!copy_value(arena, &copy[i].expected) || !copy_value(arena, &copy[i].actual)) {
            return false;
        }
    }
    difference->columns = copy;
    return true;
}

static bool copy_reject(struct arena *arena, struct difference *difference)
{
    if (difference->reject == NULL) {
        return true;
    }
    struct shown_reject *copy = arena_alloc(arena, sizeof *copy);
    if (copy == NULL) {
        return false;
    }
    *copy = *difference->reject;
    difference->reject = copy;
    return copy_text(arena, &copy->kind) && copy_text(arena, &copy->sqlstate) &&
           copy_text(arena, &copy->rule) && copy_text(arena, &copy->constraint) &&
           copy_text(arena, &copy->column) && copy_text(arena, &copy->message);
}

static struct difference *copy_difference(struct arena *arena, const struct difference *difference)
{
    struct difference *copy = arena_alloc(arena, sizeof *copy);
    if (copy == NULL) {
        return NULL;
    }
    *copy = *difference;
    copy->next = NULL;
    bool whole = copy_key(arena, &copy->source_key, copy->source_key_count) &&
                 copy_key(arena, &copy->target_key, copy->target_key_count) &&
                 copy_columns(arena, copy) && copy_text(arena, &copy->reason) &&
                 copy_reject(arena, copy);
    return whole ? copy : NULL;
}

/* ---- differences ---- */

void findings_count(struct findings *findings, enum difference_kind kind, uint64_t count)
{
    switch (kind) {
    case DIFFERENCE_MISSING:
        findings->missing += count;
        return;
    case DIFFERENCE_EXTRA:
        findings->extra += count;
        return;
    case DIFFERENCE_DIFFERENT:
        findings->different += count;
        return;
    }
}

void findings_add(struct findings *findings, const struct difference *difference)
{
    findings_count(findings, difference->kind, 1);
    if (!findings_lists(findings)) {
        return;
    }
    struct arena_mark mark = arena_mark(&findings->arena);
    struct difference *copy = copy_difference(&findings->arena, difference);
    if (copy == NULL) {
        arena_rollback(&findings->arena, mark);
        findings->memory_full = true;
        return;
    }
    if (findings->last == NULL) {
        findings->first = copy;
    } else {
        findings->last->next = copy;
    }
    findings->last = copy;
    findings->listed++;
}

bool findings_truncated(const struct findings *findings)
{
    return findings->mode != VERIFY_COUNTS &&
           findings->listed < findings->missing + findings->extra + findings->different;
}

void findings_judge(struct findings *findings)
{
    uint64_t count = findings->missing + findings->extra + findings->different;
    findings->verdict = count > 0 ? VERDICT_DIFFERENT : VERDICT_EQUAL;
}

void findings_unverified(struct findings *findings, const char *reason)
{
    findings_reset(findings);
    findings->verdict = VERDICT_UNVERIFIED;
    findings->reason = arena_must_strdup(&findings->arena, reason);
}
