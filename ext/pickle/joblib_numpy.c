/* NumPy's arrays and dtypes in joblib's hash. */

#include "pickle/joblib_hash.h"
#include "pickle/pickle_module.h"

/* `*kept`, filled from the numpy that is loaded. */
static PyObject *
numpy_get(PyObject **kept, const char *name)
{
    return pickle_import(kept, "numpy", name);
}

/* 1, 0, -1. */
static int
numpy_is_loaded(struct joblib_hasher *hasher)
{
    PyObject *numpy;

    if (hasher->numpy == NUMPY_UNKNOWN) {
        numpy = PyImport_GetModule(hasher->pickler.state->numpy_name);
        if (!numpy && PyErr_Occurred()) {
            return -1;
        }
        hasher->numpy = numpy ? NUMPY_LOADED : NUMPY_ABSENT;
        Py_XDECREF(numpy);
    }
    return hasher->numpy == NUMPY_LOADED;
}

/* --- dtypes
 * --------------------------------------------------------------------------- */

/* Outside of the stream, and each in a pickle of its own: equal dtypes may or may not
 * be one object. */
static int
save_dtype(struct joblib_hasher *hasher, PyObject *dtype)
{
    struct core_state *state = hasher->pickler.state;
    PyObject *dumps = pickle_import(&state->stdlib_dumps, "_pickle", "dumps");
    PyObject *bytes = dumps ? PyObject_CallOneArg(dumps, dtype) : NULL;

    if (!bytes) {
        return -1;
    }
    joblib_stream_aside(&hasher->stream, "_HASHED_DTYPE", 13);
    joblib_stream_aside(&hasher->stream, PyBytes_AS_STRING(bytes),
                        (size_t)PyBytes_GET_SIZE(bytes));
    Py_DECREF(bytes);
    return 0;
}

/* --- arrays
 * --------------------------------------------------------------------------- */

static int
aside_buffer(struct joblib_hasher *hasher, PyObject *obj, int flags)
{
    Py_buffer view;

    if (PyObject_GetBuffer(obj, &view, flags) < 0) {
        return -1;
    }
    joblib_stream_aside(&hasher->stream, view.buf, (size_t)view.len);
    PyBuffer_Release(&view);
    return 0;
}

/* 1: a plain array in one piece, in any order, whose memory is digested in place; 0: it
 * takes NumPy's help. */
static int
aside_plain(struct joblib_hasher *hasher, PyObject *array)
{
    Py_buffer view;

    if ((PyObject *)Py_TYPE(array) != hasher->pickler.state->pickle_numpy_ndarray) {
        return 0;
    }
    if (PyObject_GetBuffer(array, &view, PyBUF_ANY_CONTIGUOUS) < 0) {
        PyErr_Clear();
        return 0;
    }
    if (view.itemsize == 0) {
        PyBuffer_Release(&view);
        return 0;
    }
    joblib_stream_aside(&hasher->stream, view.buf, (size_t)view.len);
    PyBuffer_Release(&view);
    return 1;
}

static int
flag_is_set(PyObject *flags, const char *name)
{
    PyObject *value = PyObject_GetAttrString(flags, name);
    int r = value ? PyObject_IsTrue(value) : -1;

    Py_XDECREF(value);
    return r;
}

/* The same values in one C-contiguous piece, a copy only if it must be. */
static PyObject *
array_in_one_piece(PyObject *array)
{
    PyObject *shape = PyObject_GetAttrString(array, "shape");
    PyObject *flags = shape ? PyObject_GetAttrString(array, "flags") : NULL;
    int is_c = -1, is_f = -1;
    bool is_scalar = shape && PyTuple_Check(shape) && PyTuple_GET_SIZE(shape) == 0;

    if (flags) {
        is_c = flag_is_set(flags, "c_contiguous");
        is_f = is_c < 0 ? -1 : flag_is_set(flags, "f_contiguous");
    }
    Py_XDECREF(shape);
    Py_XDECREF(flags);
    if (is_f < 0) {
        return NULL;
    }
    if (is_c && !is_scalar) {
        return Py_NewRef(array);
    }
    return is_f && !is_scalar ? PyObject_GetAttrString(array, "T")
                              : PyObject_CallMethod(array, "flatten", NULL);
}

