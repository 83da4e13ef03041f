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
    Py_ssize_t block_bytes; /* arguments from this size on go into blocks; 0: none */
    PyObject *reducer;      /* or None */
    enum cj_block_access access;
    PyObject *spill_folder; /* bytes, or NULL */
};

PyObject *run_new(struct core_state *state, struct pool_object *pool,
                  const struct run_options *options);

#endif
