#include "pickle/unpickler_type.h"

#include <stddef.h>

#include "pickle/unpickler_module.h"

int
unpickler_enter(struct unpickler_object *self)
{
    unsigned long me = PyThread_get_thread_ident();
    unsigned long owner = 0;

    if (__atomic_compare_exchange_n(&self->owner, &owner, me, 0, __ATOMIC_ACQUIRE,
                                    __ATOMIC_RELAXED)) {
        return 0;
    }
    if (owner == me) {
        return UNPICKLER_NESTED;
    }
    PyErr_SetString(PyExc_RuntimeError, "another thread is using this Unpickler");
    return -1;
}

void
unpickler_leave(struct unpickler_object *self)
{
    __atomic_store_n(&self->owner, 0, __ATOMIC_RELEASE);
}

/* As unpickler_enter(), for what must not happen inside a load. */
static int
unpickler_enter_alone(struct unpickler_object *self)
{
    int r = unpickler_enter(self);

    if (r == UNPICKLER_NESTED) {
        PyErr_SetString(PyExc_RuntimeError, "this Unpickler is loading");
        return -1;
    }
    return r;
}

/* The parts of an Unpickler's keywords. "bytes" and the like stay in their str objects.
 */
static int
unpickler_parse(PyObject *args, PyObject *kwargs, PyObject **ret_file,
                struct unpickler_options *options)
{
    static char *names[] = {"file",    "fix_imports", "encoding", "errors",
                            "buffers", "allow",       NULL};

    return PyArg_ParseTupleAndKeywords(args, kwargs, "O|$pUUOO:Unpickler", names,
                                       ret_file, &options->fix_imports,
                                       &options->encoding, &options->errors,
                                       &options->buffers, &options->allow)
               ? 0
               : -1;
}

static int
unpickler_reset(struct unpickler_object *self, PyObject *file,
                const struct unpickler_options *options)
{
    struct core_state *state = core_state_of_type(Py_TYPE(self));

    if (!state || unpickler_state_ready(state) < 0) {
        return -1;
    }
    self->is_ready = 0;
    unpickler_done(&self->unpickler);
    if (unpickler_init(&self->unpickler, state, options) < 0 ||
        source_of_file(&self->unpickler.source, file) < 0) {
        return -1;
    }
    self->is_ready = 1;
    return 0;
}

static int
unpickler_type_init(PyObject *op, PyObject *args, PyObject *kwargs)
{
    struct unpickler_object *self = (struct unpickler_object *)op;
    struct unpickler_options options = UNPICKLER_OPTIONS_INIT;
    PyObject *file;
    int r;

    if (unpickler_parse(args, kwargs, &file, &options) < 0 ||
        unpickler_enter_alone(self) < 0) {
        return -1;
    }
    r = unpickler_reset(self, file, &options);
    unpickler_leave(self);
    return r;
}

static PyObject *
unpickler_type_new(PyTypeObject *type, PyObject *Py_UNUSED(args),
                   PyObject *Py_UNUSED(kwargs))
{
    return type->tp_alloc(type, 0);
}

static int
unpickler_type_traverse(PyObject *op, visitproc visit, void *arg)
{
    struct unpickler_object *self = (struct unpickler_object *)op;

    Py_VISIT(Py_TYPE(op));
    Py_VISIT(self->dict);
    return unpickler_traverse(&self->unpickler, visit, arg);
}

static int
unpickler_type_clear(PyObject *op)
{
    struct unpickler_object *self = (struct unpickler_object *)op;

    self->is_ready = 0;
    Py_CLEAR(self->dict);
    unpickler_done(&self->unpickler);
    return 0;
}

static void
unpickler_type_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);

    PyObject_GC_UnTrack(op);
    (void)unpickler_type_clear(op);
    type->tp_free(op);
    Py_DECREF(type);
}

static PyObject *
unpickler_not_ready(PyObject *op)
{
    struct core_state *state = core_state_of_type(Py_TYPE(op));

    if (!state || unpickler_state_ready(state) < 0) {
        return NULL;
    }
    return PyErr_Format(state->unpickling_error,
                        "Unpickler.__init__() was not called by %s.__init__()",
                        Py_TYPE(op)->tp_name);
}

PyDoc_STRVAR(
    unpickler_find_class_doc,
    "find_class($self, module_name, global_name, /)\n--\n\n"
    "The object of that name, imported when `allow` lets it be.\n\n"
    "Subclasses and instances may have their own; it is called for names that\n"
    "`allow` has passed.");

static PyObject *
unpickler_type_find_class(PyObject *op, PyObject *const *args, Py_ssize_t n_args)
{
    struct unpickler_object *self = (struct unpickler_object *)op;

    if (n_args != 2 || !PyUnicode_Check(args[0]) || !PyUnicode_Check(args[1])) {
        PyErr_SetString(PyExc_TypeError, "find_class() takes two str: module and name");
        return NULL;
    }
    if (!self->is_ready) {
        return unpickler_not_ready(op);
    }
    return unpickler_find_class(&self->unpickler, args[0], args[1]);
}

PyDoc_STRVAR(
    unpickler_persistent_load_doc,
    "persistent_load($self, pid, /)\n--\n\n"
    "The object behind a persistent id: there is none, unless a subclass or the\n"
    "instance has its own method.");

