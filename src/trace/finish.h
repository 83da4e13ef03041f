/* A trace that is over becomes one complete JSON text. */

#ifndef TRACE_FINISH_H
#define TRACE_FINISH_H

#include "cjoblib/base.h"

/* Put in the place of `path` what stands in the unfinished file `fd`: all whole events
 * as one array. On an error `path` is as it was. */
CJ_MUST_CHECK int trace_finish(int fd, const char *path);

#endif
