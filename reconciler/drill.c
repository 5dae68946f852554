#include "reconciler/drill.h"

#include "reconciler/result_value.h"

#include "common/sql_text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define SQL_BYTES_MAX  ((size_t)8 << 20)   /* a wide row's hash, and 65,536 bucket numbers */
#define LINE_BYTES_MAX ((size_t)16 << 20)  /* a key cannot be larger than an index row */
#define LIST_BYTES_MAX ((size_t)256 << 20) /* keys of the differences that are listed */
#define ROWS_BYTES_MAX ((size_t)4 << 30)   /* SQL and differences of the rows read at once */
#define ROWS_AT_ONCE   50                  /* listed differences whose rows are read together */
#define HASH_FIELDS    2                   /* key hash and row hash stand before the key */
#define LINES_PER_LOOK 4096                /* between looks at the shutdown flag */

/* ---- SQL ---- */

static void write_bucket_condition(struct buffer *sql, const struct hash_plan *hash,
                                   const struct buckets *buckets, enum pg_role side)
{
    if (buckets->differing_count == buckets->count) {
        return;
    }
    write_text(sql, " AND ");
    write_bucket_number(sql, hash, side, buckets->count);
    write_text(sql, " = ANY ('{");
    for (uint32_t i = 0; i < buckets->differing_count; i++) {
        write_format(sql, "%s%" PRIu32, i > 0 ? "," : "", buckets->differing[i]);
    }
    write_text(sql, "}'::pg_catalog.int8[])");
}

void write_drill(struct buffer *sql, const struct hash_plan *hash, const struct buckets *buckets,
                 enum pg_role side)
{
    write_text(sql, "SELECT ");
    write_key_hash(sql, hash, side);
    write_text(sql, " AS kh, ");
    write_row_hash(sql, hash, side);
    write_text(sql, " AS h");
    for (size_t i = 0; i < hash->key_count; i++) {
        write_text(sql, ", (");
        write_key_text(sql, hash, i, side);
        write_format(sql, ") COLLATE pg_catalog.\"C\" AS k%zu", i);
    }
    write_from(sql, hash->table, hash->output, side);
    write_bucket_condition(sql, hash, buckets, side);
    write_text(sql, " ORDER BY 1");
    for (size_t i = 0; i < hash->key_count; i++) {
        write_format(sql, ", %zu", i + HASH_FIELDS + 1);
    }
}

static bool copy_out(struct sides *sides, const struct hash_plan *hash,
                     const struct buckets *buckets, enum pg_role side, struct arena *arena,
                     struct error *err)
{
    struct buffer sql;
    buffer_init(&sql, arena, SQL_BYTES_MAX);
    write_text(&sql, "COPY (");
    write_drill(&sql, hash, buckets, side);
    write_text(&sql, ") TO STDOUT");
    REQUIRE(!sql.failed);
    return pg_copy_out(sides_get(sides, side), buffer_text(&sql), err);
}

/* ---- one stream ---- */

struct stream {
    struct pg *pg;
    struct arena arena; /* of the current line */
    size_t key_count;
    struct value *fields; /* key hash, row hash, key columns */
    struct drill_place place;
    bool copying, ended;
};

static void stream_init(struct stream *stream, struct pg *pg, size_t key_count, struct arena *arena)
{
    *stream = (struct stream){.pg = pg, .key_count = key_count, .copying = true};
    stream->fields = arena_must_alloc(arena, (HASH_FIELDS + key_count) * sizeof(struct value));
    arena_init(&stream->arena, LINE_BYTES_MAX);
}

/* Leaves the connection ready for the next statement. */
static void stream_release(struct stream *stream)
{
    if (stream->copying && !stream->ended && pg_is_open(stream->pg)) {
        pg_copy_abandon(stream->pg);
    }
    arena_release(&stream->arena);
}

