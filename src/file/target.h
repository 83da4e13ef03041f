/* What a path means for who wants to replace it: a name in a folder, once all links are
 * followed. */

#ifndef FILE_TARGET_H
#define FILE_TARGET_H

#include "sys/files.h"

struct target {
    int folder_fd; /* only to reach and name (folder_reach()) */
    char *name;    /* on the heap */
    bool is_there;
    struct file_facts facts; /* if it is */
};

#define TARGET_INIT {.folder_fd = -1}

enum target_outcome {
    TARGET_DIRECT = 1, /* what is there can't be replaced, only written */
};

/* -EISDIR, -ENOENT, -EACCES, -ELOOP and the like: nothing can be written there. */
CJ_MUST_CHECK int target_find(const char *path, struct target *ret_target);

void target_done(struct target *target);

/* For AUTO(). */
void target_done_p(struct target *target);

#endif
