#include "reconciler/extras.h"

#include "reconciler/hash_sql.h"
#include "reconciler/source_page.h"
#include "reconciler/stage.h"

#include "common/sql_text.h"
#include "common/transform.h"

#define SQL_BYTES_MAX  ((size_t)1 << 20)
#define LIST_BYTES_MAX ((size_t)256 << 20) /* keys of extras while the others are read */
#define KEY_BYTES_MAX  ((size_t)8 << 20)   /* as source_page writes keys */
#define LINES_PER_LOOK 4096                /* between looks at the shutdown flag */

struct extra {
    struct value *key;
    struct extra *next;
};

struct search {
    struct sides *sides;
    const struct plan_table *table;
    struct plan_output key;
    const bool *wanted; /* source columns that the key's rules read */
    struct arena arena;
    struct arena list;
    struct arena row;
    struct source_page page;
    struct stage stage;
    struct value *values;
    struct extra *first, *last;
};

struct plan_output key_output(const struct plan_output *output, struct arena *arena)
{
    struct plan_output key = *output;
    key.columns_count = output->key_count;
    key.columns = arena_must_alloc(arena, output->key_count * sizeof *key.columns);
    key.key = arena_must_alloc(arena, output->key_count * sizeof *key.key);
    for (size_t i = 0; i < output->key_count; i++) {
        key.columns[i] = output->columns[output->key[i]];
        key.key[i] = i;
    }
    return key;
}

static void mark_wanted(const struct rule *rule, bool *wanted)
{
    if (rule->kind != RULE_CONST) {
        wanted[rule->source_column] = true;
    }
    if (rule->kind == RULE_MAP && rule->otherwise == MAP_RULE) {
        mark_wanted(rule->otherwise_rule, wanted);
    }
}

static const bool *wanted_columns(const struct search *search, struct arena *arena)
{
    bool *wanted = arena_must_alloc(arena, search->table->columns_count * sizeof *wanted);
    for (size_t i = 0; i < search->key.columns_count; i++) {
        mark_wanted(&search->key.columns[i].rule, wanted);
    }
    return wanted;
}

/* ---- the keys that are accounted for ---- */

/* A row that the key's rules refuse has no key on the target. */
static bool stage_keys(struct search *search, struct error *err)
{
    stage_clear(&search->stage);
    arena_reset(&search->row);
    for (size_t i = 0; i < search->page.count; i++) {
        struct row source = {search->page.rows[i].values, search->table->columns_count};
        struct error refusal;
        if (transform_output(&search->key, source, &search->row, search->values, NULL, &refusal) &&
            !stage_add(&search->stage, search->values, err)) {
            return false;
        }
    }
    struct pg *target = &search->sides->target;
    return pg_run(target, "BEGIN READ ONLY", err) && stage_send(&search->stage, target, err) &&
           pg_run(target, "COMMIT", err);
}

static bool collect_keys(struct search *search, struct error *err)
{
    struct buffer after;
    buffer_init(&after, &search->arena, KEY_BYTES_MAX);
    while (sides_go_on(err)) {
        if (!source_page_read(&search->page, &search->sides->source, search->table, search->wanted,
                              buffer_bytes(&after), BYTES_EMPTY, err)) {
            return false;
        }
        if (search->page.count == 0) {
            return pg_run(&search->sides->target, "ANALYZE pg_temp.rowhaul_keys", err);
        }
        if (!stage_keys(search, err)) {
            return false;
        }
        buffer_clear(&after);
        write_bytes(&after, search->page.rows[search->page.count - 1].key);
        REQUIRE(!after.failed); /* smaller than an index row */
    }
    return false;
}

/* ---- the others ---- */

static const char *others_text(struct search *search)
{
    const struct plan_output *key = &search->key;
    struct buffer sql;
    buffer_init(&sql, &search->arena, SQL_BYTES_MAX);
    write_text(&sql, "COPY (SELECT ");
    for (size_t i = 0; i < key->columns_count; i++) {
        write_text(&sql, i > 0 ? ", t." : "t.");
        sql_name(&sql, key->columns[i].target->name);
    }
    write_text(&sql, " FROM ");
    write_relation(&sql, key->target);
    write_text(&sql, " t WHERE NOT EXISTS (SELECT FROM pg_temp.rowhaul_keys s WHERE ");
    write_stage_join(&sql, key);
    write_text(&sql, ")) TO STDOUT");
    REQUIRE(!sql.failed);
    return buffer_text(&sql);
}

