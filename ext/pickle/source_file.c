/* Python files as sources. A file with peek() is looked at before it is read:
 *
 *     peek -> window over the bytes object -> opcodes take from it
 *          -> window too small, or STOP: read(taken), so that the file's position follows
 */

#include "pickle/source.h"

#include <string.h>

/* As much as a file may show at once; buffered files show what they have. */
#define FILE_PEEK_BYTES 131072

/* Smaller reads are not worth a memoryview. */
#define FILE_READINTO_BYTES 4096

/* 1 and *ret_value, 0 without an exception when there is no such attribute, or -1. */
static int
file_attribute(PyObject *file, const char *name, PyObject **ret_value)
{
    PyObject *value = PyObject_GetAttrString(file, name);

    if (value) {
        *ret_value = value;
        return 1;
    }
    if (!PyErr_ExceptionMatches(PyExc_AttributeError)) {
        return -1;
    }
    PyErr_Clear();
    return 0;
}

/* Whether `object` is exactly of the type _io.`name`. */
static int
file_is_exactly(PyObject *object, const char *name)
{
    PyObject *io = PyImport_ImportModule("_io");
    PyObject *type = io ? PyObject_GetAttrString(io, name) : NULL;
    int result = type ? Py_IS_TYPE(object, (PyTypeObject *)type) : -1;

    Py_XDECREF(type);
    Py_XDECREF(io);
    return result;
}

/* A file that somebody wrote in Python could keep the view of our memory that readinto()
 * gets, and use it when that memory is gone. The interpreter's own files do not. */
static int
file_is_trusted(PyObject *file)
{
    PyObject *raw = NULL;
    int r = file_is_exactly(file, "BufferedReader");

    if (r > 0) {
        r = file_attribute(file, "raw", &raw);
    }
    if (r > 0) {
        r = file_is_exactly(raw, "FileIO");
    }
    Py_XDECREF(raw);
    return r;
}

static Py_ssize_t
file_read_into(PyObject *readinto, uint8_t *dst, size_t n)
{
    PyObject *view = PyMemoryView_FromMemory((char *)dst, (Py_ssize_t)n, PyBUF_WRITE);
    PyObject *count = view ? PyObject_CallOneArg(readinto, view) : NULL;
    Py_ssize_t got = count ? PyNumber_AsSsize_t(count, PyExc_ValueError) : -1;

    Py_XDECREF(count);
    Py_XDECREF(view);
    if (got > (Py_ssize_t)n || (got < 0 && !PyErr_Occurred())) {
        PyErr_Format(PyExc_ValueError, "readinto() returned %zd for %zu bytes", got, n);
        return -1;
    }
    return got;
}

/* Call read(n) or peek(n): bytes, at most n of them when `is_bounded`. */
static PyObject *
file_call(PyObject *method, size_t n, int is_bounded)
{
    PyObject *size = PyLong_FromSize_t(n);
    PyObject *bytes = size ? PyObject_CallOneArg(method, size) : NULL;

    Py_XDECREF(size);
    if (!bytes) {
        return NULL;
    }
    if (!PyBytes_Check(bytes)) {
        PyErr_Format(PyExc_ValueError, "the file's %s returned %.100s, not bytes",
                     is_bounded ? "read()" : "peek()", Py_TYPE(bytes)->tp_name);
        Py_DECREF(bytes);
        return NULL;
    }
    if (is_bounded && (size_t)PyBytes_GET_SIZE(bytes) > n) {
        PyErr_Format(PyExc_ValueError, "the file's read(%zu) returned %zd bytes", n,
                     PyBytes_GET_SIZE(bytes));
        Py_DECREF(bytes);
        return NULL;
    }
    return bytes;
}

static Py_ssize_t
file_read(struct source *source, uint8_t *dst, size_t n)
{
    PyObject *bytes;
    Py_ssize_t got;

    if (source->file.readinto && n >= FILE_READINTO_BYTES) {
        return file_read_into(source->file.readinto, dst, n);
    }
    /* A read() that is not the interpreter's own may allocate all that it is asked for. */
    bytes = file_call(source->file.read,
                      n < SOURCE_CHUNK_BYTES ? n : SOURCE_CHUNK_BYTES, 1);
    if (!bytes) {
        return -1;
    }
    got = PyBytes_GET_SIZE(bytes);
    memcpy(dst, PyBytes_AS_STRING(bytes), (size_t)got);
    Py_DECREF(bytes);
    return got;
}

