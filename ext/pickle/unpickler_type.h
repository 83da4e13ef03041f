/* The types cjoblib._core.Unpickler, as pickle.Unpickler, and the view of its memo. */

#ifndef EXT_PICKLE_UNPICKLER_TYPE_H
#define EXT_PICKLE_UNPICKLER_TYPE_H

#include "pickle/unpickler.h"

/* `owner` is the thread that is inside; 0: nobody. Taken with one atomic operation, so
 * that also without a GIL a second thread is refused. The owner's own hooks may look at
 * the memo and call find_class(), but not load() or __init__(). */
struct unpickler_object {
    PyObject_HEAD
    PyObject *dict; /* attributes: find_class and persistent_load may be set */
    unsigned long owner;
    int is_ready; /* __init__() was called */
    struct unpickler unpickler;
};

extern PyType_Spec unpickler_type_spec;
extern PyType_Spec unpickler_memo_type_spec;

enum { UNPICKLER_NESTED = 1 };

/* 0, or UNPICKLER_NESTED when this thread is inside already (nothing to leave), or -1
 * with RuntimeError when another thread is. */
int unpickler_enter(struct unpickler_object *self);

void unpickler_leave(struct unpickler_object *self);

/* Attribute `memo`. */
PyObject *unpickler_memo_get(PyObject *op, void *closure);

int unpickler_memo_set(PyObject *op, PyObject *value, void *closure);

#endif
