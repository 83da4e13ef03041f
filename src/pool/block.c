#include "pool/block.h"

#include <errno.h>

#include "base/cleanup.h"
#include "base/memory.h"
#include "sys/descriptor.h"
#include "sys/shared_memory.h"

static void
block_unref_p(struct cj_block **block)
{
    cj_block_unref(*block);
}

static struct cj_block *
block_alloc(void)
{
    struct cj_block *block = mem_alloc_zero(1, sizeof(*block));

    if (block) {
        atomic_init(&block->n_refs, 1);
        atomic_init(&block->was_kept, false);
        block->fd = -1;
    }
    return block;
}

int
cj_block_new(size_t size, const char *spill_folder, struct cj_block **ret_block)
{
    AUTO(block_unref_p) struct cj_block *block = block_alloc();
    int r;

    if (!block) {
        return -ENOMEM;
    }
    if (size == 0) {
        return -EINVAL;
    }
    block->size = size;
    r = shared_memory_new(size, &block->fd, &block->data);
    if (r == 0) {
        r = shared_memory_reserve(block->fd, size);
    }
    if (r < 0 && spill_folder) {
        shared_memory_unmap(TAKE_PTR(block->data), size);
        descriptor_close(TAKE(block->fd, -1));
        r = shared_memory_spill(spill_folder, size, &block->fd, &block->data);
    }
    if (r == 0) {
        *ret_block = TAKE_PTR(block);
    }
    return r;
}

int
cj_block_take(int *fd, struct cj_block **ret_block)
{
    AUTO(block_unref_p) struct cj_block *block = NULL;
    int r;

    if (*fd < 0) {
        return -EBADF;
    }
    block = block_alloc();
    if (!block) {
        return -ENOMEM;
    }
    r = shared_memory_size(*fd, &block->size);
    if (r == 0) {
        block->fd = TAKE(*fd, -1);
        *ret_block = TAKE_PTR(block);
    }
    return r;
}

struct cj_block *
cj_block_ref(struct cj_block *block)
{
    /* Relaxed: who adds one has one already. */
    atomic_fetch_add_explicit(&block->n_refs, 1, memory_order_relaxed);
    return block;
}

void
cj_block_unref(struct cj_block *block)
{
    /* Release: what this holder did comes before the end; acquire: the last one sees
     * all of it. */
    if (block &&
        atomic_fetch_sub_explicit(&block->n_refs, 1, memory_order_acq_rel) == 1) {
        shared_memory_unmap(block->data, block->size);
        descriptor_close(block->fd);
        mem_free(block);
    }
}

bool
cj_block_is_free(struct cj_block *block)
{
    /* Acquire: what the holders that are gone did with the memory is over. */
    return atomic_load_explicit(&block->n_refs, memory_order_acquire) == 1 &&
           !atomic_load_explicit(&block->was_kept, memory_order_relaxed);
}

size_t
cj_block_n_refs(struct cj_block *block)
{
    return atomic_load_explicit(&block->n_refs, memory_order_acquire);
}

size_t
cj_block_size(const struct cj_block *block)
{
    return block->size;
}

int
cj_block_map(struct cj_block *block, enum cj_block_access access, void **ret_data)
{
    void *data;
    int r;

    if (!block->data) {
        r = shared_memory_open(block->fd, block->size, access == CJ_BLOCK_WRITE,
                               access == CJ_BLOCK_PRIVATE, &data);
        if (r < 0) {
            return r;
        }
        block->data = data;
    }
    *ret_data = block->data;
    return 0;
}

int
block_fd(const struct cj_block *block)
{
    return block->fd;
}

void
block_set_kept(struct cj_block *block)
{
    atomic_store_explicit(&block->was_kept, true, memory_order_relaxed);
}
