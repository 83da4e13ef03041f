/* NumPy's arrays, scalars and dtypes, found without importing NumPy, and memoryviews.
 * An array is its class, dtype, order, shape and the bytes of its items in that order;
 * they are read through the buffer protocol, in place when they are contiguous. */

#include <string.h>

#include "hash/buffer.h"
#include "hash/hasher.h"

/* Fetch the classes once NumPy is there: 1, 0 when it is not (wholly) imported, -1. */
static int
numpy_load(struct core_state *state)
{
    PyObject *numpy;
    int r;

    if (state->numpy_asarray) {
        return 1;
    }
    numpy = PyImport_GetModule(state->numpy_name);
    if (!numpy) {
        return PyErr_Occurred() ? -1 : 0;
    }
    Py_CLEAR(state->numpy_array);
    Py_CLEAR(state->numpy_scalar);
    Py_CLEAR(state->numpy_dtype);
    Py_CLEAR(state->numpy_memmap);
    r = compat_optional_attribute(numpy, "ndarray", &state->numpy_array) < 0 ||
        compat_optional_attribute(numpy, "generic", &state->numpy_scalar) < 0 ||
        compat_optional_attribute(numpy, "dtype", &state->numpy_dtype) < 0 ||
        compat_optional_attribute(numpy, "memmap", &state->numpy_memmap) < 0 ||
        (state->numpy_memmap &&
         compat_optional_attribute(numpy, "asarray", &state->numpy_asarray) < 0);
    Py_DECREF(numpy);
    return r ? -1 : state->numpy_asarray != NULL;
}

static bool
is_a(PyObject *obj, PyObject *type)
{
    return PyObject_TypeCheck(obj, (PyTypeObject *)type);
}

/* The array's own class; a memmap counts as the array it maps. */
static PyObject *
array_class(struct core_state *state, PyObject *obj)
{
    PyObject *type = (PyObject *)Py_TYPE(obj);

    return type == state->numpy_memmap ? state->numpy_array : type;
}

/* Does a subclass of ndarray reduce itself by its own method? Then that is asked. */
static int
array_reduces_itself(struct core_state *state, PyObject *obj)
{
    int r = method_is_c(Py_TYPE(obj), state->reduce_name);

    if (r == 1) {
        r = method_is_c(Py_TYPE(obj), state->reduce_old_name);
    }
    return r < 0 ? -1 : !r;
}

/* The one letter of an attribute such as dtype.kind; 0 with an exception set. */
static char
letter_of(PyObject *dtype, const char *name)
{
    PyObject *text = PyObject_GetAttrString(dtype, name);
    const char *letters = text ? PyUnicode_AsUTF8(text) : NULL;
    char letter = letters ? letters[0] : 0;

    Py_XDECREF(text);
    return letter;
}

/* `names`: attributes of the dtype, in their order. */
static int
dtype_parts(PyObject *dtype, enum tag tag, const char *const *names, size_t n,
            struct parts *ret_parts)
{
    PyObject *items = PyTuple_New((Py_ssize_t)n), *item;

    for (size_t i = 0; items && i < n; i++) {
        item = PyObject_GetAttrString(dtype, names[i]);
        if (!item) {
            Py_CLEAR(items);
            break;
        }
        PyTuple_SET_ITEM(items, (Py_ssize_t)i, item);
    }
    ret_parts->tag = tag;
    ret_parts->items = items;
    return items ? 1 : -1;
}

/* Plain dtypes are their "<f8"; those of other libraries all look alike there and add
 * their name; structured and subarray dtypes are their fields. */
static int
dtype_expand(PyObject *dtype, struct parts *ret_parts)
{
    static const char *const plain[] = {"str"};
    static const char *const named[] = {"str", "name"};
    static const char *const fields[] = {
        "str", "type", "names", "fields", "subdtype", "itemsize", "isalignedstruct"};
    PyObject *sub, *names;
    char kind = letter_of(dtype, "kind");
    bool is_plain = kind && strchr("?biufcmMOSU", kind);

    if (!kind || compat_optional_attribute(dtype, "subdtype", &sub) < 0) {
        return -1;
    }
    Py_XDECREF(sub);
    if (compat_optional_attribute(dtype, "names", &names) < 0) {
        return -1;
    }
    Py_XDECREF(names);
    if ((sub && sub != Py_None) || (names && names != Py_None)) {
        return dtype_parts(dtype, TAG_FIELDS, fields, 7, ret_parts);
    }
    return is_plain ? dtype_parts(dtype, TAG_DTYPE, plain, 1, ret_parts)
                    : dtype_parts(dtype, TAG_DTYPE, named, 2, ret_parts);
}

/* The arrays of the fields one by one: what lies between them are bytes of no value. */
static PyObject *
field_arrays(struct core_state *state, PyObject *obj, PyObject *names)
{
    PyObject *base = PyObject_CallMethod(obj, "view", "O", state->numpy_array), *field;
    PyObject *arrays = base ? PyTuple_New(PyTuple_GET_SIZE(names)) : NULL;

    for (Py_ssize_t i = 0; arrays && i < PyTuple_GET_SIZE(names); i++) {
        field = PyObject_GetItem(base, PyTuple_GET_ITEM(names, i));
        if (!field) {
            Py_CLEAR(arrays);
            break;
        }
        PyTuple_SET_ITEM(arrays, i, field);
    }
    Py_XDECREF(base);
    return arrays;
}

