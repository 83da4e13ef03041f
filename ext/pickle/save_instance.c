/* Instances of plain classes: what object.__reduce_ex__() would say, without asking.
 *
 * A class is plain when nothing in its MRO but `object` has a say in pickling, and its
 * instances have no other state than their __dict__. That is looked up once per class
 * and pickling. */

#include "pickle/pickle_module.h"
#include "pickle/pickler.h"

static int
dict_has_any(PyObject *dict, PyObject *const *names, size_t n_names)
{
    for (size_t i = 0; i < n_names; i++) {
        int r = PyDict_Contains(dict, names[i]);

        if (r != 0) {
            return r;
        }
    }
    return 0;
}

/* 1: a class of the MRO overrides something, or is not made in Python; 0; -1. */
static int
mro_has_say(struct core_state *state, PyTypeObject *type)
{
    PyObject *const names[] = {state->name_reduce_ex,     state->name_reduce,
                               state->name_getstate,      state->name_getnewargs,
                               state->name_getnewargs_ex, state->name_class};
    PyObject *mro = type->tp_mro;

    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(mro); i++) {
        PyTypeObject *base = (PyTypeObject *)PyTuple_GET_ITEM(mro, i);
        int r;

        if (base == &PyBaseObject_Type) {
            continue;
        }
        if (!PyType_HasFeature(base, Py_TPFLAGS_HEAPTYPE) || !base->tp_dict) {
            return 1;
        }
        r = dict_has_any(base->tp_dict, names, sizeof(names) / sizeof(names[0]));
        if (r != 0) {
            return r;
        }
    }
    return 0;
}

/* Nothing but a __dict__ and a list of weak references behind the object's header. */
static bool
layout_is_plain(const PyTypeObject *type)
{
    Py_ssize_t n_pointers = (type->tp_dictoffset > 0) + (type->tp_weaklistoffset > 0);

    return type->tp_itemsize == 0 &&
           type->tp_basicsize <= PyBaseObject_Type.tp_basicsize +
                                     n_pointers * (Py_ssize_t)sizeof(void *) &&
           type->tp_getattro == PyObject_GenericGetAttr;
}

/* copyreg leaves what it has found as the class's __slotnames__. */
static PyObject *
slotnames_get(struct core_state *state, PyTypeObject *type)
{
    PyObject *names, *func;
    int found = compat_dict_find(type->tp_dict, state->name_slotnames, &names);

    if (found != 0) {
        return found < 0 ? NULL : names;
    }
    func = pickle_import(&state->copyreg_slotnames, "copyreg", "_slotnames");
    return func ? PyObject_CallOneArg(func, (PyObject *)type) : NULL;
}

static int
slotnames_are_none(struct core_state *state, PyTypeObject *type)
{
    PyObject *names = slotnames_get(state, type);
    int are_none = names ? PyList_CheckExact(names) && PyList_GET_SIZE(names) == 0 : -1;

    Py_XDECREF(names);
    return are_none;
}

static int
type_is_plain(struct pickler *p, PyTypeObject *type)
{
    int r;

    if (!PyType_HasFeature(type, Py_TPFLAGS_HEAPTYPE) || !layout_is_plain(type) ||
        PyType_IsSubtype(type, &PyType_Type)) {
        return 0;
    }
    r = PyDict_Contains(p->state->pickle_dispatch_table, (PyObject *)type);
    if (r == 0) {
        r = mro_has_say(p->state, type);
    }
    if (r != 0) {
        return r < 0 ? -1 : 0;
    }
    return slotnames_are_none(p->state, type);
}

/* Whether the class is plain: 1, 0, -1 with an exception set. */
static int
kind_of(struct pickler *p, PyTypeObject *type)
{
    size_t at = ((uintptr_t)type >> 6) % PICKLER_N_KINDS;
    struct pickler_kind *kind = &p->kinds[at];

    if (kind->type != type) {
        kind->type = NULL;
        kind->is_plain = type_is_plain(p, type);
        if (kind->is_plain < 0) {
            return -1;
        }
        kind->type = type;
    }
    return kind->is_plain;
}

/* An attribute of the instance itself hides the method of the class. */
static int
dict_is_plain(struct core_state *state, PyObject *dict)
{
    PyObject *const names[] = {state->name_reduce_ex, state->name_reduce,
                               state->name_getstate, state->name_getnewargs,
                               state->name_getnewargs_ex};
    int r = dict_has_any(dict, names, sizeof(names) / sizeof(names[0]));

    return r < 0 ? -1 : !r;
}

static int
push_instance(struct pickler *p, PyObject *obj, PyObject *dict)
{
    PyObject *nothing;
    int r;

    if (PyDict_GET_SIZE(dict) > 0 &&
        (work_push_op(p, OP_BUILD) < 0 || work_push_save(p, dict) < 0)) {
        return -1;
    }
    nothing = PyTuple_New(0);
    if (!nothing) {
        return -1;
    }
    r = work_push_memo(p, obj) < 0 || work_push_op(p, OP_NEW_OBJ) < 0 ||
                work_push_save(p, nothing) < 0
            ? -1
            : save(p, (PyObject *)Py_TYPE(obj));
    Py_DECREF(nothing);
    return r;
}

int
save_instance(struct pickler *p, PyObject *obj)
{
    PyObject *dict;
    int r;

    if (p->protocol < 2 || p->dispatch_table || Py_TYPE(obj)->tp_dictoffset == 0) {
        return 0;
    }
    r = kind_of(p, Py_TYPE(obj));
    if (r <= 0) {
        return r;
    }
    dict = PyObject_GenericGetDict(obj, NULL);
    if (!dict) {
        return -1;
    }
    r = dict_is_plain(p->state, dict);
    if (r == 1) {
        r = push_instance(p, obj, dict) < 0 ? -1 : 1;
    }
    Py_DECREF(dict);
    return r;
}
