#include "persist/names.h"

#include <stdarg.h>

#include "pickle/pickle_module.h"

void
names_init(struct names *names, struct core_state *state)
{
    *names = (struct names){.state = state};
}

void
names_done(struct names *names)
{
    Py_CLEAR(names->array_wrapper);
    Py_CLEAR(names->shuffled_wrapper);
    Py_CLEAR(names->side_wrapper);
}

static int
numpy_is_loaded(struct core_state *state)
{
    PyObject *numpy = PyImport_GetModule(state->numpy_name);
    PyObject *last;
    int found;

    if (!numpy) {
        return PyErr_Occurred() ? -1 : 0;
    }
    /* While it is being imported, not all of it is there. */
    found = compat_optional_attribute(numpy, "matrix", &last) < 0 ? -1 : last != NULL;
    if (found == 1) {
        Py_DECREF(last);
    }
    Py_DECREF(numpy);
    return found;
}

int
names_find_numpy(struct names *names)
{
    struct core_state *state = names->state;
    int r;

    if (names->has_numpy) {
        return 1;
    }
    r = numpy_is_loaded(state);
    if (r != 1) {
        return r;
    }
    names->ndarray = pickle_import(&state->pickle_numpy_ndarray, "numpy", "ndarray");
    names->memmap = pickle_import(&state->pickle_numpy_memmap, "numpy", "memmap");
    names->matrix = pickle_import(&state->persist_numpy_matrix, "numpy", "matrix");
    names->has_numpy = names->ndarray && names->memmap && names->matrix;
    return names->has_numpy ? 1 : -1;
}

int
names_need_wrappers(struct names *names)
{
    PyObject *module;

    if (names->array_wrapper) {
        return 0;
    }
    module = PyImport_ImportModule("cjoblib.numpy_pickle");
    if (!module) {
        return -1;
    }
    names->side_wrapper = PyObject_GetAttrString(module, "NDArrayWrapper");
    names->shuffled_wrapper = PyObject_GetAttrString(module, "_ShuffledArray");
    names->array_wrapper = PyObject_GetAttrString(module, "NumpyArrayWrapper");
    Py_DECREF(module);
    return names->side_wrapper && names->shuffled_wrapper && names->array_wrapper ? 0
                                                                                  : -1;
}

PyObject *
names_call_utils(const char *function, const char *format, ...)
{
    PyObject *module = PyImport_ImportModule("cjoblib.numpy_pickle_utils");
    PyObject *callable = module ? PyObject_GetAttrString(module, function) : NULL;
    PyObject *args = NULL, *result = NULL;
    va_list values;

    if (callable) {
        va_start(values, format);
        args = Py_VaBuildValue(format, values);
        va_end(values);
    }
    if (args) {
        result = PyObject_Call(callable, args, NULL);
    }
    Py_XDECREF(args);
    Py_XDECREF(callable);
    Py_XDECREF(module);
    return result;
}
