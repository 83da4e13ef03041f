#include "parallel/delayed.h"

#include "state.h"

struct delayed {
    PyObject_HEAD
    PyObject *function;
    PyObject *dict;
    PyObject *weak_references;
    vectorcallfunc call;
};

/* The keyword arguments of a vectorcall as a dict. */
static PyObject *
keywords_of(PyObject *const *values, PyObject *names)
{
    PyObject *kwargs = PyDict_New();
    Py_ssize_t n = names ? PyTuple_GET_SIZE(names) : 0;

    for (Py_ssize_t i = 0; kwargs && i < n; i++) {
        if (PyDict_SetItem(kwargs, PyTuple_GET_ITEM(names, i), values[i]) < 0) {
            Py_CLEAR(kwargs);
        }
    }
    return kwargs;
}

/* (function, args, kwargs) */
static PyObject *
delayed_call(PyObject *op, PyObject *const *values, size_t flagged_n, PyObject *names)
{
    struct delayed *self = (struct delayed *)op;
    Py_ssize_t n = PyVectorcall_NARGS(flagged_n);
    PyObject *args = PyTuple_New(n);
    PyObject *kwargs = args ? keywords_of(values + n, names) : NULL;
    PyObject *call = kwargs ? PyTuple_New(3) : NULL;

    if (!call) {
        Py_XDECREF(args);
        Py_XDECREF(kwargs);
        return NULL;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        PyTuple_SET_ITEM(args, i, Py_NewRef(values[i]));
    }
    PyTuple_SET_ITEM(call, 0, Py_NewRef(self->function));
    PyTuple_SET_ITEM(call, 1, args);
    PyTuple_SET_ITEM(call, 2, kwargs);
    return call;
}

static PyObject *
delayed_getattro(PyObject *op, PyObject *name)
{
    struct delayed *self = (struct delayed *)op;
    PyObject *value;

    /* Those the type has as well. */
    if (PyUnicode_CompareWithASCIIString(name, "__doc__") != 0 &&
        PyUnicode_CompareWithASCIIString(name, "__module__") != 0) {
        value = PyObject_GenericGetAttr(op, name);
        if (value || !PyErr_ExceptionMatches(PyExc_AttributeError)) {
            return value;
        }
        PyErr_Clear();
    }
    return PyObject_GetAttr(self->function, name);
}

static PyObject *
delayed_bind(PyObject *op, PyObject *instance, PyObject *Py_UNUSED(type))
{
    return instance && instance != Py_None ? PyMethod_New(op, instance) : Py_NewRef(op);
}

static PyObject *
delayed_repr(PyObject *op)
{
    return PyUnicode_FromFormat("delayed(%R)", ((struct delayed *)op)->function);
}

static int
delayed_traverse(PyObject *op, visitproc visit, void *arg)
{
    struct delayed *self = (struct delayed *)op;

    Py_VISIT(Py_TYPE(op));
    Py_VISIT(self->function);
    Py_VISIT(self->dict);
    return 0;
}

static int
delayed_clear(PyObject *op)
{
    struct delayed *self = (struct delayed *)op;

    Py_CLEAR(self->function);
    Py_CLEAR(self->dict);
    return 0;
}

static void
delayed_dealloc(PyObject *op)
{
    struct delayed *self = (struct delayed *)op;
    PyTypeObject *type = Py_TYPE(op);

    PyObject_GC_UnTrack(op);
    if (self->weak_references) {
        PyObject_ClearWeakRefs(op);
    }
    (void)delayed_clear(op);
    type->tp_free(op);
    Py_DECREF(type);
}

static PyObject *
delayed_reduce(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    struct core_state *state = PyType_GetModuleState(Py_TYPE(op));

    return Py_BuildValue("O(O)", state->delayed_function,
                         ((struct delayed *)op)->function);
}

PyDoc_STRVAR(
    delayed_doc,
    "delayed($module, function, /)\n--\n\n"
    "Note calls of a function instead of making them.\n\n"
    "Parameters\n"
    "----------\n"
    "function : callable\n"
    "    To call a cached function, give that: ``delayed(memory.cache(f))``.\n\n"
    "Returns\n"
    "-------\n"
    "callable\n"
    "    Takes the function's arguments and returns ``(function, args, kwargs)``.\n");

static PyObject *
delayed_new(PyObject *module, PyObject *function)
{
    PyTypeObject *type = (PyTypeObject *)core_state(module)->delayed_type;
    struct delayed *self = PyObject_GC_New(struct delayed, type);

    if (!self) {
        return NULL;
    }
    self->function = Py_NewRef(function);
    self->dict = NULL;
    self->weak_references = NULL;
    self->call = delayed_call;
    PyObject_GC_Track(self);
    return (PyObject *)self;
}

PyMethodDef delayed_methods[] = {
    {"delayed", delayed_new, METH_O, delayed_doc},
    {NULL, NULL, 0, NULL},
};

static PyMethodDef delayed_type_methods[] = {
    {"__reduce__", delayed_reduce, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef delayed_members[] = {
    {"__dictoffset__", T_PYSSIZET, offsetof(struct delayed, dict), READONLY, NULL},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(struct delayed, weak_references),
     READONLY, NULL},
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(struct delayed, call), READONLY,
     NULL},
    {"__wrapped__", T_OBJECT_EX, offsetof(struct delayed, function), READONLY, NULL},
    {.name = NULL},
};

static PyGetSetDef delayed_getset[] = {
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, NULL, NULL},
    {.name = NULL},
};

static PyType_Slot delayed_slots[] = {
    {Py_tp_call, PyVectorcall_Call},
    {Py_tp_getattro, delayed_getattro},
    {Py_tp_descr_get, delayed_bind},
    {Py_tp_repr, delayed_repr},
    {Py_tp_traverse, delayed_traverse},
    {Py_tp_clear, delayed_clear},
    {Py_tp_dealloc, delayed_dealloc},
    {Py_tp_methods, delayed_type_methods},
    {Py_tp_members, delayed_members},
    {Py_tp_getset, delayed_getset},
    {0, NULL},
};

PyType_Spec delayed_type_spec = {
    .name = "cjoblib._core.Delayed",
    .basicsize = sizeof(struct delayed),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_HAVE_GC |
             Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = delayed_slots,
};
