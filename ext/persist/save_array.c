/* In the pickle                     behind it
 *
 *      NumpyArrayWrapper, objects   a pickle of the array alone
 *      NumpyArrayWrapper, others    [n, n times 0xff,] the elements
 *      ShuffledArrayWrapper         what cj_array_encode() writes
 */

#include "persist/save_array.h"

#include <errno.h>
#include <string.h>

#include "errors.h"

/* What the elements' position is a multiple of. */
#define ARRAY_ALIGN 16

/* Nested pickles have this protocol, whatever the outer one has. */
#define OBJECTS_PROTOCOL 5

static struct array_saver *
saver_of(struct pickler *p)
{
    return p->hook_context;
}

/* --- the elements ----------------------------------------------------------------- */

/* struct cj_sink's write, from the encoder of shuffled arrays: without the GIL. */
static int
shuffled_write(void *context, const void *data, size_t size)
{
    struct pickler *p = context;
    struct gil *gil = &saver_of(p)->output->gil;
    bool was_released = gil_take(gil);
    int r = sink_raw(&p->sink, data, size);

    gil_restore(gil, was_released);
    return r < 0 ? -ECANCELED : 0;
}

static int
put_shuffled(struct pickler *p, const Py_buffer *view, size_t item_bytes)
{
    struct array_saver *saver = saver_of(p);
    struct output *output = saver->output;
    int r;

    gil_release(&output->gil);
    r = cj_array_encode(view->buf, (size_t)view->len, item_bytes, &saver->shuffle,
                        (struct cj_sink){shuffled_write, p});
    (void)gil_take(&output->gil);
    if (r < 0 && !PyErr_Occurred()) {
        error_raise(r, output->name);
    }
    return r < 0 ? -1 : 0;
}

/* One piece of an array's memory, whatever its dtype. */
static int
put_memory(struct pickler *p, PyObject *array, size_t item_bytes)
{
    Py_buffer view;
    int r;

    if (PyObject_GetBuffer(array, &view, PyBUF_ANY_CONTIGUOUS) < 0) {
        return -1;
    }
    if (saver_of(p)->is_shuffled) {
        r = put_shuffled(p, &view, item_bytes);
    }
    else {
        r = view.len ? sink_raw(&p->sink, view.buf, (size_t)view.len) : 0;
    }
    PyBuffer_Release(&view);
    return r;
}

/* Elements that are not in one piece, or have no buffer: as Python's pieces of them. */
static int
put_pieces(struct pickler *p, PyObject *array, PyObject *order, size_t item_bytes)
{
    bool is_whole = saver_of(p)->is_shuffled;
    PyObject *pieces = names_call_utils(is_whole ? "_whole_piece" : "_array_pieces",
                                        "(OO)", array, order);
    PyObject *iterator = pieces ? PyObject_GetIter(pieces) : NULL, *piece;
    int r = iterator ? 0 : -1;

    while (r == 0 && (piece = PyIter_Next(iterator)) != NULL) {
        r = put_memory(p, piece, item_bytes);
        Py_DECREF(piece);
    }
    Py_XDECREF(iterator);
    Py_XDECREF(pieces);
    return r < 0 || PyErr_Occurred() ? -1 : 0;
}

/* Where the next byte will stand. */
static uint64_t
position(const struct pickler *p, const struct array_saver *saver)
{
    return saver->base + saver->output->n_bytes +
           (uint64_t)(p->sink.at - p->sink.start);
}

static int
put_padding(struct pickler *p, const struct array_saver *saver)
{
    size_t n = ARRAY_ALIGN - (size_t)((position(p, saver) + 1) % ARRAY_ALIGN);
    uint8_t padding[ARRAY_ALIGN + 1];

    memset(padding, 0xff, sizeof(padding));
    padding[0] = (uint8_t)n;
    return sink_raw(&p->sink, padding, n + 1);
}

/* Whether the memory can be taken as it is: 1, 0, -1. */
static int
is_in_one_piece(PyObject *array)
{
    Py_buffer view;

    if (PyObject_GetBuffer(array, &view, PyBUF_ANY_CONTIGUOUS) == 0) {
        PyBuffer_Release(&view);
        return 1;
    }
    if (!PyErr_ExceptionMatches(PyExc_ValueError) &&
        !PyErr_ExceptionMatches(PyExc_BufferError)) {
        return -1;
    }
    PyErr_Clear();
    return 0;
}

static int
size_attribute(PyObject *obj, const char *name, size_t *ret_size)
{
    PyObject *value = PyObject_GetAttrString(obj, name);
    Py_ssize_t size = value ? PyLong_AsSsize_t(value) : -1;

    Py_XDECREF(value);
    if (size < 0) {
        return -1;
    }
    *ret_size = (size_t)size;
    return 0;
}

/* `wrapper` is in the pickle. */
static int
put_elements(struct pickler *p, PyObject *array, PyObject *wrapper)
{
    struct array_saver *saver = saver_of(p);
    PyObject *order = PyObject_GetAttrString(wrapper, "order");
    size_t n_bytes, item_bytes;
    int r = order ? size_attribute(array, "nbytes", &n_bytes) : -1;

    if (r == 0) {
        r = size_attribute(array, "itemsize", &item_bytes);
    }
    if (r == 0 && !saver->is_shuffled) {
        r = output_reserve(saver->output, n_bytes);
        if (r == 0 && saver->is_aligned) {
            r = put_padding(p, saver);
        }
    }
    if (r == 0) {
        r = is_in_one_piece(array);
    }
    if (r >= 0) {
        r = r ? put_memory(p, array, item_bytes)
              : put_pieces(p, array, order, item_bytes);
    }
    Py_XDECREF(order);
    return r;
}

