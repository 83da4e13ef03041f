/* Objects that joblib does not pickle as they are: methods, functions of C, sets,
 * classes. */

#include "pickle/joblib_hash.h"
#include "pickle/pickle_module.h"

/* The stand-in's class, by name the first time. */
static int
save_stand_in_class(struct pickler *p, const char *class_name, Py_ssize_t *number)
{
    PyObject *key;
    int r;

    if (*number >= 0) {
        return save_get(p, *number);
    }
    key = PyUnicode_FromFormat("cjoblib.hashing\n%s\n", class_name);
    if (!key) {
        return -1;
    }
    r = sink_put(&p->sink, PyUnicode_DATA(key), (size_t)PyUnicode_GET_LENGTH(key));
    if (r == 0) {
        *number = p->n_memo;
        r = save_number(p);
    }
    Py_DECREF(key);
    return r;
}

int
joblib_save_stand_in(struct pickler *p, const char *class_name, Py_ssize_t *number,
                     PyObject *name, PyObject *value)
{
    PyObject *attributes = value ? PyDict_New() : NULL;
    int r = -1;

    if (attributes && PyDict_SetItem(attributes, name, value) == 0 &&
        save_stand_in_class(p, class_name, number) == 0 &&
        sink_op(&p->sink, OP_EMPTY_TUPLE) == 0 && sink_op(&p->sink, OP_NEW_OBJ) == 0 &&
        save_number(p) == 0 && work_push_op(p, OP_BUILD) == 0) {
        r = work_push_save(p, attributes);
    }
    Py_XDECREF(attributes);
    Py_XDECREF(value);
    return r;
}

/* --- methods
 * -------------------------------------------------------------------------- */

static PyObject *
method_name(struct core_state *state, PyObject *method)
{
    PyObject *func, *name;
    int found = compat_find_attr(method, state->name_func, &func);

    if (found < 0) {
        return NULL;
    }
    if (found == 0) {
        return PyObject_GetAttr(method, state->name_name);
    }
    name = PyObject_GetAttr(func, state->name_name);
    Py_DECREF(func);
    return name;
}

/* (name, module), (name, None) or (name, object, class). */
static PyObject *
method_parts(struct core_state *state, PyObject *method)
{
    PyObject *name = method_name(state, method);
    PyObject *self = name ? PyObject_GetAttr(method, state->name_self) : NULL;
    PyObject *more = NULL, *parts = NULL;

    if (self && PyModule_CheckExact(self)) {
        more = PyObject_GetAttr(self, state->name_name);
        parts = more ? PyTuple_Pack(2, name, more) : NULL;
    }
    else if (self == Py_None) {
        parts = PyTuple_Pack(2, name, self);
    }
    else if (self) {
        more = PyObject_GetAttr(self, state->name_class);
        parts = more ? PyTuple_Pack(3, name, self, more) : NULL;
    }
    Py_XDECREF(name);
    Py_XDECREF(self);
    Py_XDECREF(more);
    return parts;
}

static int
save_method(struct pickler *p, PyObject *method)
{
    struct joblib_hasher *hasher = p->hook_context;

    return joblib_save_stand_in(p, "_MyHash", &hasher->my_hash_number,
                                p->state->name_args, method_parts(p->state, method));
}

/* --- sets
 * ----------------------------------------------------------------------------- */

/* What joblib's sorting of a set may fail with, and then hashes the elements instead.
 */
static bool
error_is_unordered(void)
{
    PyObject *name, *decimal, *type, *error, *traceback, *invalid;
    bool is_invalid;

    if (PyErr_ExceptionMatches(PyExc_TypeError)) {
        return true;
    }
    PyErr_Fetch(&type, &error, &traceback);
    name = PyUnicode_FromString("decimal");
    decimal = name ? PyImport_GetModule(name) : NULL;
    invalid = decimal ? PyObject_GetAttrString(decimal, "InvalidOperation") : NULL;
    is_invalid = invalid && PyErr_GivenExceptionMatches(type, invalid);
    PyErr_Clear();
    Py_XDECREF(name);
    Py_XDECREF(decimal);
    Py_XDECREF(invalid);
    PyErr_Restore(type, error, traceback);
    return is_invalid;
}

static PyObject *
set_hashes(struct core_state *state, PyObject *set)
{
    PyObject *list = PySequence_List(set);

    for (Py_ssize_t i = 0; list && i < PyList_GET_SIZE(list); i++) {
        PyObject *hash = joblib_hash_part(state, PyList_GET_ITEM(list, i));

        if (!hash || PyList_SetItem(list, i, hash) < 0) {
            Py_CLEAR(list);
        }
    }
    if (list && PyList_Sort(list) < 0) {
        Py_CLEAR(list);
    }
    return list;
}

static PyObject *
set_sequence(struct core_state *state, PyObject *set)
{
    PyObject *list = PySequence_List(set);

    if (!list || PyList_Sort(list) == 0) {
        return list;
    }
    Py_DECREF(list);
    if (!error_is_unordered()) {
        return NULL;
    }
    PyErr_Clear();
    return set_hashes(state, set);
}

int
joblib_save_set(struct pickler *p, PyObject *set)
{
    struct joblib_hasher *hasher = p->hook_context;

    return joblib_save_stand_in(p, "_ConsistentSet", &hasher->consistent_set_number,
                                p->state->name_sequence, set_sequence(p->state, set));
}

/* --- all of them
 * ---------------------------------------------------------------------- */

int
joblib_take(struct pickler *p, PyObject *obj, PyObject **ret_instead)
{
    struct joblib_hasher *hasher = p->hook_context;
    int r;

    if (PyCFunction_Check(obj) || PyMethod_Check(obj)) {
        r = save_method(p, obj);
    }
    else if (PyType_CheckExact(obj)) {
        r = save_global(p, obj, NULL);
    }
    else {
        return joblib_take_numpy(hasher, obj, ret_instead);
    }
    return r < 0 ? -1 : 1;
}
