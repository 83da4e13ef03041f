/* One (function, args, kwargs), as delayed() notes a call. */

#ifndef EXT_PARALLEL_CALL_H
#define EXT_PARALLEL_CALL_H

#include "compat.h"

/* Make the call and return what it returns; objects of `shared_type` among its
 * arguments give what they stand for. Other sequences of a function, positional and
 * keyword arguments will do as well. TypeError when `call` is none. */
PyObject *call_make(PyTypeObject *shared_type, PyObject *call);

extern PyMethodDef call_methods[];

#endif