static bool stream_next(struct stream *stream, struct error *err)
{
    struct bytes line;
    if (!pg_copy_next(stream->pg, &line, err)) {
        stream->copying = false;
        return false;
    }
    stream->ended = line.ptr == NULL;
    if (stream->ended) {
        return true;
    }
    arena_reset(&stream->arena);
    /* libpq's line lives until the next call, as long as the fields. */
    if (!pg_copy_line_parse(line, HASH_FIELDS + stream->key_count, &stream->arena, stream->fields,
                            err)) {
        return false;
    }
    char number[32] = "";
    struct bytes text = stream->fields[0].bytes;
    REQUIRE(text.len < sizeof number);
    memcpy(number, text.ptr, text.len);
    stream->place = (struct drill_place){.hash = strtoll(number, NULL, 10),
                                         .key_count = stream->key_count,
                                         .key = stream->fields + HASH_FIELDS};
    return true;
}

int drill_compare(const struct drill_place *a, const struct drill_place *b)
{
    if (a->hash != b->hash) {
        return a->hash < b->hash ? -1 : 1;
    }
    for (size_t i = 0; i < a->key_count; i++) {
        int order = bytes_compare(a->key[i].bytes, b->key[i].bytes);
        if (order != 0) {
            return order;
        }
    }
    return 0;
}

/* ---- the merge ---- */

/* A difference that is to be listed, until its rows are read. */
struct candidate {
    struct bytes *key;
    struct candidate *next;
};

struct merge {
    const struct hash_plan *hash;
    struct arena list_arena;
    uint64_t counts[3]; /* by enum difference_kind, of those that are not listed */
    uint64_t listed, listed_max;
    struct candidate *first, *last;
};

static struct candidate *copy_candidate(struct arena *arena, const struct drill_place *place)
{
    struct candidate *candidate = arena_alloc(arena, sizeof *candidate);
    struct bytes *key = arena_alloc(arena, place->key_count * sizeof *key);
    if (candidate == NULL || key == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < place->key_count; i++) {
        key[i] = bytes_copy(arena, place->key[i].bytes);
        if (key[i].ptr == NULL) {
            return NULL;
        }
    }
    candidate->key = key;
    return candidate;
}

static void merge_add(struct merge *merge, enum difference_kind kind,
                      const struct drill_place *place)
{
    struct candidate *candidate =
        merge->listed < merge->listed_max ? copy_candidate(&merge->list_arena, place) : NULL;
    if (candidate == NULL) {
        merge->counts[kind]++;
        merge->listed_max = merge->listed; /* a full memory ends the list */
        return;
    }
    merge->listed++;
    if (merge->last == NULL) {
        merge->first = candidate;
    } else {
        merge->last->next = candidate;
    }
    merge->last = candidate;
}

/* Which stream's row stands first; 0: the same key, or both have ended. */
static int order_of(const struct stream *source, const struct stream *target)
{
    if (source->ended || target->ended) {
        return (int)source->ended - (int)target->ended;
    }
    return drill_compare(&source->place, &target->place);
}

static bool merge_step(struct merge *merge, struct stream *source, struct stream *target,
                       struct error *err)
{
    int order = order_of(source, target);
    if (order < 0) {
        merge_add(merge, DIFFERENCE_MISSING, &source->place);
        return stream_next(source, err);
    }
    if (order > 0) {
        merge_add(merge, DIFFERENCE_EXTRA, &target->place);
        return stream_next(target, err);
    }
    if (!bytes_equal(source->fields[1].bytes, target->fields[1].bytes)) {
        merge_add(merge, DIFFERENCE_DIFFERENT, &source->place);
    }
    return stream_next(source, err) && stream_next(target, err);
}

static bool merge_streams(struct merge *merge, struct stream *source, struct stream *target,
                          struct error *err)
{
    if (!stream_next(source, err) || !stream_next(target, err)) {
        return false;
    }
    for (uint64_t steps = 1; !source->ended || !target->ended; steps++) {
        if (!merge_step(merge, source, target, err) ||
            (steps % LINES_PER_LOOK == 0 && !sides_go_on(err))) {
            return false;
        }
    }
    return true;
}

