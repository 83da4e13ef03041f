#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sys/process.h"

int
process_watch(pid_t pid, int *ret_watch_fd)
{
    long fd = syscall(SYS_pidfd_open, pid, 0);

    if (fd < 0) {
        return -errno;
    }
    *ret_watch_fd = (int)fd;
    return 0;
}
