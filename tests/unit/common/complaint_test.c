#include "common/complaint.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct arena arena;
static struct complaints complaints;
static char printed[1 << 20];

static int open_list(void **state)
{
    (void)state;
    arena_init(&arena, 8 << 20);
    complaints_init(&complaints, &arena, "m.yaml");
    return 0;
}

static int close_list(void **state)
{
    (void)state;
    arena_release(&arena);
    return 0;
}

static struct node at(int line, int column)
{
    return (struct node){.kind = NODE_SCALAR, .line = line, .column = column};
}

static const char *print(void)
{
    FILE *stream = tmpfile();
    size_t len;

    assert_non_null(stream);
    complaints_print(&complaints, stream);
    rewind(stream);
    len = fread(printed, 1, sizeof(printed) - 1, stream);
    printed[len] = '\0';
    fclose(stream);
    return printed;
}

static void a_complaint_has_place_level_code_text_and_mend(void **state)
{
    struct node node = at(12, 7);

    (void)state;
    complain(&complaints, COMPLAINT_ERROR, "RH-3004", &node, "did you mean \"name\"?",
             "column \"%s\" does not exist in table \"%s\"", "nmae", "public.users");
    assert_string_equal(print(), "m.yaml:12:7: error RH-3004: column \"nmae\" does not exist in "
                                 "table \"public.users\" (did you mean \"name\"?)\n");
}

static void code_place_and_mend_may_be_missing(void **state)
{
    (void)state;
    complain(&complaints, COMPLAINT_WARNING, NULL, NULL, NULL, "no tables");
    assert_string_equal(print(), "m.yaml: warning: no tables\n");
}

static void complaints_are_sorted_by_place_and_stable(void **state)
{
    struct node a = at(2, 9), b = at(2, 10), c = at(10, 1);

    (void)state;
    complain(&complaints, COMPLAINT_ERROR, "E", &c, NULL, "five");
    complain(&complaints, COMPLAINT_ERROR, "E", &b, NULL, "four");
    complain(&complaints, COMPLAINT_ERROR, "E", &a, NULL, "two");
    complain(&complaints, COMPLAINT_WARNING, "W", &a, NULL, "three");
    complain(&complaints, COMPLAINT_ERROR, "E", NULL, NULL, "one");
    assert_string_equal(print(), "m.yaml: error E: one\n"
                                 "m.yaml:2:9: error E: two\n"
                                 "m.yaml:2:9: warning W: three\n"
                                 "m.yaml:2:10: error E: four\n"
                                 "m.yaml:10:1: error E: five\n");
}

static void a_complaint_is_one_line_whatever_the_file_holds(void **state)
{
    struct node node = at(1, 1);

    (void)state;
    complain(&complaints, COMPLAINT_ERROR, "E", &node, "\x1b[1m\x7f", "key \"%s\"", "a\nb: é");
    assert_string_equal(print(), "m.yaml:1:1: error E: key \"a\\x0ab: é\" (\\x1b[1m\\x7f)\n");
}

static void warnings_alone_are_no_error(void **state)
{
    struct error err = {.text = "untouched"};

    (void)state;
    assert_true(complaints_to_error(&complaints, &err));
    complain(&complaints, COMPLAINT_WARNING, "W", NULL, NULL, "odd");
    assert_true(complaints_to_error(&complaints, &err));
    assert_string_equal(err.text, "untouched");
    assert_int_equal(complaints.warnings_count, 1);
}

static void one_error_becomes_the_error_object(void **state)
{
    struct node node = at(3, 4);
    struct error err;

    (void)state;
    complain(&complaints, COMPLAINT_WARNING, "W", NULL, NULL, "odd");
    complain(&complaints, COMPLAINT_ERROR, "RH-3001", &node, "write a name", "a name is needed");
    assert_false(complaints_to_error(&complaints, &err));
    assert_string_equal(err.text, "m.yaml:3:4: a name is needed");
    assert_string_equal(err.code, "RH-3001");
    assert_string_equal(err.hint, "write a name");
    assert_int_equal(err.action, ERROR_STOP);
    assert_int_equal(err.exit_code, EXIT_CONFIG);
}

static void of_several_errors_the_first_by_place_is_named(void **state)
{
    struct node a = at(3, 4), b = at(1, 2);
    struct error err;

    (void)state;
    complain(&complaints, COMPLAINT_ERROR, "RH-3001", &a, "mend", "late");
    complain(&complaints, COMPLAINT_ERROR, "RH-3002", &b, NULL, "early");
    assert_false(complaints_to_error(&complaints, &err));
    assert_string_equal(err.text, "2 errors, the first: m.yaml:1:2: early");
    assert_string_equal(err.code, "RH-3002");
    assert_null(err.hint);

    complain(&complaints, COMPLAINT_ERROR, "RH-3003", NULL, NULL, "nowhere");
    assert_false(complaints_to_error(&complaints, &err));
    assert_string_equal(err.text, "3 errors, the first: m.yaml: nowhere");
}

static size_t lines(const char *text)
{
    size_t count = 0;

    for (; *text != '\0'; text++)
        count += *text == '\n';
    return count;
}

static void a_thousand_of_each_level_are_kept_and_all_are_counted(void **state)
{
    struct error err;

    (void)state;
    for (int i = 1; i <= 1000; i++) {
        struct node node = at(i, 1);

        complain(&complaints, COMPLAINT_WARNING, "W", &node, NULL, "odd");
    }
    assert_int_equal(lines(print()), 1000);
    complain(&complaints, COMPLAINT_WARNING, "W", NULL, NULL, "odd");
    for (int i = 0; i < 1003; i++)
        complain(&complaints, COMPLAINT_ERROR, "E", NULL, NULL, "wrong");
    assert_int_equal(lines(print()), 2002);
    assert_non_null(strstr(printed, "m.yaml: 3 more errors\nm.yaml: 1 more warnings\n"));
    assert_int_equal(complaints.warnings_count, 1001);
    assert_false(complaints_to_error(&complaints, &err));
    assert_string_equal(err.text, "1003 errors, the first: m.yaml: wrong");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_complaint_has_place_level_code_text_and_mend, open_list,
                                        close_list),
        cmocka_unit_test_setup_teardown(code_place_and_mend_may_be_missing, open_list, close_list),
        cmocka_unit_test_setup_teardown(complaints_are_sorted_by_place_and_stable, open_list,
                                        close_list),
        cmocka_unit_test_setup_teardown(a_complaint_is_one_line_whatever_the_file_holds, open_list,
                                        close_list),
        cmocka_unit_test_setup_teardown(warnings_alone_are_no_error, open_list, close_list),
        cmocka_unit_test_setup_teardown(one_error_becomes_the_error_object, open_list, close_list),
        cmocka_unit_test_setup_teardown(of_several_errors_the_first_by_place_is_named, open_list,
                                        close_list),
        cmocka_unit_test_setup_teardown(a_thousand_of_each_level_are_kept_and_all_are_counted,
                                        open_list, close_list),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
