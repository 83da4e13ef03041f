/* Memory without a name that two processes see; the kernel frees it with its last user.
 */

#ifndef SYS_SHARED_MEMORY_H
#define SYS_SHARED_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

#include "cjoblib/base.h"

/* New, all zero, and sealed: its size never changes, so that nobody can make our
 * accesses fail. The descriptor, closed on exec, is for passing on. -EMFILE, -ENOMEM.
 */
CJ_MUST_CHECK int shared_memory_new(size_t size, int *ret_fd, void **ret_memory);

/* What somebody passed on. -EPROTO: it isn't sealed or is smaller than `size`. */
CJ_MUST_CHECK int shared_memory_map(int fd, size_t size, void **ret_memory);

/* Have room for all of it now, so that writing to it cannot fail. -ENOMEM, -ENOSPC. */
CJ_MUST_CHECK int shared_memory_reserve(int fd, size_t size);

/* The same in a file that never has a name, in `folder`: -ENOSPC and others. It has no
 * seals. */
CJ_MUST_CHECK int shared_memory_spill(const char *folder, size_t size, int *ret_fd,
                                      void **ret_memory);

/* The size of what somebody passed on; -EPROTO: it is not sealed memory, and not a file
 * without a name either. */
CJ_MUST_CHECK int shared_memory_size(int fd, size_t *ret_size);

/* Map it: for reading, for writing, or privately: what is written stays here. */
CJ_MUST_CHECK int shared_memory_open(int fd, size_t size, bool writable,
                                     bool is_private, void **ret_memory);

/* Accepts NULL. */
void shared_memory_unmap(void *memory, size_t size);

#endif
