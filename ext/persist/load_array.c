#include "persist/load_array.h"

#include <errno.h>
#include <string.h>

#include <cjoblib/array.h>

#include "errors.h"
#include "persist/array_names.h"
#include "persist/wrapper.h"

static struct array_loader *
loader_of(struct unpickler *unpickler)
{
    return unpickler->hooks_data;
}

/* --- errors ----------------------------------------------------------------------- */

/* ArrayDataError, which says where and what was expected. */
static int
array_short(uint64_t at, uint64_t n_expected, uint64_t n_there)
{
    PyObject *module = PyImport_ImportModule("cjoblib.numpy_pickle_utils");
    PyObject *type = module ? PyObject_GetAttrString(module, "ArrayDataError") : NULL;

    if (type) {
        PyErr_Format(type,
                     "EOF: reading array data, expected %llu bytes got %llu (from byte "
                     "%llu on)",
                     (unsigned long long)n_expected, (unsigned long long)n_there,
                     (unsigned long long)at);
    }
    Py_XDECREF(type);
    Py_XDECREF(module);
    return -1;
}

/* What could still be read: UINT64_MAX when that is not known. */
static uint64_t
bytes_left(const struct unpickler *unpickler, const struct array_loader *loader)
{
    const struct source *source = &unpickler->source;
    const struct input *input = loader->input;

    if (!source->ops) {
        return source_here(source);
    }
    if (!input || input->decoder || input->size == UINT64_MAX) {
        return UINT64_MAX;
    }
    return input->at < input->size ? input->size - input->at + source_here(source)
                                   : source_here(source);
}

/* Before memory is asked for. */
static int
check_claim(struct unpickler *unpickler, const struct wrapper *wrapper)
{
    struct array_loader *loader = loader_of(unpickler);
    uint64_t n_left = bytes_left(unpickler, loader);

    if (!wrapper->is_shuffled && wrapper->n_bytes > n_left) {
        return array_short(source_offset(&unpickler->source), wrapper->n_bytes, n_left);
    }
    if (wrapper->is_shuffled) {
        loader->n_shuffled += wrapper->n_bytes;
    }
    if (wrapper->n_bytes > loader->max_bytes ||
        loader->n_shuffled > loader->max_bytes) {
        return unpickler_fail(
            unpickler, PyExc_ValueError,
            "it holds more than max_bytes=%llu bytes: an array of %llu",
            (unsigned long long)loader->max_bytes,
            (unsigned long long)wrapper->n_bytes);
    }
    return 0;
}

/* --- the elements ----------------------------------------------------------------- */

static int
take_padding(struct unpickler *unpickler)
{
    struct source *source = &unpickler->source;
    uint64_t at = source_offset(source);
    const uint8_t *bytes;
    int r = source_take(source, 1, &bytes);
    size_t n = r == 0 ? bytes[0] : 0;

    if (r == 0) {
        r = source_take(source, n, &bytes);
    }
    return r > 0 ? array_short(at, n + 1, source_here(source)) : r;
}

/* struct cj_source's read, for the decoder of shuffled arrays: without the GIL. */
static int
shuffled_read(void *context, void *buffer, size_t size, size_t *ret_n)
{
    struct unpickler *unpickler = context;
    struct gil *gil = &loader_of(unpickler)->gil;
    bool was_released = gil_take(gil);
    int r = source_read(&unpickler->source, buffer, size, ret_n);

    gil_restore(gil, was_released);
    return r < 0 ? -ECANCELED : 0;
}

