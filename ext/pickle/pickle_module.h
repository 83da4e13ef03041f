/* The pickling engine's types and functions in cjoblib._core. */

#ifndef EXT_PICKLE_PICKLE_MODULE_H
#define EXT_PICKLE_PICKLE_MODULE_H

#include "compat.h"
#include "state.h"

/* Add them to the module. 0, or -1 with an exception set. */
int pickle_exec(PyObject *module);

/* The object `name` of `module`, kept in `*kept` (a field of the state) from the first
 * call on. Borrowed; NULL with an exception set. */
PyObject *pickle_import(PyObject **kept, const char *module, const char *name);

/* Raise pickle.PicklingError with a message in the manner of PyErr_Format(). Returns
 * -1. */
int pickle_error(struct core_state *state, const char *format, ...);

#endif
