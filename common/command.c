#include "common/command.h"

#include "common/bytes.h"
#include "common/document.h"
#include "common/failpoint.h"
#include "common/log.h"
#include "common/nearest.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <libpq-fe.h>
#include <librdkafka/rdkafka.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <yaml.h>

#define OPTIONS_MAX   64 /* of one command, with the common ones */
#define SCRATCH_BYTES ((size_t)256 << 10)
#define NOT_STORED    SIZE_MAX /* the offset of --help and --version */

static const struct option_spec common_specs[] = {
    {"config", 'c', OPTION_TEXT, "FILE", "the configuration file",
     offsetof(struct common_options, config), false},
    {"format", 0, OPTION_TEXT, "text|json", "form of the results on stdout",
     offsetof(struct common_options, format), true},
    {"log-format", 0, OPTION_TEXT, "text|json", "form of the events on stderr",
     offsetof(struct common_options, log_format), true},
    {"log-level", 0, OPTION_TEXT, "debug|info|warn|error", "the least level of events shown",
     offsetof(struct common_options, log_level), true},
    {"quiet", 'q', OPTION_FLAG, NULL, "show warnings and errors only",
     offsetof(struct common_options, quiet), true},
    {"verbose", 'v', OPTION_FLAG, NULL, "show debug events too",
     offsetof(struct common_options, verbose), true},
    {"no-color", 0, OPTION_FLAG, NULL, "no colours (also by NO_COLOR in the environment)",
     offsetof(struct common_options, no_color), true},
    {"help", 'h', OPTION_FLAG, NULL, "show this help and end", NOT_STORED, true},
    {"version", 0, OPTION_FLAG, NULL, "show the versions of the program and its libraries and end",
     NOT_STORED, true},
    {NULL, 0, OPTION_FLAG, NULL, NULL, 0, false},
};

static const struct option_spec no_specs[] = {{NULL, 0, OPTION_FLAG, NULL, NULL, 0, false}};

struct parser {
    const char *program;
    const struct command *commands;
    const struct command *command; /* NULL: its verb was not read yet */
    const char *group; /* the first word of a two-word verb, while the second is not read */
    const struct option_spec *asked; /* --help or --version, which end parsing */

    unsigned char *options;
    size_t options_size;
    const struct option_spec *given[OPTIONS_MAX]; /* those that may not come again */
    size_t given_count;

    int argc;
    char **argv;
    int next;         /* index of the next word to read */
    size_t arguments; /* count; they are gathered at the front of argv */
};

static bool usage_error(struct error *err, const char *format, ...) RH_PRINTF(2, 3);
static bool usage_error(struct error *err, const char *format, ...)
{
    char text[sizeof(err->text)];
    va_list args;

    va_start(args, format);
    if (vsnprintf(text, sizeof(text), format, args) < 0)
        text[0] = '\0';
    va_end(args);
    return error_stop(err, EXIT_USAGE, NULL, "%s", text);
}

/* As usage_error, with the nearest of the names if there is one. */
static bool unknown_error(struct error *err, const char *what, const char *dashes, const char *name,
                          const char *const *names, size_t count)
{
    const char *nearest = nearest_name(name, names, count);

    if (nearest == NULL)
        return usage_error(err, "unknown %s \"%s%s\"", what, dashes, name);
    return usage_error(err, "unknown %s \"%s%s\"; did you mean \"%s%s\"?", what, dashes, name,
                       dashes, nearest);
}

/* Options */

static const struct option_spec *own_specs(const struct command *command)
{
    return command != NULL && command->options != NULL ? command->options : no_specs;
}

static const struct option_spec *find_name(const struct option_spec *spec, struct bytes name)
{
    while (spec->name != NULL && !bytes_is(name, spec->name))
        spec++;
    return spec->name != NULL ? spec : NULL;
}

static const struct option_spec *find_letter(const struct option_spec *spec, char letter)
{
    while (spec->name != NULL && spec->letter != letter)
        spec++;
    return spec->name != NULL ? spec : NULL;
}

