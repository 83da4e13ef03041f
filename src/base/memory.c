#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

void *
mem_alloc(size_t size)
{
    return malloc(size > 0 ? size : 1);
}

void *
mem_alloc_zero(size_t n, size_t size)
{
    return calloc(n > 0 ? n : 1, size > 0 ? size : 1);
}

void *
mem_alloc_aligned(size_t align, size_t size)
{
    void *block = NULL;

    if (posix_memalign(&block, align, size > 0 ? size : 1) != 0) {
        return NULL;
    }
    return block;
}

void *
mem_resize(void *block, size_t size)
{
    return realloc(block, size > 0 ? size : 1);
}

void
mem_free(void *block)
{
    free(block);
}

void
mem_free_p(void *pointer_to_pointer)
{
    void *block;

    memcpy(&block, pointer_to_pointer, sizeof(block));
    free(block);
}
