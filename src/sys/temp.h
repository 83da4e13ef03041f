/* Files that have no name until they are finished. A nameless file is gone when its
 * writer ends, however that ends; one with a name stays, so its writer keeps it locked
 * (sys/lock.h) and whoever can lock it knows that the writer is dead. */

#ifndef SYS_TEMP_H
#define SYS_TEMP_H

#include "cjoblib/base.h"

/* The file's mode: the owner's alone, or what the user's mask leaves to others. */
enum temp_mode { TEMP_PRIVATE, TEMP_SHARED };

/* A new file without a name, on the file system of the folder, for writing.
 * -EOPNOTSUPP: that file system has none. */
CJ_MUST_CHECK int temp_open_nameless(int folder_fd, enum temp_mode mode, int *ret_fd);

/* A new file, for writing. -EEXIST: something stands there. */
CJ_MUST_CHECK int temp_open_named(int folder_fd, const char *name, enum temp_mode mode,
                                  int *ret_fd);

/* Give a nameless file its name. -EEXIST: something stands there; -ENOENT: the folder
 * was removed, or the kernel can't name such a file here. */
CJ_MUST_CHECK int temp_link(int fd, int folder_fd, const char *name);

#endif
