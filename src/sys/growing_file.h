/* A file that several processes add pieces to at the same time, each written through
 * memory: what stands in the memory is in the file, also when its writer is killed. */

#ifndef SYS_GROWING_FILE_H
#define SYS_GROWING_FILE_H

#include <stdbool.h>

#include "cjoblib/base.h"

/* A place in the file, mapped. */
struct growing_piece {
    char *room;
    size_t size;
    void *mapping; /* NULL: none */
    size_t mapped_bytes;
};

/* Make an empty file. -EEXIST: something stands there. */
CJ_MUST_CHECK int growing_file_new(const char *path, int *ret_fd);

/* Open one. -EISDIR; -EINVAL: it is no regular file. */
CJ_MUST_CHECK int growing_file_open(const char *path, int *ret_fd);

/* Open the same file once more, so that both can be added to at the same time. */
CJ_MUST_CHECK int growing_file_again(int fd, int *ret_fd);

/* Whether `path` means the file that `fd` is open on. */
bool growing_file_is_at(int fd, const char *path);

CJ_MUST_CHECK int growing_file_remove(const char *path);

/* Add `size` bytes, all `fill`, a multiple of 4096 and at most 1 MiB, and map them.
 * -ENOSPC, -EDQUOT, -EFBIG, -ENOMEM. */
CJ_MUST_CHECK int growing_file_add(int fd, size_t size, char fill,
                                   struct growing_piece *ret_piece);

/* What was mapped stays in the file. Accepts an empty piece, and leaves one. */
void growing_file_let_go(struct growing_piece *piece);

#endif