static int
read_shuffled(struct unpickler *unpickler, const Py_buffer *view)
{
    struct array_loader *loader = loader_of(unpickler);
    uint64_t at = source_offset(&unpickler->source);
    int r;

    gil_release(&loader->gil);
    r = cj_array_decode((struct cj_source){shuffled_read, unpickler}, view->buf,
                        (size_t)view->len, &loader->options);
    (void)gil_take(&loader->gil);
    if (r == 0 || PyErr_Occurred()) {
        return r < 0 ? -1 : 0;
    }
    if (r == -EBADMSG || r == -ENODATA) {
        return unpickler_refuse(unpickler,
                                "the shuffled array of %zd bytes from byte %llu on is "
                                "%s",
                                view->len, (unsigned long long)at,
                                r == -ENODATA ? "cut off" : "damaged");
    }
    error_raise(r, NULL);
    return -1;
}

static int
read_plain(struct unpickler *unpickler, const Py_buffer *view)
{
    struct source *source = &unpickler->source;
    uint64_t at = source_offset(source);
    size_t n = 0;
    int r = view->len ? source_read(source, view->buf, (size_t)view->len, &n) : 0;

    return r > 0 ? array_short(at, (uint64_t)view->len, n) : r;
}

/* Fill the new array. */
static int
fill(struct unpickler *unpickler, const struct wrapper *wrapper, PyObject *array)
{
    Py_buffer view;
    int r = -1;

    if (PyObject_GetBuffer(array, &view, PyBUF_ANY_CONTIGUOUS | PyBUF_WRITABLE) < 0) {
        return -1;
    }
    if ((uint64_t)view.len != wrapper->n_bytes) {
        (void)unpickler_refuse(unpickler, "an array of %R takes %zd bytes, not %llu",
                               wrapper->shape, view.len,
                               (unsigned long long)wrapper->n_bytes);
    }
    else if (wrapper->is_shuffled) {
        r = read_shuffled(unpickler, &view);
    }
    else {
        r = read_plain(unpickler, &view);
    }
    PyBuffer_Release(&view);
    return r;
}

/* Some dtypes have no buffer: bytes of the same number, seen as them. */
static PyObject *
empty_of_bytes(struct names *names, const struct wrapper *wrapper)
{
    return PyObject_CallFunction(names->ndarray, "(K)s",
                                 (unsigned long long)wrapper->n_bytes, "u1");
}

static PyObject *
empty_array(struct names *names, const struct wrapper *wrapper, PyObject *buffer)
{
    return PyObject_CallFunction(names->ndarray, "OOOiOO", wrapper->shape,
                                 wrapper->dtype, buffer, 0, Py_None, wrapper->order);
}

static PyObject *
read_elements(struct unpickler *unpickler, const struct wrapper *wrapper)
{
    struct array_loader *loader = loader_of(unpickler);
    PyObject *bytes, *array;

    if (wrapper->is_padded && !wrapper->is_shuffled && take_padding(unpickler) < 0) {
        return NULL;
    }
    if (check_claim(unpickler, wrapper) < 0) {
        return NULL;
    }
    array = empty_array(&loader->names, wrapper, Py_None);
    if (!array || fill(unpickler, wrapper, array) == 0) {
        return array;
    }
    Py_DECREF(array);
    if (!PyErr_ExceptionMatches(PyExc_BufferError)) {
        return NULL;
    }
    PyErr_Clear();
    bytes = empty_of_bytes(&loader->names, wrapper);
    array = bytes && fill(unpickler, wrapper, bytes) == 0
                ? empty_array(&loader->names, wrapper, bytes)
                : NULL;
    Py_XDECREF(bytes);
    return array;
}

/* A pickle of its own, under the same rule of what may be imported. */
static PyObject *
read_objects(struct unpickler *outer)
{
    static const struct unpickler_hooks hooks = {.find_global = array_names_find};
    struct array_loader *loader = loader_of(outer);
    struct unpickler inner;
    PyObject *array;

    if (unpickler_init(&inner, outer->state, loader->unpickler_options) < 0) {
        return NULL;
    }
    inner.hooks = &hooks;
    inner.hooks_data = loader;
    inner.source = outer->source;
    source_of_stream(&outer->source, NULL, NULL);
    array = unpickler_load(&inner);
    outer->source = inner.source;
    source_of_stream(&inner.source, NULL, NULL);
    unpickler_done(&inner);
    return array;
}

