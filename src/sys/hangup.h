/* Sleep until somebody is gone. */

#ifndef SYS_HANGUP_H
#define SYS_HANGUP_H

#include <stdbool.h>

#include "cjoblib/base.h"

/* Opens what hangup_stop() needs. */
CJ_MUST_CHECK int hangup_open(int *ret_stop_fd);

/* Wait until the peer of the socket `fd` is gone or sends no more, or the process
 * behind `watch_fd` (-1: none) has ended: true; or until hangup_stop(): false. */
bool hangup_wait(int fd, int watch_fd, int stop_fd);

/* End a hangup_wait(), now or to come. */
void hangup_stop(int stop_fd);

#endif
