#include "common/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>
#include <librdkafka/rdkafka.h>
#include <math.h>
#include <pthread.h>

#define TS_LENGTH 24 /* of 2026-11-20T10:11:12.123Z */

static FILE *stream;
static char content[1 << 20];
static long position; /* up to where the test has read */

static int open_log(void **state)
{
    (void)state;
    stream = tmpfile();
    position = 0;
    assert_non_null(stream);
    log_to(stream);
    log_init("tester", LOG_FORMAT_TEXT, LEVEL_DEBUG);
    return 0;
}

static int close_log(void **state)
{
    (void)state;
    log_to(stderr);
    fclose(stream);
    return 0;
}

/* What was logged since the last call. */
static const char *logged(void)
{
    size_t len;

    fseek(stream, position, SEEK_SET);
    len = fread(content, 1, sizeof(content) - 1, stream);
    content[len] = '\0';
    position = ftell(stream);
    return content;
}

/* One line of text without its time, which is checked by its shape. */
static const char *logged_text(void)
{
    const char *line = logged();

    assert_true(strlen(line) > TS_LENGTH + 1);
    assert_int_equal(line[TS_LENGTH - 1], 'Z');
    assert_int_equal(line[TS_LENGTH], ' ');
    assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
    return line + TS_LENGTH + 1;
}

static json_t *logged_json(void)
{
    json_error_t err;
    json_t *object = json_loads(logged(), JSON_REJECT_DUPLICATES, &err);

    if (object == NULL)
        fail_msg("%s: %s", err.text, content);
    return object;
}

static const char *json_text(const json_t *object, const char *name)
{
    return json_string_value(json_object_get(object, name));
}

static void a_text_line_has_time_level_event_and_fields(void **state)
{
    (void)state;
    log_event(LEVEL_INFO, "page_done", F_STR("table", "public.users"), F_INT("rows", 10000),
              F_INT("ms", 212));
    assert_string_equal(logged_text(), "INFO page_done table=public.users rows=10000 ms=212\n");
    log_event(LEVEL_WARN, "w", F_REAL("rate", 0.25), F_BOOL("yes", true), F_BOOL("no", false),
              F_INT("least", INT64_MIN), F_STR("absent", NULL));
    assert_string_equal(logged_text(),
                        "WARN w rate=0.25 yes=true no=false least=-9223372036854775808\n");
    log_event(LEVEL_DEBUG, "d", F_STR("absent", NULL));
    assert_string_equal(logged_text(), "DEBUG d\n");
}

static void values_that_a_reader_could_not_split_are_quoted(void **state)
{
    static const struct {
        const char *value;
        const char *shown;
    } cases[] = {
        {"plain", "plain"},
        {"größe", "größe"},
        {"{a,b}/c:1-2", "{a,b}/c:1-2"},
        {"", "\"\""},
        {"a b", "\"a b\""},
        {"a=b", "\"a=b\""},
        {"say \"hi\"", "\"say \\\"hi\\\"\""},
        {"C:\\x", "\"C:\\\\x\""},
        {"a\nb\tc\rd", "\"a\\nb\\tc\\rd\""},
        {"\x1b[31m", "\"\\u001b[31m\""},
        {"\x7f", "\"\\u007f\""},
        {"\xc2\x9b", "\"\\u009b\""},
        {"a\xff", "\"a\xef\xbf\xbd\""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char expected[64];

        log_event(LEVEL_INFO, "e", F_STR("v", cases[i].value));
        snprintf(expected, sizeof(expected), "INFO e v=%s\n", cases[i].shown);
        assert_string_equal(logged_text(), expected);
    }
}

static void a_json_line_has_the_same_keys(void **state)
{
    (void)state;
    log_init("rowhaul-worker", LOG_FORMAT_JSON, LEVEL_INFO);
    log_event(LEVEL_INFO, "page_done", F_STR("table", "public.users"), F_INT("rows", 10000),
              F_REAL("ratio", 0.1), F_BOOL("last", true), F_STR("absent", NULL));
    const char *line = logged();

    assert_memory_equal(line, "{\"ts\":\"", 7);
    assert_string_equal(line + 7 + TS_LENGTH,
                        "\",\"level\":\"info\",\"program\":\"rowhaul-worker\","
                        "\"event\":\"page_done\",\"table\":\"public.users\",\"rows\":10000,"
                        "\"ratio\":0.1,\"last\":true}\n");
}

static void json_strings_survive_every_character(void **state)
{
    char every[128];
    size_t len = 0;

    (void)state;
    log_init("tester", LOG_FORMAT_JSON, LEVEL_INFO);
    for (int c = 1; c < 128; c++)
        every[len++] = (char)c;
    every[len] = '\0';
    log_event(LEVEL_INFO, "e", F_STR("ascii", every), F_STR("more", "é€😀\xc2\x85"));
    json_t *object = logged_json();

    assert_string_equal(json_text(object, "ascii"), every);
    assert_string_equal(json_text(object, "more"), "é€😀\xc2\x85");
    json_decref(object);
}

#define REPLACED "\xef\xbf\xbd"

static void invalid_utf8_is_replaced_byte_by_byte(void **state)
{
    static const struct {
        const char *value;
        const char *shown;
    } cases[] = {
        {"a\x80z", "a" REPLACED "z"},                              /* continuation alone */
        {"\xc3", REPLACED},                                        /* cut at the end */
        {"\xe2\x82", REPLACED REPLACED},                           /* cut in three */
        {"\xf0\x9f\x98", REPLACED REPLACED REPLACED},              /* cut in four */
        {"\xc0\xaf", REPLACED REPLACED},                           /* overlong "/" */
        {"\xc1\xbf", REPLACED REPLACED},                           /* overlong */
        {"\xe0\x9f\xbf", REPLACED REPLACED REPLACED},              /* overlong in three */
        {"\xe0\xa0\x80", "\xe0\xa0\x80"},                          /* the least in three */
        {"\xed\x9f\xbf", "\xed\x9f\xbf"},                          /* below the surrogates */
        {"\xed\xa0\x80", REPLACED REPLACED REPLACED},              /* a surrogate */
        {"\xee\x80\x80", "\xee\x80\x80"},                          /* above them */
        {"\xf0\x8f\xbf\xbf", REPLACED REPLACED REPLACED REPLACED}, /* overlong in four */
        {"\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf"},                  /* U+10FFFF */
        {"\xf4\x90\x80\x80", REPLACED REPLACED REPLACED REPLACED}, /* above it */
        {"\xf5", REPLACED},
        {"\xc3\x28", REPLACED "("},
        {"\xe2\x82\x28", REPLACED REPLACED "("},
    };

    (void)state;
    log_init("tester", LOG_FORMAT_JSON, LEVEL_INFO);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        log_event(LEVEL_INFO, "e", F_STR("v", cases[i].value));
        json_t *object = logged_json();

        assert_string_equal(json_text(object, "v"), cases[i].shown);
        json_decref(object);
    }
}

