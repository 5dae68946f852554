#include "cli/children.h"

#include "common/clock.h"
#include "common/log.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define STOP_WAIT_MS 12000 /* a child leaves within 10 s by itself */
#define STOP_POLL_MS 20

extern char **environ;

const char *children_program(struct arena *arena, const char *name, struct error *err)
{
    char path[4096];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    char *slash = NULL;
    if (length > 0) {
        path[length] = '\0';
        slash = strrchr(path, '/');
    }
    if (slash == NULL) {
        (void)error_stop(err, EXIT_INTERNAL, "RH-7003",
                         "could not find the path of this program: %s", strerror(errno));
        return NULL;
    }
    *slash = '\0';
    const char *program = arena_must_printf(arena, "%s/%s", path, name);
    if (access(program, X_OK) != 0) {
        (void)error_stop(err, EXIT_USAGE, "RH-2004", "could not find program \"%s\": %s", program,
                         strerror(errno));
        (void)error_hint(err, "the programs must stand in one folder");
        return NULL;
    }
    return program;
}

struct child *children_add(struct children *children, const char *name, const char *const *argv,
                           int64_t restart_wait_ms)
{
    REQUIRE(children->count < CHILDREN_MAX);
    struct child *child = &children->list[children->count++];
    *child = (struct child){.name = name, .argv = argv, .restart_wait_ms = restart_wait_ms};
    return child;
}

/* ---- coming and going ---- */

static bool is_at_work(const struct child *child)
{
    return child->worker && !child->leaving && !child->finished;
}

size_t children_workers(const struct children *children)
{
    size_t count = 0;
    for (size_t i = 0; i < children->count; i++) {
        count += is_at_work(&children->list[i]) ? 1 : 0;
    }
    return count;
}

struct child *children_leave(struct children *children)
{
    for (size_t i = children->count; i-- > 0;) {
        struct child *child = &children->list[i];
        if (!is_at_work(child)) {
            continue;
        }
        child->leaving = true;
        child->finished = child->pid == 0; /* it would have been started again later */
        if (child->pid != 0) {
            (void)kill(child->pid, SIGTERM); /* it may just have ended */
        }
        return child;
    }
    return NULL;
}

void children_start_again(struct child *child)
{
    REQUIRE(child->finished && child->pid == 0);
    child->leaving = child->finished = false;
    child->start_at_ms = 0;
    child->restarts_count = 0;
}

struct child *children_return(struct children *children)
{
    for (size_t i = 0; i < children->count; i++) {
        struct child *child = &children->list[i];
        if (child->worker && child->finished) {
            children_start_again(child);
            return child;
        }
    }
    return NULL;
}

/* ---- starting ---- */

/* Signals are blocked here (shutdown.h); a child begins with them as any program does. */
static bool spawn(struct child *child, struct error *err)
{
    posix_spawnattr_t attributes;
    sigset_t none;
    (void)sigemptyset(&none);
    int failed = posix_spawnattr_init(&attributes);
    if (failed == 0) {
        (void)posix_spawnattr_setsigmask(&attributes, &none);
        (void)posix_spawnattr_setpgroup(&attributes, 0); /* Ctrl-C is for us: we tell them */
        (void)posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
        /* posix_spawn takes char *const[] for historical reasons and changes nothing. */
        char *const *argv = NULL;
        memcpy(&argv, &child->argv, sizeof argv);
        failed = posix_spawn(&child->pid, child->argv[0], NULL, &attributes, argv, environ);
        (void)posix_spawnattr_destroy(&attributes);
    }
    if (failed != 0) {
        child->pid = 0;
        return error_stop(err, EXIT_INTERNAL, "RH-7003", "could not start \"%s\": %s",
                          child->argv[0], strerror(failed));
    }
    log_event(LEVEL_INFO, "child_started", F_STR("child", child->name), F_INT("pid", child->pid));
    return true;
}

/* ---- ending ---- */

