#include "store/own.h"

#include <errno.h>

#include "base/cleanup.h"
#include "store/place.h"
#include "sys/descriptor.h"
#include "sys/folder.h"

static int
own_open_in(const struct cj_store *store, int root_fd, const char *name, bool make,
            int *ret_fd, struct file_facts *ret_facts)
{
    AUTO(close_p) int fd = -1;
    struct file_facts facts;
    int r = file_open_to_write(root_fd, name, make, &fd);

    if (r == 0) {
        r = file_facts(fd, &facts);
    }
    if (r < 0) {
        return r;
    }
    if (facts.kind != FILE_REGULAR || facts.owner != store->owner ||
        facts.is_open_to_all) {
        return -EPERM;
    }
    *ret_fd = TAKE(fd, -1);
    *ret_facts = facts;
    return 0;
}

/* Keep the root open for the next time. When the one that is kept was removed, its
 * number comes to mean the new one, as a shelf's does. */
static void
own_keep_root(struct cj_store *store, int root_fd)
{
    AUTO(close_p) int copy = -1;
    int known = -1;
    struct file_facts facts;

    if (folder_copy(root_fd, &copy) < 0) {
        return;
    }
    if (atomic_compare_exchange_strong_explicit(&store->root_fd, &known, copy,
                                                memory_order_acq_rel,
                                                memory_order_acquire)) {
        copy = -1;
    }
    else if (file_facts(known, &facts) == 0 && facts.is_unlinked) {
        (void)!folder_replace(known, root_fd);
    }
}

int
own_open(struct cj_store *store, const char *name, enum own_make make, int *ret_fd,
         struct file_facts *ret_facts)
{
    AUTO(close_p) int root_fd = -1;
    int known = atomic_load_explicit(&store->root_fd, memory_order_acquire);
    int r = known < 0 ? -ENOENT
                      : own_open_in(store, known, name, make != OWN_MAKE_NOTHING,
                                    ret_fd, ret_facts);

    if (r != -ENOENT) {
        return r;
    }
    r = place_open(store, "", make == OWN_MAKE_STORE, &root_fd);
    if (r == 0) {
        r = own_open_in(store, root_fd, name, make != OWN_MAKE_NOTHING, ret_fd,
                        ret_facts);
    }
    if (r == 0) {
        own_keep_root(store, root_fd);
    }
    return r;
}
