/* What a wrapper in a file says of its array, checked. */

#ifndef EXT_PERSIST_WRAPPER_H
#define EXT_PERSIST_WRAPPER_H

#include "compat.h"

#include "persist/names.h"
#include "pickle/unpickler.h"

struct wrapper {
    PyObject *object;   /* borrowed: the wrapper itself */
    PyObject *shape;    /* borrowed from it: a tuple */
    PyObject *dtype;    /* a numpy.dtype */
    PyObject *order;    /* a str */
    PyObject *subclass; /* a type */
    bool has_objects;
    bool is_native;
    bool may_map;
    bool is_padded; /* the elements begin at a multiple of some number */
    bool is_shuffled;
    uint64_t n_bytes; /* of the elements */
};

/* 0, or -1 with UnpicklingError or ValueError. */
int wrapper_read(struct unpickler *unpickler, struct names *names, PyObject *object,
                 struct wrapper *ret_wrapper);

#endif
