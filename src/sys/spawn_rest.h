/* Keep descriptors of ours from a program that is started. */

#ifndef SYS_SPAWN_REST_H
#define SYS_SPAWN_REST_H

#include <spawn.h>

#include "cjoblib/base.h"

/* Add to `actions` that all descriptors from `first_fd` on are closed. Where the libc
 * can't do that itself, those are meant that are open now: one that another thread
 * opens without O_CLOEXEC meanwhile gets through. */
CJ_MUST_CHECK int spawn_rest_close(posix_spawn_file_actions_t *actions, int first_fd);

#endif
