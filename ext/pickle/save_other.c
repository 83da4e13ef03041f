/* Objects of no builtin type: the hooks, in the order that pickle documents. */

#include "pickle/pickle_module.h"
#include "pickle/pickler.h"

static int
save_reduce_value(struct pickler *p, PyObject *value, PyObject *obj)
{
    if (PyUnicode_Check(value)) {
        return save_global(p, obj, value);
    }
    if (PyTuple_Check(value)) {
        return save_reduce_tuple(p, value, obj);
    }
    return pickle_error(p->state,
                        "__reduce__ must return a string or tuple, not %.200s",
                        Py_TYPE(value)->tp_name);
}

/* Save what a hook has returned, and release it. 1 done, 0 it had nothing to say, -1.
 */
static int
save_answer(struct pickler *p, PyObject *value, PyObject *obj)
{
    int r = -1;

    if (value == Py_NotImplemented) {
        r = 0;
    }
    else if (value) {
        r = save_reduce_value(p, value, obj) < 0 ? -1 : 1;
    }
    Py_XDECREF(value);
    return r;
}

/* The function registered for the type: 1 and a new reference, 0, -1. */
static int
dispatch_find(struct pickler *p, PyTypeObject *type, PyObject **ret_func)
{
    PyObject *table =
        p->dispatch_table ? p->dispatch_table : p->state->pickle_dispatch_table;

    if (PyDict_CheckExact(table)) {
        return compat_dict_find(table, (PyObject *)type, ret_func);
    }
    *ret_func = PyObject_GetItem(table, (PyObject *)type);
    if (*ret_func) {
        return 1;
    }
    if (!PyErr_ExceptionMatches(PyExc_KeyError)) {
        return -1;
    }
    PyErr_Clear();
    return 0;
}

static int
save_dispatched(struct pickler *p, PyObject *obj)
{
    PyObject *func;
    int found = dispatch_find(p, Py_TYPE(obj), &func);

    if (found == 1) {
        found = save_answer(p, PyObject_CallOneArg(func, obj), obj);
        Py_DECREF(func);
        if (found == 0) {
            return pickle_error(p->state,
                                "the function registered for %.200s returned "
                                "NotImplemented",
                                Py_TYPE(obj)->tp_name);
        }
    }
    return found;
}

/* What obj.__reduce_ex__(protocol), or else obj.__reduce__(), returns. */
static PyObject *
reduce_call(struct pickler *p, PyObject *obj)
{
    struct core_state *state = p->state;
    PyObject *func, *protocol, *value;
    int found = compat_find_attr(obj, state->name_reduce_ex, &func);

    if (found == 1) {
        protocol = PyLong_FromLong(p->protocol);
        value = protocol ? PyObject_CallOneArg(func, protocol) : NULL;
        Py_XDECREF(protocol);
        Py_DECREF(func);
        return value;
    }
    found = found < 0 ? -1 : compat_find_attr(obj, state->name_reduce, &func);
    if (found == 1) {
        value = PyObject_CallNoArgs(func);
        Py_DECREF(func);
        return value;
    }
    if (found == 0) {
        pickle_error(state, "can't pickle '%.200s' object: %R", Py_TYPE(obj)->tp_name,
                     obj);
    }
    return NULL;
}

static int
save_reduced(struct pickler *p, PyObject *obj)
{
    PyObject *value = reduce_call(p, obj);
    int r;

    if (!value && p->by_value && PyErr_ExceptionMatches(PyExc_Exception)) {
        value = cloud_rescue(p, obj);
    }
    if (!value) {
        return -1;
    }
    r = save_reduce_value(p, value, obj);
    Py_DECREF(value);
    return r;
}

/* 1: the use's own hook has dealt with the object; 0, -1. */
static int
save_taken(struct pickler *p, PyObject *obj)
{
    PyObject *instead = NULL;
    int r = p->hooks->take(p, obj, &instead);

    if (r == 0 && instead) {
        r = save_known(p, instead) < 0 ? -1 : 1;
    }
    Py_XDECREF(instead);
    return r;
}

/* Classes and functions. 1, 0: it is neither, -1. */
static int
save_named(struct pickler *p, PyObject *obj)
{
    int r;

    if (Py_IS_TYPE(obj, &PyType_Type)) {
        r = save_type(p, obj);
    }
    else if (Py_IS_TYPE(obj, &PyFunction_Type)) {
        r = save_global(p, obj, NULL);
    }
    else {
        return 0;
    }
    return r < 0 ? -1 : 1;
}

/* A class whose class is not `type`, after the dispatch table had its say. */
static int
save_metaclass_instance(struct pickler *p, PyObject *obj)
{
    if (!PyType_IsSubtype(Py_TYPE(obj), &PyType_Type)) {
        return 0;
    }
    return save_global(p, obj, NULL) < 0 ? -1 : 1;
}

int
save_other(struct pickler *p, PyObject *obj)
{
    int r = 0;

    if (p->hooks && p->hooks->take) {
        r = save_taken(p, obj);
    }
    if (r == 0 && p->reducer_override) {
        r = save_answer(p, PyObject_CallOneArg(p->reducer_override, obj), obj);
    }
    if (r == 0) {
        r = save_named(p, obj);
    }
    if (r == 0) {
        r = save_instance(p, obj);
    }
    if (r == 0 && p->spares_memo) {
        r = save_end_sparing(p);
    }
    if (r == 0) {
        r = save_dispatched(p, obj);
    }
    if (r == 0) {
        r = save_metaclass_instance(p, obj);
    }
    if (r == 0) {
        r = save_reduced(p, obj);
    }
    return r < 0 ? -1 : 0;
}
