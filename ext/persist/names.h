/* What `dump` and `load` need of Python: NumPy's classes, and the wrappers that stand
 * in a file for arrays. */

#ifndef EXT_PERSIST_NAMES_H
#define EXT_PERSIST_NAMES_H

#include "compat.h"
#include "state.h"

#include <stdbool.h>

/* Borrowed from the module's state and from modules that are loaded. */
struct names {
    struct core_state *state;
    bool has_numpy;    /* the three below are there */
    PyObject *ndarray; /* borrowed */
    PyObject *memmap;
    PyObject *matrix;
    PyObject *array_wrapper;    /* owned: NumpyArrayWrapper */
    PyObject *shuffled_wrapper; /* ShuffledArrayWrapper */
    PyObject *side_wrapper;     /* NDArrayWrapper: before joblib 0.10 */
};

void names_init(struct names *names, struct core_state *state);

void names_done(struct names *names);

/* NumPy's classes if it is loaded: 1, 0 when it is not, -1 with an exception. */
int names_find_numpy(struct names *names);

/* The wrappers. */
int names_need_wrappers(struct names *names);

/* Whether it is exactly one of the three kinds of array that a wrapper stands for. */
static inline bool
names_has_array_type(const struct names *names, PyObject *obj)
{
    PyObject *type = (PyObject *)Py_TYPE(obj);

    return type == names->ndarray || type == names->memmap || type == names->matrix;
}

/* Call a function of cjoblib.numpy_pickle_utils. A new reference, or NULL. */
PyObject *names_call_utils(const char *function, const char *format, ...);

#endif
