#include "sys/files.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/memory.h"

/* As many pieces as go into one call: a small file is one call, and a large one is not
 * slower for being several. */
#define FILE_WRITE_PIECES 16

int
file_open(int folder_fd, const char *name, int *ret_fd)
{
    int fd;

    do {
        fd = openat(folder_fd, name,
                    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    } while (fd < 0 && errno == EINTR);
    if (fd < 0) {
        return -errno;
    }
    *ret_fd = fd;
    return 0;
}

int
file_open_to_write(int folder_fd, const char *name, bool make, int *ret_fd)
{
    int fd;

    do {
        fd = openat(folder_fd, name,
                    O_RDWR | (make ? O_CREAT : 0) | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY |
                        O_CLOEXEC,
                    0600);
    } while (fd < 0 && errno == EINTR);
    if (fd < 0) {
        return -errno;
    }
    *ret_fd = fd;
    return 0;
}

static enum file_kind
file_kind_of(mode_t mode)
{
    if (S_ISREG(mode)) {
        return FILE_REGULAR;
    }
    if (S_ISDIR(mode)) {
        return FILE_FOLDER;
    }
    return S_ISLNK(mode) ? FILE_LINK : FILE_OTHER;
}

static void
file_facts_take(const struct stat *stat, struct file_facts *ret_facts)
{
    *ret_facts = (struct file_facts){
        .kind = file_kind_of(stat->st_mode),
        .is_open_to_all = (stat->st_mode & S_IWOTH) != 0,
        .is_unlinked = stat->st_nlink == 0,
        .mode = stat->st_mode & 07777,
        .owner = stat->st_uid,
        .group = stat->st_gid,
        .device = stat->st_dev,
        .number = stat->st_ino,
        .n_bytes = (uint64_t)stat->st_size,
        .written_ns =
            (int64_t)stat->st_mtim.tv_sec * 1000000000 + stat->st_mtim.tv_nsec,
        .changed_ns =
            (int64_t)stat->st_ctim.tv_sec * 1000000000 + stat->st_ctim.tv_nsec,
    };
}

int
file_facts(int fd, struct file_facts *ret_facts)
{
    struct stat stat;

    if (fstat(fd, &stat) < 0) {
        return -errno;
    }
    file_facts_take(&stat, ret_facts);
    return 0;
}

int
file_facts_at(int folder_fd, const char *name, struct file_facts *ret_facts)
{
    struct stat stat;

    if (fstatat(folder_fd, name, &stat, AT_SYMLINK_NOFOLLOW) < 0) {
        return -errno;
    }
    file_facts_take(&stat, ret_facts);
    return 0;
}

int
file_facts_path(const char *path, struct file_facts *ret_facts)
{
    struct stat found;

    if (stat(path, &found) < 0) {
        return -errno;
    }
    file_facts_take(&found, ret_facts);
    return 0;
}

bool
file_facts_are_same(const struct file_facts *a, const struct file_facts *b)
{
    return a->device == b->device && a->number == b->number;
}

int
file_read(int fd, uint64_t offset, void *buffer, size_t size, size_t *ret_n_read)
{
    size_t n_read = 0;
    ssize_t n;

    while (n_read < size) {
        n = pread(fd, (char *)buffer + n_read, size - n_read, (off_t)(offset + n_read));
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return -errno;
        }
        if (n == 0) {
            break;
        }
        n_read += (size_t)n;
    }
    *ret_n_read = n_read;
    return 0;
}

/* The next call's worth of pieces, the first of them without its first `skip` bytes. */
static size_t
file_write_batch(const struct cj_bytes *pieces, size_t n_pieces, size_t skip,
                 struct iovec *ret_batch)
{
    size_t n = n_pieces < FILE_WRITE_PIECES ? n_pieces : FILE_WRITE_PIECES;
    union {
        const void *in;
        void *out; /* writev() reads only, but its type does not say so */
    } data;

    for (size_t i = 0; i < n; i++) {
        data.in = pieces[i].data;
        ret_batch[i] = (struct iovec){data.out, pieces[i].size};
    }
    ret_batch[0].iov_base = (char *)ret_batch[0].iov_base + skip;
    ret_batch[0].iov_len -= skip;
    return n;
}

int
file_write(int fd, const struct cj_bytes *pieces, size_t n_pieces)
{
    return file_write_waiting(fd, pieces, n_pieces, NULL, NULL);
}

