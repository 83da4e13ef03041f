#include "sys/growing_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "sys/descriptor.h"

/* Appending is what makes the places of two writers differ. */
#define GROWING_FILE_FLAGS (O_RDWR | O_APPEND | O_CLOEXEC | O_NONBLOCK)

#define GROWING_FILE_BLOCK 4096
#define GROWING_FILE_MAX_BLOCKS 256

int
growing_file_new(const char *path, int *ret_fd)
{
    int fd = open(path, GROWING_FILE_FLAGS | O_CREAT | O_EXCL, 0666);

    if (fd < 0) {
        return -errno;
    }
    *ret_fd = fd;
    return 0;
}

int
growing_file_open(const char *path, int *ret_fd)
{
    AUTO(close_p) int fd = open(path, GROWING_FILE_FLAGS);
    struct stat facts;

    if (fd < 0) {
        return errno == ENXIO ? -EINVAL : -errno;
    }
    if (fstat(fd, &facts) < 0) {
        return -errno;
    }
    if (!S_ISREG(facts.st_mode)) {
        return -EINVAL;
    }
    *ret_fd = TAKE(fd, -1);
    return 0;
}

int
growing_file_again(int fd, int *ret_fd)
{
    char path[32];
    int again;

    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    again = open(path, GROWING_FILE_FLAGS);
    if (again < 0) {
        return -errno;
    }
    *ret_fd = again;
    return 0;
}

bool
growing_file_is_at(int fd, const char *path)
{
    struct stat open_one, named;

    return fstat(fd, &open_one) == 0 && stat(path, &named) == 0 &&
           open_one.st_dev == named.st_dev && open_one.st_ino == named.st_ino;
}

int
growing_file_remove(const char *path)
{
    return unlink(path) < 0 ? -errno : 0;
}

/* One call, so that nothing of others comes in between. What a full disk cuts short
 * stays as it is: others may have added to it. */
static int
growing_file_append(int fd, size_t size, char fill, off_t *ret_at)
{
    char bytes[GROWING_FILE_BLOCK];
    struct iovec pieces[GROWING_FILE_MAX_BLOCKS];
    size_t n_pieces = size / sizeof(bytes);
    ssize_t n;

    memset(bytes, fill, sizeof(bytes));
    for (size_t i = 0; i < n_pieces; i++) {
        pieces[i] = (struct iovec){bytes, sizeof(bytes)};
    }
    do {
        n = writev(fd, pieces, (int)n_pieces);
    } while (n < 0 && errno == EINTR);
    if (n < 0) {
        return -errno;
    }
    if ((size_t)n < size) {
        return -ENOSPC;
    }
    *ret_at = lseek(fd, 0, SEEK_CUR);
    if (*ret_at < 0) {
        return -errno;
    }
    *ret_at -= (off_t)size;
    return 0;
}

int
growing_file_add(int fd, size_t size, char fill, struct growing_piece *ret_piece)
{
    off_t page = (off_t)sysconf(_SC_PAGESIZE), at;
    size_t before;
    void *mapping;
    int r = growing_file_append(fd, size, fill, &at);

    if (r < 0) {
        return r;
    }
    before = (size_t)(at % page);
    mapping = mmap(NULL, before + size, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
                   at - (off_t)before);
    if (mapping == MAP_FAILED) {
        return -errno;
    }
    *ret_piece =
        (struct growing_piece){(char *)mapping + before, size, mapping, before + size};
    return 0;
}

void
growing_file_let_go(struct growing_piece *piece)
{
    if (piece->mapping) {
        munmap(piece->mapping, piece->mapped_bytes);
    }
    *piece = (struct growing_piece){.mapping = NULL};
}
