/* For a libc without posix_spawn_file_actions_addclosefrom_np(). */

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "sys/spawn_rest.h"

static void
closedir_p(DIR **folder)
{
    if (*folder) {
        closedir(*folder);
    }
}

int
spawn_rest_close(posix_spawn_file_actions_t *actions, int first_fd)
{
    AUTO(closedir_p) DIR *folder = opendir("/proc/self/fd");
    struct dirent *entry;
    int fd, r;

    if (!folder) {
        return -errno;
    }
    while ((entry = readdir(folder))) {
        fd = atoi(entry->d_name);
        /* The folder's own is closed on exec; naming it twice does no harm. */
        r = fd >= first_fd ? posix_spawn_file_actions_addclose(actions, fd) : 0;
        if (r != 0) {
            return -r;
        }
    }
    return 0;
}
