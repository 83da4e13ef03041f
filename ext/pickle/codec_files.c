#include "pickle/codec_files.h"

#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <string.h>

#include <cjoblib/codec.h>

#include "errors.h"

/* Buffers from this size on are worked on without the GIL: even lz4 takes 100 us for
 * it, many times what releasing costs. */
#define CODEC_NO_GIL_BYTES 65536

/* What a callback returns when it leaves a Python exception behind. */
#define CODEC_PYTHON_ERROR (-ECANCELED)

struct codec_file {
    PyObject_HEAD
    PyObject *file_method;   /* write(bytes) or read(n) */
    PyThreadState *released; /* this thread's state while it runs without the GIL */
    atomic_int is_busy;      /* a thread is in one of the methods */
    enum cj_codec_kind kind;
    struct cj_encoder *encoder; /* an Encoder has this, */
    struct cj_decoder *decoder; /* a Decoder that */
};

/* --- the GIL, given away and taken back by callbacks ------------------------------ */

static void
gil_release(struct codec_file *self)
{
    self->released = PyEval_SaveThread();
}

/* Returns whether there was anything to take back. */
static int
gil_take(struct codec_file *self)
{
    PyThreadState *thread = self->released;

    if (!thread) {
        return 0;
    }
    self->released = NULL;
    PyEval_RestoreThread(thread);
    return 1;
}

/* --- errors ----------------------------------------------------------------------- */

static PyObject *
codec_file_raise(struct codec_file *self, int r)
{
    const char *name = cj_codec_name(self->kind);
    PyObject *args;

    if (PyErr_Occurred()) {
        return NULL;
    }
    if (r == -ENODATA) {
        return PyErr_Format(PyExc_EOFError, "the %s stream ends too early", name);
    }
    if (r != -EBADMSG) {
        return error_raise(r, NULL);
    }
    args =
        Py_BuildValue("(iN)", EBADMSG,
                      PyUnicode_FromFormat("not a %s stream, damaged, or followed by "
                                           "something else",
                                           name));
    if (args) {
        PyErr_SetObject(PyExc_OSError, args);
        Py_DECREF(args);
    }
    return NULL;
}

/* Why there is no encoder or decoder of this kind and level. */
static PyObject *
codec_file_raise_new(enum cj_codec_kind kind, int level, int r)
{
    const char *name = cj_codec_name(kind);
    int min, max;

    if (r == -ENOTSUP) {
        return PyErr_Format(PyExc_ValueError, "cjoblib was built without %s", name);
    }
    if (r != -EINVAL || cj_codec_levels(kind, &min, &max) < 0) {
        return error_raise(r, NULL);
    }
    return PyErr_Format(PyExc_ValueError, "%s takes levels %d to %d, not %d", name, min,
                        max, level);
}

static int
kind_from_name(const char *name, enum cj_codec_kind *ret_kind)
{
    if (cj_codec_by_name(name, ret_kind) == 0) {
        return 0;
    }
    PyErr_Format(PyExc_ValueError,
                 "no codec is called '%s': use zlib, gzip, bz2, lzma, xz, lz4 or zstd",
                 name);
    return -1;
}

/* None: the codec's own usual level. */
static int
level_from_object(PyObject *object, int *ret_level)
{
    long level;

    if (object == Py_None) {
        *ret_level = CJ_CODEC_LEVEL_DEFAULT;
        return 0;
    }
    level = PyLong_AsLong(object);
    if (level == -1 && PyErr_Occurred()) {
        return -1;
    }
    if (level < 0 || level > INT_MAX) {
        PyErr_Format(PyExc_ValueError, "%ld is no compression level", level);
        return -1;
    }
    *ret_level = (int)level;
    return 0;
}

