/* Pickler.memo: looked at, copied, cleared, given to another pickler. */

#include "pickle/pickler_type.h"

struct pickler_memo_object {
    PyObject_HEAD
    PyObject *pickler;
};

static struct pickler_object *
memo_owner(PyObject *op)
{
    return (struct pickler_object *)((struct pickler_memo_object *)op)->pickler;
}

PyObject *
pickler_memo_get(PyObject *op, void *Py_UNUSED(closure))
{
    struct pickler_object *pickler = (struct pickler_object *)op;
    PyTypeObject *type = (PyTypeObject *)pickler->state->pickler_memo_type;
    struct pickler_memo_object *memo =
        (struct pickler_memo_object *)type->tp_alloc(type, 0);

    if (memo) {
        memo->pickler = Py_NewRef(op);
    }
    return (PyObject *)memo;
}

static int
memo_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(((struct pickler_memo_object *)op)->pickler);
    return 0;
}

static int
memo_clear_object(PyObject *op)
{
    Py_CLEAR(((struct pickler_memo_object *)op)->pickler);
    return 0;
}

static void
memo_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);

    PyObject_GC_UnTrack(op);
    (void)memo_clear_object(op);
    type->tp_free(op);
    Py_DECREF(type);
}

PyDoc_STRVAR(memo_clear_doc, "clear($self, /)\n--\n\nForget all objects.");

static PyObject *
memo_clear_method(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    struct pickler_object *pickler = memo_owner(op);

    if (pickler) {
        memo_clear(&pickler->memo);
        pickler->n_memo = 0;
    }
    Py_RETURN_NONE;
}

static int
copy_slot(PyObject *copy, const struct memo_slot *slot)
{
    PyObject *id = PyLong_FromVoidPtr(slot->key);
    PyObject *entry = Py_BuildValue("(nO)", slot->number, slot->key);
    int r = id && entry ? PyDict_SetItem(copy, id, entry) : -1;

    Py_XDECREF(id);
    Py_XDECREF(entry);
    return r;
}

PyDoc_STRVAR(memo_copy_doc, "copy($self, /)\n--\n\n"
                            "The memo as a dict {id: (number, object)}.");

static PyObject *
memo_copy(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    struct pickler_object *pickler = memo_owner(op);
    PyObject *copy = PyDict_New();

    for (size_t i = 0; copy && pickler && i < pickler->memo.n_slots; i++) {
        if (pickler->memo.slots[i].key &&
            copy_slot(copy, &pickler->memo.slots[i]) < 0) {
            Py_CLEAR(copy);
        }
    }
    return copy;
}

PyDoc_STRVAR(memo_reduce_doc,
             "__reduce__($self, /)\n--\n\nPickled as the dict of copy().");

static PyObject *
memo_reduce(PyObject *op, PyObject *ignored)
{
    PyObject *copy = memo_copy(op, ignored);

    return copy ? Py_BuildValue("O(N)", &PyDict_Type, copy) : NULL;
}

static int
fill_from_memo(struct memo *memo, const struct memo *other)
{
    for (size_t i = 0; i < other->n_slots; i++) {
        const struct memo_slot *slot = &other->slots[i];

        if (slot->key && memo_add(memo, slot->key, slot->number) < 0) {
            return -1;
        }
    }
    return 0;
}

static int
fill_from_dict(struct memo *memo, PyObject *dict)
{
    PyObject *key, *value, *obj;
    Py_ssize_t at = 0, number;

    while (PyDict_Next(dict, &at, &key, &value)) {
        if (!PyTuple_Check(value) || PyTuple_GET_SIZE(value) != 2) {
            PyErr_SetString(PyExc_TypeError, "'memo' values must be 2-item tuples");
            return -1;
        }
        number = PyLong_AsSsize_t(PyTuple_GET_ITEM(value, 0));
        obj = PyTuple_GET_ITEM(value, 1);
        if (number < 0 && !PyErr_Occurred()) {
            PyErr_SetString(PyExc_ValueError, "memo numbers must not be negative");
        }
        if (number < 0 || memo_add(memo, obj, number) < 0) {
            return -1;
        }
    }
    return 0;
}

static Py_ssize_t
memo_next_number(const struct memo *memo)
{
    Py_ssize_t next = 0;

    for (size_t i = 0; i < memo->n_slots; i++) {
        if (memo->slots[i].key && memo->slots[i].number >= next) {
            next = memo->slots[i].number + 1;
        }
    }
    return next;
}

int
pickler_memo_set(PyObject *op, PyObject *value, void *Py_UNUSED(closure))
{
    struct pickler_object *pickler = (struct pickler_object *)op;
    struct memo memo = MEMO_INIT, old;
    int r;

    if (value && Py_IS_TYPE(value, (PyTypeObject *)pickler->state->pickler_memo_type)) {
        r = memo_owner(value) ? fill_from_memo(&memo, &memo_owner(value)->memo) : 0;
    }
    else if (value && PyDict_Check(value)) {
        r = fill_from_dict(&memo, value);
    }
    else {
        PyErr_SetString(PyExc_TypeError,
                        "'memo' must be another pickler's memo or a dict");
        return -1;
    }
    old = memo;
    if (r == 0) {
        pickler->n_memo = memo_next_number(&memo);
        old = pickler->memo;
        pickler->memo = memo;
    }
    memo_clear(&old);
    return r;
}

static PyMethodDef memo_methods[] = {
    {"clear", memo_clear_method, METH_NOARGS, memo_clear_doc},
    {"copy", memo_copy, METH_NOARGS, memo_copy_doc},
    {"__reduce__", memo_reduce, METH_NOARGS, memo_reduce_doc},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot memo_slots[] = {
    {Py_tp_dealloc, memo_dealloc},
    {Py_tp_traverse, memo_traverse},
    {Py_tp_clear, memo_clear_object},
    {Py_tp_methods, memo_methods},
    {0, NULL},
};

PyType_Spec pickler_memo_spec = {
    .name = "cjoblib._core.PicklerMemo",
    .basicsize = sizeof(struct pickler_memo_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE |
             Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = memo_slots,
};
