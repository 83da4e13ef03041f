#include "pickle/region.h"

struct region_object {
    PyObject_HEAD
    PyObject *owner;     /* whose bytes they are; NULL: the blob's */
    struct cj_blob blob; /* empty when there is an owner */
    void *data;
    Py_ssize_t size;
    int readonly;
};

static PyObject *
region_new(struct core_state *state, void *data, size_t size)
{
    PyTypeObject *type = (PyTypeObject *)state->region_type;
    struct region_object *self = (struct region_object *)type->tp_alloc(type, 0);

    if (self) {
        self->data = data;
        self->size = (Py_ssize_t)size;
    }
    return (PyObject *)self;
}

PyObject *
region_take(struct core_state *state, struct cj_blob *blob)
{
    PyObject *self = region_new(state, blob->data, blob->size);

    if (!self) {
        cj_blob_done(blob);
        return NULL;
    }
    ((struct region_object *)self)->blob = *blob;
    *blob = (struct cj_blob)CJ_BLOB_INIT;
    return self;
}

PyObject *
region_within(struct core_state *state, PyObject *owner, void *data, size_t size,
              int readonly)
{
    PyObject *self = region_new(state, data, size);

    if (self) {
        ((struct region_object *)self)->owner = Py_NewRef(owner);
        ((struct region_object *)self)->readonly = readonly;
    }
    return self;
}

static void
region_dealloc(PyObject *op)
{
    struct region_object *self = (struct region_object *)op;
    PyTypeObject *type = Py_TYPE(op);

    Py_XDECREF(self->owner);
    cj_blob_done(&self->blob);
    type->tp_free(op);
    Py_DECREF(type);
}

static int
region_getbuffer(PyObject *op, Py_buffer *view, int flags)
{
    struct region_object *self = (struct region_object *)op;

    return PyBuffer_FillInfo(view, op, self->data, self->size, self->readonly, flags);
}

static PyType_Slot region_slots[] = {
    {Py_tp_doc, "Bytes of the C library, as a writable buffer."},
    {Py_tp_dealloc, region_dealloc},
    {Py_bf_getbuffer, region_getbuffer},
    {0, NULL},
};

PyType_Spec region_type_spec = {
    .name = "cjoblib._core.Region",
    .basicsize = sizeof(struct region_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE |
             Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = region_slots,
};
