#include "parallel/shared.h"

struct shared {
    PyObject_HEAD
    PyObject *object;
    PyObject *encoded; /* what _shared.reduce() keeps here; NULL: nothing yet */
};

static PyObject *
unwrapped(PyTypeObject *shared_type, PyObject *item)
{
    return Py_NewRef(Py_IS_TYPE(item, shared_type) ? ((struct shared *)item)->object
                                                   : item);
}

PyObject *
shared_unwrap_args(PyTypeObject *shared_type, PyObject *args)
{
    Py_ssize_t n = PyTuple_GET_SIZE(args), at = 0;
    PyObject *own;

    while (at < n && !Py_IS_TYPE(PyTuple_GET_ITEM(args, at), shared_type)) {
        at++;
    }
    if (at == n) {
        return Py_NewRef(args);
    }
    own = PyTuple_New(n);
    for (Py_ssize_t i = 0; own && i < n; i++) {
        PyTuple_SET_ITEM(own, i, unwrapped(shared_type, PyTuple_GET_ITEM(args, i)));
    }
    return own;
}

PyObject *
shared_unwrap_kwargs(PyTypeObject *shared_type, PyObject *kwargs)
{
    PyObject *key, *value, *own = NULL;
    Py_ssize_t at = 0;

    while (PyDict_Next(kwargs, &at, &key, &value)) {
        if (!Py_IS_TYPE(value, shared_type)) {
            continue;
        }
        if (!own && !(own = PyDict_Copy(kwargs))) {
            return NULL;
        }
        if (PyDict_SetItem(own, key, ((struct shared *)value)->object) < 0) {
            Py_DECREF(own);
            return NULL;
        }
    }
    return own ? own : Py_NewRef(kwargs);
}

static PyObject *
shared_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"object", NULL};
    struct shared *self;
    PyObject *object;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O:Shared", names, &object)) {
        return NULL;
    }
    self = (struct shared *)type->tp_alloc(type, 0);
    if (self) {
        self->object = Py_NewRef(object);
    }
    return (PyObject *)self;
}

static PyObject *
shared_reduce(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    PyObject *module = PyImport_ImportModule("cjoblib._shared");
    PyObject *reduced = module ? PyObject_CallMethod(module, "reduce", "O", op) : NULL;

    Py_XDECREF(module);
    return reduced;
}

static PyObject *
shared_repr(PyObject *op)
{
    return PyUnicode_FromFormat("shared(%R)", ((struct shared *)op)->object);
}

static int
shared_traverse(PyObject *op, visitproc visit, void *arg)
{
    struct shared *self = (struct shared *)op;

    Py_VISIT(Py_TYPE(op));
    Py_VISIT(self->object);
    Py_VISIT(self->encoded);
    return 0;
}

static int
shared_clear(PyObject *op)
{
    struct shared *self = (struct shared *)op;

    Py_CLEAR(self->object);
    Py_CLEAR(self->encoded);
    return 0;
}

static void
shared_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);

    PyObject_GC_UnTrack(op);
    (void)shared_clear(op);
    type->tp_free(op);
    Py_DECREF(type);
}

static PyMemberDef shared_members[] = {
    {"object", T_OBJECT_EX, offsetof(struct shared, object), READONLY,
     "What the calls get."},
    {"encoded", T_OBJECT, offsetof(struct shared, encoded), 0, NULL},
    {.name = NULL},
};

static PyMethodDef shared_methods[] = {
    {"__reduce__", shared_reduce, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot shared_slots[] = {
    {Py_tp_doc, "An argument that travels to each worker once."},
    {Py_tp_new, shared_new},
    {Py_tp_repr, shared_repr},
    {Py_tp_traverse, shared_traverse},
    {Py_tp_clear, shared_clear},
    {Py_tp_dealloc, shared_dealloc},
    {Py_tp_members, shared_members},
    {Py_tp_methods, shared_methods},
    {0, NULL},
};

PyType_Spec shared_type_spec = {
    .name = "cjoblib._core.Shared",
    .basicsize = sizeof(struct shared),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = shared_slots,
};
