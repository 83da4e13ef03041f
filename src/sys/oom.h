/* What the kernel says about processes that it killed for want of memory. */

#ifndef SYS_OOM_H
#define SYS_OOM_H

#include <stdint.h>

#include "cjoblib/base.h"

/* The record of this process's memory cgroup (v2: memory.events, v1:
 * memory.oom_control), to be read again and again. -ENOENT: there is none that can be
 * read. */
CJ_MUST_CHECK int oom_open(int *ret_fd);

/* How many processes it has killed so far; -1: not known. */
int64_t oom_count(int fd);

#endif
