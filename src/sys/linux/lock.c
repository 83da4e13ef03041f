#include "sys/lock.h"

#include <errno.h>
#include <sys/file.h>

static int
lock_try(int fd, int kind)
{
    int r;

    do {
        r = flock(fd, kind | LOCK_NB);
    } while (r < 0 && errno == EINTR);
    if (r == 0) {
        return 0;
    }
    switch (errno) {
    case EWOULDBLOCK:
        return LOCK_BUSY;
    case ENOLCK:
    case ENOSYS:
    case EOPNOTSUPP:
    case EINVAL:
        return LOCK_UNSUPPORTED;
    default:
        return -errno;
    }
}

int
lock_take(int fd)
{
    return lock_try(fd, LOCK_EX);
}

int
lock_share(int fd)
{
    return lock_try(fd, LOCK_SH);
}
