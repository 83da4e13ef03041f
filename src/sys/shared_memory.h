/* Memory without a name that two processes see; the kernel frees it with its last user.
 */

#ifndef SYS_SHARED_MEMORY_H
#define SYS_SHARED_MEMORY_H

#include <stddef.h>

#include "cjoblib/base.h"

/* New, all zero, and sealed: its size never changes, so that nobody can make our
 * accesses fail. The descriptor, closed on exec, is for passing on. -EMFILE, -ENOMEM.
 */
CJ_MUST_CHECK int shared_memory_new(size_t size, int *ret_fd, void **ret_memory);

/* What somebody passed on. -EPROTO: it isn't sealed or is smaller than `size`. */
CJ_MUST_CHECK int shared_memory_map(int fd, size_t size, void **ret_memory);

/* Accepts NULL. */
void shared_memory_unmap(void *memory, size_t size);

#endif
