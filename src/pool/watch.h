/* A worker's watch over its owner: a thread that sleeps until the owner closes the
 * socket or ends, and then ends this process if a task is being done. If none is, the
 * main thread ends by itself: which of the two it is, is decided by one exchange of
 * `phase`.
 *
 *      IDLE <--watch_enter(), watch_leave()--> WORKING
 *        |                                        |
 *        +------- owner gone ---> GONE <----------+ (and _exit(0))
 *
 * The owner's process is watched beside the socket because processes that it forked may
 * hold copies of the other end. */

#ifndef POOL_WATCH_H
#define POOL_WATCH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

#include "cjoblib/base.h"
#include "sys/thread.h"

enum watch_phase {
    WATCH_IDLE,
    WATCH_WORKING,
    WATCH_GONE,
};

struct watch {
    _Atomic int phase; /* enum watch_phase; both threads write it, by exchange */
    int fd;            /* what follows is constant while the thread lives */
    int owner_fd;      /* readable when the owner has ended, or -1 */
    int stop_fd;
    pthread_t thread;
};

/* `owner` 0: not known. -EAGAIN, -EMFILE, -ENOMEM. */
CJ_MUST_CHECK int watch_start(struct watch *watch, int fd, pid_t owner);

/* A task begins; false: the owner is gone, it must not. */
bool watch_enter(struct watch *watch);

/* It is over. Does not return if the owner is gone. */
void watch_leave(struct watch *watch);

/* End the thread; not between the two above. */
void watch_stop(struct watch *watch);

#endif
