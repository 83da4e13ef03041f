/* The type cjoblib._core.Pool: worker processes that run Python functions. */

#ifndef EXT_PARALLEL_POOL_TYPE_H
#define EXT_PARALLEL_POOL_TYPE_H

#include "compat.h"

#include <cjoblib/pool.h>

extern PyType_Spec pool_type_spec;

struct pool_object {
    PyObject_HEAD
    struct cj_pool *pool; /* NULL: closed */
    Py_ssize_t n_workers;
    int is_running; /* a run() is under way: in this thread, or in one that waits */
};

#endif