/* By NumPy's own methods, which subclasses may have their say in, as bytes: not every
 * dtype has a buffer. */
static int
aside_viewed(struct joblib_hasher *hasher, PyObject *array)
{
    struct core_state *state = hasher->pickler.state;
    PyObject *uint8 = numpy_get(&state->pickle_numpy_uint8, "uint8");
    PyObject *piece = uint8 ? array_in_one_piece(array) : NULL;
    PyObject *bytes = piece ? PyObject_CallMethod(piece, "view", "O", uint8) : NULL;
    int r = bytes ? aside_buffer(hasher, bytes, PyBUF_C_CONTIGUOUS) : -1;

    Py_XDECREF(piece);
    Py_XDECREF(bytes);
    return r;
}

static PyObject *
array_class(struct joblib_hasher *hasher, PyObject *array)
{
    struct core_state *state = hasher->pickler.state;
    PyObject *memmap;
    int is_memmap = 0;

    if (hasher->coerce_mmap) {
        memmap = numpy_get(&state->pickle_numpy_memmap, "memmap");
        is_memmap = memmap ? PyObject_IsInstance(array, memmap) : -1;
    }
    if (is_memmap < 0) {
        return NULL;
    }
    return is_memmap ? Py_NewRef(state->pickle_numpy_ndarray)
                     : PyObject_GetAttr(array, state->name_class);
}

/* (class, ("HASHED", dtype, shape, strides)) */
static PyObject *
array_description(struct joblib_hasher *hasher, PyObject *array, PyObject *dtype)
{
    PyObject *cls = array_class(hasher, array);
    PyObject *shape = cls ? PyObject_GetAttrString(array, "shape") : NULL;
    PyObject *strides = shape ? PyObject_GetAttrString(array, "strides") : NULL;
    PyObject *text =
        strides ? Py_BuildValue("O(sOOO)", cls, "HASHED", dtype, shape, strides) : NULL;

    Py_XDECREF(cls);
    Py_XDECREF(shape);
    Py_XDECREF(strides);
    return text;
}

static int
save_array(struct joblib_hasher *hasher, PyObject *array, PyObject *dtype,
           PyObject **ret_instead)
{
    int r = aside_plain(hasher, array);

    if (r == 0) {
        r = aside_viewed(hasher, array);
    }
    if (r >= 0) {
        *ret_instead = array_description(hasher, array, dtype);
    }
    return *ret_instead ? 0 : -1;
}

/* Arrays of objects are pickled like anything else. */
static int
take_array(struct joblib_hasher *hasher, PyObject *array, PyObject **ret_instead)
{
    PyObject *dtype = PyObject_GetAttrString(array, "dtype");
    int has_objects = dtype ? flag_is_set(dtype, "hasobject") : -1;
    int r = has_objects < 0 ? -1 : 0;

    if (has_objects == 0) {
        r = save_array(hasher, array, dtype, ret_instead);
    }
    Py_XDECREF(dtype);
    return r;
}

int
joblib_take_numpy(struct joblib_hasher *hasher, PyObject *obj, PyObject **ret_instead)
{
    struct core_state *state = hasher->pickler.state;
    PyObject *ndarray, *dtype;
    int r = numpy_is_loaded(hasher);

    if (r != 1) {
        return r;
    }
    ndarray = numpy_get(&state->pickle_numpy_ndarray, "ndarray");
    dtype = ndarray ? numpy_get(&state->pickle_numpy_dtype, "dtype") : NULL;
    r = dtype ? PyObject_IsInstance(obj, ndarray) : -1;
    if (r != 0) {
        return r < 0 ? -1 : take_array(hasher, obj, ret_instead);
    }
    r = PyObject_IsInstance(obj, dtype);
    if (r == 1) {
        return save_dtype(hasher, obj) < 0 ? -1 : 1;
    }
    return r;
}
