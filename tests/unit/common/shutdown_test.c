#include "common/shutdown.h"

#include "common/clock.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define NOT_SEEN 99 /* the child waited in vain */

/* Runs body in a child, since signals and the flag are the whole process's; its wait status. */
static int in_child(void (*body)(void))
{
    pid_t child = fork();
    int status;

    if (child == 0) {
        (void)close(STDERR_FILENO); /* its complaints are expected */
        body();
        _exit(0);
    }
    assert_true(child > 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static int exit_code_of(void (*body)(void))
{
    int status = in_child(body);

    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void wait_for_request(void)
{
    for (int i = 0; i < 500; i++) {
        if (shutdown_requested())
            return;
        clock_sleep_ms(10);
    }
    _exit(NOT_SEEN);
}

static void request_twice(void)
{
    if (shutdown_requested() || shutdown_signal() != 0)
        _exit(1);
    shutdown_request(SIGINT);
    shutdown_request(SIGTERM);
    _exit(shutdown_requested() ? shutdown_signal() : 2);
}

static void the_first_request_sets_the_flag(void **state)
{
    (void)state;
    assert_int_equal(exit_code_of(request_twice), SIGINT);
}

static void be_terminated(void)
{
    shutdown_init();
    (void)kill(getpid(), SIGTERM);
    wait_for_request();
    _exit(shutdown_signal());
}

static void be_interrupted(void)
{
    shutdown_init();
    (void)kill(getpid(), SIGINT);
    wait_for_request();
    _exit(shutdown_signal());
}

static void a_signal_becomes_the_flag(void **state)
{
    (void)state;
    assert_int_equal(exit_code_of(be_terminated), SIGTERM);
    assert_int_equal(exit_code_of(be_interrupted), SIGINT);
}

static void be_signalled_twice_at_once(void)
{
    shutdown_init();
    (void)kill(getpid(), SIGINT);
    wait_for_request();
    (void)kill(getpid(), SIGTERM);
    clock_sleep_ms(300);
}

static void the_same_request_by_two_roads_is_one(void **state)
{
    (void)state;
    assert_int_equal(exit_code_of(be_signalled_twice_at_once), 0);
}

static void be_signalled_again_later(void)
{
    shutdown_init();
    (void)kill(getpid(), SIGTERM);
    wait_for_request();
    clock_sleep_ms(1200);
    (void)kill(getpid(), SIGINT);
    clock_sleep_ms(5000);
    _exit(NOT_SEEN);
}

static void a_second_signal_leaves_at_once(void **state)
{
    (void)state;
    assert_int_equal(exit_code_of(be_signalled_again_later), 128 + SIGINT);
}

static void wait_for_user_signal(int signal_number)
{
    for (int i = 0; i < 500; i++) {
        if (shutdown_user_signals(signal_number) > 0)
            return;
        clock_sleep_ms(10);
    }
    _exit(NOT_SEEN);
}

static void be_told_something(void)
{
    shutdown_init();
    (void)kill(getpid(), SIGUSR1);
    wait_for_user_signal(SIGUSR1);
    if (shutdown_user_signals(SIGUSR1) != 0 || shutdown_user_signals(SIGUSR2) != 0)
        _exit(1);
    (void)kill(getpid(), SIGUSR2);
    wait_for_user_signal(SIGUSR2);
    _exit(shutdown_requested() ? 2 : 0);
}

static void user_signals_are_counted_and_end_nothing(void **state)
{
    (void)state;
    assert_int_equal(exit_code_of(be_told_something), 0);
}

static void write_into_a_closed_pipe(void)
{
    int ends[2];

    shutdown_init();
    if (pipe(ends) != 0 || close(ends[0]) != 0)
        _exit(1);
    _exit(write(ends[1], "x", 1) < 0 && errno == EPIPE ? 0 : 2);
}

static void a_closed_pipe_is_an_error_not_a_death(void **state)
{
    (void)state;
    assert_int_equal(exit_code_of(write_into_a_closed_pipe), 0);
}

static void follow_nobody(void)
{
    (void)unsetenv("ROWHAUL_PARENT_PID");
    shutdown_follow_parent();
}

static void follow_the_parent(void)
{
    char text[32];

    (void)snprintf(text, sizeof(text), "%ld", (long)getppid());
    (void)setenv("ROWHAUL_PARENT_PID", text, 1);
    shutdown_follow_parent();
}

static void follow_a_stranger(void)
{
    (void)setenv("ROWHAUL_PARENT_PID", "1999999999", 1);
    shutdown_follow_parent();
}

static void follow_nonsense(void)
{
    (void)setenv("ROWHAUL_PARENT_PID", "12x", 1);
    shutdown_follow_parent();
}

static void a_child_whose_parent_is_gone_does_not_start(void **state)
{
    (void)state;
    assert_int_equal(exit_code_of(follow_nobody), 0);
    assert_int_equal(exit_code_of(follow_the_parent), 0);
    assert_int_equal(exit_code_of(follow_a_stranger), 128 + SIGKILL);
    assert_int_equal(exit_code_of(follow_nonsense), 2);
}

/* The child's end of a pipe closes when its own child is dead. */
static void a_child_dies_with_its_parent(void **state)
{
    int ends[2];
    char byte;
    int status;

    (void)state;
    assert_int_equal(pipe(ends), 0);
    pid_t parent = fork();

    if (parent == 0) {
        if (fork() == 0) {
            follow_the_parent();
            (void)!write(ends[1], "r", 1);
            clock_sleep_ms(20000);
            _exit(0);
        }
        (void)close(ends[1]);
        (void)!read(ends[0], &byte, 1); /* it is ready */
        _exit(0);
    }
    (void)close(ends[1]);
    int64_t start_ms = clock_ms();

    assert_int_equal(waitpid(parent, &status, 0), parent);
    assert_int_equal(read(ends[0], &byte, 1), 0);
    assert_in_range(clock_ms() - start_ms, 0, 10000);
    (void)close(ends[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_request_sets_the_flag),
        cmocka_unit_test(a_signal_becomes_the_flag),
        cmocka_unit_test(the_same_request_by_two_roads_is_one),
        cmocka_unit_test(a_second_signal_leaves_at_once),
        cmocka_unit_test(user_signals_are_counted_and_end_nothing),
        cmocka_unit_test(a_closed_pipe_is_an_error_not_a_death),
        cmocka_unit_test(a_child_whose_parent_is_gone_does_not_start),
        cmocka_unit_test(a_child_dies_with_its_parent),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
