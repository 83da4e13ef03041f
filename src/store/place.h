/* The way down from LOCATION to a folder of the store, step by step: each folder is
 * opened from the one above, is no link, and is its owner's alone to write. */

#ifndef STORE_PLACE_H
#define STORE_PLACE_H

#include <stdbool.h>

#include "store/store.h"

/* The folder of everything, in LOCATION. */
#define PLACE_ROOT "cjoblib"

/* Where files are written that have a name before they are finished, in PLACE_ROOT. */
#define PLACE_TEMPS ".tmp"

/* What a function was, in the folder of each version. */
#define PLACE_NOTE ".function"

/* Keeps version control from taking the cache; stores of before had one in PLACE_ROOT.
 */
#define PLACE_IGNORE ".gitignore"

/* The file whose ranges are locked: who computes what (lease.h). In PLACE_ROOT. */
#define PLACE_LEASES ".leases"

/* How much there is (usage.h). In PLACE_ROOT. */
#define PLACE_USAGE ".usage"

/* How often a writer makes a folder again that others remove at that very moment. */
#define PLACE_TRIES 1000

/* Open one folder inside another, checked. -ELOOP: it is a link; -EPERM: it is another
 * user's, or everybody may write in it; -ENOTDIR: it is a file. */
CJ_MUST_CHECK int place_enter(const struct cj_store *store, int parent_fd,
                              const char *name, int *ret_fd);

/* Open a folder by its path relative to PLACE_ROOT ("": the root itself). With `make`
 * what is missing is made, LOCATION included; without, -ENOENT. */
CJ_MUST_CHECK int place_open(const struct cj_store *store, const char *path, bool make,
                             int *ret_fd);

/* Whether a name in PLACE_ROOT is one of the store's own files. */
bool place_is_own(const char *name);

/* Whether an error of these says that something stands in the way which is not ours. */
bool place_is_foreign(int error);

#endif
