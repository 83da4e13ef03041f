/* shared(object): an argument that travels to each worker once. */

#ifndef EXT_PARALLEL_SHARED_H
#define EXT_PARALLEL_SHARED_H

#include "compat.h"

extern PyType_Spec shared_type_spec;

/* The arguments with the objects themselves in the place of shared ones: a new
 * reference, to `args` if there are none. The same for a dict of keyword arguments. */
PyObject *shared_unwrap_args(PyTypeObject *shared_type, PyObject *args);
PyObject *shared_unwrap_kwargs(PyTypeObject *shared_type, PyObject *kwargs);

#endif
