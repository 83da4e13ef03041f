/* What a worker process does with its tasks. */

#ifndef EXT_PARALLEL_WORKER_H
#define EXT_PARALLEL_WORKER_H

#include "compat.h"

extern PyMethodDef worker_methods[];

#endif