/* 0: as many as there are processors. */
static int
threads_from_long(long n_threads, struct cj_codec_options *ret_options)
{
    if (n_threads < 0 || n_threads > INT_MAX) {
        PyErr_Format(PyExc_ValueError, "n_threads must be 0 or more, not %ld",
                     n_threads);
        return -1;
    }
    ret_options->n_threads = (unsigned int)n_threads;
    return 0;
}

/* --- the life of both types ------------------------------------------------------- */

static int
codec_file_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(((struct codec_file *)op)->file_method);
    return 0;
}

static int
codec_file_clear(PyObject *op)
{
    Py_CLEAR(((struct codec_file *)op)->file_method);
    return 0;
}

static void
codec_file_dealloc(PyObject *op)
{
    struct codec_file *self = (struct codec_file *)op;
    PyTypeObject *type = Py_TYPE(op);

    PyObject_GC_UnTrack(op);
    (void)codec_file_clear(op);
    cj_encoder_free(self->encoder);
    cj_decoder_free(self->decoder);
    type->tp_free(op);
    Py_DECREF(type);
}

/* A new object without its encoder or decoder. */
static struct codec_file *
codec_file_new(PyTypeObject *type, PyObject *file_method, enum cj_codec_kind kind)
{
    struct codec_file *self;

    if (!PyCallable_Check(file_method)) {
        PyErr_Format(PyExc_TypeError, "%R cannot be called", file_method);
        return NULL;
    }
    self = (struct codec_file *)type->tp_alloc(type, 0);
    if (self) {
        self->file_method = Py_NewRef(file_method);
        self->kind = kind;
    }
    return self;
}

/* One call at a time, also from within the file's own method. */
static int
codec_file_enter(struct codec_file *self)
{
    if (atomic_exchange(&self->is_busy, 1)) {
        PyErr_SetString(PyExc_RuntimeError, "another call is using this stream");
        return -1;
    }
    return 0;
}

static void
codec_file_leave(struct codec_file *self)
{
    (void)gil_take(self);
    atomic_store(&self->is_busy, 0);
}

/* --- Encoder ---------------------------------------------------------------------- */

/* Give write() some bytes and learn how many it took: a raw file may take fewer, and
 * some say nothing and took all. They are copied, so that it may keep them. */
static int
file_write_some(PyObject *write, const char *data, Py_ssize_t size, Py_ssize_t *ret_n)
{
    PyObject *result = PyObject_CallFunction(write, "y#", data, size);
    Py_ssize_t n = size;

    if (!result) {
        return CODEC_PYTHON_ERROR;
    }
    if (PyLong_Check(result)) {
        n = PyLong_AsSsize_t(result);
    }
    Py_DECREF(result);
    if (n <= 0 || n > size) {
        if (!PyErr_Occurred()) {
            PyErr_Format(PyExc_OSError, "write() says it took %zd of %zd bytes", n,
                         size);
        }
        return CODEC_PYTHON_ERROR;
    }
    *ret_n = n;
    return 0;
}

/* struct cj_sink's write. */
static int
encoder_sink(void *context, const void *data, size_t size)
{
    struct codec_file *self = context;
    int was_released = gil_take(self), r = 0;
    Py_ssize_t n = 0;

    for (size_t at = 0; r == 0 && at < size; at += (size_t)n) {
        r = file_write_some(self->file_method, (const char *)data + at,
                            (Py_ssize_t)(size - at), &n);
    }
    if (was_released) {
        gil_release(self);
    }
    return r;
}

static PyObject *
encoder_type_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"write", "kind", "level", "n_threads", NULL};
    PyObject *write, *level_object = Py_None;
    struct cj_codec_options options;
    struct codec_file *self;
    long n_threads = 1;
    enum cj_codec_kind kind;
    const char *name;
    int level, r;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "Os|Ol:Encoder", names, &write,
                                     &name, &level_object, &n_threads) ||
        kind_from_name(name, &kind) < 0 ||
        level_from_object(level_object, &level) < 0 ||
        threads_from_long(n_threads, &options) < 0) {
        return NULL;
    }
    self = codec_file_new(type, write, kind);
    if (!self) {
        return NULL;
    }
    r = cj_encoder_new_with(kind, level, &options, (struct cj_sink){encoder_sink, self},
                            &self->encoder);
    if (r < 0) {
        Py_DECREF(self);
        return codec_file_raise_new(kind, level, r);
    }
    return (PyObject *)self;
}

