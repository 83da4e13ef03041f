#include "sys/thread.h"

#include <signal.h>
#include <unistd.h>

int
thread_start(void *(*run)(void *), void *argument, pthread_t *ret_thread)
{
    sigset_t all, before;
    int r;

    sigfillset(&all);
    /* A thread starts with the mask of the one that makes it. */
    r = pthread_sigmask(SIG_SETMASK, &all, &before);
    if (r != 0) {
        return -r;
    }
    r = pthread_create(ret_thread, NULL, run, argument);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return -r;
}

void
thread_join(pthread_t thread)
{
    (void)pthread_join(thread, NULL);
}

uintptr_t
thread_self(void)
{
    return (uintptr_t)pthread_self();
}

int64_t
thread_number(void)
{
    return gettid();
}
