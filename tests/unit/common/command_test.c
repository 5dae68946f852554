#include "common/command.h"

#include "common/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct options {
    struct common_options common;
    const char *until;
    const char *where;
    uint64_t workers;
    bool yes;
};

static const struct option_spec run_options[] = {
    {"until", 0, OPTION_TEXT, "STATE", "end when it is reached", offsetof(struct options, until),
     false},
    {"where", 'w', OPTION_TEXT, "TEXT", "a text", offsetof(struct options, where), true},
    {"workers", 'n', OPTION_COUNT, "N", "how many", offsetof(struct options, workers), false},
    {"yes", 'y', OPTION_FLAG, NULL, "do not ask", offsetof(struct options, yes), false},
    {NULL, 0, OPTION_FLAG, NULL, NULL, 0, false},
};

static struct options given;
static size_t ran_argc;
static char **ran_argv;
static const char *ran;
static char out[8192];
static char errors[2048];

static int note(const char *name, size_t argc, char **argv)
{
    ran = name;
    ran_argc = argc;
    ran_argv = argv;
    return 42;
}

static int command_run(void *options, size_t argc, char **argv)
{
    assert_ptr_equal(options, &given);
    return note("run", argc, argv);
}

static int command_list(void *options, size_t argc, char **argv)
{
    (void)options;
    return note("list", argc, argv);
}

static int command_drop(void *options, size_t argc, char **argv)
{
    (void)options;
    return note("drop", argc, argv);
}

static const struct command commands[] = {
    {"run", "", "Does the whole job.", run_options, 0, command_run},
    {"trace", "TABLE KEY…", "Shows one record's story.", NULL, 3, command_run},
    {"rejects list", NULL, "Lists rejects.", NULL, 0, command_list},
    {"rejects drop", NULL, "Drops rejects.", NULL, 0, command_drop},
    {NULL, NULL, NULL, NULL, 0, NULL},
};

static const struct command only_command[] = {
    {NULL, "[FILE]", "Applies what Kafka holds.", run_options, 1, command_run},
};

/* What was written to `fd` while `copy` stood in its place. */
static void take_back(int fd, int kept, FILE *copy, char *text, size_t size)
{
    size_t len;

    fflush(fd == STDOUT_FILENO ? stdout : stderr);
    assert_true(dup2(kept, fd) >= 0);
    close(kept);
    rewind(copy);
    len = fread(text, 1, size - 1, copy);
    text[len] = '\0';
    fclose(copy);
}

#define WORDS_MAX 16

static char words_memory[512];
static char *words[WORDS_MAX + 1];

/* Runs the command line `line`, split at blanks ('_' stands for an empty word). */
static int run_words(const struct command *table, const char *line)
{
    int argc = 0;
    FILE *out_copy = tmpfile(), *errors_copy = tmpfile();
    int out_kept, errors_kept, code;

    snprintf(words_memory, sizeof(words_memory), "rowhaul %s", line);
    for (char *word = words_memory, *end; *word != '\0'; word = end) {
        end = word + strcspn(word, " ");
        if (*end == ' ')
            *end++ = '\0';
        if (strcmp(word, "_") == 0)
            *word = '\0';
        assert_true(argc < WORDS_MAX);
        words[argc++] = word;
    }
    memset(&given, 0, sizeof(given));
    ran = NULL;

    fflush(stdout);
    out_kept = dup(STDOUT_FILENO);
    errors_kept = dup(STDERR_FILENO);
    assert_true(dup2(fileno(out_copy), STDOUT_FILENO) >= 0);
    assert_true(dup2(fileno(errors_copy), STDERR_FILENO) >= 0);
    code = command_main("rowhaul", table, &given, sizeof(given), argc, words);
    take_back(STDOUT_FILENO, out_kept, out_copy, out, sizeof(out));
    take_back(STDERR_FILENO, errors_kept, errors_copy, errors, sizeof(errors));
    return code;
}

static void check_refused(const char *line, const char *expected)
{
    assert_int_equal(run_words(commands, line), EXIT_USAGE);
    assert_null(ran);
    assert_string_equal(out, "");
    assert_string_equal(errors, expected);
}

