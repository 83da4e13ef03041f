/* Objects taken apart as pickle would: the function that makes them, its arguments,
 * their state and items. What differs between versions of Python for the same value is
 * evened out: no state and an empty one, functions of copyreg, sets as lists. */

#include "hash/hasher.h"

/* What a reduce value consists of; all borrowed from it, None when missing. */
struct reduced {
    PyObject *callable, *args, *state, *items, *pairs, *setter;
};

/* Whether the exception that is set says that the object cannot be taken apart: what
 * pickle raises itself, and what libraries raise in its place. */
static int
reduce_is_refusal(struct hasher *h)
{
    PyObject *const refusals[] = {PyExc_TypeError,      h->state->pickling_error,
                                  PyExc_ValueError,     PyExc_RuntimeError,
                                  PyExc_AssertionError, PyExc_AttributeError};

    if (PyErr_ExceptionMatches(PyExc_RecursionError)) {
        return 0;
    }
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        if (PyErr_ExceptionMatches(refusals[i])) {
            return 1;
        }
    }
    return 0;
}

/* What it says; its type too, unless that is pickle's usual one. A new reference. */
static PyObject *
reduce_reason(PyObject *error)
{
    if (Py_IS_TYPE(error, (PyTypeObject *)PyExc_TypeError)) {
        return PyObject_Str(error);
    }
    return PyUnicode_FromFormat("%s: %S", Py_TYPE(error)->tp_name, error);
}

static int
reduce_refused(struct hasher *h, PyObject *obj)
{
    PyObject *error, *text;
    const char *why;

    if (!reduce_is_refusal(h)) {
        return -1;
    }
    error = compat_take_exception();
    text = reduce_reason(error);
    why = text ? PyUnicode_AsUTF8(text) : NULL;
    if (!why) {
        PyErr_Clear();
    }
    (void)unhashable(h, obj, why ? why : "");
    Py_XDECREF(text);
    Py_XDECREF(error);
    return -1;
}

/* The function that copyreg has for the class, borrowed; NULL may have an exception
 * set. */
static PyObject *
reduce_registered(struct hasher *h, PyTypeObject *type)
{
    return PyDict_GetItemWithError(h->state->dispatch_table, (PyObject *)type);
}

/* The reduce value as the object gives it: a str or a tuple. NULL: noted as unhashable,
 * or an exception is set. */
static PyObject *
reduce_call(struct hasher *h, PyObject *obj)
{
    PyObject *function = reduce_registered(h, Py_TYPE(obj)), *value = NULL;

    if (function) {
        value = PyObject_CallOneArg(function, obj);
    }
    else if (!PyErr_Occurred()) {
        value = PyObject_CallMethodOneArg(obj, h->state->reduce_name, h->state->four);
    }
    if (!value) {
        (void)reduce_refused(h, obj);
    }
    return value;
}

/* Things without a module (a ufunc) belong to their class's. */
static int
named_expand(PyObject *obj, PyObject *name, struct parts *ret_parts)
{
    PyObject *module;

    if (compat_optional_attribute(obj, "__module__", &module) < 0) {
        return -1;
    }
    if (!module || module == Py_None) {
        Py_XSETREF(module,
                   PyObject_GetAttrString((PyObject *)Py_TYPE(obj), "__module__"));
    }
    ret_parts->tag = TAG_GLOBAL;
    ret_parts->items = module ? global_name(module, name) : NULL;
    Py_XDECREF(module);
    return ret_parts->items ? 0 : -1;
}

static int
reduced_read(struct hasher *h, PyObject *obj, PyObject *value, struct reduced *ret)
{
    PyObject *fields[6];
    Py_ssize_t n = PyTuple_Check(value) ? PyTuple_GET_SIZE(value) : 0;

    if (n < 2 || n > 6 || !PyTuple_Check(PyTuple_GET_ITEM(value, 1))) {
        (void)unhashable(h, obj,
                         "__reduce__ must return a string or a tuple of 2 to 6");
        return -1;
    }
    for (Py_ssize_t i = 0; i < 6; i++) {
        fields[i] = i < n ? PyTuple_GET_ITEM(value, i) : Py_None;
    }
    *ret = (struct reduced){fields[0], fields[1], fields[2],
                            fields[3], fields[4], fields[5]};
    return 0;
}

/* A function that makes objects counts by its name: its code belongs to the library,
 * and differs between versions of Python. New reference. */
static PyObject *
maker_name(PyObject *callable)
{
    PyObject *name;

    if (!PyFunction_Check(callable)) {
        return Py_NewRef(callable);
    }
    name = object_name(callable);
    if (name && name_is_local(PyTuple_GET_ITEM(name, 1))) {
        Py_SETREF(name, Py_NewRef(callable));
    }
    return name;
}

