/* The methods of a pool that ask about tasks or change how they are treated. */

#ifndef EXT_PARALLEL_POOL_CONTROL_H
#define EXT_PARALLEL_POOL_CONTROL_H

#include "compat.h"

/* The number of a task: 0, or -1 with an exception. */
int number_of(PyObject *number, uint64_t *ret_number);

PyObject *pool_cancel(PyObject *op, PyObject *ignored);
PyObject *pool_cancel_task(PyObject *op, PyObject *number);
PyObject *pool_has_begun(PyObject *op, PyObject *number);
PyObject *pool_resize(PyObject *op, PyObject *number);
PyObject *pool_set_policy(PyObject *op, PyObject *args, PyObject *kwargs);
PyObject *pool_take_back(PyObject *op, PyObject *number);
PyObject *pool_wake(PyObject *op, PyObject *ignored);

extern const char pool_cancel_doc[], pool_cancel_task_doc[], pool_has_begun_doc[],
    pool_resize_doc[], pool_set_policy_doc[], pool_take_back_doc[], pool_wake_doc[];

/* n_pending, n_workers, pids. */
extern PyGetSetDef pool_getset[];

#endif
