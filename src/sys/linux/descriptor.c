#include "sys/descriptor.h"

#include <errno.h>
#include <unistd.h>

void
descriptor_close(int fd)
{
    int saved = errno;

    if (fd >= 0) {
        /* Linux frees the number also when close() is interrupted or fails. */
        (void)close(fd);
    }
    errno = saved;
}

void
close_p(int *fd)
{
    descriptor_close(*fd);
}
