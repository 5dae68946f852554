/*
 * The JSON form. Keys stand in the order of the documentation.
 */
#include "reconciler/report.h"

#include <inttypes.h>
#include <string.h>

#define REPLACEMENT       "\xef\xbf\xbd" /* U+FFFD */
#define REPLACEMENT_BYTES (sizeof REPLACEMENT - 1)

/* ---- strings ---- */

static bool continues(unsigned char byte)
{
    return (byte & 0xc0) == 0x80;
}

/* Length of the UTF-8 character at the start, 0 if it is none (overlong, surrogate, cut off). */
static size_t character_length(const unsigned char *at, size_t left)
{
    if (at[0] < 0x80) {
        return 1;
    }
    if (at[0] >= 0xc2 && at[0] <= 0xdf) {
        return left >= 2 && continues(at[1]) ? 2 : 0;
    }
    if (at[0] >= 0xe0 && at[0] <= 0xef && left >= 3 && continues(at[1]) && continues(at[2])) {
        bool overlong = at[0] == 0xe0 && at[1] < 0xa0;
        bool surrogate = at[0] == 0xed && at[1] >= 0xa0;
        return overlong || surrogate ? 0 : 3;
    }
    if (at[0] >= 0xf0 && at[0] <= 0xf4 && left >= 4 && continues(at[1]) && continues(at[2]) &&
        continues(at[3])) {
        bool overlong = at[0] == 0xf0 && at[1] < 0x90;
        bool beyond = at[0] == 0xf4 && at[1] >= 0x90;
        return overlong || beyond ? 0 : 4;
    }
    return 0;
}

static json_t *repaired_text(struct bytes text)
{
    RH_AUTO(arena_release) struct arena scratch;
    struct buffer repaired;
    arena_init(&scratch, SIZE_MAX);
    buffer_init(&repaired, &scratch, SIZE_MAX / 2);
    for (size_t i = 0; i < text.len;) {
        const unsigned char *at = (const unsigned char *)text.ptr + i;
        size_t length = character_length(at, text.len - i);
        if (length == 0) {
            write_bytes(&repaired, (struct bytes){REPLACEMENT, REPLACEMENT_BYTES});
            i++;
            continue;
        }
        write_bytes(&repaired, (struct bytes){text.ptr + i, length});
        i += length;
    }
    struct bytes whole = buffer_bytes(&repaired);
    return json_stringn(whole.ptr == NULL ? "" : whole.ptr, whole.len);
}

json_t *report_text(struct bytes text)
{
    json_t *json = json_stringn(text.len == 0 ? "" : text.ptr, text.len);
    return json != NULL ? json : repaired_text(text);
}

static json_t *text_or_null(const char *text)
{
    return text == NULL ? json_null() : report_text(bytes_of(text));
}

static json_t *value_to_json(struct value value)
{
    return value.kind == VALUE_TEXT ? report_text(value.bytes) : json_null();
}

/* jansson counts in signed numbers. */
static json_t *count_to_json(uint64_t count)
{
    return json_integer((json_int_t)count);
}

/* ---- one difference ---- */

static json_t *key_to_json(const struct bytes *key, size_t count)
{
    json_t *array = json_array();
    for (size_t i = 0; i < count; i++) {
        REQUIRE(json_array_append_new(array, report_text(key[i])) == 0);
    }
    return array;
}

static void put(json_t *object, const char *key, json_t *value)
{
    REQUIRE(json_object_set_new(object, key, value) == 0); /* only memory can be missing */
}

static json_t *columns_to_json(const struct difference *difference)
{
    json_t *array = json_array();
    for (size_t i = 0; i < difference->columns_count; i++) {
        const struct column_difference *column = &difference->columns[i];
        json_t *object = json_object();
        put(object, "name", report_text(bytes_of(column->name)));
        put(object, "expected", value_to_json(column->expected));
        put(object, "actual", value_to_json(column->actual));
        REQUIRE(json_array_append_new(array, object) == 0);
    }
    return array;
}

static json_t *reject_to_json(const struct shown_reject *reject)
{
    json_t *object = json_object();
    put(object, "kind", text_or_null(reject->kind));
    put(object, "sqlstate", text_or_null(reject->sqlstate));
    put(object, "rule", text_or_null(reject->rule));
    put(object, "constraint", text_or_null(reject->constraint));
    put(object, "column", text_or_null(reject->column));
    put(object, "message", text_or_null(reject->message));
    return object;
}

static json_t *difference_to_json(const struct difference *difference)
{
    json_t *object = json_object();
    put(object, "kind", json_string(difference_kind_name(difference->kind)));
    put(object, "source_key", key_to_json(difference->source_key, difference->source_key_count));
    put(object, "target_key", key_to_json(difference->target_key, difference->target_key_count));
    put(object, "columns", columns_to_json(difference));
    if (difference->reason != NULL) {
        put(object, "reason", text_or_null(difference->reason));
    }
    if (difference->reject != NULL) {
        put(object, "reject", reject_to_json(difference->reject));
    }
    return object;
}

/* ---- one output ---- */

static json_t *target_to_json(const struct findings *findings)
{
    const struct catalog_table *target = findings->output->target;
    json_t *text = json_sprintf("%s.%s", target->schema, target->name);
    return text != NULL ? text : report_text(bytes_of(target->name));
}

static json_t *checksum_to_json(const struct findings *findings, uint64_t checksum)
{
    return findings->has_checksums ? json_sprintf("%016" PRIx64, checksum) : json_null();
}

static json_t *findings_to_json(const struct findings *findings)
{
    bool counted = findings->counted;
    json_t *object = json_object();
    json_t *differences = json_array();
    put(object, "id", report_text(bytes_of(findings->table->id)));
    put(object, "target", target_to_json(findings));
    put(object, "mode", json_string(verify_mode_name(findings->mode)));
    put(object, "verdict", json_string(verdict_name(findings->verdict)));
    if (findings->reason != NULL) {
        put(object, "reason", text_or_null(findings->reason));
    }
    put(object, "source_rows", counted ? count_to_json(findings->source_rows) : json_null());
    put(object, "target_rows", counted ? count_to_json(findings->target_rows) : json_null());
    put(object, "source_checksum", checksum_to_json(findings, findings->source_checksum));
    put(object, "target_checksum", checksum_to_json(findings, findings->target_checksum));
    put(object, "missing", count_to_json(findings->missing));
    put(object, "extra", count_to_json(findings->extra));
    put(object, "different", count_to_json(findings->different));
    for (const struct difference *one = findings->first; one != NULL; one = one->next) {
        REQUIRE(json_array_append_new(differences, difference_to_json(one)) == 0);
    }
    put(object, "differences", differences);
    put(object, "truncated", json_boolean(findings_truncated(findings)));
    return object;
}

json_t *report_to_json(const struct reconciliation *reconciliation)
{
    json_t *object = json_object();
    json_t *tables = json_array();
    put(object, "verdict", json_string(verdict_name(reconciliation->verdict)));
    for (size_t i = 0; i < reconciliation->count; i++) {
        REQUIRE(json_array_append_new(tables, findings_to_json(&reconciliation->findings[i])) == 0);
    }
    put(object, "tables", tables);
    put(object, "assertions", json_array());
    return object;
}

bool report_write_json(const struct reconciliation *reconciliation, FILE *stream)
{
    json_t *json = report_to_json(reconciliation);
    bool written = json_dumpf(json, stream, JSON_INDENT(2)) == 0;
    json_decref(json);
    return written && fputc('\n', stream) != EOF && fflush(stream) == 0;
}
