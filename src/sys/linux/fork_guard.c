#include "sys/fork_guard.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>

/* Rounded up to a page by the kernel, on both ways. */
#define FORK_GUARD_BYTES 1

int
fork_guard_new(const volatile unsigned char **ret_guard)
{
    unsigned char *page = mmap(NULL, FORK_GUARD_BYTES, PROT_READ | PROT_WRITE,
                               MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (page == MAP_FAILED) {
        return -errno;
    }
    (void)madvise(page, FORK_GUARD_BYTES, MADV_WIPEONFORK);
    *page = 1;
    *ret_guard = page;
    return 0;
}

void
fork_guard_free(const volatile unsigned char *guard)
{
    if (guard) {
        munmap((void *)(uintptr_t)guard, FORK_GUARD_BYTES);
    }
}
