/* Tells a process from its forked children without asking the kernel each time. */

#ifndef SYS_FORK_GUARD_H
#define SYS_FORK_GUARD_H

#include "cjoblib/base.h"

/* A byte that is 1 in this process and 0 in children that fork from it (where the
 * kernel can do that: since Linux 4.14; else 1 there too). */
CJ_MUST_CHECK int fork_guard_new(const volatile unsigned char **ret_guard);

/* Accepts NULL. */
void fork_guard_free(const volatile unsigned char *guard);

#endif
