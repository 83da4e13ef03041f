/* Binary opcodes: long integers, bytes, bytearrays, the text that is not in load_hot.h.
 */

#include "pickle/load_args.h"
#include "pickle/load_ops.h"

/* Make a bytes or bytearray object as long as what came, at most twice that. */
typedef int (*bytes_resize)(PyObject **object, size_t n);

static int
resize_bytes(PyObject **object, size_t n)
{
    return _PyBytes_Resize(object, (Py_ssize_t)n);
}

static int
resize_bytearray(PyObject **object, size_t n)
{
    return PyByteArray_Resize(*object, (Py_ssize_t)n);
}

static uint8_t *
bytes_memory(PyObject *object)
{
    return PyBytes_Check(object) ? (uint8_t *)PyBytes_AS_STRING(object)
                                 : (uint8_t *)PyByteArray_AS_STRING(object);
}

/* Fill `*object`, which has its first part's size, up to n bytes in growing parts. */
static int
bytes_fill(struct unpickler *unpickler, PyObject **object, size_t n,
           bytes_resize resize)
{
    size_t done = 0;
    size_t room = (size_t)Py_SIZE(*object);

    for (;;) {
        size_t got;
        int r;

        unpickler_leave_loop(unpickler);
        r = source_read(&unpickler->source, bytes_memory(*object) + done, room - done,
                        &got);
        unpickler_enter_loop(unpickler);
        done += got;
        if (r) {
            return r < 0 ? -1 : unpickler_truncated(unpickler, n, done);
        }
        if (done == n) {
            return 0;
        }
        room = n - room < room ? n : room * 2;
        if (resize(object, room) < 0) {
            return -1;
        }
    }
}

/* How large to make an object for a claim of n bytes, not all of which are here. */
static size_t
bytes_first(size_t n)
{
    return n < SOURCE_CHUNK_BYTES ? n : SOURCE_CHUNK_BYTES;
}

static int
bytes_fill_and_push(struct unpickler *unpickler, PyObject *object, size_t n,
                    bytes_resize resize)
{
    if (!object) {
        return -1;
    }
    if (bytes_fill(unpickler, &object, n, resize) < 0) {
        Py_XDECREF(object);
        return -1;
    }
    return load_push(unpickler, object);
}

static int
load_bytes_of(struct unpickler *unpickler, size_t n)
{
    struct source *source = &unpickler->source;
    PyObject *object;

    if (n <= source_here(source)) {
        object = PyBytes_FromStringAndSize((const char *)source->at, (Py_ssize_t)n);
        source->at += n;
        return load_push(unpickler, object);
    }
    if (!source->ops) {
        return unpickler_truncated(unpickler, n, source_here(source));
    }
    object = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)bytes_first(n));
    return bytes_fill_and_push(unpickler, object, n, resize_bytes);
}

int
load_short_binbytes(struct unpickler *unpickler)
{
    const uint8_t *p;

    return load_bytes(unpickler, 1, &p) < 0 ? -1 : load_bytes_of(unpickler, p[0]);
}

int
load_binbytes(struct unpickler *unpickler)
{
    const uint8_t *p;

    return load_bytes(unpickler, 4, &p) < 0 ? -1
                                            : load_bytes_of(unpickler, load_le32(p));
}

int
load_binbytes8(struct unpickler *unpickler)
{
    size_t n;

    return load_size8(unpickler, &n) < 0 ? -1 : load_bytes_of(unpickler, n);
}

int
load_bytearray8(struct unpickler *unpickler)
{
    struct source *source = &unpickler->source;
    PyObject *object;
    size_t n;

    if (load_size8(unpickler, &n) < 0) {
        return -1;
    }
    if (n <= source_here(source)) {
        object = PyByteArray_FromStringAndSize((const char *)source->at, (Py_ssize_t)n);
        source->at += n;
        return load_push(unpickler, object);
    }
    if (!source->ops) {
        return unpickler_truncated(unpickler, n, source_here(source));
    }
    object = PyByteArray_FromStringAndSize(NULL, (Py_ssize_t)bytes_first(n));
    return bytes_fill_and_push(unpickler, object, n, resize_bytearray);
}

int
load_binunicode8(struct unpickler *unpickler)
{
    const uint8_t *p;
    size_t n;

    if (load_size8(unpickler, &n) < 0 || load_bytes(unpickler, n, &p) < 0) {
        return -1;
    }
    return load_push(unpickler, load_text(p, n));
}

static int
load_long_of(struct unpickler *unpickler, size_t n)
{
    const uint8_t *p;
    uint64_t value = 0;

    if (load_bytes(unpickler, n, &p) < 0) {
        return -1;
    }
    if (n > sizeof(value)) {
        return load_push(unpickler, compat_long_from_le(p, n));
    }
    for (size_t i = 0; i < n; i++) {
        value |= (uint64_t)p[i] << (8 * i);
    }
    if (n > 0 && n < sizeof(value) && p[n - 1] >= 0x80) {
        value |= UINT64_MAX << (8 * n);
    }
    return load_push(unpickler, PyLong_FromLongLong((int64_t)value));
}

int
load_long1(struct unpickler *unpickler)
{
    const uint8_t *p;

    return load_bytes(unpickler, 1, &p) < 0 ? -1 : load_long_of(unpickler, p[0]);
}

int
load_long4(struct unpickler *unpickler)
{
    const uint8_t *p;
    int32_t n;

    if (load_bytes(unpickler, 4, &p) < 0) {
        return -1;
    }
    n = (int32_t)load_le32(p);
    if (n < 0) {
        return unpickler_refuse(unpickler, "LONG pickle has negative byte count");
    }
    return load_long_of(unpickler, (size_t)n);
}

int
load_next_buffer(struct unpickler *unpickler)
{
    PyObject *buffer;

    if (!unpickler->buffers) {
        return unpickler_refuse(unpickler,
                                "pickle stream refers to out-of-band data but "
                                "no *buffers* argument was given");
    }
    unpickler_leave_loop(unpickler);
    buffer = PyIter_Next(unpickler->buffers);
    unpickler_enter_loop(unpickler);
    if (!buffer && !PyErr_Occurred()) {
        return unpickler_refuse(unpickler, "not enough out-of-band buffers");
    }
    return load_push(unpickler, buffer);
}

/* The same memory, not to be written to; NULL with an exception. */
static PyObject *
buffer_as_readonly(PyObject *buffer)
{
    PyObject *view = PyMemoryView_FromObject(buffer);
    PyObject *readonly;

    if (!view || PyMemoryView_GET_BUFFER(view)->readonly) {
        Py_XDECREF(view);
        return view ? Py_NewRef(buffer) : NULL;
    }
    readonly = PyObject_CallMethod(view, "toreadonly", NULL);
    Py_DECREF(view);
    return readonly;
}

int
load_readonly_buffer(struct unpickler *unpickler)
{
    PyObject *readonly;

    if (load_need(unpickler, 1) < 0) {
        return -1;
    }
    unpickler_leave_loop(unpickler);
    readonly = buffer_as_readonly(unpickler->stack.top[-1]);
    unpickler_enter_loop(unpickler);
    if (!readonly) {
        return -1;
    }
    Py_SETREF(unpickler->stack.top[-1], readonly);
    return 0;
}