/* set and frozenset reduce to a list in the order of this process. */
static PyObject *
args_of_set(PyObject *args)
{
    PyObject *set, *items;

    if (PyTuple_GET_SIZE(args) != 1 || !PyList_Check(PyTuple_GET_ITEM(args, 0))) {
        return Py_NewRef(args);
    }
    set = PyFrozenSet_New(PyTuple_GET_ITEM(args, 0));
    items = set ? PyTuple_Pack(1, set) : NULL;
    Py_XDECREF(set);
    return items;
}

/* The maker and its arguments in the form without copyreg's helpers; two new
 * references. */
static int
maker_of(struct hasher *h, PyObject *obj, const struct reduced *reduced,
         enum tag *ret_tag, PyObject *ret[2])
{
    Py_ssize_t n = PyTuple_GET_SIZE(reduced->args);
    bool is_new = reduced->callable == h->state->newobj;

    ret[0] = ret[1] = NULL;
    if (n > 0 && (is_new || reduced->callable == h->state->newobj_ex)) {
        *ret_tag = is_new ? TAG_NEW : TAG_NEW_EX;
        ret[0] = Py_NewRef(PyTuple_GET_ITEM(reduced->args, 0));
        ret[1] = PyTuple_GetSlice(reduced->args, 1, n);
    }
    else {
        *ret_tag = TAG_REDUCE;
        ret[0] = maker_name(reduced->callable);
        ret[1] =
            PyAnySet_Check(obj) ? args_of_set(reduced->args) : Py_NewRef(reduced->args);
    }
    return ret[0] && ret[1] ? 0 : -1;
}

static PyObject *
state_of(PyObject *state)
{
    bool is_empty = PyDict_CheckExact(state) && PyDict_GET_SIZE(state) == 0;

    return Py_NewRef(is_empty ? Py_None : state);
}

int
method_is_c(PyTypeObject *type, PyObject *name)
{
    PyObject *method = PyObject_GetAttr((PyObject *)type, name);
    int is_c = method ? Py_IS_TYPE(method, &PyMethodDescr_Type) : -1;

    Py_XDECREF(method);
    return is_c;
}

/* Are the items just what the list or dict inside the object holds? So it is unless a
 * class written in Python reduces by itself. Then the object stands for them (walk.c)
 * and nothing is copied. */
static int
items_are_raw(struct hasher *h, PyObject *obj)
{
    int r = method_is_c(Py_TYPE(obj), h->state->reduce_name);

    return r == 1 ? method_is_c(Py_TYPE(obj), h->state->reduce_old_name) : r;
}

static PyObject *
items_of(struct hasher *h, PyObject *obj, PyObject *items)
{
    int r;

    if (items == Py_None) {
        return Py_NewRef(items);
    }
    r = PyList_Check(obj) ? items_are_raw(h, obj) : 0;
    if (r < 0) {
        return NULL;
    }
    return r ? Py_NewRef(obj) : PySequence_List(items);
}

static PyObject *
pairs_of(struct hasher *h, PyObject *obj, PyObject *pairs)
{
    PyObject *dict;
    int r;

    if (pairs == Py_None) {
        return Py_NewRef(pairs);
    }
    if (PyODict_Check(obj)) {
        return PySequence_List(pairs);
    }
    r = PyDict_Check(obj) ? items_are_raw(h, obj) : 0;
    if (r != 0) {
        return r < 0 ? NULL : Py_NewRef(obj);
    }
    dict = PyDict_New();
    if (dict && PyDict_MergeFromSeq2(dict, pairs, 1) < 0) {
        Py_CLEAR(dict);
    }
    return dict;
}

static int
tuple_expand(struct hasher *h, PyObject *obj, PyObject *value, struct parts *ret_parts)
{
    PyObject *maker[2], *state = NULL, *items = NULL, *pairs = NULL;
    struct reduced reduced;

    if (reduced_read(h, obj, value, &reduced) < 0) {
        return -1;
    }
    if (maker_of(h, obj, &reduced, &ret_parts->tag, maker) == 0) {
        state = state_of(reduced.state);
        items = items_of(h, obj, reduced.items);
        pairs = items ? pairs_of(h, obj, reduced.pairs) : NULL;
    }
    if (pairs) {
        ret_parts->items =
            PyTuple_Pack(6, maker[0], maker[1], state, items, pairs, reduced.setter);
    }
    Py_XDECREF(maker[0]);
    Py_XDECREF(maker[1]);
    Py_XDECREF(state);
    Py_XDECREF(items);
    Py_XDECREF(pairs);
    return ret_parts->items ? 0 : -1;
}

int
reduce_object(struct hasher *h, PyObject *obj, struct parts *ret_parts)
{
    PyObject *value;
    int r;

    ret_parts->items = NULL;
    if (hasher_check_stack_now(h) < 0) {
        return -1;
    }
    value = reduce_call(h, obj);
    if (!value) {
        return -1;
    }
    h->n_visits++;
    r = PyUnicode_Check(value) ? named_expand(obj, value, ret_parts)
                               : tuple_expand(h, obj, value, ret_parts);
    Py_DECREF(value);
    return r;
}