/* False: the list's memory is full. */
static bool list_extra(struct search *search, struct bytes line)
{
    struct extra *extra = arena_alloc(&search->list, sizeof *extra);
    struct error ignored; /* the same line was read before: only the memory can be at its end */
    line = bytes_copy(&search->list, line);
    if (extra == NULL || line.ptr == NULL) {
        return false;
    }
    extra->key = arena_alloc(&search->list, search->key.columns_count * sizeof *extra->key);
    if (extra->key == NULL ||
        !pg_copy_line_parse(line, search->key.columns_count, &search->list, extra->key, &ignored)) {
        return false;
    }
    if (search->last == NULL) {
        search->first = extra;
    } else {
        search->last->next = extra;
    }
    search->last = extra;
    return true;
}

static bool read_others(struct search *search, struct findings *findings, struct error *err)
{
    struct pg *target = &search->sides->target;
    uint64_t left = findings->listed_max - findings->listed;
    if (!pg_copy_out(target, others_text(search), err)) {
        return false;
    }
    for (uint64_t lines = 1;; lines++) {
        struct bytes line;
        if (!pg_copy_next(target, &line, err)) {
            return false;
        }
        if (line.ptr == NULL) {
            return true;
        }
        if (left > 0 && list_extra(search, line)) {
            left--;
        } else {
            left = 0;
            findings_count(findings, DIFFERENCE_EXTRA, 1);
        }
        if (lines % LINES_PER_LOOK == 0 && !sides_go_on(err)) {
            pg_copy_abandon(target);
            return false;
        }
    }
}

/* The source key that the row would come from: the columns that carry it. */
static void set_source_key(const struct search *search, struct difference *difference,
                           struct arena *arena)
{
    const struct plan_table *table = search->table;
    difference->source_key = arena_must_alloc(arena, table->key_count * sizeof(struct bytes));
    for (size_t i = 0; i < table->key_count; i++) {
        const struct plan_column *carrier = key_carrier(&search->key, table->key[i]);
        if (carrier == NULL) {
            return;
        }
        difference->source_key[i] = difference->target_key[carrier - search->key.columns];
    }
    difference->source_key_count = table->key_count;
}

static bool add_others(struct search *search, const struct rejects *rejects,
                       struct findings *findings, struct error *err)
{
    size_t count = search->key.columns_count;
    for (const struct extra *extra = search->first; extra != NULL; extra = extra->next) {
        arena_reset(&search->row);
        struct difference difference = {.kind = DIFFERENCE_EXTRA, .target_key_count = count};
        difference.target_key = arena_must_alloc(&search->row, count * sizeof(struct bytes));
        for (size_t i = 0; i < count; i++) {
            difference.target_key[i] = extra->key[i].bytes;
        }
        set_source_key(search, &difference, &search->row);
        if (!rejects_explain(rejects, &difference, &search->row, err)) {
            return false;
        }
        findings_add(findings, &difference);
    }
    return true;
}

static bool find(struct search *search, const struct rejects *rejects, struct findings *findings,
                 struct error *err)
{
    return stage_open(&search->stage, &search->sides->target, &search->key, "rowhaul_keys", true,
                      err) &&
           collect_keys(search, err) && read_others(search, findings, err) &&
           add_others(search, rejects, findings, err) &&
           pg_run(&search->sides->target,
                  "BEGIN READ WRITE; DROP TABLE pg_temp.rowhaul_keys; COMMIT", err);
}

bool extras_find(struct sides *sides, const struct rejects *rejects, struct findings *findings,
                 struct error *err)
{
    struct search search = {.sides = sides, .table = findings->table};
    arena_init(&search.arena, 8 * SQL_BYTES_MAX + 4 * KEY_BYTES_MAX);
    arena_init(&search.list, LIST_BYTES_MAX);
    arena_init(&search.row, LIST_BYTES_MAX);
    source_page_init(&search.page);
    search.key = key_output(findings->output, &search.arena);
    search.wanted = wanted_columns(&search, &search.arena);
    search.values =
        arena_must_alloc(&search.arena, search.key.columns_count * sizeof *search.values);
    bool ok = find(&search, rejects, findings, err);
    stage_release(&search.stage);
    source_page_release(&search.page);
    arena_release(&search.row);
    arena_release(&search.list);
    arena_release(&search.arena);
    return ok;
}
