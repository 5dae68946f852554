/*
 * children -- the programs that `rowhaul run` starts and keeps alive on one machine.
 *
 * A child that a signal killed is started again, with back-off, at most 5 times in a minute; a
 * child that ends with a documented exit code is not: the run ends with that code. kill -9 of `run`
 * leaves nobody behind (shutdown_follow_parent in each child).
 *
 * Workers may come and go meanwhile. One that has left keeps its place, for the next that comes.
 */
#ifndef RH_CLI_CHILDREN_H
#define RH_CLI_CHILDREN_H

#include "common/arena.h"
#include "common/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define CHILDREN_MAX             257 /* run.workers is at most 256 */
#define CHILD_RESTARTS_MAX       5
#define CHILD_RESTARTS_WINDOW_MS 60000

struct child {
    const char *name;                        /* "producer", "worker-2": for events */
    const char *const *argv;                 /* argv[0] is the program's path; ends with NULL */
    pid_t pid;                               /* 0: not running */
    int64_t restart_wait_ms;                 /* between its death and its next start */
    bool worker;                             /* may come and go */
    bool leaving;                            /* was asked to, and not to come back by itself */
    bool finished;                           /* ended by itself with exit code 0, or has left */
    int64_t start_at_ms;                     /* when to start (again) */
    int64_t restarts_ms[CHILD_RESTARTS_MAX]; /* the last ones, a ring */
    size_t restarts_count;
};

struct children {
    struct child list[CHILDREN_MAX];
    size_t count;
};

/* The path of a program that stands beside this one. */
const char *children_program(struct arena *arena, const char *name, struct error *err);
/* Adds a child to be started by the next children_tend. argv must outlive the children. */
struct child *children_add(struct children *children, const char *name, const char *const *argv,
                           int64_t restart_wait_ms);
/* Workers that are at work, or will be when they have been started (again). */
size_t children_workers(const struct children *children);
/* Asks the newest worker that is at work to leave; NULL: there is none. */
struct child *children_leave(struct children *children);
/* A child that has ended by itself is started once more by the next children_tend. */
void children_start_again(struct child *child);
/* Lets a worker that has left be started again by the next children_tend; NULL: there is none. */
struct child *children_return(struct children *children);
/*
 * Starts what is due and notices what ended; never waits. False: a child ended for good and the run
 * must end with err->exit_code (a documented code, or 128 + signal after too many restarts).
 */
bool children_tend(struct children *children, struct error *err) RH_MUST_CHECK;
/* Runs one program to its end and returns its exit code; EXIT_INTERNAL and err if it cannot start.
 */
int children_wait(const char *const *argv, struct error *err);
/* SIGTERM to all, SIGKILL to those that are there 12 s later; returns when none is. */
void children_stop(struct children *children);

#endif
