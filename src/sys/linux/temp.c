#include "sys/temp.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static mode_t
temp_mode_bits(enum temp_mode mode)
{
    return mode == TEMP_SHARED ? 0666 : 0600;
}

int
temp_open_nameless(int folder_fd, enum temp_mode mode, int *ret_fd)
{
    int fd =
        openat(folder_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, temp_mode_bits(mode));

    /* A kernel that never heard of O_TMPFILE sees an attempt to write a folder. */
    if (fd < 0) {
        return errno == EISDIR || errno == EINVAL ? -EOPNOTSUPP : -errno;
    }
    *ret_fd = fd;
    return 0;
}

int
temp_open_named(int folder_fd, const char *name, enum temp_mode mode, int *ret_fd)
{
    int fd = openat(folder_fd, name, O_CREAT | O_EXCL | O_RDWR | O_NOFOLLOW | O_CLOEXEC,
                    temp_mode_bits(mode));

    if (fd < 0) {
        return -errno;
    }
    *ret_fd = fd;
    return 0;
}

/* The quick way is a privilege before Linux 6.10, and refused with ENOENT; the way
 * through /proc is everybody's where /proc is mounted. */
int
temp_link(int fd, int folder_fd, const char *name)
{
    char path[32];

    if (linkat(fd, "", folder_fd, name, AT_EMPTY_PATH) == 0) {
        return 0;
    }
    if (errno != ENOENT && errno != EPERM && errno != EINVAL) {
        return -errno;
    }
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    return linkat(AT_FDCWD, path, folder_fd, name, AT_SYMLINK_FOLLOW) < 0 ? -errno : 0;
}
