/* Files of the store's own, in its root: opened for each use and closed after it, so
 * that a store that is idle does not keep its file system from being made read-only. */

#ifndef STORE_OWN_H
#define STORE_OWN_H

#include "store/store.h"
#include "sys/files.h"

/* What may be made where the file is not there. */
enum own_make {
    OWN_MAKE_NOTHING,
    OWN_MAKE_FILE, /* in a store that is there */
    OWN_MAKE_STORE,
};

/* Open one for reading and writing. -ENOENT: not there; -ELOOP, -EPERM: what stands
 * there is not ours. */
CJ_MUST_CHECK int own_open(struct cj_store *store, const char *name, enum own_make make,
                           int *ret_fd, struct file_facts *ret_facts);

#endif