/* A sink_consumer that writes into the outer pickle's sink. */
static int
objects_take(void *context, const void *data, size_t size)
{
    struct pickler *outer = context;

    return sink_raw(&outer->sink, data, size);
}

/* A pickle of its own, in which arrays are what NumPy makes of them. */
static int
put_objects(struct pickler *p, PyObject *array)
{
    struct pickler inner;
    int r;

    pickler_init(&inner, p->state, OBJECTS_PROTOCOL);
    sink_init_consumer(&inner.sink, objects_take, p);
    r = pickler_dump(&inner, array);
    pickler_done(&inner);
    return r;
}

static int
flag_is_set(PyObject *obj, const char *name)
{
    PyObject *value = PyObject_GetAttrString(obj, name);
    int r = value ? PyObject_IsTrue(value) : -1;

    Py_XDECREF(value);
    return r;
}

static int
has_objects(PyObject *array)
{
    PyObject *dtype = PyObject_GetAttrString(array, "dtype");
    int r = dtype ? flag_is_set(dtype, "hasobject") : -1;

    Py_XDECREF(dtype);
    return r;
}

/* The work behind the wrapper. */
static int
elements_step(struct pickler *p, struct work *w)
{
    PyObject *array = w->obj, *wrapper = w->next;
    int r;

    p->n_work--;
    r = sink_end_frame(&p->sink);
    if (r == 0) {
        r = has_objects(array);
    }
    if (r >= 0) {
        r = r ? put_objects(p, array) : put_elements(p, array, wrapper);
    }
    Py_DECREF(array);
    Py_XDECREF(wrapper);
    return r;
}

/* --- the wrapper ------------------------------------------------------------------ */

static const char *
order_of(PyObject *array)
{
    PyObject *flags = PyObject_GetAttrString(array, "flags");
    int is_fortran = flags ? flag_is_set(flags, "fnc") : -1;

    Py_XDECREF(flags);
    return is_fortran < 0 ? NULL : is_fortran ? "F" : "C";
}

static PyObject *
wrapper_new(struct array_saver *saver, PyObject *array, int is_shuffled)
{
    const char *order = order_of(array);
    PyObject *class =
        is_shuffled ? saver->names.shuffled_wrapper : saver->names.array_wrapper;
    PyObject *shape = order ? PyObject_GetAttrString(array, "shape") : NULL;
    PyObject *dtype = shape ? PyObject_GetAttrString(array, "dtype") : NULL;
    int of_objects = dtype ? flag_is_set(dtype, "hasobject") : -1;
    PyObject *wrapper = NULL;

    if (of_objects >= 0) {
        PyObject *align = saver->is_aligned && !is_shuffled
                              ? PyLong_FromLong(ARRAY_ALIGN)
                              : Py_NewRef(Py_None);

        wrapper = PyObject_CallFunction(class, "OOsOON", Py_TYPE(array), shape, order,
                                        dtype, of_objects ? Py_False : Py_True, align);
    }
    Py_XDECREF(dtype);
    Py_XDECREF(shape);
    return wrapper;
}

static int
take_array(struct pickler *p, PyObject *array)
{
    struct array_saver *saver = saver_of(p);
    int r = names_need_wrappers(&saver->names), is_shuffled = 0;
    PyObject *wrapper = NULL;

    if (r == 0 && saver->is_shuffled) {
        r = has_objects(array);
        is_shuffled = r == 0;
    }
    if (r >= 0) {
        wrapper = wrapper_new(saver, array, is_shuffled);
    }
    r = wrapper && work_push(p, elements_step, array, wrapper) ? save_known(p, wrapper)
                                                               : -1;
    Py_XDECREF(wrapper);
    return r < 0 ? -1 : 1;
}

/* The wrappers' classes have names of their own in files. `which`: of class_numbers. */
static int
take_class(struct pickler *p, int which)
{
    static const char *const modules[] = {"joblib.numpy_pickle",
                                          "cjoblib.numpy_pickle"};
    static const char *const names[] = {"NumpyArrayWrapper", "ShuffledArrayWrapper"};
    Py_ssize_t *number = &saver_of(p)->class_numbers[which];
    PyObject *module, *name;
    int r = -1;

    if (*number >= 0) {
        return save_get(p, *number) < 0 ? -1 : 1;
    }
    module = PyUnicode_InternFromString(modules[which]);
    name = module ? PyUnicode_InternFromString(names[which]) : NULL;
    if (name && p->protocol < 4) {
        r = save_global_lines(p, module, name);
    }
    else if (name) {
        r = save_str(p, module) < 0 || save_str(p, name) < 0
                ? -1
                : sink_op(&p->sink, OP_STACK_GLOBAL);
    }
    Py_XDECREF(name);
    Py_XDECREF(module);
    *number = p->n_memo;
    return r < 0 || save_number(p) < 0 ? -1 : 1;
}

static int
array_saver_take(struct pickler *p, PyObject *obj, PyObject **Py_UNUSED(ret_instead))
{
    struct array_saver *saver = saver_of(p);
    int r;

    if (PyType_Check(obj)) {
        return obj == saver->names.array_wrapper      ? take_class(p, 0)
               : obj == saver->names.shuffled_wrapper ? take_class(p, 1)
                                                      : 0;
    }
    r = names_find_numpy(&saver->names);
    if (r != 1) {
        return r;
    }
    return names_has_array_type(&saver->names, obj) ? take_array(p, obj) : 0;
}

const struct pickler_hooks array_saver_hooks = {.take = array_saver_take};
