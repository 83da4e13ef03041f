#include "sys/bell.h"

#include <errno.h>
#include <sys/eventfd.h>

int
bell_open(int *ret_fd)
{
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

    if (fd < 0) {
        return -errno;
    }
    *ret_fd = fd;
    return 0;
}

void
bell_ring(int fd)
{
    /* Full is rung, too. */
    (void)eventfd_write(fd, 1);
}

bool
bell_take(int fd)
{
    eventfd_t n;

    return eventfd_read(fd, &n) == 0;
}
