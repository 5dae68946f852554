#include "cli/rejects.h"

#include "cli/field.h"
#include "cli/message_json.h"
#include "cli/output.h"
#include "cli/session.h"
#include "cli/text_table.h"
#include "common/pg_array.h"
#include "common/shutdown.h"

#include <inttypes.h>
#include <string.h>

#define ROW_BYTES_MAX ((size_t)512 << 20)

const struct option_spec rejects_list_option_specs[] = {
    {"table", 0, OPTION_TEXT, "ID", "only of this table of the mapping",
     offsetof(struct rejects_list_options, table), false},
    {"kind", 0, OPTION_TEXT, "parked|dead",
     "only those that wait for another row, or those that do not",
     offsetof(struct rejects_list_options, kind), false},
    {NULL, 0, OPTION_FLAG, NULL, NULL, 0, false},
};

/* ---- one reject, as a row of the queries below ---- */

/* What a query gives first, in this order. */
static const struct {
    const char *name;
    enum field_form form;
} fields[] = {
    {"table", FORM_TEXT},    {"source_key", FORM_ARRAY}, {"kind", FORM_TEXT},
    {"topic", FORM_TEXT},    {"partition", FORM_NUMBER}, {"offset", FORM_NUMBER},
    {"sqlstate", FORM_TEXT}, {"constraint", FORM_TEXT},  {"column", FORM_TEXT},
    {"rule", FORM_TEXT},     {"message", FORM_TEXT},     {"tries", FORM_NUMBER},
    {"first_at", FORM_TEXT}, {"last_at", FORM_TEXT},
};

#define FIELDS_SQL                                                                                 \
    "table_id, pg_catalog.array_to_json(source_key), kind, kafka_topic, kafka_partition,"          \
    " kafka_offset, nullif(sqlstate, ''), constraint_name, column_name, rule, message, tries,"     \
    " pg_catalog.to_char(first_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"'),"       \
    " pg_catalog.to_char(last_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')"

static json_t *reject_to_json(const PGresult *result, int row)
{
    json_t *object = json_object();
    for (size_t i = 0; i < RH_COUNT(fields); i++) {
        output_set(object, fields[i].name,
                   field_to_json(fields[i].form, field_text(result, row, i)));
    }
    return object;
}

/* "7" or "7, de" */
static const char *key_shown(const char *text, struct arena *arena)
{
    struct buffer out;
    buffer_init(&out, arena, ROW_BYTES_MAX);
    json_t *key = field_to_json(FORM_ARRAY, text);
    for (size_t i = 0; i < json_array_size(key); i++) {
        const char *part = json_string_value(json_array_get(key, i));
        write_format(&out, "%s%s", i == 0 ? "" : ", ", part != NULL ? part : "NULL");
    }
    json_decref(key);
    return buffer_text(&out);
}

/* ---- list ---- */

/* Read in pieces: there may be millions. */
static const char fetch_sql[] = "FETCH 1000 FROM rowhaul_rejects";

static const char declare_sql[] =
    "DECLARE rowhaul_rejects NO SCROLL CURSOR FOR SELECT " FIELDS_SQL "  FROM rowhaul.rejects"
    " WHERE run = $1::uuid AND table_id = coalesce($2, table_id) AND kind = coalesce($3, kind)"
    " ORDER BY table_id, source_key";

struct list {
    struct session *session;
    struct text_table table;
    struct arena piece;
};

/* The message last: it is the longest. */
static void print_reject(struct list *list, const PGresult *result, int row)
{
    static const size_t shown[] = {0, 1, 2, 6, 8, 11, 13, 10};
    for (size_t i = 0; i < RH_COUNT(shown); i++) {
        const char *text = field_text(result, row, shown[i]);
        if (fields[shown[i]].form == FORM_ARRAY) {
            text = key_shown(text, &list->piece);
        }
        text_table_cell(&list->table, text);
    }
}

static bool print_piece(struct list *list, const PGresult *result, struct error *err)
{
    for (int row = 0; row < PQntuples(result); row++) {
        if (!list->session->json) {
            print_reject(list, result, row);
        } else if (!output_json(reject_to_json(result, row), err)) {
            return false;
        }
    }
    if (!list->session->json) {
        text_table_print(&list->table, stdout);
    }
    arena_reset(&list->piece);
    return output_flush(err);
}

