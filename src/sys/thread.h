/* Threads of our own, in processes that are not ours: they take no signals. */

#ifndef SYS_THREAD_H
#define SYS_THREAD_H

#include <pthread.h>
#include <stdint.h>

#include "cjoblib/base.h"

/* Start a thread that blocks all signals; it is to be joined. -EAGAIN, -ENOMEM. */
CJ_MUST_CHECK int thread_start(void *(*run)(void *), void *argument,
                               pthread_t *ret_thread);

void thread_join(pthread_t thread);

/* A number that no other thread of this process has as long as this one lives. */
uintptr_t thread_self(void);

/* The number that the kernel knows the calling thread by. */
int64_t thread_number(void);

#endif