int
file_write_waiting(int fd, const struct cj_bytes *pieces, size_t n_pieces,
                   int (*interrupted)(void *context), void *context)
{
    struct iovec batch[FILE_WRITE_PIECES];
    size_t done = 0; /* bytes of pieces[0] */
    ssize_t n;
    int r;

    for (;;) {
        while (n_pieces > 0 && done >= pieces[0].size) {
            done -= pieces[0].size;
            pieces++;
            n_pieces--;
        }
        if (n_pieces == 0) {
            return 0;
        }
        n = writev(fd, batch, (int)file_write_batch(pieces, n_pieces, done, batch));
        if (n < 0 && errno != EINTR) {
            return -errno;
        }
        r = n < 0 && interrupted ? interrupted(context) : 0;
        if (r < 0) {
            return r;
        }
        done += n > 0 ? (size_t)n : 0;
    }
}

int
file_write_at(int fd, uint64_t offset, const void *data, size_t size)
{
    size_t done = 0;
    ssize_t n;

    while (done < size) {
        n = pwrite(fd, (const char *)data + done, size - done, (off_t)(offset + done));
        if (n < 0 && errno != EINTR) {
            return -errno;
        }
        done += n > 0 ? (size_t)n : 0;
    }
    return 0;
}

int
file_reserve(int fd, uint64_t n_bytes)
{
    int r;

    do {
        r = fallocate(fd, 0, 0, (off_t)n_bytes);
    } while (r < 0 && errno == EINTR);
    if (r < 0 && errno != EOPNOTSUPP && errno != ENOSYS) {
        return -errno;
    }
    return 0;
}

int
file_touch(int fd)
{
    return futimens(fd, NULL) < 0 ? -errno : 0;
}

int
file_rename(int from_fd, const char *from, int to_fd, const char *to)
{
    return renameat(from_fd, from, to_fd, to) < 0 ? -errno : 0;
}

int
file_remove(int folder_fd, const char *name)
{
    return unlinkat(folder_fd, name, 0) < 0 ? -errno : 0;
}

int
file_read_link(int folder_fd, const char *name, char **ret_path)
{
    AUTO(mem_free_p) char *path = mem_alloc(PATH_MAX + 1);
    ssize_t n;

    if (!path) {
        return -ENOMEM;
    }
    n = readlinkat(folder_fd, name, path, PATH_MAX);
    if (n < 0) {
        return -errno;
    }
    path[n] = '\0';
    *ret_path = TAKE_PTR(path);
    return 0;
}

int
file_may_write(int folder_fd, const char *name)
{
    return faccessat(folder_fd, name, W_OK, AT_EACCESS) < 0 ? -errno : 0;
}

int
file_open_path(const char *path, int *ret_fd)
{
    int fd = open(path, O_WRONLY | O_NOCTTY | O_CLOEXEC);

    if (fd < 0) {
        return -errno;
    }
    *ret_fd = fd;
    return 0;
}

int
file_open_at(int folder_fd, const char *name, int *ret_fd)
{
    int fd = openat(folder_fd, name, O_WRONLY | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC);

    if (fd < 0) {
        return -errno;
    }
    *ret_fd = fd;
    return 0;
}

int
file_resize(int fd, uint64_t n_bytes)
{
    int r;

    do {
        r = ftruncate(fd, (off_t)n_bytes);
    } while (r < 0 && errno == EINTR);
    return r < 0 ? -errno : 0;
}

/* The owner first: the kernel takes some bits of the mode away from a file that changes
 * hands. Who may not give files away may still give them to a group. */
int
file_make_alike(int fd, const struct file_facts *other)
{
    uint32_t mode = other->mode;

    if (fchown(fd, other->owner, other->group) < 0) {
        if (errno != EPERM && errno != EINVAL && errno != ENOSYS) {
            return -errno;
        }
        (void)!fchown(fd, (uid_t)-1, other->group);
        /* Nobody may run it in the name of another owner than before. */
        mode &= ~(uint32_t)(S_ISUID | S_ISGID);
    }
    return fchmod(fd, (mode_t)mode) < 0 ? -errno : 0;
}

int
file_sync(int fd)
{
    int r;

    do {
        r = fsync(fd);
    } while (r < 0 && errno == EINTR);
    return r < 0 && errno != EINVAL && errno != EROFS ? -errno : 0;
}

int
file_flush(int fd)
{
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);

    if (copy < 0) {
        return -errno;
    }
    return close(copy) < 0 && errno != EINTR ? -errno : 0;
}
