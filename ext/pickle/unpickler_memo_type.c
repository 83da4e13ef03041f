#include "pickle/unpickler_type.h"

struct unpickler_memo_object {
    PyObject_HEAD
    struct unpickler_object *unpickler;
};

PyObject *
unpickler_memo_get(PyObject *op, void *Py_UNUSED(closure))
{
    struct unpickler_object *self = (struct unpickler_object *)op;
    struct core_state *state = core_state_of_type(Py_TYPE(op));
    PyTypeObject *type = state ? (PyTypeObject *)state->unpickler_memo_type : NULL;
    struct unpickler_memo_object *memo =
        type ? (struct unpickler_memo_object *)type->tp_alloc(type, 0) : NULL;

    if (memo) {
        memo->unpickler = (struct unpickler_object *)Py_NewRef(self);
    }
    return (PyObject *)memo;
}

/* Give the unpickler another memo, which is taken; the old one is released last. */
static int
memo_replace(struct unpickler_object *self, struct load_memo *memo)
{
    struct load_memo old;
    int r = unpickler_enter(self);

    if (r < 0) {
        load_memo_done(memo);
        return -1;
    }
    old = self->unpickler.memo;
    self->unpickler.memo = *memo;
    if (r == 0) {
        unpickler_leave(self);
    }
    load_memo_done(&old);
    return 0;
}

static PyObject *
memo_as_dict(struct unpickler_object *self)
{
    int r = unpickler_enter(self);
    PyObject *dict;

    if (r < 0) {
        return NULL;
    }
    dict = load_memo_as_dict(&self->unpickler.memo);
    if (r == 0) {
        unpickler_leave(self);
    }
    return dict;
}

/* The dict that an assigned value stands for: a new reference. */
static PyObject *
memo_dict_of(PyObject *op, PyObject *value)
{
    struct core_state *state = core_state_of_type(Py_TYPE(op));

    if (!state) {
        return NULL;
    }
    if (!value) {
        PyErr_SetString(PyExc_TypeError, "attribute deletion is not supported");
        return NULL;
    }
    if (Py_IS_TYPE(value, (PyTypeObject *)state->unpickler_memo_type)) {
        return memo_as_dict(((struct unpickler_memo_object *)value)->unpickler);
    }
    if (PyDict_Check(value)) {
        return Py_NewRef(value);
    }
    return PyErr_Format(
        PyExc_TypeError,
        "'memo' attribute must be a memo of an Unpickler or a dict, not "
        "%.200s",
        Py_TYPE(value)->tp_name);
}

int
unpickler_memo_set(PyObject *op, PyObject *value, void *Py_UNUSED(closure))
{
    PyObject *dict = memo_dict_of(op, value);
    struct load_memo memo = {0};
    int r;

    if (!dict) {
        return -1;
    }
    r = load_memo_from_dict(&memo, dict);
    Py_DECREF(dict);
    if (r < 0) {
        load_memo_done(&memo);
        return -1;
    }
    return memo_replace((struct unpickler_object *)op, &memo);
}

PyDoc_STRVAR(memo_clear_doc, "clear($self, /)\n--\n\n"
                             "Forget all values.");

static PyObject *
memo_clear(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    struct load_memo empty = {0};

    if (memo_replace(((struct unpickler_memo_object *)op)->unpickler, &empty) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

PyDoc_STRVAR(memo_copy_doc, "copy($self, /)\n--\n\n"
                            "A dict of all values by their indexes.");

static PyObject *
memo_copy(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    return memo_as_dict(((struct unpickler_memo_object *)op)->unpickler);
}

PyDoc_STRVAR(memo_reduce_doc, "__reduce__($self, /)\n--\n\n"
                              "Pickled as a dict.");

static PyObject *
memo_reduce(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    return Py_BuildValue("O(N)", &PyDict_Type, memo_copy(op, NULL));
}

static int
memo_type_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(((struct unpickler_memo_object *)op)->unpickler);
    return 0;
}

static int
memo_type_clear(PyObject *op)
{
    Py_CLEAR(((struct unpickler_memo_object *)op)->unpickler);
    return 0;
}

static void
memo_type_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);

    PyObject_GC_UnTrack(op);
    (void)memo_type_clear(op);
    type->tp_free(op);
    Py_DECREF(type);
}

static PyMethodDef memo_methods[] = {
    {"clear", memo_clear, METH_NOARGS, memo_clear_doc},
    {"copy", memo_copy, METH_NOARGS, memo_copy_doc},
    {"__reduce__", memo_reduce, METH_NOARGS, memo_reduce_doc},
    {NULL, NULL, 0, NULL},
};

PyDoc_STRVAR(memo_type_doc, "The memo of an Unpickler.");

static PyType_Slot memo_slots[] = {
    {Py_tp_doc, (void *)memo_type_doc},
    {Py_tp_dealloc, memo_type_dealloc},
    {Py_tp_traverse, memo_type_traverse},
    {Py_tp_clear, memo_type_clear},
    {Py_tp_methods, memo_methods},
    {Py_tp_hash, PyObject_HashNotImplemented},
    {0, NULL},
};

PyType_Spec unpickler_memo_type_spec = {
    .name = "cjoblib._core.UnpicklerMemo",
    .basicsize = sizeof(struct unpickler_memo_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE |
             Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = memo_slots,
};