static PyObject *
unpickler_type_persistent_load(PyObject *op, PyObject *Py_UNUSED(pid))
{
    struct core_state *state = core_state_of_type(Py_TYPE(op));

    if (state && unpickler_state_ready(state) == 0) {
        PyErr_SetString(state->unpickling_error,
                        "A load persistent id instruction was encountered, but no "
                        "persistent_load function was specified.");
    }
    return NULL;
}

/* The attribute `name`, unless it is the type's own: *ret_hook is NULL then. */
static int
unpickler_find_hook(struct unpickler_object *self, PyObject *name, PyCFunction own,
                    PyObject **ret_hook)
{
    PyObject *hook = PyObject_GetAttr((PyObject *)self, name);

    if (!hook) {
        return -1;
    }
    if (PyCFunction_Check(hook) && PyCFunction_GetFunction(hook) == own &&
        PyCFunction_GetSelf(hook) == (PyObject *)self) {
        Py_CLEAR(hook);
    }
    *ret_hook = hook;
    return 0;
}

/* For the time of a load only: a bound method is a reference to ourselves. */
static int
unpickler_bind(struct unpickler_object *self)
{
    struct unpickler *unpickler = &self->unpickler;
    struct core_state *state = unpickler->state;

    if (!self->dict && Py_IS_TYPE(self, (PyTypeObject *)state->unpickler_type)) {
        return 0;
    }
    if (unpickler_find_hook(self, state->str_find_class,
                            (PyCFunction)(void (*)(void))unpickler_type_find_class,
                            &unpickler->find_class) < 0) {
        return -1;
    }
    return unpickler_find_hook(self, state->str_persistent_load,
                               unpickler_type_persistent_load,
                               &unpickler->persistent_load);
}

static void
unpickler_unbind(struct unpickler_object *self)
{
    Py_CLEAR(self->unpickler.find_class);
    Py_CLEAR(self->unpickler.persistent_load);
}

PyDoc_STRVAR(
    unpickler_load_doc,
    "load($self, /)\n--\n\n"
    "The next object of the file.\n\n"
    "Raises pickle.UnpicklingError where the stream is not what it should be, with\n"
    "the offset and the opcode, and EOFError when there is no further object.");

static PyObject *
unpickler_type_load(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    struct unpickler_object *self = (struct unpickler_object *)op;
    PyObject *value = NULL;

    if (!self->is_ready) {
        return unpickler_not_ready(op);
    }
    if (unpickler_enter_alone(self) < 0) {
        return NULL;
    }
    if (unpickler_bind(self) == 0) {
        value = unpickler_load(&self->unpickler);
    }
    unpickler_unbind(self);
    unpickler_leave(self);
    return value;
}

static PyObject *
unpickler_type_allow(PyObject *op, void *Py_UNUSED(closure))
{
    PyObject *allow = ((struct unpickler_object *)op)->unpickler.policy.allow;

    return Py_NewRef(allow ? allow : Py_None);
}

static PyMethodDef unpickler_methods[] = {
    {"load", unpickler_type_load, METH_NOARGS, unpickler_load_doc},
    {"find_class", (PyCFunction)(void (*)(void))unpickler_type_find_class,
     METH_FASTCALL, unpickler_find_class_doc},
    {"persistent_load", unpickler_type_persistent_load, METH_O,
     unpickler_persistent_load_doc},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef unpickler_members[] = {
    {"__dictoffset__", T_PYSSIZET, offsetof(struct unpickler_object, dict), READONLY,
     NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyGetSetDef unpickler_getset[] = {
    {"memo", unpickler_memo_get, unpickler_memo_set,
     "The values that later pickles of the file may refer to.", NULL},
    {"allow", unpickler_type_allow, NULL,
     "The patterns of what may be imported, or None; give them to nested unpicklers.",
     NULL},
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

PyDoc_STRVAR(
    unpickler_type_doc,
    "Unpickler(file, *, fix_imports=True, encoding='ASCII', errors='strict', "
    "buffers=None, allow=None)\n--\n\n"
    "Reads pickles of protocols 0 to 5 from a file, as pickle.Unpickler does.\n\n"
    "`allow` is a collection of patterns 'module.name', in which '*' stands for a\n"
    "component and at the end for all that follow: nothing else is imported.");

static PyType_Slot unpickler_slots[] = {
    {Py_tp_doc, (void *)unpickler_type_doc},   {Py_tp_new, unpickler_type_new},
    {Py_tp_init, unpickler_type_init},         {Py_tp_dealloc, unpickler_type_dealloc},
    {Py_tp_traverse, unpickler_type_traverse}, {Py_tp_clear, unpickler_type_clear},
    {Py_tp_methods, unpickler_methods},        {Py_tp_members, unpickler_members},
    {Py_tp_getset, unpickler_getset},          {0, NULL},
};

PyType_Spec unpickler_type_spec = {
    .name = "cjoblib._core.Unpickler",
    .basicsize = sizeof(struct unpickler_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC |
             Py_TPFLAGS_IMMUTABLETYPE,
    .slots = unpickler_slots,
};
