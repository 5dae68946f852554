#include "cli/passthrough.h"

#include "cli/children.h"
#include "common/log.h"
#include "common/program.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define PROGRAM           "rowhaul"
#define ARENA_LIMIT_BYTES ((size_t)1 << 20)
#define WORDS_MAX         32

const struct option_spec work_option_specs[] = {
    {"name", 0, OPTION_TEXT, "NAME", "shown as owner in rowhaul.offsets (default: host and pid)",
     offsetof(struct work_options, name), false},
    {"assign", 0, OPTION_TEXT, "TOPIC:PARTITION",
     "work on this partition only, without joining the consumer group",
     offsetof(struct work_options, assign), false},
    {NULL, 0, OPTION_FLAG, NULL, NULL, 0, false},
};

const struct option_spec verify_option_specs[] = {
    {"mode", 0, OPTION_TEXT, "counts|checksum|rows",
     "how to compare (default: checksum where columns pass through, rows where rules make them)",
     offsetof(struct verify_options, mode), false},
    {"table", 0, OPTION_TEXT, "ID", "verify this table of the mapping only",
     offsetof(struct verify_options, table), false},
    {"max-differences", 0, OPTION_TEXT, "N|all",
     "list so many differences a table (default: 1000); all of them are counted",
     offsetof(struct verify_options, max_differences), false},
    {NULL, 0, OPTION_FLAG, NULL, NULL, 0, false},
};

/* The other program's command line. */
struct words {
    const char *list[WORDS_MAX + 1];
    size_t count;
};

static void add(struct words *words, const char *word)
{
    REQUIRE(words->count < WORDS_MAX);
    words->list[words->count++] = word;
}

static void add_option(struct words *words, const char *option, const char *value)
{
    if (value != NULL) {
        add(words, option);
        add(words, value);
    }
}

static void add_flag(struct words *words, const char *option, bool given)
{
    if (given) {
        add(words, option);
    }
}

static void add_common(struct words *words, const struct common_options *common)
{
    add_option(words, "--config", common->config);
    add_option(words, "--format", common->format);
    add_option(words, "--log-format", common->log_format);
    add_option(words, "--log-level", common->log_level);
    add_flag(words, "--quiet", common->quiet);
    add_flag(words, "--verbose", common->verbose);
    add_flag(words, "--no-color", common->no_color);
}

/* words->list[0] is the program's name; returns only when it could not be started. */
static int become(struct words *words, const struct common_options *common)
{
    struct error err = {0};
    struct arena arena;
    arena_init(&arena, ARENA_LIMIT_BYTES);
    log_init(PROGRAM, LOG_FORMAT_TEXT, LEVEL_INFO);
    const char *path = command_log_init(PROGRAM, common, &err)
                           ? children_program(&arena, words->list[0], &err)
                           : NULL;
    if (path != NULL) {
        words->list[0] = path;
        /* execv takes char *const[] for historical reasons and changes nothing. */
        char *const *argv = NULL;
        const char *const *list = words->list;
        memcpy(&argv, &list, sizeof argv);
        (void)execv(path, argv);
        (void)error_stop(&err, EXIT_INTERNAL, "RH-7003", "could not start \"%s\": %s", path,
                         strerror(errno));
    }
    int code = program_end("start_failed", false, &err);
    arena_release(&arena);
    return code;
}

int produce_command(void *options, size_t argc, char **argv)
{
    (void)argc; /* the table allows no words */
    (void)argv;
    const struct produce_options *given = options;
    struct words words = {.list = {"rowhaul-producer"}, .count = 1};
    add_common(&words, &given->common);
    return become(&words, &given->common);
}

int work_command(void *options, size_t argc, char **argv)
{
    (void)argc; /* the table allows no words */
    (void)argv;
    const struct work_options *given = options;
    struct words words = {.list = {"rowhaul-worker"}, .count = 1};
    add_common(&words, &given->common);
    add_option(&words, "--name", given->name);
    add_option(&words, "--assign", given->assign);
    return become(&words, &given->common);
}

int verify_command(void *options, size_t argc, char **argv)
{
    (void)argc; /* the table allows no words */
    (void)argv;
    const struct verify_options *given = options;
    struct words words = {.list = {"rowhaul-reconciler"}, .count = 1};
    add_common(&words, &given->common);
    add_option(&words, "--mode", given->mode);
    add_option(&words, "--table", given->table);
    add_option(&words, "--max-differences", given->max_differences);
    return become(&words, &given->common);
}
