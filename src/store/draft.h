/* A file on its way into the store.
 *
 *      draft_open(&draft, ...);      nameless, or a locked one in PLACE_TEMPS
 *      file_write(draft.fd, ...);
 *      draft_publish(&draft, ...);   one link or rename: what readers see
 *      draft_done(&draft);           removes what was not published
 *
 * A link can't replace what stands there, a rename can, but needs a name to start from.
 * So a nameless file is linked in when its place is free; otherwise it is named first.
 */

#ifndef STORE_DRAFT_H
#define STORE_DRAFT_H

#include <stdbool.h>

#include "store/store.h"

#define DRAFT_NAME_BYTES 24

struct draft {
    const struct cj_store *store;
    int fd;
    int temps_fd;                /* PLACE_TEMPS, once it is needed */
    char name[DRAFT_NAME_BYTES]; /* in PLACE_TEMPS; empty: the file stands nowhere */
};

#define DRAFT_INIT {.fd = -1, .temps_fd = -1}

/* Start a file on the file system of a folder; with `named` in PLACE_TEMPS at once. */
CJ_MUST_CHECK int draft_open(struct draft *draft, const struct cj_store *store,
                             int folder_fd, bool named);

/* Have the file stand as `name` in the folder, in the place of any other. -ENOENT: the
 * folder is gone (another one may be tried), or somebody removed the draft. */
CJ_MUST_CHECK int draft_publish(struct draft *draft, int folder_fd, const char *name);

void draft_done(struct draft *draft);

enum draft_state {
    DRAFT_DEAD = 1, /* nobody will finish it */
    DRAFT_ALIVE,
};

/* Of a file in PLACE_TEMPS: whether its writer lives. -ELOOP and the like: no draft. */
CJ_MUST_CHECK int draft_judge(const struct cj_store *store, int temps_fd,
                              const char *name);

#endif
