#include "cli/children.h"

#include "common/clock.h"
#include "common/log.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define WAIT_MS 10000

static const char *const sleeper[] = {"/bin/sleep", "60", NULL};
/* Takes SIGTERM its own way; the sleep is short, since the shell waits for it first. */
static const char *const failing[] = {"/bin/sh", "-c",
                                      "trap 'exit 13' TERM; while :; do sleep 0.05; done", NULL};

static struct children children;
static struct error err;

static int begin(void **state)
{
    (void)state;
    children = (struct children){.count = 0};
    return 0;
}

static int end(void **state)
{
    (void)state;
    for (size_t i = 0; i < children.count; i++) {
        if (children.list[i].pid != 0)
            (void)kill(children.list[i].pid, SIGKILL);
    }
    children_stop(&children);
    return 0;
}

static struct child *add(const char *name, const char *const *argv, bool worker)
{
    struct child *child = children_add(&children, name, argv, WAIT_MS);

    child->worker = worker;
    return child;
}

static void tend(void)
{
    if (!children_tend(&children, &err))
        fail_msg("%s", err.text);
}

static void tend_until_gone(const struct child *child)
{
    int64_t deadline_ms = clock_ms() + WAIT_MS;

    while (child->pid != 0) {
        assert_true(clock_ms() < deadline_ms);
        clock_sleep_ms(10);
        tend();
    }
}

static void the_newest_worker_leaves_and_is_not_started_again(void **state)
{
    struct child *producer = add("producer", sleeper, false);
    struct child *first = add("worker-1", sleeper, true);
    struct child *second = add("worker-2", sleeper, true);

    (void)state;
    tend();
    assert_int_equal(children_workers(&children), 2);
    assert_ptr_equal(children_leave(&children), second);
    assert_int_equal(children_workers(&children), 1);
    tend_until_gone(second);
    assert_true(second->finished);
    tend();
    assert_int_equal(second->pid, 0);
    assert_true(first->pid != 0 && producer->pid != 0);
    assert_ptr_equal(children_leave(&children), first);
    assert_null(children_leave(&children)); /* never the producer */
}

static void a_worker_that_has_left_comes_back_in_its_place(void **state)
{
    struct child *first = add("worker-1", sleeper, true);

    (void)state;
    tend();
    assert_null(children_return(&children));
    assert_ptr_equal(children_leave(&children), first);
    assert_null(children_return(&children)); /* it has not gone yet */
    tend_until_gone(first);
    assert_ptr_equal(children_return(&children), first);
    assert_int_equal(children_workers(&children), 1);
    tend();
    assert_true(first->pid != 0);
    assert_null(children_return(&children));
}

static void a_killed_worker_that_waits_for_its_restart_can_leave(void **state)
{
    struct child *first = add("worker-1", sleeper, true);

    (void)state;
    tend();
    assert_int_equal(kill(first->pid, SIGKILL), 0);
    tend_until_gone(first);
    assert_false(first->finished);
    assert_int_equal(children_workers(&children), 1);
    assert_ptr_equal(children_leave(&children), first);
    assert_true(first->finished);
}

static void a_leaving_worker_may_be_killed_but_not_fail(void **state)
{
    struct child *first = add("worker-1", sleeper, true);
    struct child *second = add("worker-2", failing, true);
    int64_t deadline_ms = clock_ms() + WAIT_MS;

    (void)state;
    tend();
    clock_sleep_ms(300); /* the shell sets its trap */
    assert_ptr_equal(children_leave(&children), second);
    while (children_tend(&children, &err)) {
        assert_true(clock_ms() < deadline_ms);
        clock_sleep_ms(10);
    }
    assert_string_equal(err.text, "worker-2 ended with exit code 13");
    assert_int_equal(err.exit_code, 13);
    assert_ptr_equal(children_leave(&children), first);
    assert_int_equal(kill(first->pid, SIGKILL), 0);
    tend_until_gone(first);
    assert_true(first->finished);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_newest_worker_leaves_and_is_not_started_again),
        TEST(a_worker_that_has_left_comes_back_in_its_place),
        TEST(a_killed_worker_that_waits_for_its_restart_can_leave),
        TEST(a_leaving_worker_may_be_killed_but_not_fail),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
