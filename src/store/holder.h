/* The threads of this process that hold leases, each with an opening of the lock file
 * of its own.
 *
 *      closed --take--> a thread's (n_uses 1, 2, ...) --drop to 0--> closed
 *
 * A thread has one holder for each lock file that it has leases in. A holder is never
 * removed from the list and its descriptor is set before it is locked through and unset
 * before it is closed, so that a forked child can close what it has a copy of, whatever
 * the parent's threads were doing. */

#ifndef STORE_HOLDER_H
#define STORE_HOLDER_H

#include <stdatomic.h>
#include <stdbool.h>

#include "store/store.h"
#include "sys/mutex.h"

struct cj_lease {
    struct cj_lease *next; /* of the same holder */
    struct holder *holder;
    struct household *house;  /* of the process that claimed it */
    struct cj_leases *leases; /* one reference */
    uint64_t slot;
};

/* All but `fd` and `next` under the lock of its household. */
struct holder {
    _Atomic(struct holder *) next;
    _Atomic int fd;          /* -1: closed; release, acquire */
    uint64_t device, number; /* of the file that is open */
    uint64_t token;
    uintptr_t thread;
    size_t n_uses; /* leases, and one while it claims; 0: nobody's */
    struct cj_lease *held;
};

/* One process's part. */
struct household {
    int64_t process;
    struct mutex lock;
    _Atomic(struct holder *) holders;
    struct household *inherited; /* what fork() copied; without descriptors */
};

/* The household of this process; a forked child makes its own here. NULL: no memory. */
struct household *household_of(struct cj_leases *leases);

/* This thread's holder for the lock file of a store, with one use more. With the lock
 * held. Errors of opening the file; -EOPNOTSUPP: it can't be locked. */
CJ_MUST_CHECK int holder_take(struct household *house, struct cj_store *store,
                              struct holder **ret_holder);

/* One use less. With the lock held. */
void holder_drop(struct holder *holder);

/* Whether the thread of this holder has leases in other files. With the lock held. */
bool holder_is_busy_elsewhere(const struct household *house,
                              const struct holder *holder);

/* Whether it has that lease. With the lock held. */
bool holder_has(const struct holder *holder, uint64_t slot);

#endif
