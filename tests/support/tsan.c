/*
 * tsan -- what ThreadSanitizer must be told of librdkafka, compiled into every program of the
 * preset `tsan`, so that it holds however a program is started.
 *
 * Debian's librdkafka locks by C11's mtx_lock and waits by cnd_wait. glibc makes them of pthread's
 * internals, which ThreadSanitizer does not see: everything that one thread hands to another
 * through the library would look like a race. Defined in the executable, these come before glibc's,
 * and pthread_mutex_lock and its like are seen. glibc's types are pthread's under another name,
 * which the assertions hold it to.
 */
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <threads.h>

_Static_assert(sizeof(mtx_t) >= sizeof(pthread_mutex_t), "a mtx_t holds a pthread_mutex_t");
_Static_assert(sizeof(cnd_t) >= sizeof(pthread_cond_t), "a cnd_t holds a pthread_cond_t");
_Static_assert(sizeof(thrd_t) == sizeof(pthread_t), "a thrd_t is a pthread_t");
_Static_assert(sizeof(once_flag) == sizeof(pthread_once_t), "a once_flag is a pthread_once_t");

static int status(int code)
{
    return code == 0 ? thrd_success : code == ETIMEDOUT ? thrd_timedout : thrd_error;
}

static pthread_mutex_t *mutex(mtx_t *mtx)
{
    return (pthread_mutex_t *)(void *)mtx;
}

static pthread_cond_t *condition(cnd_t *cnd)
{
    return (pthread_cond_t *)(void *)cnd;
}

struct start {
    thrd_start_t function;
    void *argument;
};

static void *run(void *argument)
{
    struct start start = *(struct start *)argument;
    free(argument);
    return (void *)(intptr_t)start.function(start.argument);
}

int thrd_create(thrd_t *thread, thrd_start_t function, void *argument)
{
    struct start *start = malloc(sizeof(*start));
    if (start == NULL) {
        return thrd_nomem;
    }
    *start = (struct start){function, argument};
    int code = pthread_create(thread, NULL, run, start);
    if (code != 0) {
        free(start);
    }
    return status(code);
}

int thrd_join(thrd_t thread, int *ret_result)
{
    void *result = NULL;
    int code = pthread_join(thread, &result);
    if (ret_result != NULL) {
        *ret_result = (int)(intptr_t)result;
    }
    return status(code);
}

thrd_t thrd_current(void)
{
    return pthread_self();
}

int mtx_init(mtx_t *mtx, int type)
{
    pthread_mutexattr_t attributes;
    int code = pthread_mutexattr_init(&attributes);
    if (code == 0 && (type & mtx_recursive) != 0) {
        code = pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE);
    }
    return status(code == 0 ? pthread_mutex_init(mutex(mtx), &attributes) : code);
}

int mtx_lock(mtx_t *mtx)
{
    return status(pthread_mutex_lock(mutex(mtx)));
}

int mtx_unlock(mtx_t *mtx)
{
    return status(pthread_mutex_unlock(mutex(mtx)));
}

void mtx_destroy(mtx_t *mtx)
{
    (void)pthread_mutex_destroy(mutex(mtx)); /* as C11 has it: nobody is told */
}

int cnd_init(cnd_t *cnd)
{
    return status(pthread_cond_init(condition(cnd), NULL));
}

int cnd_signal(cnd_t *cnd)
{
    return status(pthread_cond_signal(condition(cnd)));
}

int cnd_broadcast(cnd_t *cnd)
{
    return status(pthread_cond_broadcast(condition(cnd)));
}

int cnd_wait(cnd_t *cnd, mtx_t *mtx)
{
    return status(pthread_cond_wait(condition(cnd), mutex(mtx)));
}

int cnd_timedwait(cnd_t *cnd, mtx_t *mtx, const struct timespec *until)
{
    return status(pthread_cond_timedwait(condition(cnd), mutex(mtx), until));
}

void cnd_destroy(cnd_t *cnd)
{
    (void)pthread_cond_destroy(condition(cnd));
}

void call_once(once_flag *flag, void (*function)(void))
{
    (void)pthread_once((pthread_once_t *)flag, function);
}

/*
 * The library counts references with C's atomics, in code that is not instrumented: that the last
 * one to let go of a buffer or a lock frees it, after the others, cannot be seen. Two reports came
 * of it: free() of a fetched message's buffer, which we had read before we destroyed the message;
 * and pthread_rwlock_destroy() of a lock of its own, which its own threads had taken before. Left
 * out is what has the library as its direct caller. Our code is looked at wherever it runs, in the
 * library's callbacks too, and so are the locks that come through this file.
 */
const char *__tsan_default_suppressions(void);

const char *__tsan_default_suppressions(void)
{
    return "called_from_lib:librdkafka.so.1\n";
}

/* Its read-write locks are pthread's; called from here, what they order is seen all the same. */
int __interceptor_pthread_rwlock_rdlock(pthread_rwlock_t *lock);
int __interceptor_pthread_rwlock_wrlock(pthread_rwlock_t *lock);
int __interceptor_pthread_rwlock_unlock(pthread_rwlock_t *lock);

int pthread_rwlock_rdlock(pthread_rwlock_t *lock)
{
    return __interceptor_pthread_rwlock_rdlock(lock);
}

int pthread_rwlock_wrlock(pthread_rwlock_t *lock)
{
    return __interceptor_pthread_rwlock_wrlock(lock);
}

int pthread_rwlock_unlock(pthread_rwlock_t *lock)
{
    return __interceptor_pthread_rwlock_unlock(lock);
}