PyDoc_STRVAR(
    encoder_write_doc,
    "write($self, data, /)\n--\n\n"
    "Take in the bytes of a C-contiguous buffer and return how many it was.\n\n"
    "Some of what they become may reach the file now, some later.");

static PyObject *
encoder_write(PyObject *op, PyObject *data)
{
    struct codec_file *self = (struct codec_file *)op;
    Py_buffer view;
    Py_ssize_t n;
    int r;

    if (codec_file_enter(self) < 0) {
        return NULL;
    }
    if (PyObject_GetBuffer(data, &view, PyBUF_SIMPLE) < 0) {
        codec_file_leave(self);
        return NULL;
    }
    if (view.len >= CODEC_NO_GIL_BYTES) {
        gil_release(self);
    }
    r = cj_encoder_write(self->encoder, view.buf, (size_t)view.len);
    codec_file_leave(self);
    n = view.len;
    PyBuffer_Release(&view);
    return r < 0 ? codec_file_raise(self, r) : PyLong_FromSsize_t(n);
}

PyDoc_STRVAR(encoder_finish_doc, "finish($self, /)\n--\n\n"
                                 "Complete the stream; once. The file stays open.");

static PyObject *
encoder_finish(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    struct codec_file *self = (struct codec_file *)op;
    int r;

    if (codec_file_enter(self) < 0) {
        return NULL;
    }
    gil_release(self);
    r = cj_encoder_finish(self->encoder);
    codec_file_leave(self);
    if (r < 0) {
        return codec_file_raise(self, r);
    }
    Py_RETURN_NONE;
}

/* --- Decoder ---------------------------------------------------------------------- */

/* Copy what read() gave into the decoder's buffer. */
static int
file_take_read(PyObject *result, void *buffer, size_t size, size_t *ret_n_read)
{
    Py_buffer view;
    int r = 0;

    if (result == Py_None) {
        return -EAGAIN;
    }
    if (PyObject_GetBuffer(result, &view, PyBUF_SIMPLE) < 0) {
        return CODEC_PYTHON_ERROR;
    }
    if ((size_t)view.len <= size) {
        memcpy(buffer, view.buf, (size_t)view.len);
        *ret_n_read = (size_t)view.len;
    }
    else {
        PyErr_Format(PyExc_OSError, "read(%zu) gave %zd bytes", size, view.len);
        r = CODEC_PYTHON_ERROR;
    }
    PyBuffer_Release(&view);
    return r;
}

/* struct cj_source's read. */
static int
decoder_source(void *context, void *buffer, size_t size, size_t *ret_n_read)
{
    struct codec_file *self = context;
    int was_released = gil_take(self), r = CODEC_PYTHON_ERROR;
    PyObject *result = PyObject_CallFunction(self->file_method, "n", (Py_ssize_t)size);

    if (result) {
        r = file_take_read(result, buffer, size, ret_n_read);
        Py_DECREF(result);
    }
    if (was_released) {
        gil_release(self);
    }
    return r;
}

static PyObject *
decoder_type_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"read", "kind", "n_threads", NULL};
    struct cj_codec_options options;
    struct codec_file *self;
    long n_threads = 1;
    enum cj_codec_kind kind;
    const char *name;
    PyObject *read;
    int r;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "Os|l:Decoder", names, &read, &name,
                                     &n_threads) ||
        kind_from_name(name, &kind) < 0 || threads_from_long(n_threads, &options) < 0) {
        return NULL;
    }
    self = codec_file_new(type, read, kind);
    if (!self) {
        return NULL;
    }
    r = cj_decoder_new_with(kind, &options, (struct cj_source){decoder_source, self},
                            &self->decoder);
    if (r < 0) {
        Py_DECREF(self);
        return codec_file_raise_new(kind, 0, r);
    }
    return (PyObject *)self;
}

