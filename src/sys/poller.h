/* Sleep until one of many descriptors has something to say. */

#ifndef SYS_POLLER_H
#define SYS_POLLER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cjoblib/base.h"

struct poller_event {
    uint64_t tag;  /* as given to poller_add() */
    bool can_read; /* or the peer is gone */
    bool can_write;
};

CJ_MUST_CHECK int poller_open(int *ret_poller_fd);

/* Watch `fd` for reading. */
CJ_MUST_CHECK int poller_add(int poller_fd, int fd, uint64_t tag);

/* Watch `fd`, which was added, also for writing, or no longer. */
CJ_MUST_CHECK int poller_set_writing(int poller_fd, int fd, uint64_t tag, bool writing);

/* To be called before `fd` is closed: copies of it elsewhere would keep it watched. */
void poller_remove(int poller_fd, int fd);

/* Wait up to `timeout_ns` (< 0: for ever), rounded up to milliseconds. No events after
 * the time is up. -EINTR: a signal came. */
CJ_MUST_CHECK int poller_wait(int poller_fd, int64_t timeout_ns,
                              struct poller_event *events, size_t max_events,
                              size_t *ret_n_events);

#endif
