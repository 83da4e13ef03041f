#include "pickle/pickler_type.h"

#include <stddef.h>
#include <structmember.h>

#include "pickle/pickle_module.h"
#include "pickle/pickler.h"

static PyObject *
pickler_new(PyTypeObject *type, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(kwargs))
{
    struct core_state *state = core_state_of_type(type);
    struct pickler_object *self;

    if (!state) {
        return NULL;
    }
    self = (struct pickler_object *)type->tp_alloc(type, 0);
    if (self) {
        self->state = state;
    }
    return (PyObject *)self;
}

static int
pickler_clear(PyObject *op)
{
    struct pickler_object *self = (struct pickler_object *)op;

    Py_CLEAR(self->write);
    Py_CLEAR(self->buffer_callback);
    Py_CLEAR(self->dispatch_table);
    Py_CLEAR(self->persistent_id);
    memo_clear(&self->memo);
    return 0;
}

static int
pickler_traverse(PyObject *op, visitproc visit, void *arg)
{
    struct pickler_object *self = (struct pickler_object *)op;

    Py_VISIT(Py_TYPE(op));
    Py_VISIT(self->write);
    Py_VISIT(self->buffer_callback);
    Py_VISIT(self->dispatch_table);
    Py_VISIT(self->persistent_id);
    for (size_t i = 0; i < self->memo.n_slots; i++) {
        Py_VISIT(self->memo.slots[i].key);
    }
    return 0;
}

static void
pickler_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);

    PyObject_GC_UnTrack(op);
    (void)pickler_clear(op);
    type->tp_free(op);
    Py_DECREF(type);
}

static int
pickler_set_file(struct pickler_object *self, PyObject *file)
{
    PyObject *write;
    int found = compat_find_attr(file, self->state->name_write, &write);

    if (found == 0) {
        PyErr_SetString(PyExc_TypeError, "file must have a 'write' attribute");
    }
    if (found != 1) {
        return -1;
    }
    Py_XSETREF(self->write, write);
    return 0;
}

static int
pickler_init_object(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"file", "protocol", "fix_imports", "buffer_callback", NULL};
    struct pickler_object *self = (struct pickler_object *)op;
    PyObject *file, *protocol = Py_None, *callback = Py_None;
    int fix_imports = 1, number;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|OpO:Pickler", names, &file,
                                     &protocol, &fix_imports, &callback)) {
        return -1;
    }
    number = pickler_protocol(protocol);
    if (number < 0 || pickler_check_callback(number, callback) < 0 ||
        pickler_set_file(self, file) < 0) {
        return -1;
    }
    self->protocol = number;
    self->is_binary = number >= 1;
    self->is_fast = 0;
    self->fix_imports = fix_imports && number < 3;
    Py_XSETREF(self->buffer_callback, Py_NewRef(callback));
    memo_clear(&self->memo);
    self->n_memo = 0;
    return 0;
}

PyDoc_STRVAR(
    pickler_persistent_id_doc,
    "persistent_id($self, obj, /)\n--\n\n"
    "An identifier for an object that is kept elsewhere; None: pickle it. To be\n"
    "overridden.");

static PyObject *
pickler_persistent_id(PyObject *Py_UNUSED(op), PyObject *Py_UNUSED(obj))
{
    Py_RETURN_NONE;
}

/* An attribute that may be a hook: 1 and a new reference, 0: there is none, -1. */
static int
pickler_find_hook(PyObject *op, PyObject *name, PyObject **ret_hook)
{
    int found = compat_find_attr(op, name, ret_hook);

    if (found == 1 && PyCFunction_Check(*ret_hook) &&
        PyCFunction_GetFunction(*ret_hook) == pickler_persistent_id) {
        Py_CLEAR(*ret_hook);
        found = 0;
    }
    return found;
}

/* What one dump() works with, whatever its hooks do to the pickler. New references. */
struct pickler_hook_objects {
    PyObject *write;
    PyObject *buffer_callback;
    PyObject *persistent_id;
    PyObject *reducer_override;
    PyObject *dispatch_table;
};

static void
pickler_drop_hooks(struct pickler_hook_objects *hooks)
{
    Py_CLEAR(hooks->write);
    Py_CLEAR(hooks->buffer_callback);
    Py_CLEAR(hooks->persistent_id);
    Py_CLEAR(hooks->reducer_override);
    Py_CLEAR(hooks->dispatch_table);
}

static int
pickler_find_hooks(struct pickler_object *self, struct pickler_hook_objects *ret_hooks)
{
    struct core_state *state = self->state;
    PyObject *op = (PyObject *)self;
    struct pickler_hook_objects hooks = {NULL, NULL, NULL, NULL, NULL};

    hooks.write = Py_NewRef(self->write);
    if (self->buffer_callback != Py_None) {
        hooks.buffer_callback = Py_NewRef(self->buffer_callback);
    }
    if (pickler_find_hook(op, state->name_persistent_id, &hooks.persistent_id) < 0 ||
        pickler_find_hook(op, state->name_reducer_override, &hooks.reducer_override) <
            0 ||
        pickler_find_hook(op, state->name_dispatch_table, &hooks.dispatch_table) < 0) {
        pickler_drop_hooks(&hooks);
        return -1;
    }
    *ret_hooks = hooks;
    return 0;
}