static const struct option_spec *find_option(const struct parser *parser, struct bytes name)
{
    const struct option_spec *spec = find_name(own_specs(parser->command), name);

    return spec != NULL ? spec : find_name(common_specs, name);
}

static bool some_command_has(const struct parser *parser, struct bytes name)
{
    for (const struct command *c = parser->commands; c->run != NULL; c++) {
        if (find_name(own_specs(c), name) != NULL)
            return true;
    }
    return false;
}

static bool unknown_option(const struct parser *parser, struct bytes name, struct error *err)
{
    const char *names[OPTIONS_MAX];
    size_t count = 0;
    char text[64];

    if (parser->command == NULL && some_command_has(parser, name))
        return usage_error(err, "option \"--%.*s\" must follow its command", (int)name.len,
                           name.ptr);

    for (const struct option_spec *s = own_specs(parser->command); s->name != NULL; s++)
        names[count++] = s->name;
    for (const struct option_spec *s = common_specs; s->name != NULL; s++)
        names[count++] = s->name;
    if (name.len >= sizeof(text))
        return usage_error(err, "unknown option \"--%.*s\"", (int)name.len, name.ptr);
    memcpy(text, name.ptr, name.len);
    text[name.len] = '\0';
    return unknown_error(err, "option", "--", text, names, count);
}

static bool note_given(struct parser *parser, const struct option_spec *spec, struct error *err)
{
    if (spec->kind == OPTION_FLAG || spec->repeatable)
        return true;
    for (size_t i = 0; i < parser->given_count; i++) {
        if (parser->given[i] == spec)
            return usage_error(err, "option \"--%s\" is given twice", spec->name);
    }
    parser->given[parser->given_count++] = spec; /* at most once each, so there is room */
    return true;
}

static void store(struct parser *parser, const struct option_spec *spec, const void *value,
                  size_t size)
{
    REQUIRE(spec->offset <= parser->options_size && size <= parser->options_size - spec->offset);
    memcpy(parser->options + spec->offset, value, size);
}

static bool store_count(struct parser *parser, const struct option_spec *spec, const char *text,
                        struct error *err)
{
    unsigned long long number = 0;
    uint64_t count;
    char *end = NULL;

    errno = 0;
    if (*text >= '0' && *text <= '9') /* strtoull would take blanks and signs too */
        number = strtoull(text, &end, 10);
    if (end == NULL || *end != '\0' || (number == 0 && errno == 0))
        return usage_error(err, "option \"--%s\" must be a whole number from 1, not \"%s\"",
                           spec->name, text);
    if (errno == ERANGE)
        return usage_error(err, "option \"--%s\" must be at most %" PRIu64 ", not \"%s\"",
                           spec->name, UINT64_MAX, text);
    count = number;
    store(parser, spec, &count, sizeof(count));
    return true;
}

/* value is NULL for a flag. */
static bool set_option(struct parser *parser, const struct option_spec *spec, const char *value,
                       struct error *err)
{
    const bool set = true;

    if (!note_given(parser, spec, err))
        return false;
    if (spec->offset == NOT_STORED) {
        parser->asked = spec;
        return true;
    }
    switch (spec->kind) {
    case OPTION_FLAG:
        store(parser, spec, &set, sizeof(set));
        return true;
    case OPTION_TEXT:
        store(parser, spec, &value, sizeof(value));
        return true;
    case OPTION_COUNT:
        return store_count(parser, spec, value, err);
    }
    return false;
}

/* `inside` is what the option's own word holds, or NULL: then the next word is the value. */
static bool set_with_value(struct parser *parser, const struct option_spec *spec,
                           const char *inside, struct error *err)
{
    if (inside == NULL && parser->next == parser->argc)
        return usage_error(err, "option \"--%s\" needs a value: %s", spec->name, spec->value_name);
    return set_option(parser, spec, inside != NULL ? inside : parser->argv[parser->next++], err);
}

