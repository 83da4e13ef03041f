/* A descriptor that one thread makes readable for another. */

#ifndef SYS_BELL_H
#define SYS_BELL_H

#include <stdbool.h>

#include "cjoblib/base.h"

/* Not rung; closed on exec. -EMFILE, -ENOMEM. */
CJ_MUST_CHECK int bell_open(int *ret_fd);

/* From any thread, also in a handler of signals. */
void bell_ring(int fd);

/* Whether it was rung since the last time. Never sleeps. */
bool bell_take(int fd);

#endif