/* "F" for what is contiguous in Fortran's order only, otherwise "C". */
static PyObject *
order_of(PyObject *obj)
{
    PyObject *flags = PyObject_GetAttrString(obj, "flags");
    PyObject *is_f = flags ? PyObject_GetAttrString(flags, "fnc") : NULL;
    PyObject *order = is_f ? PyUnicode_FromString(is_f == Py_True ? "F" : "C") : NULL;

    Py_XDECREF(is_f);
    Py_XDECREF(flags);
    return order;
}

static PyObject *
fields_parts(struct core_state *state, PyObject *obj, PyObject *dtype, PyObject *names)
{
    PyObject *shape = PyObject_GetAttrString(obj, "shape"), *items = NULL;
    PyObject *arrays = shape ? field_arrays(state, obj, names) : NULL;
    PyObject *order = arrays ? order_of(obj) : NULL;

    if (order) {
        items = PyTuple_Pack(5, array_class(state, obj), dtype, shape, order, arrays);
    }
    Py_XDECREF(order);
    Py_XDECREF(arrays);
    Py_XDECREF(shape);
    return items;
}

/* 1 with the parts of a structured array, 1 with none for a plain one, or -1. */
static int
ndarray_expand(struct hasher *h, PyObject *obj, struct parts *ret_parts)
{
    PyObject *dtype = PyObject_GetAttrString(obj, "dtype"), *names = NULL;
    int r = dtype ? compat_optional_attribute(dtype, "names", &names) : -1;

    if (r == 0 && names && PyTuple_CheckExact(names)) {
        ret_parts->tag = TAG_ARRAY;
        ret_parts->items = fields_parts(h->state, obj, dtype, names);
        r = ret_parts->items ? 0 : -1;
    }
    Py_XDECREF(names);
    Py_XDECREF(dtype);
    return r < 0 ? -1 : 1;
}

/* A scalar is the array without dimensions that holds it. */
static int
scalar_expand(struct hasher *h, PyObject *obj, struct parts *ret_parts)
{
    PyObject *array = PyObject_CallOneArg(h->state->numpy_asarray, obj);

    ret_parts->tag = TAG_SCALAR;
    ret_parts->items = array ? PyTuple_Pack(1, array) : NULL;
    Py_XDECREF(array);
    return ret_parts->items ? 1 : -1;
}

int
array_expand(struct hasher *h, PyObject *obj, struct parts *ret_parts)
{
    int r;

    if (PyMemoryView_Check(obj)) {
        return 1;
    }
    r = numpy_load(h->state);
    if (r <= 0) {
        return r;
    }
    if (array_class(h->state, obj) == h->state->numpy_array) {
        return ndarray_expand(h, obj, ret_parts);
    }
    if (is_a(obj, h->state->numpy_scalar)) {
        return scalar_expand(h, obj, ret_parts);
    }
    if (is_a(obj, h->state->numpy_dtype)) {
        return dtype_expand(obj, ret_parts);
    }
    return 0;
}

int
array_subclass_expand(struct hasher *h, PyObject *obj, struct parts *ret_parts)
{
    int r;

    if (!h->state->numpy_asarray || !is_a(obj, h->state->numpy_array)) {
        return 0;
    }
    r = array_reduces_itself(h->state, obj);
    if (r != 0) {
        return r < 0 ? -1 : 0;
    }
    return ndarray_expand(h, obj, ret_parts);
}

/* The items of an object array, as a sequence. Arrays that hold objects cannot be
 * resized while the view lives; an item that a hook replaces is kept by us. */
static int
objects_digest(struct hasher *h, const Py_buffer *view, char order, struct value *ret)
{
    size_t n = (size_t)(view->len / view->itemsize);
    struct sequence sequence;
    struct buffer_walk walk;
    struct value value;

    buffer_walk_start(&walk, view, order);
    if (sequence_begin(h, &sequence, TAG_LIST, n) < 0) {
        return -1;
    }
    for (size_t i = 0; i < n; i++, buffer_walk_next(&walk)) {
        PyObject *item;
        int r;

        memcpy(&item, walk.at, sizeof(item));
        item = Py_NewRef(item ? item : Py_None);
        r = hash_child(h, item, &value);
        Py_DECREF(item);
        if (r < 0) {
            path_add_index(h, i);
            path_add(h, ".flat");
            return -1;
        }
        sequence_add(h, &sequence, &value);
    }
    sequence_end(h, &sequence, ret);
    return 0;
}

/* What a buffer is digested as: its data and, before that, its order and shape. */
struct described {
    struct value layout, data;
};