static bool print_all(struct list *list, struct error *err)
{
    for (bool more = true; more;) {
        RH_AUTO(pg_result_clear) PGresult *result = NULL;
        if (shutdown_requested()) {
            return error_set(err, ERROR_RETRY, "interrupted");
        }
        if (!pg_query(&list->session->target, fetch_sql, &result, err)) {
            return error_wrap(err, "could not read the rejects");
        }
        more = PQntuples(result) > 0;
        if (!print_piece(list, result, err)) {
            return false;
        }
    }
    return true;
}

static bool check_kind(const char *kind, struct error *err)
{
    if (kind == NULL || strcmp(kind, "parked") == 0 || strcmp(kind, "dead") == 0) {
        return true;
    }
    return error_stop(err, EXIT_USAGE, "RH-2013",
                      "option \"--kind\" must be parked or dead, not \"%s\"", kind);
}

static bool list_rejects(struct list *list, const struct rejects_list_options *given,
                         struct error *err)
{
    struct session *session = list->session;
    if (!session_configure(session, &given->common, err) || !check_kind(given->kind, err) ||
        !session_load_run(session, err) ||
        (given->table != NULL && session_table(session, given->table, err) == NULL)) {
        return false;
    }
    const char *const values[] = {session->run.id_text, given->table, given->kind};
    RH_AUTO(pg_result_clear) PGresult *declared = NULL;
    return pg_run(&session->target, "BEGIN READ ONLY", err) &&
           pg_query_params(&session->target, declare_sql, RH_COUNT(values), values, &declared,
                           err) &&
           print_all(list, err) && pg_run(&session->target, "COMMIT", err);
}

int rejects_list_command(void *options, size_t argc, char **argv)
{
    static const struct text_column columns[] = {
        {"table", TEXT_LEFT},    {"key", TEXT_LEFT},     {"kind", TEXT_LEFT},
        {"sqlstate", TEXT_LEFT}, {"column", TEXT_LEFT},  {"tries", TEXT_RIGHT},
        {"last_at", TEXT_LEFT},  {"message", TEXT_LEFT},
    };
    (void)argc; /* the table allows no words */
    (void)argv;
    struct error err = {0};
    struct session session = {.json = false};
    struct list list = {.session = &session};
    arena_init(&list.piece, ROW_BYTES_MAX);
    text_table_init(&list.table, columns, RH_COUNT(columns));
    bool ok = list_rejects(&list, options, &err);
    text_table_release(&list.table);
    arena_release(&list.piece);
    return session_end(&session, "rejects_list_failed", ok, EXIT_DONE, &err);
}

/* ---- show ---- */

static const char show_sql[] =
    "SELECT " FIELDS_SQL ", generation, sequence, lsn, payload"
    "  FROM rowhaul.rejects"
    " WHERE run = $1::uuid AND table_id = $2 AND source_key = $3::text[]";

/* The columns behind `fields`. */
enum { SHOW_GENERATION = RH_COUNT(fields), SHOW_SEQUENCE, SHOW_LSN, SHOW_PAYLOAD };

static void print_field(struct session *session, const char *name, const char *text)
{
    struct buffer shown;
    buffer_init(&shown, &session->arena, ROW_BYTES_MAX);
    text_write_shown(&shown, text);
    printf("%s = %s\n", name, buffer_text(&shown));
}

static json_t *payload_to_json(struct session *session, const struct plan_table *table,
                               const PGresult *result)
{
    bool readable = false;
    size_t len = 0;
    unsigned char *payload =
        PQunescapeBytea((const unsigned char *)PQgetvalue(result, 0, SHOW_PAYLOAD), &len);
    REQUIRE(payload != NULL);
    json_t *object = message_to_json(table, BYTES_EMPTY, (struct bytes){(const char *)payload, len},
                                     &session->arena, &readable);
    PQfreemem(payload);
    (void)json_object_del(object, "key"); /* it is not in the value, and source_key is shown */
    return object;
}

static void print_reject_fields(struct session *session, const PGresult *result)
{
    for (size_t i = 0; i < RH_COUNT(fields); i++) {
        const char *text = field_text(result, 0, i);
        if (fields[i].form == FORM_ARRAY) {
            text = key_shown(text, &session->arena);
        }
        print_field(session, fields[i].name, text != NULL ? text : "-");
    }
    print_field(session, "generation", field_text(result, 0, SHOW_GENERATION));
    print_field(session, "sequence", field_text(result, 0, SHOW_SEQUENCE));
    print_field(session, "lsn", field_text(result, 0, SHOW_LSN));
}