static bool merge_run(struct sides *sides, const struct buckets *buckets, struct merge *merge,
                      struct arena *arena, struct error *err)
{
    const struct hash_plan *hash = merge->hash;
    struct stream source, target;
    if (!copy_out(sides, hash, buckets, PG_SOURCE, arena, err)) {
        return false;
    }
    stream_init(&source, &sides->source, hash->key_count, arena);
    bool ok = copy_out(sides, hash, buckets, PG_TARGET, arena, err);
    if (ok) {
        stream_init(&target, &sides->target, hash->key_count, arena);
        ok = merge_streams(merge, &source, &target, err);
        stream_release(&target);
    }
    stream_release(&source);
    return ok;
}

/* ---- the columns of a difference ---- */

/* Both sides' rows of some candidates. */
struct rows {
    PGresult *source, *target;
};

static void rows_clear(struct rows *rows)
{
    pg_result_clear(&rows->source);
    pg_result_clear(&rows->target);
}

static void write_columns(struct buffer *sql, const struct hash_plan *hash, enum pg_role side)
{
    for (size_t i = 0; i < hash->columns_count; i++) {
        write_text(sql, i > 0 ? ", " : "");
        sql_name(sql, hash->columns[i].side[side]->name);
    }
}

/* ('…'::t1, '…'::t2) */
static void write_key_literals(struct buffer *sql, const struct hash_plan *hash,
                               const struct candidate *candidate, enum pg_role side)
{
    write_text(sql, "(");
    for (size_t i = 0; i < hash->key_count; i++) {
        write_text(sql, i > 0 ? ", " : "");
        sql_typed_literal(sql, candidate->key[i], hash->keys[i].side[side]);
    }
    write_text(sql, ")");
}

/* The rows of `count` candidates from `first` on: their keys' texts, then the compared columns. */
static const char *rows_text(const struct hash_plan *hash, const struct candidate *first,
                             size_t count, enum pg_role side, struct arena *arena)
{
    struct buffer sql;
    buffer_init(&sql, arena, SQL_BYTES_MAX + ROWS_AT_ONCE * LINE_BYTES_MAX);
    write_text(&sql, "SELECT ");
    for (size_t i = 0; i < hash->key_count; i++) {
        write_key_text(&sql, hash, i, side);
        write_text(&sql, ", ");
    }
    write_columns(&sql, hash, side);
    write_from(&sql, hash->table, hash->output, side);
    write_text(&sql, " AND (");
    for (size_t i = 0; i < hash->key_count; i++) {
        write_text(&sql, i > 0 ? ", " : "");
        sql_name(&sql, hash->keys[i].side[side]->name);
        sql_compared_as(&sql, hash->keys[i].side[side]);
    }
    write_text(&sql, ") IN (");
    for (size_t i = 0; i < count; i++, first = first->next) {
        write_text(&sql, i > 0 ? ", " : "");
        write_key_literals(&sql, hash, first, side);
    }
    write_text(&sql, ")");
    REQUIRE(!sql.failed);
    return buffer_text(&sql);
}

/* The candidate's row in a result of rows_text, or -1. */
static int find_row(const struct hash_plan *hash, const struct candidate *candidate,
                    const PGresult *result)
{
    for (int row = 0; row < PQntuples(result); row++) {
        size_t equal = 0;
        while (equal < hash->key_count &&
               bytes_equal(result_value(result, row, (int)equal).bytes, candidate->key[equal])) {
            equal++;
        }
        if (equal == hash->key_count) {
            return row;
        }
    }
    return -1;
}

/* The columns whose texts differ; both rows are there. */
static void compare_rows(const struct hash_plan *hash, const struct rows *rows, int source_row,
                         int target_row, struct difference *difference, struct arena *arena)
{
    difference->columns =
        arena_must_alloc(arena, hash->columns_count * sizeof *difference->columns);
    for (size_t i = 0; i < hash->columns_count; i++) {
        struct value expected = result_value(rows->source, source_row, (int)(hash->key_count + i));
        struct value actual = result_value(rows->target, target_row, (int)(hash->key_count + i));
        if (!value_equal(expected, actual)) {
            difference->columns[difference->columns_count++] = (struct column_difference){
                hash->columns[i].side[PG_TARGET]->name, expected, actual};
        }
    }
}

