#include "persist/wrapper.h"

#include "pickle/pickle_module.h"

/* Its attribute, borrowed; NULL with an exception when there is none. */
static PyObject *
wrapper_attribute(struct unpickler *unpickler, PyObject *dict, const char *name)
{
    PyObject *value = PyDict_GetItemString(dict, name);

    if (!value) {
        (void)unpickler_refuse(unpickler, "an array wrapper has no '%s'", name);
    }
    return value;
}

static int
wrapper_check_types(struct unpickler *unpickler, struct names *names,
                    const struct wrapper *wrapper)
{
    PyObject *dtype =
        pickle_import(&names->state->pickle_numpy_dtype, "numpy", "dtype");

    if (!dtype) {
        return -1;
    }
    if (!PyTuple_Check(wrapper->shape) || !PyUnicode_Check(wrapper->order) ||
        !PyObject_TypeCheck(wrapper->dtype, (PyTypeObject *)dtype) ||
        !PyType_Check(wrapper->subclass) ||
        !PyType_IsSubtype((PyTypeObject *)wrapper->subclass,
                          (PyTypeObject *)names->ndarray)) {
        return unpickler_refuse(unpickler,
                                "an array wrapper has a shape %R, order %R, "
                                "dtype %R and class %R",
                                wrapper->shape, wrapper->order, wrapper->dtype,
                                wrapper->subclass);
    }
    return 0;
}

static int
dtype_flag(PyObject *dtype, const char *name, bool *ret_flag)
{
    PyObject *value = PyObject_GetAttrString(dtype, name);
    int r = value ? PyObject_IsTrue(value) : -1;

    Py_XDECREF(value);
    if (r >= 0) {
        *ret_flag = r;
    }
    return r < 0 ? -1 : 0;
}

/* shape * itemsize, refused when no memory could hold it. */
static int
wrapper_measure(struct unpickler *unpickler, struct wrapper *wrapper)
{
    PyObject *itemsize = PyObject_GetAttrString(wrapper->dtype, "itemsize");
    uint64_t n = itemsize ? PyLong_AsUnsignedLongLong(itemsize) : 0;
    bool is_empty = false;

    Py_XDECREF(itemsize);
    if (PyErr_Occurred()) {
        return -1;
    }
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(wrapper->shape); i++) {
        Py_ssize_t length = PyNumber_AsSsize_t(PyTuple_GET_ITEM(wrapper->shape, i),
                                               PyExc_OverflowError);

        if (length < 0) {
            PyErr_Clear();
            return unpickler_refuse(unpickler, "no array has the shape %R",
                                    wrapper->shape);
        }
        is_empty = is_empty || length == 0;
        if (!is_empty && __builtin_mul_overflow(n, (uint64_t)length, &n)) {
            return unpickler_refuse(unpickler, "no array is as large as %R",
                                    wrapper->shape);
        }
    }
    if (!is_empty && n > PY_SSIZE_T_MAX) {
        return unpickler_refuse(unpickler, "no array is as large as %R",
                                wrapper->shape);
    }
    wrapper->n_bytes = is_empty ? 0 : n;
    return 0;
}

static int
wrapper_fill(struct unpickler *unpickler, PyObject *dict, struct wrapper *wrapper)
{
    PyObject *may_map = wrapper_attribute(unpickler, dict, "allow_mmap");
    PyObject *align = PyDict_GetItemString(dict, "numpy_array_alignment_bytes");
    int r;

    wrapper->is_padded = align && align != Py_None;
    wrapper->shape = may_map ? wrapper_attribute(unpickler, dict, "shape") : NULL;
    wrapper->dtype =
        wrapper->shape ? wrapper_attribute(unpickler, dict, "dtype") : NULL;
    wrapper->order =
        wrapper->dtype ? wrapper_attribute(unpickler, dict, "order") : NULL;
    wrapper->subclass =
        wrapper->order ? wrapper_attribute(unpickler, dict, "subclass") : NULL;
    if (!wrapper->subclass) {
        return -1;
    }
    r = PyObject_IsTrue(may_map);
    wrapper->may_map = r > 0;
    return r < 0 ? -1 : 0;
}

int
wrapper_read(struct unpickler *unpickler, struct names *names, PyObject *object,
             struct wrapper *ret_wrapper)
{
    struct wrapper wrapper = {.object = object};
    PyObject *dict = PyObject_GenericGetDict(object, NULL);
    int r = dict && PyDict_Check(dict) ? names_find_numpy(names) : -1;

    if (r == 0) {
        r = unpickler_refuse(unpickler, "an array wrapper without NumPy");
    }
    if (r < 0 || wrapper_fill(unpickler, dict, &wrapper) < 0 ||
        wrapper_check_types(unpickler, names, &wrapper) < 0 ||
        dtype_flag(wrapper.dtype, "hasobject", &wrapper.has_objects) < 0 ||
        dtype_flag(wrapper.dtype, "isnative", &wrapper.is_native) < 0 ||
        wrapper_measure(unpickler, &wrapper) < 0) {
        Py_XDECREF(dict);
        return -1;
    }
    /* What it holds is held by the wrapper's own dict. */
    Py_DECREF(dict);
    wrapper.is_shuffled =
        PyObject_TypeCheck(object, (PyTypeObject *)names->shuffled_wrapper);
    *ret_wrapper = wrapper;
    return 0;
}
