/* A shelf and its folder. */

#ifndef STORE_SHELF_H
#define STORE_SHELF_H

#include <stdatomic.h>
#include <stdbool.h>

#include "store/entry.h"
#include "store/store.h"

struct cj_shelf {
    struct cj_store *store;
    char *path;           /* relative to LOCATION: PLACE_ROOT/function/version */
    const char *function; /* the function's part of `path` */
    size_t n_function;    /* its bytes */
    struct entry_key key; /* of every entry here; arguments are zero */
    /* The open folder, or -1 as long as nobody needed it. Set once, by the thread whose
     * exchange succeeds (release; readers acquire). From then on the number stays the
     * same until the shelf is closed: when the folder was removed and made again, the
     * kernel changes what the number means (folder_replace), so no thread uses a closed
     * one. */
    _Atomic int folder_fd;
};

/* Something to do in the shelf's folder. It fails when the folder was removed; what
 * failed may be done again. */
typedef int (*shelf_step)(struct cj_shelf *shelf, int folder_fd, void *context);

/* Do it, again in the new folder when the one that was open is removed. With `make` the
 * folder is made when it is not there; without, -ENOENT. */
CJ_MUST_CHECK int shelf_do(struct cj_shelf *shelf, bool make, shelf_step step,
                           void *context);

/* The function's escaped path alone, on the heap. NULL: no memory. */
CJ_MUST_CHECK char *shelf_function_path(const struct cj_shelf *shelf);

/* Read and check the file `name` of the shelf's folder, which stands under `key`.
 * Outcomes as of cj_shelf_get(). */
CJ_MUST_CHECK int shelf_find(struct cj_shelf *shelf, const char *name,
                             const struct entry_key *key, struct cj_entry *ret_entry);

/* cj_shelf_get() that is not counted. */
CJ_MUST_CHECK int shelf_look(struct cj_shelf *shelf,
                             const uint8_t arguments[CJ_KEY_BYTES],
                             struct cj_entry *ret_entry);

/* Put what was laid out there as the file `name`. Errors as of cj_shelf_put(). */
CJ_MUST_CHECK int shelf_publish(struct cj_shelf *shelf, const char *name,
                                const struct entry_image *image);

#endif