/* False: it was started again too often lately. */
static bool may_restart(struct child *child)
{
    int64_t now = clock_ms();
    size_t slot = child->restarts_count % CHILD_RESTARTS_MAX;
    if (child->restarts_count >= CHILD_RESTARTS_MAX &&
        now - child->restarts_ms[slot] < CHILD_RESTARTS_WINDOW_MS) {
        return false;
    }
    child->restarts_ms[slot] = now;
    child->restarts_count++;
    child->start_at_ms = now + child->restart_wait_ms;
    return true;
}

/* It did as it was told, or would not and was killed: both are no reason to end the run. */
static bool has_left(const struct child *child, int status)
{
    return child->leaving && (WIFSIGNALED(status) || WEXITSTATUS(status) == EXIT_SIGTERM);
}

static bool ended(struct child *child, int status, struct error *err)
{
    child->pid = 0;
    if (has_left(child, status)) {
        child->finished = true;
        log_event(LEVEL_WARN, "child_ended", F_STR("child", child->name),
                  F_INT("exit", WIFSIGNALED(status) ? 128 + WTERMSIG(status) : EXIT_SIGTERM));
        return true;
    }
    if (WIFSIGNALED(status)) {
        log_event(LEVEL_WARN, "child_killed", F_STR("child", child->name),
                  F_INT("signal", WTERMSIG(status)));
        if (may_restart(child)) {
            return true;
        }
        (void)error_stop(err, EXIT_INTERNAL, "RH-7004",
                         "%s was killed by signal %d %d times in a minute", child->name,
                         WTERMSIG(status), CHILD_RESTARTS_MAX + 1);
        err->exit_code = (enum exit_code)(128 + WTERMSIG(status));
        return false;
    }
    int code = WEXITSTATUS(status);
    log_event(code == 0 ? LEVEL_INFO : LEVEL_WARN, "child_ended", F_STR("child", child->name),
              F_INT("exit", code));
    if (code == 0) {
        child->finished = true;
        return true;
    }
    (void)error_stop(err, (enum exit_code)code, "RH-7005", "%s ended with exit code %d",
                     child->name, code);
    return error_hint(err, "its own last event says why; the same command goes on from there");
}

bool children_tend(struct children *children, struct error *err)
{
    for (size_t i = 0; i < children->count; i++) {
        struct child *child = &children->list[i];
        int status = 0;
        if (child->pid != 0 && waitpid(child->pid, &status, WNOHANG) == child->pid &&
            !ended(child, status, err)) {
            return false;
        }
        if (child->pid == 0 && !child->finished && clock_ms() >= child->start_at_ms &&
            !spawn(child, err)) {
            return false;
        }
    }
    return true;
}

static size_t signal_all(struct children *children, int number)
{
    size_t alive = 0;
    for (size_t i = 0; i < children->count; i++) {
        struct child *child = &children->list[i];
        int status = 0;
        if (child->pid != 0 && waitpid(child->pid, &status, WNOHANG) == child->pid) {
            child->pid = 0;
        }
        if (child->pid != 0) {
            alive++;
            if (number != 0) {
                (void)kill(child->pid, number); /* it may just have ended */
            }
        }
    }
    return alive;
}

void children_stop(struct children *children)
{
    int64_t began_ms = clock_ms();
    bool killed = false;
    for (size_t alive = signal_all(children, SIGTERM); alive > 0; alive = signal_all(children, 0)) {
        if (!killed && clock_ms() - began_ms > STOP_WAIT_MS) {
            killed = true;
            (void)signal_all(children, SIGKILL);
        }
        clock_sleep_ms(STOP_POLL_MS);
    }
}

int children_wait(const char *const *argv, struct error *err)
{
    const char *slash = strrchr(argv[0], '/');
    struct child child = {.name = slash == NULL ? argv[0] : slash + 1, .argv = argv};
    int status = 0;
    if (!spawn(&child, err)) {
        return EXIT_INTERNAL;
    }
    while (waitpid(child.pid, &status, 0) < 0 && errno == EINTR) {
    }
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