/* The target's key columns stand in the arbiter's order. */
static void set_keys(const struct hash_plan *hash, const struct candidate *candidate,
                     struct difference *difference, struct arena *arena)
{
    const struct plan_output *output = hash->output;
    difference->source_key_count = hash->key_count;
    difference->source_key = candidate->key;
    difference->target_key_count = output->key_count;
    difference->target_key = arena_must_alloc(arena, output->key_count * sizeof(struct bytes));
    for (size_t i = 0; i < output->key_count; i++) {
        for (size_t j = 0; j < hash->key_count; j++) {
            if (output->columns[output->key[i]].target == hash->keys[j].side[PG_TARGET]) {
                difference->target_key[i] = candidate->key[j];
            }
        }
    }
}

/* Adds what still differs. */
static bool confirm(const struct hash_plan *hash, const struct candidate *candidate,
                    const struct rows *rows, const struct rejects *rejects,
                    struct findings *findings, struct arena *arena, struct error *err)
{
    int source_row = find_row(hash, candidate, rows->source);
    int target_row = find_row(hash, candidate, rows->target);
    struct difference difference = {.kind = DIFFERENCE_DIFFERENT};
    if (source_row >= 0 && target_row >= 0) {
        compare_rows(hash, rows, source_row, target_row, &difference, arena);
        if (difference.columns_count == 0) {
            return true;
        }
    } else if (source_row < 0 && target_row < 0) {
        return true;
    } else {
        difference.kind = source_row < 0 ? DIFFERENCE_EXTRA : DIFFERENCE_MISSING;
    }
    set_keys(hash, candidate, &difference, arena);
    if (!rejects_explain(rejects, &difference, arena, err)) {
        return false;
    }
    findings_add(findings, &difference);
    return true;
}

static size_t count_up_to(const struct candidate *candidate, size_t max)
{
    size_t count = 0;
    for (; candidate != NULL && count < max; candidate = candidate->next) {
        count++;
    }
    return count;
}

/* Reads the rows of the next candidates on both sides; ret_next: the one behind them. */
static bool confirm_some(struct sides *sides, const struct hash_plan *hash,
                         const struct candidate *first, const struct rejects *rejects,
                         struct findings *findings, struct arena *arena,
                         const struct candidate **ret_next, struct error *err)
{
    RH_AUTO(rows_clear) struct rows rows = {NULL, NULL};
    size_t count = count_up_to(first, ROWS_AT_ONCE);
    if (!sides_query(sides, rows_text(hash, first, count, PG_SOURCE, arena),
                     rows_text(hash, first, count, PG_TARGET, arena), &rows.source, &rows.target,
                     err)) {
        return false;
    }
    for (size_t i = 0; i < count; i++, first = first->next) {
        if (!confirm(hash, first, &rows, rejects, findings, arena, err)) {
            return false;
        }
    }
    *ret_next = first;
    return true;
}

static bool confirm_all(struct sides *sides, const struct merge *merge,
                        const struct rejects *rejects, struct findings *findings, struct error *err)
{
    RH_AUTO(arena_release) struct arena arena;
    arena_init(&arena, ROWS_BYTES_MAX);
    for (const struct candidate *next = merge->first; next != NULL;) {
        arena_reset(&arena);
        if (!sides_go_on(err) ||
            !confirm_some(sides, merge->hash, next, rejects, findings, &arena, &next, err)) {
            return false;
        }
    }
    for (int kind = DIFFERENCE_MISSING; kind <= DIFFERENCE_DIFFERENT; kind++) {
        findings_count(findings, (enum difference_kind)kind, merge->counts[kind]);
    }
    return true;
}

bool drill(struct sides *sides, const struct hash_plan *hash, const struct buckets *buckets,
           const struct rejects *rejects, struct findings *findings, struct error *err)
{
    RH_AUTO(arena_release) struct arena arena;
    arena_init(&arena, 8 * SQL_BYTES_MAX);
    struct merge merge = {.hash = hash, .listed_max = findings->listed_max};
    arena_init(&merge.list_arena, LIST_BYTES_MAX);
    bool ok = merge_run(sides, buckets, &merge, &arena, err) &&
              confirm_all(sides, &merge, rejects, findings, err);
    arena_release(&merge.list_arena);
    return ok;
}