/* "name" or "name=value" */
static bool read_long_option(struct parser *parser, const char *word, struct error *err)
{
    size_t len = strcspn(word, "=");
    const char *value = word[len] == '=' ? word + len + 1 : NULL;
    const struct option_spec *spec = find_option(parser, (struct bytes){word, len});

    if (spec == NULL)
        return unknown_option(parser, (struct bytes){word, len}, err);
    if (spec->kind != OPTION_FLAG)
        return set_with_value(parser, spec, value, err);
    if (value != NULL)
        return usage_error(err, "option \"--%s\" takes no value", spec->name);
    return set_option(parser, spec, NULL, err);
}

/* "q", "qv", "cFILE" or "qcFILE" */
static bool read_letters(struct parser *parser, const char *word, struct error *err)
{
    for (; *word != '\0' && parser->asked == NULL; word++) {
        const struct option_spec *spec = find_letter(own_specs(parser->command), *word);

        if (spec == NULL)
            spec = find_letter(common_specs, *word);
        if (spec == NULL)
            return usage_error(err, "unknown option \"-%c\"", *word);
        if (spec->kind != OPTION_FLAG)
            return set_with_value(parser, spec, word[1] != '\0' ? word + 1 : NULL, err);
        if (!set_option(parser, spec, NULL, err))
            return false;
    }
    return true;
}

/* Verbs */

/* What follows `word` and a blank in the verb; NULL if it does not begin with it. */
static const char *second_word(const char *verb, const char *word)
{
    size_t len = strlen(word);

    return strncmp(verb, word, len) == 0 && verb[len] == ' ' ? verb + len + 1 : NULL;
}

static bool is_verb(const char *verb, const char *group, const char *word)
{
    const char *rest = group != NULL ? second_word(verb, group) : verb;

    return rest != NULL && strcmp(rest, word) == 0;
}

static bool is_group(const struct parser *parser, const char *word)
{
    for (const struct command *c = parser->commands; c->run != NULL; c++) {
        if (second_word(c->name, word) != NULL)
            return true;
    }
    return false;
}

/* Offers first words for a first word, and of a group its second ones. */
static bool unknown_verb(const struct parser *parser, const char *word, struct error *err)
{
    RH_AUTO(arena_release) struct arena arena = {.limit_bytes = SCRATCH_BYTES};
    size_t count = 0;
    const char **names;

    for (const struct command *c = parser->commands; c->run != NULL; c++)
        count++;
    names = arena_must_alloc(&arena, count * sizeof(*names));
    count = 0;
    for (const struct command *c = parser->commands; c->run != NULL; c++) {
        if (parser->group == NULL)
            names[count++] = arena_must_printf(&arena, "%.*s", (int)strcspn(c->name, " "), c->name);
        else if (second_word(c->name, parser->group) != NULL)
            names[count++] = second_word(c->name, parser->group);
    }
    if (parser->group == NULL)
        return unknown_error(err, "command", "", word, names, count);
    return unknown_error(err, arena_must_printf(&arena, "command of \"%s\":", parser->group), "",
                         word, names, count);
}

static bool read_verb(struct parser *parser, const char *word, struct error *err)
{
    for (const struct command *c = parser->commands; c->run != NULL; c++) {
        if (is_verb(c->name, parser->group, word)) {
            parser->command = c;
            return true;
        }
    }
    if (parser->group == NULL && is_group(parser, word)) {
        parser->group = word;
        return true;
    }
    return unknown_verb(parser, word, err);
}

static bool read_word(struct parser *parser, char *word, struct error *err)
{
    if (parser->command == NULL)
        return read_verb(parser, word, err);
    if (parser->arguments == parser->command->arguments_max)
        return usage_error(err, "unexpected argument \"%s\"", word);
    parser->argv[parser->arguments++] = word;
    return true;
}

