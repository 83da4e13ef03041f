/* What reduce functions return: PEP 307's tuple, and how to rebuild an object from it.
 */

#include "pickle/pickle_module.h"
#include "pickle/pickler.h"

/* Borrowed from the tuple; None has become NULL. */
struct reduction {
    PyObject *func;
    PyObject *args;
    PyObject *state;
    PyObject *list_items;
    PyObject *dict_items;
    PyObject *setter;
};

enum construction { CONSTRUCT_CALL, CONSTRUCT_NEW, CONSTRUCT_NEW_EX };

static PyObject *
reduction_item(PyObject *value, Py_ssize_t i)
{
    PyObject *item = i < PyTuple_GET_SIZE(value) ? PyTuple_GET_ITEM(value, i) : NULL;

    return item == Py_None ? NULL : item;
}

static int
reduction_check_items(struct core_state *state, const struct reduction *r)
{
    if (r->list_items && !PyIter_Check(r->list_items)) {
        return pickle_error(state,
                            "fourth element of the tuple returned by __reduce__ must "
                            "be an iterator, not %.200s",
                            Py_TYPE(r->list_items)->tp_name);
    }
    if (r->dict_items && !PyIter_Check(r->dict_items)) {
        return pickle_error(state,
                            "fifth element of the tuple returned by __reduce__ must "
                            "be an iterator, not %.200s",
                            Py_TYPE(r->dict_items)->tp_name);
    }
    return 0;
}

static int
reduction_check(struct core_state *state, const struct reduction *r)
{
    if (!r->func || !PyCallable_Check(r->func)) {
        return pickle_error(state,
                            "first item of the tuple returned by __reduce__ must be "
                            "callable, not %.200s",
                            r->func ? Py_TYPE(r->func)->tp_name : "NoneType");
    }
    if (!r->args || !PyTuple_Check(r->args)) {
        return pickle_error(state,
                            "second item of the tuple returned by __reduce__ must be "
                            "a tuple, not %.200s",
                            r->args ? Py_TYPE(r->args)->tp_name : "NoneType");
    }
    if (r->setter && !PyCallable_Check(r->setter)) {
        return pickle_error(state,
                            "sixth element of the tuple returned by __reduce__ must "
                            "be a function, not %.200s",
                            Py_TYPE(r->setter)->tp_name);
    }
    return 0;
}

static int
reduction_init(struct pickler *p, PyObject *value, struct reduction *ret)
{
    struct core_state *state = p->state;
    Py_ssize_t n = PyTuple_GET_SIZE(value);

    if (n < 2 || n > 6) {
        return pickle_error(state,
                            "tuple returned by __reduce__ must contain 2 through 6 "
                            "elements");
    }
    ret->func = reduction_item(value, 0);
    ret->args = reduction_item(value, 1);
    ret->state = reduction_item(value, 2);
    ret->list_items = reduction_item(value, 3);
    ret->dict_items = reduction_item(value, 4);
    ret->setter = reduction_item(value, 5);
    if (reduction_check(state, ret) < 0) {
        return -1;
    }
    return p->hooks && p->hooks->takes_iterables ? 0
                                                 : reduction_check_items(state, ret);
}

static int
reduction_construction(struct pickler *p, PyObject *func, enum construction *ret)
{
    PyObject *name;
    int found;

    *ret = CONSTRUCT_CALL;
    if (p->protocol < 2) {
        return 0;
    }
    found = compat_find_attr(func, p->state->name_name, &name);
    if (found != 1) {
        return found;
    }
    if (PyUnicode_Check(name)) {
        if (PyUnicode_Compare(name, p->state->name_newobj) == 0) {
            *ret = CONSTRUCT_NEW;
        }
        else if (PyUnicode_Compare(name, p->state->name_newobj_ex) == 0) {
            *ret = CONSTRUCT_NEW_EX;
        }
    }
    Py_DECREF(name);
    return 0;
}

/* The class that a __newobj__ names must be able to make `obj`, and be its own. */
static int
new_check_class(struct core_state *state, PyObject *cls, PyObject *obj,
                const char *what)
{
    PyObject *attr;
    int found = compat_find_attr(cls, state->name_new, &attr);

    if (found < 1) {
        return found < 0
                   ? -1
                   : pickle_error(state, "args[0] from %s args has no __new__", what);
    }
    Py_DECREF(attr);
    if (!obj) {
        return 0;
    }
    found = compat_find_attr(obj, state->name_class, &attr);
    if (found < 1) {
        return found < 0 ? -1 : pickle_error(state, "%R has no __class__", cls);
    }
    Py_DECREF(attr);
    return attr == cls
               ? 0
               : pickle_error(state, "args[0] from %s args has the wrong class", what);
}

static int
construct_new(struct pickler *p, PyObject *args, PyObject *obj)
{
    PyObject *cls, *rest;
    int r;

    if (PyTuple_GET_SIZE(args) < 1) {
        return pickle_error(p->state, "__newobj__ arglist is empty");
    }
    cls = PyTuple_GET_ITEM(args, 0);
    if (new_check_class(p->state, cls, obj, "__newobj__") < 0) {
        return -1;
    }
    rest = PyTuple_GetSlice(args, 1, PyTuple_GET_SIZE(args));
    if (!rest) {
        return -1;
    }
    r = work_push_op(p, OP_NEW_OBJ) < 0 || work_push_save(p, rest) < 0 ? -1
                                                                       : save(p, cls);
    Py_DECREF(rest);
    return r;
}

