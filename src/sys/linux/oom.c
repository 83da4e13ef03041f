#include "sys/oom.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "sys/cgroup.h"
#include "sys/descriptor.h"

#define RECORD_BYTES 1024

enum {
    RECORD_FOUND = 1,
};

static int
record_open(void *context, bool is_v2, int folder_fd)
{
    int *ret_fd = context;

    *ret_fd = openat(folder_fd, is_v2 ? "memory.events" : "memory.oom_control",
                     O_RDONLY | O_CLOEXEC);
    return *ret_fd >= 0 ? RECORD_FOUND : 0;
}

int
oom_open(int *ret_fd)
{
    AUTO(close_p) int root_fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int fd, r;

    if (root_fd < 0) {
        return -errno;
    }
    r = cgroup_each(root_fd, "memory", record_open, &fd);
    if (r == RECORD_FOUND) {
        *ret_fd = fd;
        return 0;
    }
    return r < 0 ? r : -ENOENT;
}

int64_t
oom_count(int fd)
{
    char text[RECORD_BYTES];
    const char *found;
    ssize_t n;

    n = fd >= 0 ? pread(fd, text, sizeof(text) - 1, 0) : -1;
    if (n < 0) {
        return -1;
    }
    text[n] = '\0';
    found = strstr(text, "oom_kill ");
    return found ? strtoll(found + strlen("oom_kill "), NULL, 10) : -1;
}