static int
view_digest(struct hasher *h, const Py_buffer *view, char code, struct described *ret)
{
    char order = buffer_order(view);

    buffer_layout_digest(h, view, order, &ret->layout);
    if (code == 'O') {
        return objects_digest(h, view, order, &ret->data);
    }
    return buffer_data_digest(h, view, order, code, &ret->data);
}

static int
exporter_digest(struct hasher *h, PyObject *obj, char code, struct described *ret)
{
    Py_buffer view;
    int r;

    if (PyObject_GetBuffer(obj, &view, PyBUF_STRIDED_RO) < 0) {
        return -1;
    }
    r = view_digest(h, &view, code, ret);
    PyBuffer_Release(&view);
    return r;
}

/* The same items as bytes without a meaning, for dtypes that no buffer can describe. */
static PyObject *
opaque_array(PyObject *obj)
{
    PyObject *item_bytes = PyObject_GetAttrString(obj, "itemsize"), *name, *array;

    name = item_bytes ? PyUnicode_FromFormat("V%S", item_bytes) : NULL;
    array = name ? PyObject_CallMethod(obj, "view", "O", name) : NULL;
    Py_XDECREF(item_bytes);
    Py_XDECREF(name);
    return array;
}

/* Through another array that has a buffer. Consumes `other`, which may be NULL. */
static int
other_digest(struct hasher *h, PyObject *other, char code, struct described *ret)
{
    int r = other ? exporter_digest(h, other, code, ret) : -1;

    Py_XDECREF(other);
    return r;
}

/* Times have no buffer but that of their numbers, and variable strings only objects.
 * What else has none, such as another library's dtype, is taken as opaque bytes. */
static int
array_data_digest(struct hasher *h, PyObject *obj, PyObject *dtype,
                  struct described *ret)
{
    char kind = letter_of(dtype, "kind"), code = letter_of(dtype, "char");
    int r;

    if (!kind || !code) {
        return -1;
    }
    if (kind == 'M' || kind == 'm') {
        return other_digest(h, PyObject_CallMethod(obj, "view", "s", "i8"), 'q', ret);
    }
    if (kind == 'T') {
        return other_digest(h, PyObject_CallMethod(obj, "astype", "s", "O"), 'O', ret);
    }
    r = exporter_digest(h, obj, code, ret);
    if (r < 0 && !h->path && kind != 'O' && PyErr_ExceptionMatches(PyExc_ValueError)) {
        PyErr_Clear();
        return other_digest(h, opaque_array(obj), 'B', ret);
    }
    return r;
}

static int
optional_dict_digest(struct hasher *h, PyObject *obj, struct value *ret)
{
    PyObject *dict;
    int r;

    if (array_class(h->state, obj) == h->state->numpy_array) {
        return hash_child(h, Py_None, ret);
    }
    if (compat_optional_attribute(obj, "__dict__", &dict) < 0) {
        return -1;
    }
    r = hash_child(h, dict && PyObject_Size(dict) > 0 ? dict : Py_None, ret);
    Py_XDECREF(dict);
    return r;
}

static int
ndarray_digest(struct hasher *h, PyObject *obj, PyObject *dtype, struct value *ret)
{
    struct value class_value, dtype_value, dict_value;
    struct described described;
    struct sequence sequence;

    if (hash_child(h, array_class(h->state, obj), &class_value) < 0 ||
        hash_child(h, dtype, &dtype_value) < 0 ||
        optional_dict_digest(h, obj, &dict_value) < 0 ||
        array_data_digest(h, obj, dtype, &described) < 0 ||
        sequence_begin(h, &sequence, TAG_ARRAY, 5) < 0) {
        return -1;
    }
    sequence_add(h, &sequence, &class_value);
    sequence_add(h, &sequence, &dtype_value);
    sequence_add(h, &sequence, &described.layout);
    sequence_add(h, &sequence, &described.data);
    sequence_add(h, &sequence, &dict_value);
    sequence_end(h, &sequence, ret);
    return 0;
}

static int
memoryview_digest(struct hasher *h, PyObject *obj, struct value *ret)
{
    PyObject *format = PyObject_GetAttrString(obj, "format");
    struct described described;
    struct sequence sequence;
    struct value value;
    int r = format ? hash_child(h, format, &value) : -1;

    Py_XDECREF(format);
    if (r < 0 || exporter_digest(h, obj, 'B', &described) < 0 ||
        sequence_begin(h, &sequence, TAG_BUFFER, 3) < 0) {
        return -1;
    }
    sequence_add(h, &sequence, &value);
    sequence_add(h, &sequence, &described.layout);
    sequence_add(h, &sequence, &described.data);
    sequence_end(h, &sequence, ret);
    return 0;
}

int
array_digest(struct hasher *h, PyObject *obj, struct value *ret)
{
    PyObject *dtype;
    int r;

    if (PyMemoryView_Check(obj)) {
        return memoryview_digest(h, obj, ret);
    }
    dtype = PyObject_GetAttrString(obj, "dtype");
    r = dtype ? ndarray_digest(h, obj, dtype, ret) : -1;
    Py_XDECREF(dtype);
    return r;
}