/* partial(cls.__new__, cls, *args, **kwargs), to be called with nothing. */
static PyObject *
new_partial(struct core_state *state, PyObject *cls, PyObject *args, PyObject *kwargs)
{
    PyObject *partial = pickle_import(&state->pickle_partial, "functools", "partial");
    PyObject *new = partial ? PyObject_GetAttr(cls, state->name_new) : NULL;
    PyObject *head = new ? PyTuple_Pack(2, new, cls) : NULL;
    PyObject *all = head ? PySequence_Concat(head, args) : NULL;
    PyObject *call = all ? PyObject_Call(partial, all, kwargs) : NULL;

    Py_XDECREF(new);
    Py_XDECREF(head);
    Py_XDECREF(all);
    return call;
}

static int
construct_partial(struct pickler *p, PyObject *cls, PyObject *args, PyObject *kwargs)
{
    PyObject *call = new_partial(p->state, cls, args, kwargs);
    PyObject *nothing = call ? PyTuple_New(0) : NULL;
    int r = -1;

    if (nothing && work_push_op(p, OP_REDUCE) == 0 && work_push_save(p, nothing) == 0) {
        r = save(p, call);
    }
    Py_XDECREF(call);
    Py_XDECREF(nothing);
    return r;
}

static int
construct_new_ex(struct pickler *p, PyObject *args, PyObject *obj)
{
    PyObject *cls, *positional, *named;

    if (PyTuple_GET_SIZE(args) != 3) {
        return pickle_error(p->state,
                            "length of the NEWOBJ_EX argument tuple must be exactly 3, "
                            "not %zd",
                            PyTuple_GET_SIZE(args));
    }
    cls = PyTuple_GET_ITEM(args, 0);
    positional = PyTuple_GET_ITEM(args, 1);
    named = PyTuple_GET_ITEM(args, 2);
    if (new_check_class(p->state, cls, obj, "__newobj_ex__") < 0) {
        return -1;
    }
    if (!PyTuple_Check(positional) || !PyDict_Check(named)) {
        return pickle_error(p->state,
                            "__newobj_ex__ takes a tuple and a dict, not %.200s "
                            "and %.200s",
                            Py_TYPE(positional)->tp_name, Py_TYPE(named)->tp_name);
    }
    if (p->protocol < 4) {
        return construct_partial(p, cls, positional, named);
    }
    if (work_push_op(p, OP_NEW_OBJ_EX) < 0 || work_push_save(p, named) < 0 ||
        work_push_save(p, positional) < 0) {
        return -1;
    }
    return save(p, cls);
}

static int
construct_call(struct pickler *p, PyObject *func, PyObject *args)
{
    if (work_push_op(p, OP_REDUCE) < 0 || work_push_save(p, args) < 0) {
        return -1;
    }
    return save(p, func);
}

static int
construct(struct pickler *p, const struct reduction *r, PyObject *obj)
{
    enum construction how;

    if (reduction_construction(p, r->func, &how) < 0) {
        return -1;
    }
    switch (how) {
    case CONSTRUCT_NEW:
        return construct_new(p, r->args, obj);
    case CONSTRUCT_NEW_EX:
        return construct_new_ex(p, r->args, obj);
    default:
        return construct_call(p, r->func, r->args);
    }
}

/* setter(obj, state), whose result is dropped; or BUILD. */
static int
push_state(struct pickler *p, const struct reduction *r, PyObject *obj)
{
    if (!r->setter) {
        return work_push_op(p, OP_BUILD) < 0 ? -1 : work_push_save(p, r->state);
    }
    if (work_push_op(p, OP_POP) < 0 || work_push_op(p, OP_REDUCE) < 0 ||
        work_push_op(p, OP_TUPLE2) < 0 || work_push_save(p, r->state) < 0 ||
        work_push_save(p, obj) < 0) {
        return -1;
    }
    return work_push_save(p, r->setter);
}

static int
push_list_items(struct pickler *p, PyObject *items)
{
    PyObject *iterator = PyObject_GetIter(items);
    int r = iterator ? save_list_items(p, iterator) : -1;

    Py_XDECREF(iterator);
    return r;
}

static int
push_items(struct pickler *p, const struct reduction *r)
{
    if (r->dict_items) {
        int done = p->hooks && p->hooks->save_items
                       ? p->hooks->save_items(p, r->dict_items, false)
                       : save_dict_items(p, r->dict_items);

        if (done < 0) {
            return -1;
        }
    }
    return r->list_items ? push_list_items(p, r->list_items) : 0;
}

int
save_reduce_tuple(struct pickler *p, PyObject *value, PyObject *obj)
{
    struct reduction r = {NULL, NULL, NULL, NULL, NULL, NULL};

    /* Pushed in reverse: construct, memoize, fill, set the state. */
    if (reduction_init(p, value, &r) < 0 || (r.state && push_state(p, &r, obj) < 0) ||
        push_items(p, &r) < 0 || work_push_memo(p, obj) < 0) {
        return -1;
    }
    return construct(p, &r, obj);
}

int
save_call(struct pickler *p, PyObject *func, PyObject *args, PyObject *obj)
{
    int r = -1;

    if (args && work_push_memo(p, obj) == 0) {
        r = construct_call(p, func, args);
    }
    Py_XDECREF(args);
    return r;
}