static void reals_read_back_as_they_were_and_json_has_no_infinity(void **state)
{
    static const double values[] = {0.0, 0.1, 1.0 / 3, 1e300, -2.5e-10, 123456789.125};

    (void)state;
    log_init("tester", LOG_FORMAT_JSON, LEVEL_INFO);
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        log_event(LEVEL_INFO, "e", F_REAL("v", values[i]));
        json_t *object = logged_json();

        assert_true(memcmp(&(double){json_number_value(json_object_get(object, "v"))}, &values[i],
                           sizeof(double)) == 0);
        json_decref(object);
    }
    log_event(LEVEL_INFO, "e", F_REAL("a", (double)INFINITY), F_REAL("b", (double)NAN));
    json_t *object = logged_json();

    assert_true(json_is_null(json_object_get(object, "a")));
    assert_true(json_is_null(json_object_get(object, "b")));
    json_decref(object);
}

static void events_below_the_level_are_not_written(void **state)
{
    (void)state;
    log_init("tester", LOG_FORMAT_TEXT, LEVEL_WARN);
    log_event(LEVEL_DEBUG, "d", F_INT("n", 1));
    log_event(LEVEL_INFO, "i", F_INT("n", 1));
    assert_string_equal(logged(), "");
    log_event(LEVEL_WARN, "w", F_INT("n", 1));
    assert_string_equal(logged_text(), "WARN w n=1\n");
}

static void an_error_is_one_line_with_all_that_is_known(void **state)
{
    struct error err;

    (void)state;
    error_stop(&err, EXIT_TARGET, "RH-8001", "could not write table \"%s\"", "users");
    memcpy(err.sqlstate, "42P01", sizeof(err.sqlstate));
    err.kafka_code = RD_KAFKA_RESP_ERR__TRANSPORT;
    error_hint(&err, "create it");
    log_error(LEVEL_ERROR, "stopped", &err);
    assert_string_equal(logged_text(),
                        "ERROR stopped code=RH-8001 error=\"could not write table \\\"users\\\"\" "
                        "sqlstate=42P01 kafka=_TRANSPORT hint=\"create it\"\n");

    error_set(&err, ERROR_RETRY, "lost");
    log_error(LEVEL_WARN, "again", &err);
    assert_string_equal(logged_text(), "WARN again code=RH-7000 error=lost\n");
}

static void every_error_event_has_a_code(void **state)
{
    (void)state;
    log_event(LEVEL_ERROR, "e", F_INT("n", 1));
    assert_string_equal(logged_text(), "ERROR e code=RH-7000 n=1\n");
    log_event(LEVEL_ERROR, "e", F_STR("code", NULL));
    assert_string_equal(logged_text(), "ERROR e code=RH-7000\n");
    log_event(LEVEL_ERROR, "e", F_STR("code", "SLOT_LOST"));
    assert_string_equal(logged_text(), "ERROR e code=SLOT_LOST\n");
}

