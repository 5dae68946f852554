#include "common/failpoint.h"

#include "common/clock.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void the_page_in_docs_is_what_the_tables_print(void **state)
{
    static char page[64 * 1024];
    char *printed = NULL;
    size_t printed_len = 0;
    FILE *stream = open_memstream(&printed, &printed_len);
    FILE *file = fopen(TESTS_DIR "/../docs/failpoints.md", "r");
    size_t len;

    (void)state;
    assert_non_null(stream);
    failpoint_print_markdown(stream);
    assert_int_equal(fclose(stream), 0);
    assert_non_null(file);
    len = fread(page, 1, sizeof(page) - 1, file);
    assert_int_equal(fclose(file), 0);
    page[len] = '\0';
    assert_string_equal(page, printed);
    free(printed);
}

static void the_page_has_failpoints_and_controls(void **state)
{
    char page[8192];
    FILE *stream = fmemopen(page, sizeof(page), "w");

    (void)state;
    assert_non_null(stream);
    failpoint_print_markdown(stream);
    assert_int_equal(fclose(stream), 0);
    assert_memory_equal(page, "# Failpoints\n", 13);
    assert_non_null(strstr(page, "| `after_copy` | worker | target rows are written, not committed "
                                 "|\n"));
    assert_non_null(strstr(page, "| `unsafe_no_cas` | worker | "));
}

#ifdef RH_FAILPOINTS

struct outcome {
    int signal;    /* that ended the child, or 0 */
    int exit_code; /* else; the number of passages it survived */
    int64_t took_ms;
    char text[256]; /* its stderr */
};

/* A child passes `name` and then `other` up to five times each. */
static struct outcome pass(const char *rules, const char *name, const char *other)
{
    struct outcome outcome = {0};
    int64_t start_ms = clock_ms();
    int ends[2];
    int status;

    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();

    if (child == 0) {
        (void)dup2(ends[1], STDERR_FILENO);
        (void)setenv("ROWHAUL_FAILPOINTS", rules, 1);
        for (int i = 0; i < 5; i++) {
            RH_FAILPOINT(name);
            RH_FAILPOINT(other);
        }
        _exit(0);
    }
    (void)close(ends[1]);
    for (size_t len = 0; len < sizeof(outcome.text) - 1;) {
        ssize_t got = read(ends[0], outcome.text + len, sizeof(outcome.text) - 1 - len);

        if (got <= 0)
            break;
        len += (size_t)got;
    }
    (void)close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    outcome.took_ms = clock_ms() - start_ms;
    outcome.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    outcome.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
    return outcome;
}

static void without_rules_nothing_happens(void **state)
{
    (void)state;
    assert_int_equal(pass("", "after_copy", "after_commit").signal, 0);
    assert_int_equal(pass("after_claim=crash", "after_copy", "after_commit").signal, 0);
}

static void a_crash_comes_at_its_passage(void **state)
{
    (void)state;
    assert_int_equal(pass("after_copy=crash", "after_copy", "after_commit").signal, SIGKILL);
    assert_int_equal(pass("after_copy=crash@5", "after_copy", "after_commit").signal, SIGKILL);
    assert_int_equal(pass("after_copy=crash@6", "after_copy", "after_commit").signal, 0);
    assert_int_equal(pass("after_commit=crash@5", "after_copy", "after_commit").signal, SIGKILL);
}

static void a_sleep_delays_its_passage_only(void **state)
{
    struct outcome outcome = pass("after_copy=sleep:200@2", "after_copy", "after_commit");

    (void)state;
    assert_int_equal(outcome.signal, 0);
    assert_in_range(outcome.took_ms, 190, 2000);
    outcome = pass("after_copy=sleep:200@6", "after_copy", "after_commit");
    assert_in_range(outcome.took_ms, 0, 190);
}

static void several_rules_hold_together(void **state)
{
    struct outcome outcome =
        pass("after_copy=sleep:100,after_copy=sleep:100@3,after_commit=crash@4", "after_copy",
             "after_commit");

    (void)state;
    assert_int_equal(outcome.signal, SIGKILL);
    assert_in_range(outcome.took_ms, 190, 2000);
}

