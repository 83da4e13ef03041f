/* Locks on ranges of a file's offsets, whether there are bytes or not. A lock belongs
 * to the opening it was taken through: other openings are kept out, of this process as
 * of any other, and the kernel takes it back when the last descriptor of the opening is
 * closed. Copies of the descriptor made by fork() keep it alive. */

#ifndef SYS_RANGE_LOCK_H
#define SYS_RANGE_LOCK_H

#include "cjoblib/base.h"

enum range_lock_outcome {
    RANGE_LOCK_BUSY = 1,    /* another opening holds some of it */
    RANGE_LOCK_FREE,        /* nobody else holds any of it */
    RANGE_LOCK_UNSUPPORTED, /* the file system has none */
};

struct range {
    uint64_t start;
    uint64_t size; /* at least 1; both together below 2^63 */
};

/* Be the only holder. `fd` must be open for writing. Never waits. */
CJ_MUST_CHECK int range_lock_take(int fd, struct range range);

/* The same, but wait for the others. -EINTR: a signal came. */
CJ_MUST_CHECK int range_lock_wait(int fd, struct range range);

void range_lock_release(int fd, struct range range);

/* Some lock of another opening that keeps this one out of the range: 0, and the whole
 * of it; or RANGE_LOCK_FREE. */
CJ_MUST_CHECK int range_lock_look(int fd, struct range range, struct range *ret_found);

#endif
