#include "sys/hangup.h"

#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>

int
hangup_open(int *ret_stop_fd)
{
    int fd = eventfd(0, EFD_CLOEXEC);

    if (fd < 0) {
        return -errno;
    }
    *ret_stop_fd = fd;
    return 0;
}

bool
hangup_wait(int fd, int watch_fd, int stop_fd)
{
    struct pollfd watched[] = {
        {.fd = fd, .events = POLLRDHUP},
        {.fd = watch_fd, .events = POLLIN},
        {.fd = stop_fd, .events = POLLIN},
    };

    /* It fails by signals, which cannot come, and by want of memory, which may pass. */
    while (poll(watched, 3, -1) < 0) {
    }
    return watched[0].revents || watched[1].revents;
}

void
hangup_stop(int stop_fd)
{
    (void)eventfd_write(stop_fd, 1);
}
