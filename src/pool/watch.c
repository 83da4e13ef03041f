#include "pool/watch.h"

#include "sys/descriptor.h"
#include "sys/hangup.h"
#include "sys/process.h"
#include "sys/socket_pair.h"
#include "sys/thread.h"

static void *
watch_run(void *argument)
{
    struct watch *watch = argument;

    if (hangup_wait(watch->fd, watch->owner_fd, watch->stop_fd)) {
        if (atomic_exchange(&watch->phase, WATCH_GONE) == WATCH_WORKING) {
            process_leave(0);
        }
        /* The main thread may be waiting for a message that nobody can send. */
        socket_pair_refuse(watch->fd);
    }
    return NULL;
}

/* The number may belong to another process by now; our parent's cannot. */
static int
watch_owner_open(pid_t owner)
{
    int fd;

    if (owner <= 0 || process_watch(owner, &fd) < 0) {
        return -1;
    }
    if (process_parent() != owner) {
        descriptor_close(fd);
        return -1;
    }
    return fd;
}

int
watch_start(struct watch *watch, int fd, pid_t owner)
{
    int r;

    r = hangup_open(&watch->stop_fd);
    if (r < 0) {
        return r;
    }
    atomic_init(&watch->phase, WATCH_IDLE);
    watch->fd = fd;
    watch->owner_fd = watch_owner_open(owner);
    r = thread_start(watch_run, watch, &watch->thread);
    if (r < 0) {
        descriptor_close(watch->owner_fd);
        descriptor_close(watch->stop_fd);
    }
    return r;
}

static bool
watch_turn(struct watch *watch, int from, int to)
{
    return atomic_compare_exchange_strong(&watch->phase, &from, to);
}

bool
watch_enter(struct watch *watch)
{
    return watch_turn(watch, WATCH_IDLE, WATCH_WORKING);
}

void
watch_leave(struct watch *watch)
{
    if (!watch_turn(watch, WATCH_WORKING, WATCH_IDLE)) {
        process_await_end(); /* the thread is on its way out */
    }
}

void
watch_stop(struct watch *watch)
{
    hangup_stop(watch->stop_fd);
    thread_join(watch->thread);
    descriptor_close(watch->owner_fd);
    descriptor_close(watch->stop_fd);
}
