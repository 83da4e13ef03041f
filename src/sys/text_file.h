/* Small texts that the kernel makes when they are read: /proc, /sys. */

#ifndef SYS_TEXT_FILE_H
#define SYS_TEXT_FILE_H

#include <stddef.h>

#include "cjoblib/base.h"

/* Read a text into `buffer`, with a NUL at the end. -E2BIG: it has no room for all. */
CJ_MUST_CHECK int text_file_read(int folder_fd, const char *name, char *buffer,
                                 size_t size);

/* The same on the heap, whatever its length up to 64 MiB. */
CJ_MUST_CHECK int text_file_load(int folder_fd, const char *name, char **ret_text);

#endif