static void check_runs(const char *line)
{
    assert_int_equal(run_words(commands, line), 42);
    assert_string_equal(errors, "");
}

static void a_verb_runs_and_gives_the_exit_code(void **state)
{
    (void)state;
    check_runs("run");
    assert_string_equal(ran, "run");
    assert_int_equal(ran_argc, 0);
    assert_null(given.until);
    assert_false(given.yes);
}

static void options_take_every_usual_form(void **state)
{
    static const char *const lines[] = {
        "-c FILE run --until=done --workers 7 --yes", "run -cFILE --until done -n7 -y",
        "--config=FILE run -y -n 7 --until done",     "run -yn7 --until done --config FILE",
        "run --until done -ycFILE --workers=7",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        check_runs(lines[i]);
        assert_string_equal(given.common.config, "FILE");
        assert_string_equal(given.until, "done");
        assert_int_equal(given.workers, 7);
        assert_true(given.yes);
    }
}

static void common_options_are_stored(void **state)
{
    (void)state;
    check_runs("run -qv --no-color --format json --log-format text --log-level debug");
    assert_true(given.common.quiet);
    assert_true(given.common.verbose);
    assert_true(given.common.no_color);
    assert_string_equal(given.common.format, "json");
    assert_string_equal(given.common.log_format, "text");
    assert_string_equal(given.common.log_level, "debug");
}

static void options_may_stand_between_and_after_words(void **state)
{
    (void)state;
    check_runs("trace users -q 17 --config F x");
    assert_true(given.common.quiet);
    assert_int_equal(ran_argc, 3);
    assert_string_equal(ran_argv[0], "users");
    assert_string_equal(ran_argv[1], "17");
    assert_string_equal(ran_argv[2], "x");
}

static void two_dashes_end_the_options(void **state)
{
    (void)state;
    check_runs("trace -q -- -q -- --help");
    assert_true(given.common.quiet);
    assert_int_equal(ran_argc, 3);
    assert_string_equal(ran_argv[0], "-q");
    assert_string_equal(ran_argv[1], "--");
    assert_string_equal(ran_argv[2], "--help");
}

static void a_dash_alone_is_a_word_and_an_empty_value_a_value(void **state)
{
    (void)state;
    check_runs("trace -");
    assert_string_equal(ran_argv[0], "-");
    check_runs("run --until= --where _");
    assert_string_equal(given.until, "");
    assert_string_equal(given.where, "");
}

static void a_value_may_look_like_an_option(void **state)
{
    (void)state;
    check_runs("run --until --yes --where -x=y");
    assert_string_equal(given.until, "--yes");
    assert_string_equal(given.where, "-x=y");
    assert_false(given.yes);
}

static void verbs_of_two_words_are_found(void **state)
{
    (void)state;
    check_runs("rejects list");
    assert_string_equal(ran, "list");
    check_runs("rejects -c F drop -q");
    assert_string_equal(ran, "drop");
    assert_string_equal(given.common.config, "F");
    assert_true(given.common.quiet);
}

static void an_unknown_option_is_refused_with_the_nearest(void **state)
{
    (void)state;
    check_refused("run --foramt json", "rowhaul: unknown option \"--foramt\"; did you mean "
                                       "\"--format\"? (see \"rowhaul run --help\")\n");
    check_refused("run --untill=x", "rowhaul: unknown option \"--untill\"; did you mean "
                                    "\"--until\"? (see \"rowhaul run --help\")\n");
    check_refused("run --zzzzzz",
                  "rowhaul: unknown option \"--zzzzzz\" (see \"rowhaul run --help\")\n");
    check_refused("run -yx", "rowhaul: unknown option \"-x\" (see \"rowhaul run --help\")\n");
    check_refused("--verison",
                  "rowhaul: unknown option \"--verison\"; did you mean \"--version\"? (see "
                  "\"rowhaul --help\")\n");
    check_refused("trace --until x",
                  "rowhaul: unknown option \"--until\" (see \"rowhaul trace --help\")\n");
}