static bool no_verb(const struct parser *parser, struct error *err)
{
    RH_AUTO(arena_release) struct arena arena = {.limit_bytes = SCRATCH_BYTES};
    struct buffer seconds;

    if (parser->group == NULL)
        return usage_error(err, "a command is needed");
    buffer_init(&seconds, &arena, sizeof(err->text));
    for (const struct command *c = parser->commands; c->run != NULL; c++) {
        const char *second = second_word(c->name, parser->group);

        if (second != NULL)
            write_format(&seconds, "%s%s", seconds.len > 0 ? ", " : "", second);
    }
    return usage_error(err, "command \"%s\" needs one of: %s", parser->group,
                       buffer_text(&seconds));
}

/* What the log options say over what format and level are. */
static bool log_options(const struct common_options *options, enum log_format *format,
                        enum log_level *level, struct error *err)
{
    if (options->quiet)
        *level = LEVEL_WARN;
    if (options->verbose)
        *level = LEVEL_DEBUG;
    if (options->log_level != NULL && !log_level_parse(options->log_level, level))
        return usage_error(err,
                           "option \"--log-level\" must be debug, info, warn or error, not \"%s\"",
                           options->log_level);
    if (options->log_format != NULL && !log_format_parse(options->log_format, format))
        return usage_error(err, "option \"--log-format\" must be text or json, not \"%s\"",
                           options->log_format);
    return true;
}

/* Here and not where they are used: the common options are checked before anything else is. */
static bool check_common(const struct parser *parser, struct error *err)
{
    struct common_options common;
    enum log_format format;
    enum log_level level;

    memcpy(&common, parser->options, sizeof(common));
    if (common.format != NULL && !log_format_parse(common.format, &format))
        return usage_error(err, "option \"--format\" must be text or json, not \"%s\"",
                           common.format);
    return log_options(&common, &format, &level, err);
}

/* Ends early, and with true, at --help and --version. */
static bool parse(struct parser *parser, struct error *err)
{
    bool only_words = false;

    while (parser->next < parser->argc) {
        char *word = parser->argv[parser->next++];
        bool read;

        if (only_words || word[0] != '-' || word[1] == '\0') /* "-" is a file's name */
            read = read_word(parser, word, err);
        else if (word[1] != '-')
            read = read_letters(parser, word + 1, err);
        else if (word[2] != '\0')
            read = read_long_option(parser, word + 2, err);
        else
            read = only_words = true;
        if (!read)
            return false;
        if (parser->asked != NULL)
            return true;
    }
    return (parser->command != NULL || no_verb(parser, err)) && check_common(parser, err);
}

/* Help */

/* "-c, --config FILE"; returns its width. */
static int print_label(FILE *stream, const struct option_spec *spec)
{
    char letter[5] = "    ";

    if (spec->letter != 0)
        (void)snprintf(letter, sizeof(letter), "-%c, ", spec->letter); /* four characters */
    return fprintf(stream, "  %s--%s%s%s", letter, spec->name, spec->value_name != NULL ? " " : "",
                   spec->value_name != NULL ? spec->value_name : "");
}

static size_t label_width(const struct option_spec *spec)
{
    return strlen("  -c, --") + strlen(spec->name) +
           (spec->value_name != NULL ? 1 + strlen(spec->value_name) : 0);
}

static void print_options(const struct option_spec *specs, int width)
{
    for (const struct option_spec *s = specs; s->name != NULL; s++) {
        int used = print_label(stdout, s);

        printf("%*s  %s\n", width - used, "", s->help);
    }
}

static size_t widest_label(const struct option_spec *specs, size_t least)
{
    for (const struct option_spec *s = specs; s->name != NULL; s++) {
        if (label_width(s) > least)
            least = label_width(s);
    }
    return least;
}

static void print_command_help(const struct parser *parser)
{
    const struct command *command = parser->command;
    const struct option_spec *own = own_specs(command);
    size_t width = widest_label(own, widest_label(common_specs, 0));

    printf("Usage: %s%s%s [OPTION…]", parser->program, command->name != NULL ? " " : "",
           command->name != NULL ? command->name : "");
    if (command->arguments != NULL && *command->arguments != '\0')
        printf(" %s", command->arguments);
    printf("\n\n%s\n", command->summary);
    if (own->name != NULL)
        printf("\nOptions:\n");
    print_options(own, (int)width);
    printf("\nCommon options:\n");
    print_options(common_specs, (int)width);
}