static void print_payload(struct session *session, json_t *payload)
{
    const char *kind = json_string_value(json_object_get(payload, "kind"));
    const char *error = json_string_value(json_object_get(payload, "error"));
    json_t *columns = json_object_get(payload, "columns");
    const char *name;
    json_t *value;
    printf("\npayload: %s\n", kind != NULL ? kind : error);
    json_object_foreach(columns, name, value)
    {
        const char *text = json_string_value(value);
        print_field(session, name, text != NULL ? text : "NULL");
    }
}

static bool print_shown(struct session *session, const struct plan_table *table,
                        const PGresult *result, struct error *err)
{
    json_t *payload = payload_to_json(session, table, result);
    if (!session->json) {
        print_reject_fields(session, result);
        print_payload(session, payload);
        json_decref(payload);
        return output_flush(err);
    }
    json_t *object = reject_to_json(result, 0);
    output_set(object, "generation",
               field_to_json(FORM_NUMBER, field_text(result, 0, SHOW_GENERATION)));
    output_set(object, "sequence",
               field_to_json(FORM_NUMBER, field_text(result, 0, SHOW_SEQUENCE)));
    output_set(object, "lsn", field_to_json(FORM_TEXT, field_text(result, 0, SHOW_LSN)));
    output_set(object, "payload", payload);
    return output_json(object, err);
}

static const char *key_literal(struct session *session, size_t count, char **parts)
{
    struct pg_array key;
    pg_array_init(&key, &session->arena);
    for (size_t i = 0; i < count; i++) {
        pg_array_add_text(&key, bytes_of(parts[i]));
    }
    return pg_array_text(&key);
}

static bool check_key(const struct plan_table *table, size_t count, struct error *err)
{
    if (count == table->key_count) {
        return true;
    }
    return error_stop(err, EXIT_USAGE, "RH-2014",
                      "the key of table \"%s\" has %zu part%s, %zu %s given", table->id,
                      table->key_count, table->key_count == 1 ? "" : "s", count,
                      count == 1 ? "was" : "were");
}

static void print_not_found(const struct plan_table *table, size_t count, char **parts)
{
    fprintf(stderr, "%s: table \"%s\" has no reject with key \"", SESSION_PROGRAM, table->id);
    for (size_t i = 0; i < count; i++) {
        fprintf(stderr, "%s%s", i == 0 ? "" : ", ", parts[i]);
    }
    fputs("\"\n", stderr);
}

/* ret_found: EXIT_DONE, or EXIT_WARNINGS when there is no such reject, which is said. */
static bool show(struct session *session, const struct rejects_show_options *given, size_t argc,
                 char **argv, enum exit_code *ret_found, struct error *err)
{
    if (argc == 0) {
        (void)error_stop(err, EXIT_USAGE, "RH-2014", "no table was given");
        return error_hint(err, "rowhaul rejects show TABLE KEY… -c FILE");
    }
    if (!session_configure(session, &given->common, err) || !session_load_run(session, err)) {
        return false;
    }
    const struct plan_table *table = session_table(session, argv[0], err);
    if (table == NULL || !check_key(table, argc - 1, err)) {
        return false;
    }
    const char *const values[] = {session->run.id_text, table->id,
                                  key_literal(session, argc - 1, argv + 1)};
    RH_AUTO(pg_result_clear) PGresult *result = NULL;
    if (!pg_query_params(&session->target, show_sql, RH_COUNT(values), values, &result, err)) {
        return error_wrap(err, "could not read the reject");
    }
    if (PQntuples(result) == 0) {
        print_not_found(table, argc - 1, argv + 1);
        *ret_found = EXIT_WARNINGS;
        return true;
    }
    return print_shown(session, table, result, err);
}

int rejects_show_command(void *options, size_t argc, char **argv)
{
    struct error err = {0};
    struct session session = {.json = false};
    enum exit_code found = EXIT_DONE;
    bool ok = show(&session, options, argc, argv, &found, &err);
    return session_end(&session, "rejects_show_failed", ok, found, &err);
}