static void what_cannot_be_read_ends_the_process(void **state)
{
    static const struct {
        const char *rules;
        const char *text;
    } cases[] = {
        {"after_cpoy=crash", "rowhaul: ROWHAUL_FAILPOINTS: unknown failpoint \"after_cpoy\"\n"},
        {"after_cop=crash", "rowhaul: ROWHAUL_FAILPOINTS: unknown failpoint \"after_cop\"\n"},
        {",", "rowhaul: ROWHAUL_FAILPOINTS: unknown failpoint \"\"\n"},
        {"after_copy", "rowhaul: ROWHAUL_FAILPOINTS: cannot read \"after_copy\"\n"},
        {"after_copy=", "rowhaul: ROWHAUL_FAILPOINTS: cannot read \"after_copy=\"\n"},
        {"after_copy=crash@", "rowhaul: ROWHAUL_FAILPOINTS: cannot read \"after_copy=crash@\"\n"},
        {"after_copy=crash@0", "rowhaul: ROWHAUL_FAILPOINTS: cannot read \"after_copy=crash@0\"\n"},
        {"after_copy=crash@-1",
         "rowhaul: ROWHAUL_FAILPOINTS: cannot read \"after_copy=crash@-1\"\n"},
        {"after_copy=crashed", "rowhaul: ROWHAUL_FAILPOINTS: cannot read \"after_copy=crashed\"\n"},
        {"after_copy=sleep", "rowhaul: ROWHAUL_FAILPOINTS: cannot read \"after_copy=sleep\"\n"},
        {"after_copy=sleep:@1",
         "rowhaul: ROWHAUL_FAILPOINTS: cannot read \"after_copy=sleep:@1\"\n"},
        {"after_copy=sleep:99999999999",
         "rowhaul: ROWHAUL_FAILPOINTS: cannot read \"after_copy=sleep:99999999999\"\n"},
        {"unsafe_no_cas", "rowhaul: ROWHAUL_FAILPOINTS: cannot read \"unsafe_no_cas\"\n"},
        {"unsafe_no_cas=off", "rowhaul: ROWHAUL_FAILPOINTS: cannot read \"unsafe_no_cas=off\"\n"},
        {"unsafe_no_cas=on@2", "rowhaul: ROWHAUL_FAILPOINTS: cannot read \"unsafe_no_cas=on@2\"\n"},
        {"no_cas=on", "rowhaul: ROWHAUL_FAILPOINTS: unknown failpoint \"no_cas\"\n"},
        {"after_copy=crash@9,after_copy=bang",
         "rowhaul: ROWHAUL_FAILPOINTS: cannot read \"after_copy=bang\"\n"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct outcome outcome = pass(cases[i].rules, "after_copy", "after_commit");

        assert_int_equal(outcome.exit_code, 2);
        assert_string_equal(outcome.text, cases[i].text);
    }
}

static void sixteen_rules_fit_and_no_more(void **state)
{
    char rules[1024] = "";

    (void)state;
    for (int i = 0; i < 16; i++)
        strncat(rules, "after_copy=crash@9,", sizeof(rules) - strlen(rules) - 1);
    assert_int_equal(pass(rules, "after_copy", "after_commit").exit_code, 0);
    strncat(rules, "after_copy=crash@8", sizeof(rules) - strlen(rules) - 1);
    assert_int_equal(pass(rules, "after_copy", "after_commit").exit_code, 2);
}

/* In a process of its own, since the variable is read once. */
static int exit_code_with(const char *rules, const char *name)
{
    int status;
    pid_t child = fork();

    if (child == 0) {
        (void)freopen("/dev/null", "w", stderr);
        (void)setenv("ROWHAUL_FAILPOINTS", rules, 1);
        _exit(failpoint_control_is_on(name) ? 1 : 0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void a_control_is_off_unless_it_is_switched_on(void **state)
{
    (void)state;
    assert_int_equal(exit_code_with("", "unsafe_no_cas"), 0);
    assert_int_equal(exit_code_with("unsafe_skip_seq=on", "unsafe_no_cas"), 0);
    assert_int_equal(exit_code_with("unsafe_no_cas=on", "unsafe_no_cas"), 1);
    assert_int_equal(exit_code_with("after_copy=crash,unsafe_no_cas=on", "unsafe_no_cas"), 1);
    assert_int_equal(exit_code_with("unsafe_no_cas=on,unsafe_ack_early=on", "unsafe_ack_early"), 1);
    assert_int_equal(exit_code_with("unsafe_no_cas=on", "unsafe_unlisted"), -SIGABRT);
}

static void a_control_takes_no_place_among_the_rules(void **state)
{
    struct outcome outcome = pass("unsafe_no_cas=on,after_copy=crash@2", "after_copy", "at_start");

    (void)state;
    assert_int_equal(outcome.signal, SIGKILL);
    assert_int_equal(pass("unsafe_no_cas=on", "after_copy", "at_start").signal, 0);
}

static void passing_an_unlisted_name_is_a_bug(void **state)
{
    (void)state;
    assert_int_equal(pass("", "not_in_the_table", "after_commit").signal, SIGABRT);
}

#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_page_in_docs_is_what_the_tables_print),
        cmocka_unit_test(the_page_has_failpoints_and_controls),
#ifdef RH_FAILPOINTS
        cmocka_unit_test(without_rules_nothing_happens),
        cmocka_unit_test(a_crash_comes_at_its_passage),
        cmocka_unit_test(a_sleep_delays_its_passage_only),
        cmocka_unit_test(several_rules_hold_together),
        cmocka_unit_test(what_cannot_be_read_ends_the_process),
        cmocka_unit_test(sixteen_rules_fit_and_no_more),
        cmocka_unit_test(a_control_is_off_unless_it_is_switched_on),
        cmocka_unit_test(a_control_takes_no_place_among_the_rules),
        cmocka_unit_test(passing_an_unlisted_name_is_a_bug),
#endif
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
