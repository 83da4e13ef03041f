/* Shared memory on its way between an owner and a worker: see cjoblib/pool.h. The
 * descriptor travels beside the message that means the block. */

#ifndef POOL_BLOCK_H
#define POOL_BLOCK_H

#include <stdatomic.h>

#include "cjoblib/pool.h"

struct cj_block {
    _Atomic size_t n_refs; /* from any thread */
    int fd;
    size_t size;
    void *data;            /* mapped, writable; or NULL: not yet */
    _Atomic bool was_kept; /* a worker holds on to it */
};

int block_fd(const struct cj_block *block);

void block_set_kept(struct cj_block *block);

#endif
