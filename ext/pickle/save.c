/* Dispatch on the exact type, and the memo's opcodes. */

#include "pickle/pickler.h"

#include <stdio.h>

#include "pickle/pickle_module.h"

int
save_get(struct pickler *p, Py_ssize_t number)
{
    char *at = sink_room(&p->sink, 32);

    if (!at) {
        return -1;
    }
    if (!p->is_binary) {
        p->sink.at += sprintf(at, "g%zd\n", number);
    }
    else if (number < 256) {
        at[0] = (char)OP_BIN_GET;
        at[1] = (char)number;
        p->sink.at += 2;
    }
    else {
        at[0] = (char)OP_LONG_BIN_GET;
        put_u32(at + 1, (uint32_t)number);
        p->sink.at += 5;
    }
    return 0;
}

static int
save_put(struct pickler *p, Py_ssize_t number)
{
    char *at = sink_room(&p->sink, 32);

    if (!at) {
        return -1;
    }
    if (p->protocol >= 4) {
        *at = (char)OP_MEMOIZE;
        p->sink.at += 1;
    }
    else if (!p->is_binary) {
        p->sink.at += sprintf(at, "p%zd\n", number);
    }
    else if (number < 256) {
        at[0] = (char)OP_BIN_PUT;
        at[1] = (char)number;
        p->sink.at += 2;
    }
    else {
        at[0] = (char)OP_LONG_BIN_PUT;
        put_u32(at + 1, (uint32_t)number);
        p->sink.at += 5;
    }
    return 0;
}

int
save_number(struct pickler *p)
{
    return save_put(p, p->n_memo++);
}

/* An object that nobody but its container holds will not be met again by itself. Hooks
 * of other objects may still dig it out, and then it is written twice: for an immutable
 * object that is a matter of size alone, so only those are left out. Numbers given out
 * are kept within 32 bits, like the opcodes that name them. */
static bool
memo_leaves_out(const struct pickler *p, PyObject *obj)
{
    if (p->memo_policy == MEMO_IMMUTABLE) {
        return compat_has_one_owner(obj) &&
               (PyUnicode_CheckExact(obj) || PyTuple_CheckExact(obj) ||
                PyBytes_CheckExact(obj));
    }
    return p->memo_policy == MEMO_NO_TEXT &&
           (PyUnicode_Check(obj) || PyBytes_Check(obj));
}

int
save_end_sparing(struct pickler *p)
{
    p->spares_memo = false;
    if (p->n_spared == 0) {
        return 0;
    }
    p->needs_entries = true;
    PyErr_SetString(PyExc_RuntimeError,
                    "an object that was left out of the memo is needed");
    return -1;
}

int
save_memoize(struct pickler *p, PyObject *obj)
{
    Py_ssize_t number = p->n_memo;

    if (p->is_fast || memo_leaves_out(p, obj)) {
        return 0;
    }
    if (number > UINT32_MAX) {
        PyErr_SetString(PyExc_OverflowError, "too many objects for one pickle");
        return -1;
    }
    if (p->spares_memo && compat_has_one_owner(obj)) {
        p->n_spared++;
    }
    else if (memo_add(&p->memo, obj, number) < 0) {
        return -1;
    }
    p->n_memo++;
    return save_put(p, number);
}

int
save_met(struct pickler *p, PyObject *obj)
{
    Py_ssize_t number = memo_find(&p->memo, obj);

    if (number < 0) {
        return 0;
    }
    return save_get(p, number) < 0 ? -1 : 1;
}

/* Types whose values the memo knows. 1: saved or begun, 0: another type, -1. */
static int
save_builtin(struct pickler *p, PyObject *obj)
{
    PyTypeObject *type = Py_TYPE(obj);
    int r;

    if (type == &PyDict_Type) {
        r = save_dict(p, obj);
    }
    else if (type == &PyList_Type) {
        r = save_list(p, obj);
    }
    else if (type == &PyTuple_Type) {
        r = save_tuple(p, obj);
    }
    else if (type == &PySet_Type) {
        r = p->hooks && p->hooks->save_set ? p->hooks->save_set(p, obj)
                                           : save_set(p, obj);
    }
    else if (type == &PyFrozenSet_Type) {
        r = save_frozenset(p, obj);
    }
    else if (type == &PyByteArray_Type) {
        r = save_bytearray(p, obj);
    }
    else if (type == &PyPickleBuffer_Type) {
        r = save_buffer(p, obj);
    }
    else {
        return 0;
    }
    return r < 0 ? -1 : 1;
}

static int
save_container(struct pickler *p, PyObject *obj)
{
    int r = save_met(p, obj);

    if (r == 0) {
        r = save_builtin(p, obj);
    }
    if (r == 0) {
        r = save_other(p, obj);
    }
    return r < 0 ? -1 : 0;
}

int
save_known(struct pickler *p, PyObject *obj)
{
    PyTypeObject *type = Py_TYPE(obj);

    if (type == &PyUnicode_Type) {
        return save_str(p, obj);
    }
    if (type == &PyLong_Type) {
        return save_int(p, obj);
    }
    if (obj == Py_None) {
        return sink_op(&p->sink, OP_NONE);
    }
    if (type == &PyFloat_Type) {
        return save_float(p, obj);
    }
    if (type == &PyBool_Type) {
        return save_bool(p, obj);
    }
    if (type == &PyBytes_Type) {
        return save_bytes(p, obj);
    }
    return save_container(p, obj);
}

static int
save_persistent_text(struct pickler *p, PyObject *id)
{
    PyObject *text = PyObject_Str(id);
    PyObject *line = NULL;
    int r = -1;

    if (text && !PyUnicode_IS_ASCII(text)) {
        (void)pickle_error(p->state,
                           "persistent IDs in protocol 0 must be ASCII strings");
    }
    else if (text) {
        line = PyUnicode_FromFormat("P%U\n", text);
    }
    if (line) {
        r = sink_put(&p->sink, PyUnicode_DATA(line),
                     (size_t)PyUnicode_GET_LENGTH(line));
    }
    Py_XDECREF(text);
    Py_XDECREF(line);
    return r;
}

/* 1: persistent_id() has named the object, 0: it has not, -1. */
static int
save_persistent(struct pickler *p, PyObject *obj)
{
    PyObject *id = PyObject_CallOneArg(p->persistent_id, obj);
    int r;

    if (!id || id == Py_None) {
        Py_XDECREF(id);
        return id ? 0 : -1;
    }
    if (!p->is_binary) {
        r = save_persistent_text(p, id);
    }
    else {
        r = work_push_op(p, OP_BIN_PERSID) < 0 ? -1 : save_known(p, id);
    }
    Py_DECREF(id);
    return r < 0 ? -1 : 1;
}

int
save(struct pickler *p, PyObject *obj)
{
    if (p->persistent_id) {
        int r = save_persistent(p, obj);

        if (r != 0) {
            return r < 0 ? -1 : 0;
        }
    }
    return save_known(p, obj);
}
