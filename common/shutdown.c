#include "common/shutdown.h"

#include "common/clock.h"
#include "common/compiler.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#define LEAVE_AFTER_MS  10000
#define SAME_REQUEST_MS 1000
#define LOOK_EVERY_NS   100000000 /* 100 ms: shutdown_request starts the 10 s too */
#define EXIT_BY_SIGNAL  128       /* as a shell reports it */

static atomic_int requested_signal;  /* 0 = none */
static _Atomic int64_t requested_ms; /* clock_ms() of the first request */
static atomic_uint user_signals[2];  /* SIGUSR1, SIGUSR2 */

void shutdown_request(int signal_number)
{
    int none = 0;

    REQUIRE(signal_number > 0);
    /* The time first: who sees the signal sees its time. Only the first request sets them. */
    if (atomic_load(&requested_signal) != 0) {
        return;
    }
    atomic_store(&requested_ms, clock_ms());
    atomic_compare_exchange_strong(&requested_signal, &none, signal_number);
}

bool shutdown_requested(void)
{
    return shutdown_signal() != 0;
}

int shutdown_signal(void)
{
    return atomic_load(&requested_signal);
}

static int64_t since_request_ms(void)
{
    return clock_ms() - atomic_load(&requested_ms);
}

static atomic_uint *user_signal(int signal_number)
{
    REQUIRE(signal_number == SIGUSR1 || signal_number == SIGUSR2);
    return &user_signals[signal_number == SIGUSR1 ? 0 : 1];
}

unsigned shutdown_user_signals(int signal_number)
{
    return atomic_exchange(user_signal(signal_number), 0);
}

static void note_signal(int signal_number)
{
    if (signal_number == SIGUSR1 || signal_number == SIGUSR2) {
        atomic_fetch_add(user_signal(signal_number), 1);
        return;
    }
    if (shutdown_requested() && since_request_ms() > SAME_REQUEST_MS) {
        _exit(EXIT_BY_SIGNAL + signal_number);
    }
    shutdown_request(signal_number);
}

static void *wait_for_signals(void *signals)
{
    const struct timespec look_every = {.tv_nsec = LOOK_EVERY_NS};

    for (;;) {
        int signal_number = sigtimedwait(signals, NULL, &look_every);

        if (signal_number > 0) {
            note_signal(signal_number);
        }
        if (shutdown_requested() && since_request_ms() > LEAVE_AFTER_MS) {
            _exit(EXIT_BY_SIGNAL + shutdown_signal());
        }
    }
    return NULL;
}

void shutdown_init(void)
{
    static sigset_t signals; /* the thread reads it for ever */
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    pthread_t thread;

    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGUSR1);
    sigaddset(&signals, SIGUSR2);
    REQUIRE(pthread_sigmask(SIG_BLOCK, &signals, NULL) == 0);
    REQUIRE(sigaction(SIGPIPE, &ignore, NULL) == 0);
    REQUIRE(pthread_create(&thread, NULL, wait_for_signals, &signals) == 0);
    REQUIRE(pthread_detach(thread) == 0);
}

void shutdown_follow_parent(void)
{
    const char *text = getenv("ROWHAUL_PARENT_PID");
    char *end;
    long parent;

    if (text == NULL) {
        return;
    }
    errno = 0;
    parent = strtol(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || parent <= 0) {
        fprintf(stderr, "rowhaul: ROWHAUL_PARENT_PID is not a process id: \"%s\"\n", text);
        _exit(2);
    }
    REQUIRE(prctl(PR_SET_PDEATHSIG, SIGKILL) == 0);
    /* It may have died before the request took effect; then somebody else is our parent now. */
    if (getppid() != parent) {
        _exit(EXIT_BY_SIGNAL + SIGKILL);
    }
}
