#include "sys/shared_memory.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "sys/descriptor.h"

#define SIZE_SEALS (F_SEAL_SHRINK | F_SEAL_GROW)

static int
memory_map(int fd, size_t size, void **ret_memory)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    if (memory == MAP_FAILED) {
        return -errno;
    }
    *ret_memory = memory;
    return 0;
}

int
shared_memory_new(size_t size, int *ret_fd, void **ret_memory)
{
    AUTO(close_p) int fd = -1;
    int r;

    fd = memfd_create("cjoblib", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0) {
        return -errno;
    }
    if (ftruncate(fd, (off_t)size) < 0 ||
        fcntl(fd, F_ADD_SEALS, SIZE_SEALS | F_SEAL_SEAL) < 0) {
        return -errno;
    }
    r = memory_map(fd, size, ret_memory);
    if (r == 0) {
        *ret_fd = TAKE(fd, -1);
    }
    return r;
}

int
shared_memory_map(int fd, size_t size, void **ret_memory)
{
    struct stat about;
    int seals;

    if (fstat(fd, &about) < 0) {
        return -errno;
    }
    seals = fcntl(fd, F_GET_SEALS);
    if (seals < 0 || (seals & SIZE_SEALS) != SIZE_SEALS ||
        about.st_size < (off_t)size) {
        return -EPROTO;
    }
    return memory_map(fd, size, ret_memory);
}

void
shared_memory_unmap(void *memory, size_t size)
{
    if (memory) {
        munmap(memory, size);
    }
}

int
shared_memory_reserve(int fd, size_t size)
{
    /* Pages that are there already cost little. */
    return fallocate(fd, 0, 0, (off_t)size) < 0 ? -errno : 0;
}

int
shared_memory_spill(const char *folder, size_t size, int *ret_fd, void **ret_memory)
{
    AUTO(close_p) int fd = -1;
    int r;

    fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC | O_EXCL, 0600);
    if (fd < 0) {
        return -errno;
    }
    r = shared_memory_reserve(fd, size);
    if (r == 0) {
        r = memory_map(fd, size, ret_memory);
    }
    if (r == 0) {
        *ret_fd = TAKE(fd, -1);
    }
    return r;
}

int
shared_memory_size(int fd, size_t *ret_size)
{
    struct stat about;
    int seals;

    if (fstat(fd, &about) < 0) {
        return -errno;
    }
    seals = fcntl(fd, F_GET_SEALS);
    if (!S_ISREG(about.st_mode) || about.st_size <= 0 ||
        ((seals < 0 || (seals & SIZE_SEALS) != SIZE_SEALS) && about.st_nlink != 0)) {
        return -EPROTO;
    }
    *ret_size = (size_t)about.st_size;
    return 0;
}

int
shared_memory_open(int fd, size_t size, bool writable, bool is_private,
                   void **ret_memory)
{
    int protection = PROT_READ | (writable || is_private ? PROT_WRITE : 0);
    void *memory =
        mmap(NULL, size, protection, is_private ? MAP_PRIVATE : MAP_SHARED, fd, 0);

    if (memory == MAP_FAILED) {
        return -errno;
    }
    *ret_memory = memory;
    return 0;
}
