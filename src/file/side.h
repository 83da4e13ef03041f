/* Names beside a target, for the moment before a file takes its place, or for the whole
 * time where files must have names. A target has a few of them, always the same, so
 * that one left behind by a killed writer is found, and removed, by the next. */

#ifndef FILE_SIDE_H
#define FILE_SIDE_H

#include "file/target.h"

#define SIDE_NAME_BYTES 40

/* Give a nameless file a name beside the target. */
CJ_MUST_CHECK int side_link(const struct target *target, int fd,
                            char ret_name[SIDE_NAME_BYTES]);

/* Make a file with a name beside the target. */
CJ_MUST_CHECK int side_create(const struct target *target, int *ret_fd,
                              char ret_name[SIDE_NAME_BYTES]);

#endif