static void a_verbs_option_before_the_verb_is_explained(void **state)
{
    (void)state;
    check_refused("--until x run",
                  "rowhaul: option \"--until\" must follow its command (see \"rowhaul --help\")\n");
}

static void an_unknown_verb_is_refused_with_the_nearest(void **state)
{
    (void)state;
    check_refused("trcae x", "rowhaul: unknown command \"trcae\"; did you mean \"trace\"? (see "
                             "\"rowhaul --help\")\n");
    check_refused("rejcts list", "rowhaul: unknown command \"rejcts\"; did you mean \"rejects\"? "
                                 "(see \"rowhaul --help\")\n");
    check_refused("destroy", "rowhaul: unknown command \"destroy\" (see \"rowhaul --help\")\n");
    check_refused("rejects lst", "rowhaul: unknown command of \"rejects\": \"lst\"; did you mean "
                                 "\"list\"? (see \"rowhaul --help\")\n");
    check_refused("rejects zzzz", "rowhaul: unknown command of \"rejects\": \"zzzz\" (see "
                                  "\"rowhaul --help\")\n");
}

static void a_missing_verb_is_refused(void **state)
{
    (void)state;
    check_refused("", "rowhaul: a command is needed (see \"rowhaul --help\")\n");
    check_refused("-q", "rowhaul: a command is needed (see \"rowhaul --help\")\n");
    check_refused("rejects", "rowhaul: command \"rejects\" needs one of: list, drop (see "
                             "\"rowhaul --help\")\n");
}

static void values_are_checked(void **state)
{
    (void)state;
    check_refused(
        "run --until",
        "rowhaul: option \"--until\" needs a value: STATE (see \"rowhaul run --help\")\n");
    check_refused(
        "run -c",
        "rowhaul: option \"--config\" needs a value: FILE (see \"rowhaul run --help\")\n");
    check_refused("run --yes=no",
                  "rowhaul: option \"--yes\" takes no value (see \"rowhaul run --help\")\n");
    check_refused("run --format xml", "rowhaul: option \"--format\" must be text or json, not "
                                      "\"xml\" (see \"rowhaul run --help\")\n");
    check_refused("run --log-level loud",
                  "rowhaul: option \"--log-level\" must be debug, info, warn or error, not "
                  "\"loud\" (see \"rowhaul run --help\")\n");
    check_refused("run --log-format xml",
                  "rowhaul: option \"--log-format\" must be text or json, not "
                  "\"xml\" (see \"rowhaul run --help\")\n");
    check_refused("run --help=x",
                  "rowhaul: option \"--help\" takes no value (see \"rowhaul run --help\")\n");
}

static void counts_are_whole_numbers_of_64_bits(void **state)
{
    static const char *const bad[] = {"x", "-1", "+1", "1.5", "1k", "0x1", "0", "00", "_"};

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char line[64], expected[128];

        snprintf(line, sizeof(line), "run --workers %s", bad[i]);
        snprintf(expected, sizeof(expected),
                 "rowhaul: option \"--workers\" must be a whole number from 1, not \"%s\" (see "
                 "\"rowhaul run --help\")\n",
                 strcmp(bad[i], "_") == 0 ? "" : bad[i]);
        check_refused(line, expected);
    }
    check_runs("run --workers 1");
    assert_true(given.workers == 1);
    check_runs("run --workers 18446744073709551615");
    assert_true(given.workers == UINT64_MAX);
    check_refused("run --workers 18446744073709551616",
                  "rowhaul: option \"--workers\" must be at most 18446744073709551615, not "
                  "\"18446744073709551616\" (see \"rowhaul run --help\")\n");
}

static void twice_is_refused_unless_repeatable(void **state)
{
    (void)state;
    check_refused("run --until a --until b",
                  "rowhaul: option \"--until\" is given twice (see \"rowhaul run --help\")\n");
    check_refused("-c a run -cb",
                  "rowhaul: option \"--config\" is given twice (see \"rowhaul run --help\")\n");
    check_refused("run -n1 --workers 1",
                  "rowhaul: option \"--workers\" is given twice (see \"rowhaul run --help\")\n");
    check_runs("run --where a -wb -yy");
    assert_string_equal(given.where, "b");
}

