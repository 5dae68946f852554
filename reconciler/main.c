/*
 * rowhaul-reconciler -- compares what a migration should have made with what the target holds.
 *
 * The result is on stdout; the exit code is the verdict: 0 equal, 5 different, 6 could not verify.
 * It needs both databases, never Kafka, and writes to neither (docs/verification.md).
 */
#include "common/log.h"
#include "common/program.h"
#include "common/shutdown.h"
#include "reconciler/reconcile.h"
#include "reconciler/report.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define PROGRAM                 "rowhaul-reconciler"
#define ARENA_LIMIT_BYTES       ((size_t)64 << 20) /* settings, plan and both catalogs */
#define DIFFERENCES_MAX_DEFAULT 1000               /* a table */

struct reconciler_options {
    struct common_options common;
    const char *mode;
    const char *table;
    const char *differences_max;
};

static const struct option_spec options[] = {
    {"mode", 0, OPTION_TEXT, "counts|checksum|rows",
     "how to compare (default: checksum where columns pass through, rows where rules make them)",
     offsetof(struct reconciler_options, mode), false},
    {"table", 0, OPTION_TEXT, "ID", "verify this table of the mapping only",
     offsetof(struct reconciler_options, table), false},
    {"max-differences", 0, OPTION_TEXT, "N|all",
     "list so many differences a table (default: 1000); all of them are counted",
     offsetof(struct reconciler_options, differences_max), false},
    {NULL, 0, OPTION_FLAG, NULL, NULL, 0, false},
};

static bool parse_mode(const char *text, enum verify_mode *ret_mode, struct error *err)
{
    *ret_mode = VERIFY_AUTO;
    if (text == NULL) {
        return true;
    }
    for (int mode = VERIFY_COUNTS; mode <= VERIFY_ROWS; mode++) {
        if (strcmp(text, verify_mode_name((enum verify_mode)mode)) == 0) {
            *ret_mode = (enum verify_mode)mode;
            return true;
        }
    }
    return error_stop(err, EXIT_USAGE, "RH-2003",
                      "option \"--mode\" must be counts, checksum or rows, not \"%s\"", text);
}

static bool parse_differences_max(const char *text, uint64_t *ret_max, struct error *err)
{
    *ret_max = DIFFERENCES_MAX_DEFAULT;
    if (text == NULL) {
        return true;
    }
    if (strcmp(text, "all") == 0) {
        *ret_max = DIFFERENCES_ALL;
        return true;
    }
    errno = 0;
    uint64_t max = strtoull(text, NULL, 10);
    if (text[0] == '\0' || text[strspn(text, "0123456789")] != '\0' || errno != 0) {
        return error_stop(err, EXIT_USAGE, "RH-2003",
                          "option \"--max-differences\" must be a number or all, not \"%s\"", text);
    }
    *ret_max = max;
    return true;
}

static int verdict_exit_code(enum verdict verdict)
{
    switch (verdict) {
    case VERDICT_EQUAL:
        return EXIT_DONE;
    case VERDICT_UNVERIFIED:
        return EXIT_UNVERIFIED;
    case VERDICT_DIFFERENT:
        return EXIT_DIFFERENT;
    }
    return EXIT_INTERNAL;
}

static bool write_report(const struct common_options *given, const struct reconciliation *all,
                         struct error *err)
{
    bool json = given->format != NULL && strcmp(given->format, "json") == 0;
    bool written = json ? report_write_json(all, stdout) : report_write_text(all, stdout);
    return written || error_stop(err, EXIT_UNVERIFIED, "RH-2006", "could not write the report: %s",
                                 strerror(errno));
}

static bool verify(const struct reconciler_options *given, struct arena *arena, int *ret_code,
                   struct error *err)
{
    struct config config;
    struct reconcile_options wanted = {.table = given->table};
    struct reconciliation all;
    if (!program_begin(PROGRAM, &given->common, arena, &config, err) ||
        !parse_mode(given->mode, &wanted.mode, err) ||
        !parse_differences_max(given->differences_max, &wanted.differences_max, err) ||
        !reconcile(&config, &wanted, arena, &all, err)) {
        return false;
    }
    bool written = write_report(&given->common, &all, err);
    *ret_code = verdict_exit_code(all.verdict);
    reconciliation_release(&all);
    return written;
}

static int run_reconciler(void *given, size_t argc, char **argv)
{
    (void)argc;
    (void)argv; /* the table allows no words */
    struct error err = {0};
    struct arena arena;
    int code = EXIT_UNVERIFIED;
    arena_init(&arena, ARENA_LIMIT_BYTES);
    bool ok = verify(given, &arena, &code, &err);
    arena_release(&arena);
    if (ok) {
        return code;
    }
    /* Other programs may leave with 0 when asked to; here 0 would read as "equal". */
    if (shutdown_requested()) {
        return 128 + shutdown_signal();
    }
    return program_end("verify_failed", false, &err);
}

int main(int argc, char **argv)
{
    static const struct command commands[] = {
        {NULL, "", "compares what a migration should have made with what the target holds", options,
         0, run_reconciler},
        {NULL, NULL, NULL, NULL, 0, NULL},
    };
    struct reconciler_options given = {0};
    return command_main(PROGRAM, commands, &given, sizeof given, argc, argv);
}
