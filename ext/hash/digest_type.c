#include "hash/digest_type.h"

#include <errno.h>

#include <cjoblib/digest.h>

#include "errors.h"

/* Buffers from this size on are digested without the GIL: 64 kB takes xxh128 about 4
 * us, many times what releasing costs. */
#define DIGEST_NO_GIL_BYTES 65536

struct digest_object {
    PyObject_HEAD
    struct cj_digest *digest;
    int is_shared; /* a thread is in update() without the GIL */
};

static PyObject *
digest_type_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"name", NULL};
    enum cj_digest_kind kind;
    struct digest_object *self;
    const char *name = "xxh128";
    int r;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|s:Digest", names, &name)) {
        return NULL;
    }
    if (cj_digest_by_name(name, &kind) < 0) {
        return PyErr_Format(PyExc_ValueError,
                            "no digest is called '%s': use xxh128, md5, sha1 or sha256",
                            name);
    }
    self = (struct digest_object *)type->tp_alloc(type, 0);
    if (!self) {
        return NULL;
    }
    r = cj_digest_new(kind, &self->digest);
    if (r < 0) {
        Py_DECREF(self);
        return error_raise(r, NULL);
    }
    return (PyObject *)self;
}

static void
digest_type_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);

    cj_digest_free(((struct digest_object *)op)->digest);
    type->tp_free(op);
    Py_DECREF(type);
}

/* One thread at a time: without the GIL the state would be torn. */
static int
digest_take(struct digest_object *self)
{
    if (self->is_shared) {
        PyErr_SetString(PyExc_RuntimeError, "another thread is updating this digest");
        return -1;
    }
    self->is_shared = 1;
    return 0;
}

PyDoc_STRVAR(digest_update_doc,
             "update($self, data, /)\n--\n\n"
             "Take in the bytes of a C-contiguous buffer; large ones without the GIL.");

static PyObject *
digest_update(PyObject *op, PyObject *data)
{
    struct digest_object *self = (struct digest_object *)op;
    Py_buffer view;

    if (digest_take(self) < 0) {
        return NULL;
    }
    if (PyObject_GetBuffer(data, &view, PyBUF_SIMPLE) < 0) {
        self->is_shared = 0;
        return NULL;
    }
    if (view.len >= DIGEST_NO_GIL_BYTES) {
        Py_BEGIN_ALLOW_THREADS
        cj_digest_update(self->digest, view.buf, (size_t)view.len);
        Py_END_ALLOW_THREADS
    }
    else {
        cj_digest_update(self->digest, view.buf, (size_t)view.len);
    }
    PyBuffer_Release(&view);
    self->is_shared = 0;
    Py_RETURN_NONE;
}

PyDoc_STRVAR(
    digest_digest_doc,
    "digest($self, /)\n--\n\n"
    "The value as bytes. The digest is then empty, ready for another message.");

static PyObject *
digest_digest(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    struct digest_object *self = (struct digest_object *)op;
    uint8_t value[CJ_DIGEST_MAX_BYTES];
    size_t n_bytes;

    if (digest_take(self) < 0) {
        return NULL;
    }
    cj_digest_final(self->digest, value, &n_bytes);
    self->is_shared = 0;
    return PyBytes_FromStringAndSize((const char *)value, (Py_ssize_t)n_bytes);
}

PyDoc_STRVAR(digest_hexdigest_doc, "hexdigest($self, /)\n--\n\n"
                                   "The same in hexadecimal digits.");

static PyObject *
digest_hexdigest(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    PyObject *value = digest_digest(op, NULL);
    PyObject *text = value ? PyObject_CallMethod(value, "hex", NULL) : NULL;

    Py_XDECREF(value);
    return text;
}

static PyMethodDef digest_methods[] = {
    {"update", digest_update, METH_O, digest_update_doc},
    {"digest", digest_digest, METH_NOARGS, digest_digest_doc},
    {"hexdigest", digest_hexdigest, METH_NOARGS, digest_hexdigest_doc},
    {NULL, NULL, 0, NULL},
};

PyDoc_STRVAR(digest_type_doc, "Digest(name='xxh128')\n--\n\n"
                              "A running message digest: xxh128, md5, sha1 or sha256.");

static PyType_Slot digest_slots[] = {
    {Py_tp_doc, (void *)digest_type_doc},
    {Py_tp_new, digest_type_new},
    {Py_tp_dealloc, digest_type_dealloc},
    {Py_tp_methods, digest_methods},
    {0, NULL},
};

PyType_Spec digest_type_spec = {
    .name = "cjoblib._core.Digest",
    .basicsize = sizeof(struct digest_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = digest_slots,
};