static int
pickler_dump_with(struct pickler_object *self, PyObject *obj,
                  const struct pickler_hook_objects *hooks)
{
    struct memo hooks_memo;
    struct pickler p;
    int r;

    pickler_init(&p, self->state, self->protocol);
    sink_init_file(&p.sink, hooks->write);
    p.is_binary = self->is_binary;
    p.is_fast = self->is_fast;
    p.fix_imports = self->fix_imports;
    p.persistent_id = hooks->persistent_id;
    p.reducer_override = hooks->reducer_override;
    p.dispatch_table = hooks->dispatch_table;
    p.buffer_callback = hooks->buffer_callback;
    p.memo = self->memo;
    p.n_memo = self->n_memo;
    self->memo = (struct memo)MEMO_INIT;
    self->is_running = 1;
    r = pickler_dump(&p, obj);
    self->is_running = 0;
    hooks_memo = self->memo; /* if a hook has set one, it is gone now */
    self->memo = p.memo;
    self->n_memo = p.n_memo;
    p.memo = hooks_memo;
    pickler_done(&p);
    return r;
}

static int
pickler_check_ready(struct pickler_object *self)
{
    if (!self->write) {
        return pickle_error(self->state,
                            "Pickler.__init__() was not called by %s.__init__()",
                            Py_TYPE(self)->tp_name);
    }
    if (self->is_running) {
        PyErr_SetString(PyExc_RuntimeError, "this Pickler is at work already");
        return -1;
    }
    return 0;
}

PyDoc_STRVAR(pickler_dump_doc, "dump($self, obj, /)\n--\n\n"
                               "Write the pickle of an object to the file.");

static PyObject *
pickler_dump_method(PyObject *op, PyObject *obj)
{
    struct pickler_object *self = (struct pickler_object *)op;
    struct pickler_hook_objects hooks;
    int r;

    if (pickler_check_ready(self) < 0 || pickler_find_hooks(self, &hooks) < 0) {
        return NULL;
    }
    r = pickler_dump_with(self, obj, &hooks);
    pickler_drop_hooks(&hooks);
    if (r < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

PyDoc_STRVAR(pickler_clear_memo_doc, "clear_memo($self, /)\n--\n\n"
                                     "Forget which objects were pickled before.");

static PyObject *
pickler_clear_memo(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    struct pickler_object *self = (struct pickler_object *)op;

    memo_clear(&self->memo);
    self->n_memo = 0;
    Py_RETURN_NONE;
}

PyDoc_STRVAR(pickler_sizeof_doc,
             "__sizeof__($self, /)\n--\n\nSize in memory, in bytes.");

static PyObject *
pickler_sizeof(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    struct pickler_object *self = (struct pickler_object *)op;

    return PyLong_FromSize_t((size_t)Py_TYPE(op)->tp_basicsize +
                             self->memo.n_slots * sizeof(struct memo_slot));
}

/* A pickler has no __dict__: this one attribute lies in its struct. */
static bool
is_persistent_id(PyObject *op, PyObject *name)
{
    PyObject *known = ((struct pickler_object *)op)->state->name_persistent_id;

    return name == known ||
           (PyUnicode_Check(name) && PyUnicode_Compare(name, known) == 0);
}

static PyObject *
pickler_getattro(PyObject *op, PyObject *name)
{
    PyObject *persistent_id = ((struct pickler_object *)op)->persistent_id;

    if (persistent_id && is_persistent_id(op, name)) {
        return Py_NewRef(persistent_id);
    }
    return PyObject_GenericGetAttr(op, name);
}

static int
pickler_setattro(PyObject *op, PyObject *name, PyObject *value)
{
    if (!is_persistent_id(op, name)) {
        return PyObject_GenericSetAttr(op, name, value);
    }
    Py_XSETREF(((struct pickler_object *)op)->persistent_id, Py_XNewRef(value));
    return 0;
}

static PyMethodDef pickler_methods[] = {
    {"dump", pickler_dump_method, METH_O, pickler_dump_doc},
    {"clear_memo", pickler_clear_memo, METH_NOARGS, pickler_clear_memo_doc},
    {"persistent_id", pickler_persistent_id, METH_O, pickler_persistent_id_doc},
    {"__sizeof__", pickler_sizeof, METH_NOARGS, pickler_sizeof_doc},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef pickler_members[] = {
    {"bin", T_INT, offsetof(struct pickler_object, is_binary), 0,
     "whether opcodes are binary (protocol >= 1)"},
    {"fast", T_INT, offsetof(struct pickler_object, is_fast), 0,
     "true: no memo, so shared objects are written again and cycles have no end"},
    {"dispatch_table", T_OBJECT_EX, offsetof(struct pickler_object, dispatch_table), 0,
     "reduce functions by type, in place of copyreg's"},
    {NULL, 0, 0, 0, NULL},
};

static PyGetSetDef pickler_getset[] = {
    {"memo", pickler_memo_get, pickler_memo_set, "which objects were pickled before",
     NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

PyDoc_STRVAR(
    pickler_type_doc,
    "Pickler(file, protocol=None, fix_imports=True, buffer_callback=None)\n--\n\n"
    "Writes pickles to a file. The interface is that of pickle.Pickler.");

static PyType_Slot pickler_slots[] = {
    {Py_tp_doc, (void *)pickler_type_doc}, {Py_tp_new, pickler_new},
    {Py_tp_init, pickler_init_object},     {Py_tp_dealloc, pickler_dealloc},
    {Py_tp_traverse, pickler_traverse},    {Py_tp_clear, pickler_clear},
    {Py_tp_getattro, pickler_getattro},    {Py_tp_setattro, pickler_setattro},
    {Py_tp_methods, pickler_methods},      {Py_tp_members, pickler_members},
    {Py_tp_getset, pickler_getset},        {0, NULL},
};

PyType_Spec pickler_type_spec = {
    .name = "cjoblib._core.Pickler",
    .basicsize = sizeof(struct pickler_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC |
             Py_TPFLAGS_IMMUTABLETYPE,
    .slots = pickler_slots,
};
