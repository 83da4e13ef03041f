#include "persist/array_names.h"

#include <string.h>

#include "persist/load_array.h"

/* What follows one of joblib's names: "" or ".numpy_pickle"; NULL for another module.
 */
static const char *
joblib_rest(const char *module)
{
    static const char *const roots[] = {"joblib", "cjoblib", "sklearn.externals.joblib",
                                        "sklearn.externals._joblib"};

    for (size_t i = 0; i < sizeof(roots) / sizeof(roots[0]); i++) {
        size_t n = strlen(roots[i]);

        if (strncmp(module, roots[i], n) == 0 && (!module[n] || module[n] == '.')) {
            return module + n;
        }
    }
    return NULL;
}

/* The class of a wrapper: 1 and a new reference, 0 when it is none, -1. */
static int
find_wrapper(struct names *names, const char *name, PyObject **ret_class)
{
    static const char *const wrappers[] = {"NumpyArrayWrapper", "ShuffledArrayWrapper",
                                           "NDArrayWrapper", "ZNDArrayWrapper"};
    PyObject *module;
    size_t i = 0;

    while (i < 4 && strcmp(name, wrappers[i]) != 0) {
        i++;
    }
    if (i == 4) {
        return 0;
    }
    if (names_need_wrappers(names) < 0) {
        return -1;
    }
    if (i == 1) {
        *ret_class = Py_NewRef(names->shuffled_wrapper);
        return 1;
    }
    module = PyImport_ImportModule("cjoblib.numpy_pickle");
    *ret_class = module ? PyObject_GetAttrString(module, name) : NULL;
    Py_XDECREF(module);
    return *ret_class ? 1 : -1;
}

/* joblib's own, or else ours. */
static PyObject *
find_other(struct unpickler *unpickler, PyObject *module, const char *rest,
           PyObject *name)
{
    PyObject *object = unpickler_find_class(unpickler, module, name), *renamed;

    if (object || !PyErr_ExceptionMatches(PyExc_ImportError)) {
        return object;
    }
    PyErr_Clear();
    renamed = PyUnicode_FromFormat("cjoblib%s", rest);
    object = renamed ? unpickler_find_class(unpickler, renamed, name) : NULL;
    Py_XDECREF(renamed);
    return object;
}

int
array_names_find(struct unpickler *unpickler, PyObject *module, PyObject *name,
                 PyObject **ret_object)
{
    struct array_loader *loader = unpickler->hooks_data;
    const char *text = PyUnicode_AsUTF8(module);
    const char *rest = text ? joblib_rest(text) : NULL;
    const char *last = rest ? PyUnicode_AsUTF8(name) : NULL;
    int r;

    if (!last) {
        PyErr_Clear(); /* a name that is no text is nobody's */
        return 0;
    }
    r = find_wrapper(&loader->names, last, ret_object);
    if (r != 0) {
        return r;
    }
    *ret_object = find_other(unpickler, module, rest, name);
    return *ret_object ? 1 : -1;
}
