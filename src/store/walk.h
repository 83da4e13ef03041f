/* Going through what is on disk.
 *
 *      root                       names that begin with '.' are the store's own
 *        component/ ...           at most NAME_MAX_DEPTH of them
 *          version/               32 hex digits
 *            .function            what the function was (PLACE_NOTE)
 *            entry                32 hex digits
 *
 * All else is foreign: told as such and never entered.
 */

#ifndef STORE_WALK_H
#define STORE_WALK_H

#include <stdbool.h>

#include "store/entry.h"
#include "store/store.h"

struct walk_entry {
    int folder_fd;
    const char *name; /* in that folder */
    const char *path; /* relative to LOCATION */
    struct entry_key key;
};

/* What to do with each thing; NULL: nothing. A result other than 0 ends the walk. */
struct walk_visitor {
    /* The folder of a version, by its name in the folder above; not entered unless
     * `ret_enter` is set to true. NULL: enter. */
    int (*version)(void *context, const struct walk_entry *version, bool *ret_enter);
    int (*note)(void *context, const struct walk_entry *note);
    int (*entry)(void *context, const struct walk_entry *entry);
    int (*temp)(void *context, int temps_fd, const char *name);
    int (*own)(void *context, int root_fd, const char *name);
    int (*foreign)(void *context);
    /* A folder of a component, version or of drafts, after all that is in it. */
    int (*leave)(void *context, int parent_fd, const char *name);
    void *context;
};

/* The same result, but 0 for -ENOENT: what was gone already was not seen. */
CJ_MUST_CHECK int walk_gone(int r);

/* The whole store. A store that is not there is empty. */
CJ_MUST_CHECK int walk_store(const struct cj_store *store,
                             const struct walk_visitor *visitor);

/* All versions of one function, by its escaped path. */
CJ_MUST_CHECK int walk_function(const struct cj_store *store, const char *path,
                                const struct walk_visitor *visitor);

/* One version's folder, by its path relative to LOCATION. */
CJ_MUST_CHECK int walk_version(const struct cj_store *store, const char *path,
                               const struct walk_visitor *visitor);

#endif