/* Read and forget n bytes that were already seen through peek(). */
static int
file_skip(struct source *source, size_t n)
{
    while (n > 0) {
        PyObject *bytes = file_call(source->file.read, n, 1);
        Py_ssize_t got = bytes ? PyBytes_GET_SIZE(bytes) : -1;

        Py_XDECREF(bytes);
        if (got < 0) {
            return -1;
        }
        if (got == 0) {
            PyErr_SetString(PyExc_ValueError, "read() has less than peek() showed");
            return -1;
        }
        n -= (size_t)got;
    }
    return 0;
}

static int
file_settle(struct source *source)
{
    PyObject *peeked = source->file.peeked;
    size_t taken;

    if (!peeked) {
        return 0;
    }
    taken = (size_t)(source->at - (const uint8_t *)PyBytes_AS_STRING(peeked));
    source_empty_window(source);
    source->file.peeked = NULL;
    Py_DECREF(peeked);
    return file_skip(source, taken);
}

static void
file_show(struct source *source, PyObject *peeked)
{
    const uint8_t *bytes = (const uint8_t *)PyBytes_AS_STRING(peeked);
    uint64_t offset = source_offset(source);

    source->file.peeked = peeked;
    source->at = bytes;
    source->end = bytes + PyBytes_GET_SIZE(peeked);
    source->bias = offset - (uint64_t)(uintptr_t)bytes;
}

/* A file may have a peek() that works only at times: one that is not implemented is not
 * asked again, any other failure is the caller's. */
static int
file_peek_failed(struct source *source)
{
    if (!PyErr_ExceptionMatches(PyExc_NotImplementedError)) {
        return -1;
    }
    PyErr_Clear();
    Py_CLEAR(source->file.peek);
    return 0;
}

static int
file_prefetch(struct source *source, size_t need)
{
    PyObject *peeked;

    if (file_settle(source) < 0) {
        return -1;
    }
    if (!source->file.peek || source->frame_left || source_here(source)) {
        return 0;
    }
    peeked = file_call(source->file.peek, FILE_PEEK_BYTES, 0);
    if (!peeked) {
        return file_peek_failed(source);
    }
    if ((size_t)PyBytes_GET_SIZE(peeked) < need) {
        Py_DECREF(peeked);
        return 0;
    }
    file_show(source, peeked);
    return 1;
}

/* A line that does not end in a newline is the file's last. */
static int
file_line_append(struct source *source, PyObject *line)
{
    size_t n = (size_t)PyBytes_GET_SIZE(line);
    const uint8_t *bytes = (const uint8_t *)PyBytes_AS_STRING(line);

    if (source_append(source, bytes, n) < 0) {
        return -1;
    }
    return n > 0 && bytes[n - 1] == '\n' ? 0 : SOURCE_SHORT;
}

static int
file_line(struct source *source)
{
    PyObject *line;
    int r = -1;

    if (file_settle(source) < 0) {
        return -1;
    }
    line = PyObject_CallNoArgs(source->file.readline);
    if (!line) {
        return -1;
    }
    if (PyBytes_Check(line)) {
        r = file_line_append(source, line);
    }
    else {
        PyErr_Format(PyExc_ValueError,
                     "the file's readline() returned %.100s, not bytes",
                     Py_TYPE(line)->tp_name);
    }
    Py_DECREF(line);
    return r;
}

static const struct source_ops file_ops = {
    .read = file_read,
    .prefetch = file_prefetch,
    .settle = file_settle,
    .line = file_line,
};

static int
file_bind(struct source_file *methods, PyObject *file)
{
    int r;

    if (file_attribute(file, "peek", &methods->peek) < 0) {
        return -1;
    }
    r = file_is_trusted(file);
    if (r > 0) {
        r = file_attribute(file, "readinto", &methods->readinto);
    }
    if (r < 0 || file_attribute(file, "read", &methods->read) < 0 ||
        file_attribute(file, "readline", &methods->readline) < 0) {
        return -1;
    }
    if (!methods->read || !methods->readline) {
        PyErr_SetString(PyExc_TypeError,
                        "file must have 'read' and 'readline' attributes");
        return -1;
    }
    return 0;
}

int
source_of_file(struct source *source, PyObject *file)
{
    source_of_stream(source, &file_ops, NULL);
    source->may_read_ahead = 0;
    if (file_bind(&source->file, file) < 0) {
        source_done(source);
        return -1;
    }
    return 0;
}
