/* bytes, bytearray and PickleBuffer. */

#include "pickle/pickle_module.h"
#include "pickle/pickler.h"

/* As save_str's header. */
static size_t
bytes_header(const struct pickler *p, size_t n, char *header)
{
    if (n < 256) {
        header[0] = (char)OP_SHORT_BIN_BYTES;
        header[1] = (char)n;
        return 2;
    }
    if (n <= UINT32_MAX) {
        header[0] = (char)OP_BIN_BYTES;
        put_u32(header + 1, (uint32_t)n);
        return 5;
    }
    if (p->protocol >= 4) {
        header[0] = (char)OP_BIN_BYTES8;
        put_u64(header + 1, n);
        return 9;
    }
    PyErr_SetString(
        PyExc_OverflowError,
        "serializing a bytes object larger than 4 GiB requires pickle protocol 4");
    return 0;
}

static int
bytes_put(struct pickler *p, const void *data, size_t n, PyObject *owner)
{
    char header[9];
    size_t n_header = bytes_header(p, n, header);

    return n_header ? sink_payload(&p->sink, header, n_header, data, n, owner) : -1;
}

static int
bytearray_put(struct pickler *p, const void *data, size_t n, PyObject *owner)
{
    char header[9];

    header[0] = (char)OP_BYTEARRAY8;
    put_u64(header + 1, n);
    return sink_payload(&p->sink, header, 9, data, n, owner);
}

/* Protocols before 3 have no bytes: a call of codecs.encode makes them. */
static int
bytes_save_call(struct pickler *p, PyObject *obj)
{
    struct core_state *state = p->state;
    PyObject *encode;
    PyObject *text;
    int r;

    if (PyBytes_GET_SIZE(obj) == 0) {
        return save_call(p, (PyObject *)&PyBytes_Type, PyTuple_New(0), obj);
    }
    encode = pickle_import(&state->codecs_encode, "codecs", "encode");
    text = encode ? PyUnicode_DecodeLatin1(PyBytes_AS_STRING(obj),
                                           PyBytes_GET_SIZE(obj), NULL)
                  : NULL;
    if (!text) {
        return -1;
    }
    r = save_call(p, encode, PyTuple_Pack(2, text, state->name_latin1), obj);
    Py_DECREF(text);
    return r;
}

int
save_bytes(struct pickler *p, PyObject *obj)
{
    if (p->memo_policy != MEMO_NO_TEXT && !compat_has_one_owner(obj)) {
        int r = save_met(p, obj);

        if (r != 0) {
            return r < 0 ? -1 : 0;
        }
    }
    if (p->protocol < 3) {
        return bytes_save_call(p, obj);
    }
    if (bytes_put(p, PyBytes_AS_STRING(obj), (size_t)PyBytes_GET_SIZE(obj), obj) < 0) {
        return -1;
    }
    return save_memoize(p, obj);
}

static int
bytearray_save_call(struct pickler *p, PyObject *obj)
{
    PyObject *content;
    int r;

    if (PyByteArray_GET_SIZE(obj) == 0) {
        return save_call(p, (PyObject *)&PyByteArray_Type, PyTuple_New(0), obj);
    }
    content = PyBytes_FromObject(obj);
    if (!content) {
        return -1;
    }
    r = save_call(p, (PyObject *)&PyByteArray_Type, PyTuple_Pack(1, content), obj);
    Py_DECREF(content);
    return r;
}

int
save_bytearray(struct pickler *p, PyObject *obj)
{
    Py_buffer view;
    int r;

    if (p->protocol < 5) {
        return bytearray_save_call(p, obj);
    }
    if (PyObject_GetBuffer(obj, &view, PyBUF_SIMPLE) < 0) {
        return -1;
    }
    r = bytearray_put(p, view.buf, (size_t)view.len, obj);
    PyBuffer_Release(&view);
    return r < 0 ? -1 : save_memoize(p, obj);
}

static int
buffer_put_inside(struct pickler *p, PyObject *obj, const Py_buffer *view)
{
    int r = view->readonly ? bytes_put(p, view->buf, (size_t)view->len, NULL)
                           : bytearray_put(p, view->buf, (size_t)view->len, NULL);

    return r < 0 ? -1 : save_memoize(p, obj);
}

/* 1: the callback has taken the buffer, 0: it belongs into the stream, -1. */
static int
buffer_ask_callback(struct pickler *p, PyObject *obj)
{
    PyObject *answer = PyObject_CallOneArg(p->buffer_callback, obj);
    int in_band = answer ? PyObject_IsTrue(answer) : -1;

    Py_XDECREF(answer);
    return in_band < 0 ? -1 : !in_band;
}

int
save_buffer(struct pickler *p, PyObject *obj)
{
    const Py_buffer *view;
    int is_outside;

    if (p->protocol < 5) {
        return pickle_error(p->state,
                            "PickleBuffer can only be pickled with protocol >= 5");
    }
    view = PyPickleBuffer_GetBuffer(obj);
    if (!view) {
        return -1;
    }
    if (!PyBuffer_IsContiguous(view, 'A')) {
        return pickle_error(p->state,
                            "PickleBuffer can not be pickled when pointing to a "
                            "non-contiguous buffer");
    }
    is_outside = p->buffer_callback ? buffer_ask_callback(p, obj) : 0;
    if (is_outside <= 0) {
        return is_outside < 0 ? -1 : buffer_put_inside(p, obj, view);
    }
    if (sink_op(&p->sink, OP_NEXT_BUFFER) < 0) {
        return -1;
    }
    return view->readonly ? sink_op(&p->sink, OP_READONLY_BUFFER) : 0;
}