/* --- the array -------------------------------------------------------------------- */

static PyObject *
native_order(PyObject *array)
{
    PyObject *swapped = names_call_utils("_ensure_native_byte_order", "(Oi)", array, 1);

    Py_DECREF(array);
    return swapped;
}

static PyObject *
read_array(struct unpickler *unpickler, const struct wrapper *wrapper, bool is_native)
{
    PyObject *array = wrapper->has_objects ? read_objects(unpickler)
                                           : read_elements(unpickler, wrapper);

    return array && is_native && !wrapper->is_native ? native_order(array) : array;
}

/* view(class) where that is another one. */
static PyObject *
as_class(PyObject *array, PyObject *class)
{
    PyObject *other = PyObject_CallMethod(array, "view", "O", class);

    Py_DECREF(array);
    return other;
}

static PyObject *
map_array(struct unpickler *unpickler, const struct wrapper *wrapper)
{
    struct array_loader *loader = loader_of(unpickler);
    uint64_t start = loader->base + source_offset(&unpickler->source), at;
    PyObject *array;

    if (wrapper->is_padded && take_padding(unpickler) < 0) {
        return NULL;
    }
    if (wrapper->n_bytes > bytes_left(unpickler, loader)) {
        (void)array_short(source_offset(&unpickler->source), wrapper->n_bytes,
                          bytes_left(unpickler, loader));
        return NULL;
    }
    at = loader->base + source_offset(&unpickler->source);
    array = PyObject_CallFunction(loader->map, "OKK", wrapper->object,
                                  (unsigned long long)start, (unsigned long long)at);
    if (array) {
        input_skip(loader->input, &unpickler->source, wrapper->n_bytes);
    }
    return array;
}

static PyObject *
load_array(struct unpickler *unpickler, const struct wrapper *wrapper)
{
    struct array_loader *loader = loader_of(unpickler);
    struct names *names = &loader->names;
    bool is_mapped = loader->map && wrapper->may_map && !wrapper->is_shuffled;
    PyObject *array;

    if (is_mapped && wrapper->n_bytes > 0) {
        return map_array(unpickler, wrapper);
    }
    array = read_array(unpickler, wrapper, loader->is_native && !is_mapped);
    if (array && is_mapped) {
        /* There is nothing to map, and the system would refuse to. */
        return as_class(array, names->memmap);
    }
    if (!array || wrapper->subclass == names->ndarray ||
        wrapper->subclass == names->memmap ||
        wrapper->subclass == (PyObject *)Py_TYPE(array)) {
        return array;
    }
    return as_class(array, wrapper->subclass);
}

/* --- the hooks -------------------------------------------------------------------- */

static int
replace(PyObject **object, PyObject *array)
{
    PyObject *old = *object;

    if (!array) {
        return -1;
    }
    *object = array;
    Py_DECREF(old);
    return 0;
}

static int
array_loader_built(struct unpickler *unpickler, PyObject **object)
{
    struct array_loader *loader = loader_of(unpickler);
    struct names *names = &loader->names;
    struct wrapper wrapper;

    if (!names->array_wrapper) {
        return 0; /* no wrapper was named so far */
    }
    if (PyObject_TypeCheck(*object, (PyTypeObject *)names->array_wrapper)) {
        return wrapper_read(unpickler, names, *object, &wrapper) < 0
                   ? -1
                   : replace(object, load_array(unpickler, &wrapper));
    }
    if (PyObject_TypeCheck(*object, (PyTypeObject *)names->side_wrapper)) {
        return replace(object, PyObject_CallOneArg(loader->side, *object));
    }
    return 0;
}

const struct unpickler_hooks array_loader_hooks = {
    .find_global = array_names_find,
    .built = array_loader_built,
};
