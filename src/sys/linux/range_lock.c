#include "sys/range_lock.h"

#include <errno.h>
#include <fcntl.h>

static struct flock
range_lock_request(int type, struct range range)
{
    return (struct flock){
        .l_type = (short)type,
        .l_whence = SEEK_SET,
        .l_start = (off_t)range.start,
        .l_len = (off_t)range.size,
    };
}

static int
range_lock_result(int error)
{
    switch (error) {
    case EAGAIN:
    case EACCES:
        return RANGE_LOCK_BUSY;
    case ENOLCK:
    case ENOSYS:
    case EOPNOTSUPP:
    case EINVAL:
    case EOVERFLOW:
        return RANGE_LOCK_UNSUPPORTED;
    default:
        return -error;
    }
}

static int
range_lock_set(int fd, int command, int type, struct range range)
{
    struct flock request = range_lock_request(type, range);

    return fcntl(fd, command, &request) < 0 ? range_lock_result(errno) : 0;
}

int
range_lock_take(int fd, struct range range)
{
    return range_lock_set(fd, F_OFD_SETLK, F_WRLCK, range);
}

int
range_lock_wait(int fd, struct range range)
{
    return range_lock_set(fd, F_OFD_SETLKW, F_WRLCK, range);
}

void
range_lock_release(int fd, struct range range)
{
    /* Closing the descriptor frees what this can't. */
    (void)range_lock_set(fd, F_OFD_SETLK, F_UNLCK, range);
}

int
range_lock_look(int fd, struct range range, struct range *ret_found)
{
    struct flock request = range_lock_request(F_WRLCK, range);

    if (fcntl(fd, F_OFD_GETLK, &request) < 0) {
        return range_lock_result(errno);
    }
    if (request.l_type == F_UNLCK) {
        return RANGE_LOCK_FREE;
    }
    *ret_found = (struct range){(uint64_t)request.l_start, (uint64_t)request.l_len};
    return 0;
}
