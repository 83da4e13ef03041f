/* The type cjoblib._core.Run: the calls of one loop on their way through a pool. */

#ifndef EXT_PARALLEL_RUN_TYPE_H
#define EXT_PARALLEL_RUN_TYPE_H

#include "compat.h"

#include "parallel/pool_type.h"

extern PyType_Spec run_type_spec;

struct run_options {
    PyObject *calls;
    Py_ssize_t n_ahead;
    Py_ssize_t batch_size;
    int hold;
    int stretch;
};

PyObject *run_new(struct core_state *state, struct pool_object *pool,
                  const struct run_options *options);

#endif
