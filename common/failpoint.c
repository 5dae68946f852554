#include "common/failpoint.h"

#include "common/clock.h"
#include "common/compiler.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* In the order of a run. Tests sweep over it: a new place needs its row only. */
static const struct failpoint {
    const char *name;
    const char *program;
    const char *description;
} failpoints[] = {
    {"at_start", "every", "the command line is parsed, nothing was done yet"},

    {"after_topics_created", "creation", "the topics exist, nothing else does"},
    {"after_schema_installed", "creation",
     "the rowhaul schema stands on the target, without the run"},
    {"after_run_row", "creation", "the run and its offsets rows are committed on the target"},
    {"before_run_record", "creation", "all is created but the RUN record in the state topic"},

    {"after_claim", "producer", "the generation is claimed, no partition has heard of it"},
    {"after_hello", "producer", "every partition acknowledged HELLO, no page was read"},
    {"after_divide", "producer", "a large table is divided into ranges, none of them was read"},
    {"after_page_read", "producer", "a page was read from the source, nothing of it enqueued"},
    {"after_enqueue", "producer", "a page is enqueued, perhaps not acknowledged"},
    {"before_checkpoint", "producer", "messages are acknowledged, the checkpoint is not written"},
    {"after_checkpoint", "producer", "the checkpoint is acknowledged"},
    {"before_barrier", "producer", "a level has ended, its barrier is not enqueued"},
    {"after_barrier", "producer", "the barrier is acknowledged by every partition"},

    {"after_assign", "worker", "partitions are assigned, their epoch is raised"},
    {"before_batch", "worker", "a batch is collected, its transaction not begun"},
    {"after_fence_update", "worker", "the batch's offsets rows are moved, not committed"},
    {"after_copy", "worker", "target rows are written, not committed"},
    {"before_reject", "worker", "a row was refused, its reject is not written"},
    {"after_parked_retry", "worker", "parked rows were tried again, COMMIT not sent"},
    {"after_swap", "worker", "parked rows of one cycle are written together, COMMIT not sent"},
    {"after_replayed_batch", "worker",
     "a batch of a replay is committed, the request is not ended"},
    {"before_commit", "worker", "the whole batch is written, COMMIT not sent"},
    {"after_commit", "worker", "the batch is committed, nobody in Kafka knows"},
};

/* Each takes one rule away; the rule's own place in the code says what it is for. */
static const struct control {
    const char *name;
    const char *program;
    const char *description;
} controls[] = {
    {"unsafe_no_cas", "worker",
     "a batch moves its offsets rows whatever their next_offset and epoch have become"},
    {"unsafe_skip_seq", "worker", "the fence takes any sequence number for the next one"},
    {"unsafe_ack_early", "producer",
     "checkpoints cover what is enqueued, not what Kafka has acknowledged"},
};

void failpoint_print_markdown(FILE *stream)
{
    fputs(
        "# Failpoints\n"
        "\n"
        "Places where a test can crash or delay a program. They exist in the presets for tests\n"
        "only (`RH_FAILPOINTS`); a release build ignores the variable.\n"
        "\n"
        "    ROWHAUL_FAILPOINTS=after_copy=crash@3,after_commit=sleep:500\n"
        "\n"
        "`name=crash@n` kills the process with SIGKILL at the n-th passage of that place (without\n"
        "`@n`, the first); `name=sleep:ms@n` waits there. Each process counts for itself. An\n"
        "unknown name ends the process with exit code 2 when it starts.\n"
        "\n"
        "| name | program | what holds there |\n"
        "|---|---|---|\n",
        stream);
    for (size_t i = 0; i < RH_COUNT(failpoints); i++) {
        fprintf(stream, "| `%s` | %s | %s |\n", failpoints[i].name, failpoints[i].program,
                failpoints[i].description);
    }
    fputs(
        "\n"
        "## Negative controls\n"
        "\n"
        "Switches that take one rule away for the whole life of a process:\n"
        "`ROWHAUL_FAILPOINTS=unsafe_no_cas=on`. With the rule gone the end must be wrong, and the\n"
        "tests must see it (`tests/e2e/negative_controls`): a test that passes either way says\n"
        "nothing about the rule.\n"
        "\n"
        "| name | program | what no longer holds |\n"
        "|---|---|---|\n",
        stream);
    for (size_t i = 0; i < RH_COUNT(controls); i++) {
        fprintf(stream, "| `%s` | %s | %s |\n", controls[i].name, controls[i].program,
                controls[i].description);
    }
}

#ifdef RH_FAILPOINTS

#define RULES_MAX     16
#define EXIT_BAD_NAME 2

/* What ROWHAUL_FAILPOINTS asks for: one element of its list. */
struct rule {
    size_t failpoint; /* index */
    bool crash;       /* else sleep */
    int64_t sleep_ms;
    uint64_t passage; /* the n-th, from 1 */
};

