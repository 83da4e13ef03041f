#include "sys/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/memory.h"
#include "sys/descriptor.h"
#include "sys/files.h"

#define FOLDER_FLAGS (O_RDONLY | O_DIRECTORY | O_CLOEXEC)

struct folder_list {
    DIR *stream;
};

int
folder_open_path(const char *path, int *ret_fd)
{
    int fd = open(path, FOLDER_FLAGS);

    if (fd < 0) {
        return -errno;
    }
    *ret_fd = fd;
    return 0;
}

int
folder_reach(int parent_fd, const char *path, int *ret_fd)
{
    int fd = openat(parent_fd < 0 ? AT_FDCWD : parent_fd, path,
                    O_PATH | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0) {
        return -errno;
    }
    *ret_fd = fd;
    return 0;
}

int
folder_sync(int fd)
{
    AUTO(close_p) int listed_fd = openat(fd, ".", FOLDER_FLAGS);

    return listed_fd < 0 ? -errno : file_sync(listed_fd);
}

int
folder_sync_path(const char *path)
{
    AUTO(mem_free_p) char *partial = mem_alloc(strlen(path) + 1);
    size_t at = 0;
    int r = partial ? 0 : -ENOMEM;

    if (r == 0) {
        strcpy(partial, path);
    }
    while (r == 0 && path[at]) {
        AUTO(close_p) int fd = -1;

        at += strspn(path + at, "/");
        partial[at] = '\0';
        if (folder_open_path(at > 0 ? partial : ".", &fd) == 0) {
            r = folder_sync(fd);
        }
        partial[at] = path[at];
        at += strcspn(path + at, "/");
    }
    return r;
}

/* For a link O_DIRECTORY says ENOTDIR before O_NOFOLLOW can say ELOOP. */
static bool
folder_is_link(int parent_fd, const char *name)
{
    struct stat stat;

    return fstatat(parent_fd, name, &stat, AT_SYMLINK_NOFOLLOW) == 0 &&
           S_ISLNK(stat.st_mode);
}

int
folder_open(int parent_fd, const char *name, int *ret_fd)
{
    int fd = openat(parent_fd, name, FOLDER_FLAGS | O_NOFOLLOW);

    if (fd < 0 && errno == ENOTDIR) {
        return folder_is_link(parent_fd, name) ? -ELOOP : -ENOTDIR;
    }
    if (fd < 0) {
        return -errno;
    }
    *ret_fd = fd;
    return 0;
}

int
folder_make(int parent_fd, const char *name)
{
    return mkdirat(parent_fd, name, 0700) < 0 && errno != EEXIST ? -errno : 0;
}

int
folder_make_path(const char *path)
{
    AUTO(mem_free_p) char *partial = mem_alloc(strlen(path) + 1);
    size_t at = 0;

    if (!partial) {
        return -ENOMEM;
    }
    strcpy(partial, path);
    while (path[at]) {
        at += strspn(path + at, "/");
        at += strcspn(path + at, "/");
        partial[at] = '\0';
        /* What can't be made may stand there already, where nothing may be made. */
        if (mkdir(partial, 0777) < 0 && errno != EEXIST && access(partial, F_OK) < 0) {
            return -errno;
        }
        partial[at] = path[at];
    }
    return 0;
}

int
folder_remove(int parent_fd, const char *name)
{
    return unlinkat(parent_fd, name, AT_REMOVEDIR) < 0 ? -errno : 0;
}

int
folder_replace(int old_fd, int new_fd)
{
    int r;

    do {
        r = dup3(new_fd, old_fd, O_CLOEXEC);
    } while (r < 0 && (errno == EINTR || errno == EBUSY));
    return r < 0 ? -errno : 0;
}

int
folder_copy(int fd, int *ret_fd)
{
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);

    if (copy < 0) {
        return -errno;
    }
    *ret_fd = copy;
    return 0;
}

int
folder_absolute(const char *path, char **ret_path)
{
    AUTO(mem_free_p) char *absolute = mem_alloc(PATH_MAX + strlen(path) + 2);
    size_t n = 0;

    if (!absolute) {
        return -ENOMEM;
    }
    if (path[0] != '/') {
        if (!getcwd(absolute, PATH_MAX)) {
            return -errno;
        }
        n = strlen(absolute);
        absolute[n++] = '/';
    }
    strcpy(absolute + n, path);
    *ret_path = TAKE_PTR(absolute);
    return 0;
}

int
folder_list_open(int fd, struct folder_list **ret_list)
{
    AUTO(mem_free_p) struct folder_list *list = mem_alloc(sizeof(*list));

    if (!list) {
        descriptor_close(fd);
        return -ENOMEM;
    }
    list->stream = fdopendir(fd);
    if (!list->stream) {
        int r = -errno;

        descriptor_close(fd);
        return r;
    }
    *ret_list = TAKE_PTR(list);
    return 0;
}

int
folder_list_next(struct folder_list *list, const char **ret_name)
{
    struct dirent *item;

    do {
        errno = 0;
        item = readdir(list->stream);
    } while (item &&
             (strcmp(item->d_name, ".") == 0 || strcmp(item->d_name, "..") == 0));
    /* A folder that somebody removes meanwhile ends with ENOENT. */
    if (!item && errno != 0 && errno != ENOENT) {
        return -errno;
    }
    *ret_name = item ? item->d_name : NULL;
    return 0;
}

int
folder_list_fd(struct folder_list *list)
{
    return dirfd(list->stream);
}

void
folder_list_close(struct folder_list *list)
{
    if (list) {
        (void)closedir(list->stream);
        mem_free(list);
    }
}

void
folder_list_close_p(struct folder_list **list)
{
    folder_list_close(*list);
}
