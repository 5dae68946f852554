/*
 * shutdown -- SIGTERM and SIGINT become a flag that every loop looks at.
 *
 * shutdown_init blocks both in the calling (main) thread and all threads made later, and starts a
 * thread that waits with sigtimedwait: no code ever runs in a signal handler. SIGPIPE is ignored.
 * 10 s after the first signal, or at the second one, the process leaves with _exit(128 + signal):
 * state is crash-safe anyway. Signals within 1 s of the first are the same request arriving by
 * another road: Ctrl-C and systemd signal the whole group, and `run` then signals its children.
 *
 * SIGUSR1 and SIGUSR2 are counted by the same thread, and mean what the program makes of them.
 */
#ifndef RH_COMMON_SHUTDOWN_H
#define RH_COMMON_SHUTDOWN_H

#include <stdbool.h>

/* Once, before any other thread. */
void shutdown_init(void);
bool shutdown_requested(void);
int shutdown_signal(void);                /* SIGTERM, SIGINT or 0 */
void shutdown_request(int signal_number); /* as if it had come */
/* How often SIGUSR1 or SIGUSR2 came since the last call. Several at once may count as one. */
unsigned shutdown_user_signals(int signal_number);

/*
 * For children of `run`: be killed when the parent dies (PR_SET_PDEATHSIG + getppid check).
 * The parent writes its pid into ROWHAUL_PARENT_PID; absent: nothing happens. The kernel means the
 * parent's *thread*: `run` must fork from one that lives as long as itself, its main thread.
 */
void shutdown_follow_parent(void);

#endif
