#include "cli/cleanup.h"

#include "cli/output.h"
#include "cli/session.h"
#include "common/log.h"
#include "common/shutdown.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define ANSWER_POLL_MS 200 /* how often a wait for the answer looks at the shutdown flag */

const struct option_spec cleanup_option_specs[] = {
    {"yes", 'y', OPTION_FLAG, NULL, "do not ask", offsetof(struct cleanup_options, yes), false},
    {"keep-ledger", 0, OPTION_FLAG, NULL, "keep what the rowhaul schema on the target knows",
     offsetof(struct cleanup_options, keep_ledger), false},
    {"dry-run", 0, OPTION_FLAG, NULL, "list it and end", offsetof(struct cleanup_options, dry_run),
     false},
    {NULL, 0, OPTION_FLAG, NULL, NULL, 0, false},
};

static bool print_items(const struct session *session, const struct cleanup *cleanup,
                        struct error *err)
{
    for (size_t i = 0; i < cleanup->items_count; i++) {
        if (!session->json) {
            printf("%s\n", cleanup->items[i]);
            continue;
        }
        json_t *line = json_object();
        output_set(line, "item", output_text(bytes_of(cleanup->items[i])));
        if (!output_json(line, err)) {
            return false;
        }
    }
    return output_flush(err);
}

/* A signal must be able to end the question. */
static bool wait_for_answer(struct error *err)
{
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    while (poll(&input, 1, ANSWER_POLL_MS) <= 0) {
        if (shutdown_requested()) {
            return error_set(err, ERROR_RETRY, "interrupted");
        }
    }
    return true;
}

static bool ask(const char *migration, bool *ret_yes, struct error *err)
{
    char answer[16] = "";
    if (isatty(STDIN_FILENO) != 1) {
        (void)error_stop(err, EXIT_USAGE, "RH-2015", "nobody is there to be asked");
        return error_hint(err, "add --yes to remove it, or --dry-run to list it only");
    }
    fprintf(stderr, "Remove all of this, of migration \"%s\"? [y/N] ", migration);
    if (!wait_for_answer(err)) {
        return false;
    }
    if (fgets(answer, sizeof answer, stdin) == NULL) {
        answer[0] = '\0'; /* the end of the input is a no */
    }
    *ret_yes = strcmp(answer, "y\n") == 0 || strcmp(answer, "yes\n") == 0;
    return true;
}

static bool remove_items(struct session *session, const struct cleanup *cleanup,
                         enum exit_code *ret_done, struct error *err)
{
    uint32_t failed = 0;
    if (!run_cleanup(&session->config, cleanup, &failed, err)) {
        return false;
    }
    if (failed > 0) {
        log_event(LEVEL_WARN, "constraints_not_restored", F_INT("constraints", failed));
        *ret_done = EXIT_WARNINGS;
    }
    if (!session->json) {
        printf("removed\n");
    }
    return true;
}

static bool clean(struct session *session, const struct cleanup_options *given,
                  enum exit_code *ret_done, struct error *err)
{
    struct cleanup cleanup;
    bool yes = given->yes;
    if (!session_configure(session, &given->common, err) ||
        !run_cleanup_find(&session->config, given->keep_ledger, &session->arena, &cleanup, err)) {
        return false;
    }
    const char *migration = session->config.settings.name;
    if (cleanup.items_count == 0) {
        fprintf(session->json ? stderr : stdout, "nothing of migration \"%s\" is there\n",
                migration);
        return true;
    }
    if (!print_items(session, &cleanup, err)) {
        return false;
    }
    if (given->dry_run) {
        return true;
    }
    if (!yes && !ask(migration, &yes, err)) {
        return false;
    }
    if (!yes) {
        fprintf(stderr, "nothing was removed\n");
        *ret_done = EXIT_WARNINGS;
        return true;
    }
    return remove_items(session, &cleanup, ret_done, err);
}

int cleanup_command(void *options, size_t argc, char **argv)
{
    (void)argc; /* the table allows no words */
    (void)argv;
    struct error err = {0};
    struct session session = {.json = false};
    enum exit_code done = EXIT_DONE;
    bool ok = clean(&session, options, &done, &err);
    return session_end(&session, "cleanup_failed", ok, done, &err);
}
