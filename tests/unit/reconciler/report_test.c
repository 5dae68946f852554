#include "reconciler/report.h"

#include "fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct fixture f;
static struct findings findings;
static struct reconciliation all;

static int setup(void **state RH_UNUSED)
{
    fixture_init(&f);
    findings_init(&findings, &f.table, &f.output, VERIFY_ROWS, 2);
    findings.counted = true;
    findings.source_rows = 1200;
    findings.target_rows = 7;
    all = (struct reconciliation){.count = 1, .findings = &findings};
    return 0;
}

static int teardown(void **state RH_UNUSED)
{
    findings_release(&findings);
    return 0;
}

static void add(enum difference_kind kind, const char *key)
{
    struct bytes part = bytes_of(key);
    struct column_difference column = {
        "c", {VALUE_TEXT, BYTES_LITERAL("a\nb")}, {VALUE_NULL, BYTES_EMPTY}};
    const struct difference difference = {.kind = kind,
                                          .source_key_count = 1,
                                          .source_key = &part,
                                          .columns_count = kind == DIFFERENCE_DIFFERENT,
                                          .columns = &column};
    findings_add(&findings, &difference);
}

/* What a function writes to its stream; the caller frees it. */
static char *written(bool (*write)(const struct reconciliation *, FILE *))
{
    char *text = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&text, &size);
    findings_judge(&findings);
    all.verdict = findings.verdict;
    assert_true(write(&all, stream));
    fclose(stream);
    return text;
}

static void assert_written(bool (*write)(const struct reconciliation *, FILE *),
                           const char *expected)
{
    char *text = written(write);
    assert_string_equal(text, expected);
    free(text);
}

static void equal_tables_are_a_table_and_a_verdict(void **state RH_UNUSED)
{
    assert_written(report_write_text,
                   "table  target   mode  source rows  target rows  missing  extra  different  "
                   "verdict\n"
                   "t      app.new  rows         1200            7        0      0          0  "
                   "equal\n"
                   "\nverdict: equal\n");
}

static void differences_are_shown_and_the_rest_is_counted(void **state RH_UNUSED)
{
    add(DIFFERENCE_DIFFERENT, "1");
    add(DIFFERENCE_MISSING, "2");
    add(DIFFERENCE_EXTRA, "3");
    assert_true(findings_truncated(&findings));
    char *text = written(report_write_text);
    assert_non_null(strstr(text, "\nt -> app.new\n"
                                 "  different (1)\n"
                                 "            c: expected 'a\\x0ab', actual NULL\n"
                                 "  missing   (2)\n"
                                 "  and 1 more; --format json lists them\n"
                                 "\nverdict: different\n"));
    free(text);
}

static void what_could_not_be_verified_says_why(void **state RH_UNUSED)
{
    findings_unverified(&findings, "permission denied for table new");
    all.verdict = VERDICT_UNVERIFIED;
    json_t *json = report_to_json(&all);
    char *text = json_dumps(json, JSON_COMPACT);
    assert_string_equal(
        text, "{\"verdict\":\"unverified\",\"tables\":[{\"id\":\"t\",\"target\":\"app.new\","
              "\"mode\":\"rows\",\"verdict\":\"unverified\",\"reason\":"
              "\"permission denied for table new\",\"source_rows\":null,\"target_rows\":null,"
              "\"source_checksum\":null,\"target_checksum\":null,\"missing\":0,\"extra\":0,"
              "\"different\":0,\"differences\":[],\"truncated\":false}],\"assertions\":[]}");
    free(text);
    json_decref(json);
}

static void checksums_are_sixteen_digits(void **state RH_UNUSED)
{
    findings.has_checksums = true;
    findings.source_checksum = 0xab;
    findings.target_checksum = UINT64_MAX;
    char *text = written(report_write_json);
    assert_non_null(strstr(text, "\"source_checksum\": \"00000000000000ab\""));
    assert_non_null(strstr(text, "\"target_checksum\": \"ffffffffffffffff\""));
    free(text);
}

static void assert_repaired(struct bytes text, const char *expected)
{
    json_t *json = report_text(text);
    assert_string_equal(json_string_value(json), expected);
    json_decref(json);
}

static void bytes_that_are_not_utf8_are_replaced_one_by_one(void **state RH_UNUSED)
{
    assert_repaired(BYTES_LITERAL("gr\xc3\xbc\xc3\x9f"), "gr\xc3\xbc\xc3\x9f");
    assert_repaired(BYTES_LITERAL("gr\xfc-"), "gr\xef\xbf\xbd-");
    assert_repaired(BYTES_LITERAL("\xc0\x80"), "\xef\xbf\xbd\xef\xbf\xbd");
    assert_repaired(BYTES_LITERAL("\xed\xa0\x80"), "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
    assert_repaired(BYTES_LITERAL("\xf0\x9f\x98\x80\xff"), "\xf0\x9f\x98\x80\xef\xbf\xbd");
    assert_repaired(BYTES_LITERAL("a\xe2\x82"), "a\xef\xbf\xbd\xef\xbf\xbd");
    assert_repaired(BYTES_EMPTY, "");
}

static void different_beats_unverified_beats_equal(void **state RH_UNUSED)
{
    assert_int_equal(verdict_worse(VERDICT_EQUAL, VERDICT_UNVERIFIED), VERDICT_UNVERIFIED);
    assert_int_equal(verdict_worse(VERDICT_UNVERIFIED, VERDICT_DIFFERENT), VERDICT_DIFFERENT);
    assert_int_equal(verdict_worse(VERDICT_DIFFERENT, VERDICT_EQUAL), VERDICT_DIFFERENT);
}

static void a_second_attempt_begins_with_nothing_found(void **state RH_UNUSED)
{
    add(DIFFERENCE_MISSING, "1");
    findings_reset(&findings);
    assert_int_equal(findings.missing, 0);
    assert_null(findings.first);
    assert_true(findings_lists(&findings));
    assert_false(findings.counted);
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(equal_tables_are_a_table_and_a_verdict),
        TEST(differences_are_shown_and_the_rest_is_counted),
        TEST(what_could_not_be_verified_says_why),
        TEST(checksums_are_sixteen_digits),
        TEST(bytes_that_are_not_utf8_are_replaced_one_by_one),
        TEST(different_beats_unverified_beats_equal),
        TEST(a_second_attempt_begins_with_nothing_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
