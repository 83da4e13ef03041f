/* Files, reached from the descriptor of their folder: never through a symbolic link,
 * never waiting for the other end of a pipe. All results are 0 or -errno; an
 * interrupted call is taken up again. */

#ifndef SYS_FILES_H
#define SYS_FILES_H

#include <stdbool.h>
#include <stdint.h>

#include "cjoblib/base.h"

enum file_kind { FILE_REGULAR, FILE_FOLDER, FILE_LINK, FILE_OTHER };

struct file_facts {
    enum file_kind kind;
    bool is_open_to_all; /* anybody may write */
    bool is_unlinked;    /* it has no name any more */
    uint32_t mode;       /* the permission bits */
    uint32_t owner, group;
    uint64_t device, number; /* together they tell it from all other files */
    uint64_t n_bytes;
    int64_t written_ns; /* modification time, nanoseconds since 1970 */
    int64_t changed_ns; /* when that time, or anything else of the file, was last set */
};

/* Open for reading. -ELOOP: a symbolic link stands there; -ENXIO: a socket. */
CJ_MUST_CHECK int file_open(int folder_fd, const char *name, int *ret_fd);

/* Open for reading and writing; with `make` what is not there is made, empty, of mode
 * 0600. */
CJ_MUST_CHECK int file_open_to_write(int folder_fd, const char *name, bool make,
                                     int *ret_fd);

CJ_MUST_CHECK int file_facts(int fd, struct file_facts *ret_facts);

/* Of what stands under `name`; of the link itself when that is a symbolic link. */
CJ_MUST_CHECK int file_facts_at(int folder_fd, const char *name,
                                struct file_facts *ret_facts);

/* The same of what a path leads to, at the end of all links. */
CJ_MUST_CHECK int file_facts_path(const char *path, struct file_facts *ret_facts);

/* Whether both are of one file. */
bool file_facts_are_same(const struct file_facts *a, const struct file_facts *b);

/* What a symbolic link leads to, on the heap. */
CJ_MUST_CHECK int file_read_link(int folder_fd, const char *name, char **ret_path);

/* -EACCES, -EROFS: this process may not write what stands there. */
CJ_MUST_CHECK int file_may_write(int folder_fd, const char *name);

/* Open what a path leads to, as it is, for writing. -EINTR: a signal came while a FIFO
 * was waiting for its other end. */
CJ_MUST_CHECK int file_open_path(const char *path, int *ret_fd);

/* Open what stands under `name`, as it is, for writing; no symbolic link. */
CJ_MUST_CHECK int file_open_at(int folder_fd, const char *name, int *ret_fd);

/* Read up to `size` bytes from `offset`; fewer only where the file ends. */
CJ_MUST_CHECK int file_read(int fd, uint64_t offset, void *buffer, size_t size,
                            size_t *ret_n_read);

/* Write all of the pieces, one after the other, at the descriptor's position. */
CJ_MUST_CHECK int file_write(int fd, const struct cj_bytes *pieces, size_t n_pieces);

/* Write all of the bytes at `offset`. */
CJ_MUST_CHECK int file_write_at(int fd, uint64_t offset, const void *data, size_t size);

/* The same where it may have to wait: after each signal `interrupted` is called, and a
 * result < 0 of it ends the call. */
CJ_MUST_CHECK int file_write_waiting(int fd, const struct cj_bytes *pieces,
                                     size_t n_pieces, int (*interrupted)(void *context),
                                     void *context);

/* Have the file system set `n_bytes` aside for the file. 0 also where it can't do that;
 * -ENOSPC, -EDQUOT: there is not so much. */
CJ_MUST_CHECK int file_reserve(int fd, uint64_t n_bytes);

/* Cut off what lies behind `n_bytes`, or fill up to them with zeros. */
CJ_MUST_CHECK int file_resize(int fd, uint64_t n_bytes);

/* Give the file the mode, and if possible the owner and the group, of another. */
CJ_MUST_CHECK int file_make_alike(int fd, const struct file_facts *other);

/* Have what was written reach the disk. 0 also for what has none. */
CJ_MUST_CHECK int file_sync(int fd);

/* Have what was written reach the file's server, if it is a network's: an error that
 * the last close would be told. */
CJ_MUST_CHECK int file_flush(int fd);

/* Set the modification time to now. */
CJ_MUST_CHECK int file_touch(int fd);

/* Put the file that is called `from` in the place of `to`, whether one stands there or
 * not. */
CJ_MUST_CHECK int file_rename(int from_fd, const char *from, int to_fd, const char *to);

CJ_MUST_CHECK int file_remove(int folder_fd, const char *name);

#endif