static void a_long_value_is_cut_and_says_so(void **state)
{
    static char text[5001];

    (void)state;
    log_init("tester", LOG_FORMAT_JSON, LEVEL_INFO);
    memset(text, 'x', 4096);
    text[4096] = '\0';
    log_event(LEVEL_INFO, "e", F_STR("v", text));
    json_t *object = logged_json();

    assert_string_equal(json_text(object, "v"), text);
    json_decref(object);

    memset(text, 'x', 5000);
    log_event(LEVEL_INFO, "e", F_STR("v", text));
    object = logged_json();
    assert_int_equal(strlen(json_text(object, "v")), 4096 + strlen("…"));
    assert_string_equal(json_text(object, "v") + 4096, "…");
    json_decref(object);

    log_init("tester", LOG_FORMAT_TEXT, LEVEL_INFO);
    log_event(LEVEL_INFO, "e", F_STR("v", text));
    assert_int_equal(strlen(logged_text()), strlen("INFO e v=\"\"\n") + 4096 + strlen("…"));
}

static void a_value_cut_inside_a_character_stays_valid(void **state)
{
    static char text[4200];

    (void)state;
    log_init("tester", LOG_FORMAT_JSON, LEVEL_INFO);
    memset(text, 'x', 4095);
    memcpy(text + 4095, "😀tail", sizeof("😀tail"));
    log_event(LEVEL_INFO, "e", F_STR("v", text));
    json_t *object = logged_json();

    assert_string_equal(json_text(object, "v") + 4095, "😀…");
    json_decref(object);
}

static void a_line_too_long_loses_whole_fields_and_says_so(void **state)
{
    static char text[4097];

    (void)state;
    log_init("tester", LOG_FORMAT_JSON, LEVEL_INFO);
    memset(text, '\1', 4096); /* six bytes each, escaped */
    log_event(LEVEL_INFO, "e", F_STR("one", text), F_STR("two", text), F_INT("three", 3));
    json_t *object = logged_json();

    assert_string_equal(json_text(object, "one"), text);
    assert_null(json_object_get(object, "two"));
    assert_null(json_object_get(object, "three"));
    assert_true(json_is_true(json_object_get(object, "truncated")));
    json_decref(object);
}

static void names_are_parsed_strictly(void **state)
{
    enum log_format format = LOG_FORMAT_TEXT;
    enum log_level level = LEVEL_DEBUG;

    (void)state;
    assert_true(log_format_parse("json", &format));
    assert_int_equal(format, LOG_FORMAT_JSON);
    assert_true(log_format_parse("text", &format));
    assert_int_equal(format, LOG_FORMAT_TEXT);
    assert_false(log_format_parse("JSON", &format));
    assert_false(log_format_parse("", &format));
    assert_true(log_level_parse("error", &level));
    assert_int_equal(level, LEVEL_ERROR);
    assert_false(log_level_parse("warning", &level));
    assert_int_equal(level, LEVEL_ERROR);
    log_init("tester", LOG_FORMAT_JSON, LEVEL_WARN);
    assert_int_equal(log_current_format(), LOG_FORMAT_JSON);
    assert_int_equal(log_current_level(), LEVEL_WARN);
}

#define THREADS 4
#define EVENTS  200

static void *log_many(void *argument)
{
    (void)argument;
    for (int i = 0; i < EVENTS; i++)
        log_event(LEVEL_INFO, "thread", F_STR("text", "as long as it takes to be torn apart"));
    return NULL;
}

static void lines_of_threads_do_not_mix(void **state)
{
    pthread_t threads[THREADS];
    size_t count = 0;

    (void)state;
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, log_many, NULL), 0);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    logged();
    for (char *line = content, *end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
        *end = '\0';
        assert_string_equal(line + TS_LENGTH,
                            " INFO thread text=\"as long as it takes to be torn apart\"");
        count++;
    }
    assert_int_equal(count, THREADS * EVENTS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_text_line_has_time_level_event_and_fields, open_log,
                                        close_log),
        cmocka_unit_test_setup_teardown(values_that_a_reader_could_not_split_are_quoted, open_log,
                                        close_log),
        cmocka_unit_test_setup_teardown(a_json_line_has_the_same_keys, open_log, close_log),
        cmocka_unit_test_setup_teardown(json_strings_survive_every_character, open_log, close_log),
        cmocka_unit_test_setup_teardown(invalid_utf8_is_replaced_byte_by_byte, open_log, close_log),
        cmocka_unit_test_setup_teardown(reals_read_back_as_they_were_and_json_has_no_infinity,
                                        open_log, close_log),
        cmocka_unit_test_setup_teardown(events_below_the_level_are_not_written, open_log,
                                        close_log),
        cmocka_unit_test_setup_teardown(an_error_is_one_line_with_all_that_is_known, open_log,
                                        close_log),
        cmocka_unit_test_setup_teardown(every_error_event_has_a_code, open_log, close_log),
        cmocka_unit_test_setup_teardown(a_long_value_is_cut_and_says_so, open_log, close_log),
        cmocka_unit_test_setup_teardown(a_value_cut_inside_a_character_stays_valid, open_log,
                                        close_log),
        cmocka_unit_test_setup_teardown(a_line_too_long_loses_whole_fields_and_says_so, open_log,
                                        close_log),
        cmocka_unit_test_setup_teardown(names_are_parsed_strictly, open_log, close_log),
        cmocka_unit_test_setup_teardown(lines_of_threads_do_not_mix, open_log, close_log),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
