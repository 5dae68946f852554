#include "cli/replay_result.h"

#include "cli/field.h"
#include "cli/output.h"
#include "cli/text_table.h"

#include <stdlib.h>
#include <string.h>

/* In the order of result_sql; shown to people where there is a title. */
static const struct field {
    const char *name;
    enum field_form form;
    bool shown;
} fields[] = {
    {"table", FORM_TEXT, true},         {"topic", FORM_TEXT, false},
    {"partition", FORM_NUMBER, true},   {"state", FORM_TEXT, true},
    {"from_offset", FORM_NUMBER, true}, {"to_offset", FORM_NUMBER, true},
    {"only_failed", FORM_BOOL, false},  {"dry_run", FORM_BOOL, false},
    {"messages", FORM_NUMBER, true},    {"keys", FORM_NUMBER, true},
    {"applied", FORM_NUMBER, true},     {"unchanged", FORM_NUMBER, true},
    {"refused", FORM_NUMBER, true},     {"rows_written", FORM_NUMBER, false},
    {"exit_code", FORM_NUMBER, false},  {"code", FORM_TEXT, false},
    {"message", FORM_TEXT, false},
};
enum { FIELD_PARTITION = 2, FIELD_REFUSED = 12, FIELD_EXIT = 14, FIELD_MESSAGE = 16 };

static const char result_sql[] =
    "SELECT table_id, topic, partition, state, from_offset, to_offset, only_failed, dry_run,"
    "       messages, keys, applied, unchanged, refused, rows_written, exit_code, code, message"
    "  FROM rowhaul.requests WHERE request = ANY ($1::bigint[]) ORDER BY partition";

static bool print_json(const PGresult *result, struct error *err)
{
    for (int row = 0; row < PQntuples(result); row++) {
        json_t *object = json_object();
        for (size_t f = 0; f < RH_COUNT(fields); f++) {
            output_set(object, fields[f].name,
                       field_to_json(fields[f].form, field_text(result, row, f)));
        }
        if (!output_json(object, err)) {
            return false;
        }
    }
    return output_flush(err);
}

static void print_failures(const PGresult *result)
{
    for (int row = 0; row < PQntuples(result); row++) {
        const char *message = field_text(result, row, FIELD_MESSAGE);
        if (message != NULL) {
            printf("partition %s failed: %s\n", field_text(result, row, FIELD_PARTITION), message);
        }
    }
}

static bool print_text(const PGresult *result, bool dry_run, struct error *err)
{
    struct text_column columns[RH_COUNT(fields)];
    size_t count = 0;
    for (size_t f = 0; f < RH_COUNT(fields); f++) {
        if (fields[f].shown) {
            columns[count++] = (struct text_column){
                fields[f].name, fields[f].form == FORM_NUMBER ? TEXT_RIGHT : TEXT_LEFT};
        }
    }
    RH_AUTO(text_table_release) struct text_table table;
    text_table_init(&table, columns, count);
    for (int row = 0; row < PQntuples(result); row++) {
        for (size_t f = 0; f < RH_COUNT(fields); f++) {
            if (fields[f].shown) {
                text_table_cell(&table, field_text(result, row, f));
            }
        }
    }
    text_table_print(&table, stdout);
    print_failures(result);
    if (dry_run) {
        printf("dry run: nothing was written\n");
    }
    return output_flush(err);
}

/* The first failure's exit code; EXIT_WARNINGS where rows were refused. */
static enum exit_code result_code(const PGresult *result)
{
    enum exit_code code = EXIT_DONE;
    for (int row = 0; row < PQntuples(result); row++) {
        const char *failed = field_text(result, row, FIELD_EXIT);
        if (failed != NULL) {
            return (enum exit_code)strtol(failed, NULL, 10);
        }
        if (strcmp(field_text(result, row, FIELD_REFUSED), "0") != 0) {
            code = EXIT_WARNINGS;
        }
    }
    return code;
}

bool replay_result_print(struct session *session, const char *requests, bool dry_run,
                         enum exit_code *ret_code, struct error *err)
{
    const char *values[] = {requests};
    RH_AUTO(pg_result_clear) PGresult *result = NULL;
    if (!pg_query_params(&session->target, result_sql, 1, values, &result, err)) {
        return error_wrap(err, "could not read the requests' results");
    }
    *ret_code = result_code(result);
    return session->json ? print_json(result, err) : print_text(result, dry_run, err);
}
