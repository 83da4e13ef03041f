/* Large pieces of fresh memory straight from the kernel. */

#ifndef SYS_PAGES_H
#define SYS_PAGES_H

#include "cjoblib/base.h"

/* From this size on, in bytes, pages_map() is worth its system calls. Smaller pieces
 * the C library keeps after use, and hands out again without a page fault. */
#define PAGES_WORTH_BYTES ((size_t)32 << 20)

/* A blob of `size` bytes, all zero, that starts a large page. -ENOMEM. */
CJ_MUST_CHECK int pages_map(size_t size, struct cj_blob *ret_blob);

#endif