static void words_beyond_the_arguments_are_refused(void **state)
{
    (void)state;
    check_runs("trace a b c");
    check_refused("trace a b c d",
                  "rowhaul: unexpected argument \"d\" (see \"rowhaul trace --help\")\n");
    check_refused("run x", "rowhaul: unexpected argument \"x\" (see \"rowhaul run --help\")\n");
}

static void no_color_in_the_environment_counts_unless_empty(void **state)
{
    (void)state;
    setenv("NO_COLOR", "1", 1);
    check_runs("run");
    assert_true(given.common.no_color);
    setenv("NO_COLOR", "", 1);
    check_runs("run");
    assert_false(given.common.no_color);
    unsetenv("NO_COLOR");
    check_runs("run");
    assert_false(given.common.no_color);
}

static void a_verbs_help_is_printed_from_its_table(void **state)
{
    (void)state;
    assert_int_equal(run_words(commands, "run --workers 1 --help --nonsense"), EXIT_DONE);
    assert_null(ran);
    assert_string_equal(errors, "");
    assert_string_equal(
        out, "Usage: rowhaul run [OPTION…]\n"
             "\n"
             "Does the whole job.\n"
             "\n"
             "Options:\n"
             "      --until STATE                      end when it is reached\n"
             "  -w, --where TEXT                       a text\n"
             "  -n, --workers N                        how many\n"
             "  -y, --yes                              do not ask\n"
             "\n"
             "Common options:\n"
             "  -c, --config FILE                      the configuration file\n"
             "      --format text|json                 form of the results on stdout\n"
             "      --log-format text|json             form of the events on stderr\n"
             "      --log-level debug|info|warn|error  the least level of events shown\n"
             "  -q, --quiet                            show warnings and errors only\n"
             "  -v, --verbose                          show debug events too\n"
             "      --no-color                         no colours (also by NO_COLOR in the "
             "environment)\n"
             "  -h, --help                             show this help and end\n"
             "      --version                          show the versions of the program and its "
             "libraries and end\n");
    assert_int_equal(run_words(commands, "trace -h"), EXIT_DONE);
    assert_memory_equal(out,
                        "Usage: rowhaul trace [OPTION…] TABLE KEY…\n\nShows one record's "
                        "story.\n\nCommon options:\n",
                        80);
}

static void the_programs_help_lists_its_verbs(void **state)
{
    static const char start[] = "Usage: rowhaul COMMAND [OPTION…]\n"
                                "\n"
                                "Commands:\n"
                                "  run           Does the whole job.\n"
                                "  trace         Shows one record's story.\n"
                                "  rejects list  Lists rejects.\n"
                                "  rejects drop  Drops rejects.\n"
                                "\n"
                                "Common options:\n";
    static const char end[] = "\n\"rowhaul COMMAND --help\" shows a command's own options.\n";

    (void)state;
    assert_int_equal(run_words(commands, "--help"), EXIT_DONE);
    assert_memory_equal(out, start, sizeof(start) - 1);
    assert_string_equal(out + strlen(out) - strlen(end), end);
}

static void the_version_names_the_libraries(void **state)
{
    char *line = out;

    (void)state;
    assert_int_equal(run_words(commands, "run --version"), EXIT_DONE);
    assert_null(ran);
    static const char *const names[] = {"rowhaul 0.", "libpq 1", "librdkafka 2.", "jansson 2.",
                                        "libyaml 0."};

    for (size_t i = 0; i < 5; i++) {
        assert_memory_equal(line, names[i], strlen(names[i]));
        line = strchr(line, '\n') + 1;
    }
    assert_string_equal(line, "");
}

