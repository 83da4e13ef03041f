/* Files that have no name until they are finished. A nameless file is gone when its
 * writer ends, however that ends; one with a name stays, so its writer keeps it locked
 * (sys/lock.h) and whoever can lock it knows that the writer is dead. */

#ifndef SYS_TEMP_H
#define SYS_TEMP_H

#include "cjoblib/base.h"

/* A new file of mode 0600 without a name, on the file system of the folder, for
 * writing. -EOPNOTSUPP: that file system has none. */
CJ_MUST_CHECK int temp_open_nameless(int folder_fd, int *ret_fd);

/* A new file of mode 0600, for writing. -EEXIST: something stands there. */
CJ_MUST_CHECK int temp_open_named(int folder_fd, const char *name, int *ret_fd);

/* Give a nameless file its name. -EEXIST: something stands there; -ENOENT: the folder
 * was removed, or the kernel can't name such a file here. */
CJ_MUST_CHECK int temp_link(int fd, int folder_fd, const char *name);

#endif
