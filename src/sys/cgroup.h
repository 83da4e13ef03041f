/* The control groups (cgroups(7)) that this process is in: its own and those above it,
 * as far as they can be seen from here. */

#ifndef SYS_CGROUP_H
#define SYS_CGROUP_H

#include <stdbool.h>

#include "cjoblib/base.h"

/* What is called for a group; `folder_fd` is its folder, open only meanwhile. A result
 * other than 0 ends the walk. */
typedef int (*cgroup_function)(void *context, bool is_v2, int folder_fd);

/* Call `function` for the groups of this process that have to do with `controller`
 * ("cpu", "memory"): from its own up to the highest one that is mounted here; of
 * version 1, of version 2, or of both. `root_fd` is the folder that has proc/ and sys/.
 * Returns what `function` did; 0 also where there are no control groups; -ENOMEM. */
CJ_MUST_CHECK int cgroup_each(int root_fd, const char *controller,
                              cgroup_function function, void *context);

#endif
