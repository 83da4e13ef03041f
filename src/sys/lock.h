/* Locks on open files that the kernel takes back when their holder ends. A lock belongs
 * to the opening, not to the process: copies made by fork() share it, the last close
 * frees it. */

#ifndef SYS_LOCK_H
#define SYS_LOCK_H

#include "cjoblib/base.h"

enum lock_outcome {
    LOCK_BUSY = 1,    /* somebody holds it */
    LOCK_UNSUPPORTED, /* the file system has no locks */
};

/* Be the only holder. `fd` must be open for writing. Never waits. */
CJ_MUST_CHECK int lock_take(int fd);

/* Be one of several holders, which keeps lock_take() out. Never waits. */
CJ_MUST_CHECK int lock_share(int fd);

#endif