static void a_program_without_verbs_takes_its_options_at_once(void **state)
{
    (void)state;
    assert_int_equal(run_words(only_command, "-n 3 FILE --yes"), 42);
    assert_int_equal(given.workers, 3);
    assert_true(given.yes);
    assert_int_equal(ran_argc, 1);
    assert_string_equal(ran_argv[0], "FILE");

    assert_int_equal(run_words(only_command, "a b"), EXIT_USAGE);
    assert_string_equal(errors, "rowhaul: unexpected argument \"b\" (see \"rowhaul --help\")\n");
    assert_int_equal(run_words(only_command, "--help"), EXIT_DONE);
    assert_memory_equal(out, "Usage: rowhaul [OPTION…] [FILE]\n\nApplies what Kafka holds.\n", 61);
}

static void flags_win_over_the_settings_of_the_log(void **state)
{
    struct common_options options = {0};
    struct error err;

    (void)state;
    log_init("rowhaul", LOG_FORMAT_JSON, LEVEL_ERROR);
    assert_true(command_log_init("rowhaul", &options, &err));
    assert_int_equal(log_current_format(), LOG_FORMAT_JSON);
    assert_int_equal(log_current_level(), LEVEL_ERROR);

    options.log_format = "text";
    options.quiet = true;
    assert_true(command_log_init("rowhaul", &options, &err));
    assert_int_equal(log_current_format(), LOG_FORMAT_TEXT);
    assert_int_equal(log_current_level(), LEVEL_WARN);

    options.verbose = true;
    assert_true(command_log_init("rowhaul", &options, &err));
    assert_int_equal(log_current_level(), LEVEL_DEBUG);

    options.log_level = "info";
    assert_true(command_log_init("rowhaul", &options, &err));
    assert_int_equal(log_current_level(), LEVEL_INFO);
}

static void unknown_log_options_are_usage_errors(void **state)
{
    struct common_options options = {.log_level = "loud"};
    struct error err;

    (void)state;
    log_init("rowhaul", LOG_FORMAT_TEXT, LEVEL_WARN);
    assert_false(command_log_init("rowhaul", &options, &err));
    assert_string_equal(err.text,
                        "option \"--log-level\" must be debug, info, warn or error, not \"loud\"");
    assert_int_equal(err.exit_code, EXIT_USAGE);
    options = (struct common_options){.log_format = "xml"};
    assert_false(command_log_init("rowhaul", &options, &err));
    assert_string_equal(err.text, "option \"--log-format\" must be text or json, not \"xml\"");
    assert_int_equal(log_current_level(), LEVEL_WARN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_verb_runs_and_gives_the_exit_code),
        cmocka_unit_test(options_take_every_usual_form),
        cmocka_unit_test(common_options_are_stored),
        cmocka_unit_test(options_may_stand_between_and_after_words),
        cmocka_unit_test(two_dashes_end_the_options),
        cmocka_unit_test(a_dash_alone_is_a_word_and_an_empty_value_a_value),
        cmocka_unit_test(a_value_may_look_like_an_option),
        cmocka_unit_test(verbs_of_two_words_are_found),
        cmocka_unit_test(an_unknown_option_is_refused_with_the_nearest),
        cmocka_unit_test(a_verbs_option_before_the_verb_is_explained),
        cmocka_unit_test(an_unknown_verb_is_refused_with_the_nearest),
        cmocka_unit_test(a_missing_verb_is_refused),
        cmocka_unit_test(values_are_checked),
        cmocka_unit_test(counts_are_whole_numbers_of_64_bits),
        cmocka_unit_test(twice_is_refused_unless_repeatable),
        cmocka_unit_test(words_beyond_the_arguments_are_refused),
        cmocka_unit_test(no_color_in_the_environment_counts_unless_empty),
        cmocka_unit_test(a_verbs_help_is_printed_from_its_table),
        cmocka_unit_test(the_programs_help_lists_its_verbs),
        cmocka_unit_test(the_version_names_the_libraries),
        cmocka_unit_test(a_program_without_verbs_takes_its_options_at_once),
        cmocka_unit_test(flags_win_over_the_settings_of_the_log),
        cmocka_unit_test(unknown_log_options_are_usage_errors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