PyDoc_STRVAR(
    decoder_readinto_doc,
    "readinto($self, buffer, /)\n--\n\n"
    "Fill a C-contiguous writable buffer with the next bytes of the data and\n"
    "return how many; fewer than it holds only at the end.\n\n"
    "EOFError: the stream ends too early. OSError: it is damaged or something\n"
    "else, or something else follows it. Errors of the file pass unchanged.");

static PyObject *
decoder_readinto(PyObject *op, PyObject *buffer)
{
    struct codec_file *self = (struct codec_file *)op;
    size_t n_read = 0;
    Py_buffer view;
    int r;

    if (codec_file_enter(self) < 0) {
        return NULL;
    }
    if (PyObject_GetBuffer(buffer, &view, PyBUF_WRITABLE) < 0) {
        codec_file_leave(self);
        return NULL;
    }
    if (view.len >= CODEC_NO_GIL_BYTES) {
        gil_release(self);
    }
    r = cj_decoder_read(self->decoder, view.buf, (size_t)view.len, &n_read);
    codec_file_leave(self);
    PyBuffer_Release(&view);
    return r < 0 ? codec_file_raise(self, r) : PyLong_FromSize_t(n_read);
}

/* --- the types -------------------------------------------------------------------- */

static PyMethodDef encoder_methods[] = {
    {"write", encoder_write, METH_O, encoder_write_doc},
    {"finish", encoder_finish, METH_NOARGS, encoder_finish_doc},
    {NULL, NULL, 0, NULL},
};

PyDoc_STRVAR(
    encoder_type_doc,
    "Encoder(write, kind, level=None, n_threads=1)\n--\n\n"
    "Compress into `write`, a callable that takes bytes.\n\n"
    "`kind` is zlib, gzip, bz2, lzma, xz, lz4 or zstd; `level` None is the kind's own\n"
    "usual one, `n_threads` 0 as many as there are processors for this process.\n"
    "ValueError: no such kind or level, or built without it.");

static PyType_Slot encoder_slots[] = {
    {Py_tp_doc, (void *)encoder_type_doc},
    {Py_tp_new, encoder_type_new},
    {Py_tp_dealloc, codec_file_dealloc},
    {Py_tp_traverse, codec_file_traverse},
    {Py_tp_clear, codec_file_clear},
    {Py_tp_methods, encoder_methods},
    {0, NULL},
};

PyType_Spec encoder_type_spec = {
    .name = "cjoblib._core.Encoder",
    .basicsize = sizeof(struct codec_file),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = encoder_slots,
};

static PyMethodDef decoder_methods[] = {
    {"readinto", decoder_readinto, METH_O, decoder_readinto_doc},
    {NULL, NULL, 0, NULL},
};

PyDoc_STRVAR(decoder_type_doc,
             "Decoder(read, kind, n_threads=1)\n--\n\n"
             "Decompress what `read(n)` gives, up to n bytes at a time.\n\n"
             "Several members one after the other are one stream, where the kind has\n"
             "them. ValueError: no such kind, or built without it.");

static PyType_Slot decoder_slots[] = {
    {Py_tp_doc, (void *)decoder_type_doc},
    {Py_tp_new, decoder_type_new},
    {Py_tp_dealloc, codec_file_dealloc},
    {Py_tp_traverse, codec_file_traverse},
    {Py_tp_clear, codec_file_clear},
    {Py_tp_methods, decoder_methods},
    {0, NULL},
};

PyType_Spec decoder_type_spec = {
    .name = "cjoblib._core.Decoder",
    .basicsize = sizeof(struct codec_file),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = decoder_slots,
};
