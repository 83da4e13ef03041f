#include "sys/pages.h"

#include <errno.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

/* Filling 64 MB of fresh memory takes 16,384 page faults with small pages and 32 with
 * these. */
#define PAGES_LARGE_BYTES ((size_t)2 << 20)

int
pages_map(size_t size, struct cj_blob *ret_blob)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t n_bytes, head;
    char *start;

    if (size > SIZE_MAX - PAGES_LARGE_BYTES - page) {
        return -ENOMEM;
    }
    n_bytes = (size + page - 1) / page * page;
    start = mmap(NULL, n_bytes + PAGES_LARGE_BYTES, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (start == MAP_FAILED) {
        return -errno;
    }
    /* Give back what lies before the first large page and after the last byte. */
    head = (size_t)(-(uintptr_t)start & (PAGES_LARGE_BYTES - 1));
    if (head > 0) {
        munmap(start, head);
    }
    munmap(start + head + n_bytes, PAGES_LARGE_BYTES - head);
    /* A wish; without it the memory is the same, only slower to fill. */
    (void)madvise(start + head, n_bytes, MADV_HUGEPAGE);
    *ret_blob = (struct cj_blob){start + head, size, n_bytes};
    return 0;
}
