/* A file that is being written, for file.c (how it begins) and publish.c (how it
 * ends). */

#ifndef FILE_STATE_H
#define FILE_STATE_H

#include <sys/types.h>

#include "cjoblib/file.h"
#include "file/side.h"
#include "file/target.h"

enum file_way {
    FILE_NAMELESS, /* linked, or linked beside the target and renamed */
    FILE_NAMED,    /* beside the target, and renamed */
    FILE_IN_PLACE, /* somewhere else, and copied into the target */
    FILE_DIRECT,   /* the target itself */
};

struct cj_file {
    struct cj_file_options options;
    struct target target;
    enum file_way way;
    int fd;
    char side_name[SIDE_NAME_BYTES]; /* beside the target; empty: the file has none */
    uint64_t n_bytes, n_reserved;
    pid_t owner; /* a forked copy of it must not take the name away */
    int error; /* of every further call: the first failure, or -EINVAL once published */
};

/* The path does not mean, or no longer, what stands under the name beside it. */
void file_remove_side(struct cj_file *file);

#endif