static pthread_once_t parsed = PTHREAD_ONCE_INIT;
static struct rule rules[RULES_MAX]; /* constant once parsed */
static size_t rules_count;
static atomic_uint_fast64_t passages[RH_COUNT(failpoints)];
static bool controls_on[RH_COUNT(controls)]; /* constant once parsed */

RH_NORETURN static void refuse(const char *what, const char *text, size_t len)
{
    fprintf(stderr, "rowhaul: ROWHAUL_FAILPOINTS: %s \"%.*s\"\n", what, (int)len, text);
    _exit(EXIT_BAD_NAME);
}

static bool is_called(const char *name, const char *text, size_t len)
{
    return strlen(name) == len && memcmp(name, text, len) == 0;
}

/* Index of the failpoint called text[0..len), or SIZE_MAX. */
static size_t find(const char *text, size_t len)
{
    for (size_t i = 0; i < RH_COUNT(failpoints); i++) {
        if (is_called(failpoints[i].name, text, len)) {
            return i;
        }
    }
    return SIZE_MAX;
}

/* Index of the control called text[0..len), or SIZE_MAX. */
static size_t find_control(const char *text, size_t len)
{
    for (size_t i = 0; i < RH_COUNT(controls); i++) {
        if (is_called(controls[i].name, text, len)) {
            return i;
        }
    }
    return SIZE_MAX;
}

/* A positive number at *text; moves *text behind it. */
static bool parse_number(const char **text, uint64_t *ret_number)
{
    char *end;
    unsigned long long number;

    if (**text < '0' || **text > '9') {
        return false;
    }
    errno = 0;
    number = strtoull(*text, &end, 10);
    if (errno != 0 || number == 0 || number > INT32_MAX) {
        return false;
    }
    *text = end;
    *ret_number = number;
    return true;
}

/* "crash", "crash@n", "sleep:ms" or "sleep:ms@n", up to `end`. */
static bool parse_action(const char *text, const char *end, struct rule *rule)
{
    uint64_t ms = 0;

    rule->passage = 1;
    if (strncmp(text, "crash", 5) == 0) {
        rule->crash = true;
        text += 5;
    } else if (strncmp(text, "sleep:", 6) == 0) {
        text += 6;
        if (!parse_number(&text, &ms)) {
            return false;
        }
        rule->sleep_ms = (int64_t)ms;
    } else {
        return false;
    }
    if (*text == '@') {
        text++;
        if (!parse_number(&text, &rule->passage)) {
            return false;
        }
    }
    return text == end;
}

static void parse_rule(const char *text, size_t len)
{
    const char *equals = memchr(text, '=', len);
    size_t name_len = equals != NULL ? (size_t)(equals - text) : len;
    size_t control = find_control(text, name_len);
    struct rule rule = {.failpoint = find(text, name_len)};

    if (control != SIZE_MAX) {
        if (!is_called("=on", text + name_len, len - name_len)) {
            refuse("cannot read", text, len);
        }
        controls_on[control] = true;
        return;
    }
    if (rule.failpoint == SIZE_MAX) {
        refuse("unknown failpoint", text, name_len);
    }
    if (equals == NULL || !parse_action(equals + 1, text + len, &rule)) {
        refuse("cannot read", text, len);
    }
    if (rules_count == RULES_MAX) {
        refuse("too many failpoints, from", text, len);
    }
    rules[rules_count++] = rule;
}

static void parse_environment(void)
{
    const char *text = getenv("ROWHAUL_FAILPOINTS");

    while (text != NULL && *text != '\0') {
        size_t len = strcspn(text, ",");

        parse_rule(text, len);
        text += len;
        text += *text == ',';
    }
}

static void act(const struct rule *rule)
{
    if (rule->crash) {
        (void)kill(getpid(), SIGKILL); /* cannot fail, and returns only in a stopped world */
    } else {
        clock_sleep_ms(rule->sleep_ms);
    }
}

void failpoint_pass(const char *name)
{
    size_t failpoint = find(name, strlen(name));
    uint64_t passage;

    REQUIRE(failpoint != SIZE_MAX);
    REQUIRE(pthread_once(&parsed, parse_environment) == 0);
    passage = atomic_fetch_add(&passages[failpoint], 1) + 1;
    for (size_t i = 0; i < rules_count; i++) {
        if (rules[i].failpoint == failpoint && rules[i].passage == passage) {
            act(&rules[i]);
        }
    }
}

bool failpoint_control_is_on(const char *name)
{
    size_t control = find_control(name, strlen(name));

    REQUIRE(control != SIZE_MAX);
    REQUIRE(pthread_once(&parsed, parse_environment) == 0);
    return controls_on[control];
}

#endif