static void print_program_help(const struct parser *parser)
{
    size_t width = 0;

    for (const struct command *c = parser->commands; c->run != NULL; c++) {
        if (strlen(c->name) > width)
            width = strlen(c->name);
    }
    printf("Usage: %s COMMAND [OPTION…]\n\nCommands:\n", parser->program);
    for (const struct command *c = parser->commands; c->run != NULL; c++)
        printf("  %-*s  %s\n", (int)width, c->name, c->summary);
    printf("\nCommon options:\n");
    print_options(common_specs, (int)widest_label(common_specs, 0));
    printf("\n\"%s COMMAND --help\" shows a command's own options.\n", parser->program);
}

static void print_version(const char *program)
{
    int libpq = PQlibVersion();

    printf("%s %s\n", program, RH_VERSION);
    printf("libpq %d.%d\n", libpq / 10000, libpq % 10000);
    printf("librdkafka %s\n", rd_kafka_version_str());
    printf("jansson %s\n", jansson_version_str());
    printf("libyaml %s\n", yaml_get_version_string());
}

static int answer(const struct parser *parser)
{
    if (strcmp(parser->asked->name, "version") == 0)
        print_version(parser->program);
    else if (parser->command != NULL)
        print_command_help(parser);
    else
        print_program_help(parser);
    if (fflush(stdout) == 0 && !ferror(stdout))
        return EXIT_DONE;
    fprintf(stderr, "%s: could not write to stdout: %s\n", parser->program, strerror(errno));
    return EXIT_INTERNAL;
}

static int refuse(const struct parser *parser, const struct error *err)
{
    const char *verb = parser->command != NULL ? parser->command->name : NULL;

    fprintf(stderr, "%s: %s (see \"%s%s%s --help\")\n", parser->program, err->text, parser->program,
            verb != NULL ? " " : "", verb != NULL ? verb : "");
    return EXIT_USAGE;
}

static void apply_environment(struct parser *parser)
{
    const char *no_color = getenv("NO_COLOR"); /* any value but none and "": no-color.org */
    struct common_options common;

    if (no_color == NULL || *no_color == '\0')
        return;
    memcpy(&common, parser->options, sizeof(common));
    common.no_color = true;
    memcpy(parser->options, &common, sizeof(common));
}

/*
 * A descriptor 0, 1 or 2 that came closed would be the next connection's or file's, which our
 * results would then be written into. What takes its place refuses to be read or written.
 */
static void occupy_standard_streams(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) < 0) /* open takes the lowest free one: this */
            (void)open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
    }
}

int command_main(const char *program, const struct command *commands, void *options,
                 size_t options_size, int argc, char **argv)
{
    struct parser parser = {
        .program = program,
        .commands = commands,
        .command = commands[0].name == NULL ? &commands[0] : NULL,
        .options = options,
        .options_size = options_size,
        .argc = argc,
        .argv = argv,
        .next = 1,
    };
    struct error err;

    REQUIRE(options_size >= sizeof(struct common_options));
    occupy_standard_streams();
    if (!parse(&parser, &err))
        return refuse(&parser, &err);
    if (parser.asked != NULL)
        return answer(&parser);
    apply_environment(&parser);
    RH_FAILPOINT("at_start");
    REQUIRE(parser.command != NULL); /* parse refuses a line without one */
    return parser.command->run(options, parser.arguments, argv);
}

bool command_log_init(const char *program, const struct common_options *options, struct error *err)
{
    enum log_format format = log_current_format();
    enum log_level level = log_current_level();

    if (!log_options(options, &format, &level, err))
        return false;
    log_init(program, format, level);
    return true;
}
