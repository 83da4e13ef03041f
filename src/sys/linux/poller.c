#include "sys/poller.h"

#include <errno.h>
#include <limits.h>
#include <sys/epoll.h>

#define POLLER_BATCH 64

int
poller_open(int *ret_poller_fd)
{
    int fd = epoll_create1(EPOLL_CLOEXEC);

    if (fd < 0) {
        return -errno;
    }
    *ret_poller_fd = fd;
    return 0;
}

int
poller_add(int poller_fd, int fd, uint64_t tag)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = tag};

    return epoll_ctl(poller_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

int
poller_set_writing(int poller_fd, int fd, uint64_t tag, bool writing)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = tag};

    if (writing) {
        event.events |= EPOLLOUT;
    }
    return epoll_ctl(poller_fd, EPOLL_CTL_MOD, fd, &event) < 0 ? -errno : 0;
}

void
poller_remove(int poller_fd, int fd)
{
    (void)epoll_ctl(poller_fd, EPOLL_CTL_DEL, fd, NULL);
}

static int
timeout_ms(int64_t timeout_ns)
{
    if (timeout_ns < 0) {
        return -1;
    }
    if (timeout_ns > (int64_t)INT_MAX * 1000000 - 999999) {
        return INT_MAX;
    }
    return (int)((timeout_ns + 999999) / 1000000);
}

int
poller_wait(int poller_fd, int64_t timeout_ns, struct poller_event *events,
            size_t max_events, size_t *ret_n_events)
{
    struct epoll_event ready[POLLER_BATCH];
    int n;

    if (max_events > POLLER_BATCH) {
        max_events = POLLER_BATCH;
    }
    n = epoll_wait(poller_fd, ready, (int)max_events, timeout_ms(timeout_ns));
    if (n < 0) {
        return -errno;
    }
    for (int i = 0; i < n; i++) {
        events[i].tag = ready[i].data.u64;
        events[i].can_read = ready[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR);
        events[i].can_write = ready[i].events & EPOLLOUT;
    }
    *ret_n_events = (size_t)n;
    return 0;
}
