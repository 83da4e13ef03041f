/* The one door to the heap. */

#ifndef BASE_MEMORY_H
#define BASE_MEMORY_H

#include <stddef.h>

#include "cjoblib/base.h"

/* Room for `size` bytes, not initialised; NULL when there is none. `size` may be 0. */
CJ_MUST_CHECK void *mem_alloc(size_t size);

/* The same, all zero, for `n` items of `size` bytes; NULL also when that overflows. */
CJ_MUST_CHECK void *mem_alloc_zero(size_t n, size_t size);

/* Room whose start is a multiple of `align` (a power of two, at least a pointer's
 * size). */
CJ_MUST_CHECK void *mem_alloc_aligned(size_t align, size_t size);

/* Change the size of a block (NULL: a new one); NULL: no room, the block is as it was.
 */
CJ_MUST_CHECK void *mem_resize(void *block, size_t size);

void mem_free(void *block);

/* For AUTO(): frees what a pointer variable holds. */
void mem_free_p(void *pointer_to_pointer);

#endif
