/* BUILD: give an object its state.
 *
 *     obj.__setstate__(state)                                     when it has one, else
 *     state is a dict or (dict or None, slots)
 *     obj.__dict__[k] = v for the dict, setattr(obj, k, v) for the slots
 *
 * For instances of plain Python classes both the search for __setstate__ and the dict
 * can be spared: a class whose bases (but object) are Python classes, none of which
 * names
 * __setstate__, has none; and where no base has a data descriptor of the key's name,
 * setting the attribute is what the item of the dict would be, and lets the interpreter
 * keep the values in the instance. */

#include "pickle/load_args.h"
#include "pickle/load_ops.h"

/* Beyond, looking through all the bases costs more than it spares. */
#define BUILD_PLAIN_BASES 3
#define BUILD_USUAL_BASES 10

/* Whether one of the bases says `name`; *ret_value is borrowed. -1 with an exception.
 */
static int
bases_find(PyTypeObject *type, PyObject *name, PyObject **ret_value)
{
    PyObject *mro = type->tp_mro;

    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(mro) - 1; i++) {
        PyObject *dict = compat_type_dict((PyTypeObject *)PyTuple_GET_ITEM(mro, i));
        PyObject *value = dict ? PyDict_GetItemWithError(dict, name) : NULL;

        Py_XDECREF(dict);
        if (value) {
            *ret_value = value;
            return 1;
        }
        if (PyErr_Occurred()) {
            return -1;
        }
    }
    return 0;
}

/* Whether all the classes of `mro` but object are written in Python (or like those). */
static int
bases_are_plain(PyObject *mro, Py_ssize_t n)
{
    for (Py_ssize_t i = 0; i < n - 1; i++) {
        PyTypeObject *base = (PyTypeObject *)PyTuple_GET_ITEM(mro, i);

        if (!PyType_HasFeature(base, Py_TPFLAGS_HEAPTYPE) || base->tp_itemsize) {
            return 0;
        }
    }
    return (PyTypeObject *)PyTuple_GET_ITEM(mro, n - 1) == &PyBaseObject_Type;
}

/* Whether `object` is an instance of plain Python classes, that does all the usual way;
 * -1 with an exception. */
static int
object_is_plain(struct unpickler *unpickler, PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    Py_ssize_t n = PyTuple_GET_SIZE(type->tp_mro);
    PyObject *dict_getter;
    int r;

    if (type->tp_getattro != PyObject_GenericGetAttr || n > BUILD_PLAIN_BASES ||
        type->tp_setattro != PyObject_GenericSetAttr || type->tp_dictoffset == 0) {
        return 0;
    }
    if (!bases_are_plain(type->tp_mro, n)) {
        return 0;
    }
    /* A class may have a property of that name. */
    r = bases_find(type, unpickler->state->str_dict, &dict_getter);
    return r <= 0 ? r : Py_IS_TYPE(dict_getter, &PyGetSetDescr_Type);
}

/* Keys in two underscores have meanings of their own. */
static int
key_is_special(PyObject *key)
{
    return PyUnicode_GET_LENGTH(key) > 1 && PyUnicode_READ_CHAR(key, 0) == '_' &&
           PyUnicode_READ_CHAR(key, 1) == '_';
}

/* Whether setting the attribute `key` is setting the item of the dict. */
static int
key_is_plain(PyObject *object, PyObject *key)
{
    PyObject *value;
    int r;

    if (!PyUnicode_CheckExact(key) || key_is_special(key)) {
        return 0;
    }
    r = bases_find(Py_TYPE(object), key, &value);
    if (r > 0) {
        return Py_TYPE(value)->tp_descr_set == NULL;
    }
    return r < 0 ? -1 : 1;
}

static int
dict_find(struct unpickler *unpickler, PyObject *object, PyObject **ret_dict)
{
    *ret_dict = PyObject_GetAttr(object, unpickler->state->str_dict);
    return *ret_dict ? 0 : -1;
}

/* object.__dict__[key] = value; *dict is got when it is first needed. */
static int
dict_set_unpaused(struct unpickler *unpickler, PyObject *object, PyObject **dict,
                  PyObject *key, PyObject *value)
{
    if (PyUnicode_CheckExact(key) &&
        PyUnicode_Compare(key, unpickler->state->str_setstate) == 0) {
        unpickler->has_odd_state = 1;
    }
    if (!*dict && dict_find(unpickler, object, dict) < 0) {
        return -1;
    }
    return PyObject_SetItem(*dict, key, value);
}

static int
dict_set(struct unpickler *unpickler, PyObject *object, PyObject **dict, PyObject *key,
         PyObject *value)
{
    int r;

    unpickler_leave_loop(unpickler);
    r = dict_set_unpaused(unpickler, object, dict, key, value);
    unpickler_enter_loop(unpickler);
    return r;
}

static int
state_set_one(struct unpickler *unpickler, PyObject *object, PyObject **dict,
              PyObject *key, PyObject *value, int is_plain)
{
    if (is_plain) {
        is_plain = key_is_plain(object, key);
    }
    if (is_plain < 0) {
        return -1;
    }
    if (is_plain) {
        return PyObject_GenericSetAttr(object, key, value);
    }
    return dict_set(unpickler, object, dict, key, value);
}

/* Attribute names are interned: instances share them, and lookups compare pointers. */
static int
state_set(struct unpickler *unpickler, PyObject *object, PyObject *state, int is_plain)
{
    PyObject *dict = NULL, *key, *value;
    Py_ssize_t at = 0;
    int r = 0;

    if (!is_plain && PyDict_GET_SIZE(state) == 0) {
        r = dict_find(unpickler, object, &dict);
    }
    while (r == 0 && PyDict_Next(state, &at, &key, &value)) {
        Py_INCREF(key);
        Py_INCREF(value);
        if (PyUnicode_CheckExact(key)) {
            PyUnicode_InternInPlace(&key);
        }
        r = state_set_one(unpickler, object, &dict, key, value, is_plain);
        Py_DECREF(key);
        Py_DECREF(value);
    }
    Py_XDECREF(dict);
    return r;
}

static int
slots_set(struct unpickler *unpickler, PyObject *object, PyObject *slots)
{
    PyObject *key, *value;
    Py_ssize_t at = 0;
    int r = 0;

    unpickler_leave_loop(unpickler);
    while (r == 0 && PyDict_Next(slots, &at, &key, &value)) {
        Py_INCREF(key);
        Py_INCREF(value);
        r = PyObject_SetAttr(object, key, value);
        Py_DECREF(key);
        Py_DECREF(value);
    }
    unpickler_enter_loop(unpickler);
    return r;
}

static int
build_without_setstate(struct unpickler *unpickler, PyObject *object, PyObject *state,
                       int is_plain)
{
    PyObject *slots = Py_None;

    if (PyTuple_Check(state) && PyTuple_GET_SIZE(state) == 2) {
        slots = PyTuple_GET_ITEM(state, 1);
        state = PyTuple_GET_ITEM(state, 0);
    }
    if (state != Py_None && !PyDict_Check(state)) {
        return unpickler_refuse(unpickler, "state is not a dictionary");
    }
    if (slots != Py_None && !PyDict_Check(slots)) {
        return unpickler_refuse(unpickler, "slot state is not a dictionary");
    }
    if (state != Py_None && state_set(unpickler, object, state, is_plain) < 0) {
        return -1;
    }
    return slots == Py_None ? 0 : slots_set(unpickler, object, slots);
}

/* Whether attributes are searched in the usual way, among few classes. */
static int
object_is_usual(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);

    return type->tp_getattro == PyObject_GenericGetAttr &&
           PyTuple_GET_SIZE(type->tp_mro) <= BUILD_USUAL_BASES;
}

/* 1 and a new reference of the bound __setstate__, 0 or -1. Not finding it by asking
 * the object costs an exception. */
static int
find_setstate(struct unpickler *unpickler, PyObject *object, PyObject **ret_method)
{
    PyObject *value;
    int r;

    if (!unpickler->has_odd_state && object_is_usual(object)) {
        r = bases_find(Py_TYPE(object), unpickler->state->str_setstate, &value);

        if (r <= 0) {
            return r;
        }
    }
    unpickler_leave_loop(unpickler);
    r = compat_find_attr(object, unpickler->state->str_setstate, ret_method);
    unpickler_enter_loop(unpickler);
    return r;
}

static int
build(struct unpickler *unpickler, PyObject *object, PyObject *state)
{
    PyObject *setstate, *result;
    int r = find_setstate(unpickler, object, &setstate);

    if (r < 0) {
        return -1;
    }
    if (r == 0) {
        r = unpickler->has_odd_state ? 0 : object_is_plain(unpickler, object);
        return r < 0 ? -1 : build_without_setstate(unpickler, object, state, r);
    }
    unpickler_leave_loop(unpickler);
    result = PyObject_CallOneArg(setstate, state);
    Py_DECREF(setstate);
    unpickler_enter_loop(unpickler);
    Py_XDECREF(result);
    return result ? 0 : -1;
}

/* Under a policy a stream does not change what it has not made. */
static int
check_build(struct unpickler *unpickler, PyObject *object)
{
    if (!unpickler->policy.patterns) {
        return 0;
    }
    if (PyType_Check(object) || PyModule_Check(object) || PyFunction_Check(object) ||
        find_policy_knows(&unpickler->policy, object)) {
        return PyErr_Occurred()
                   ? -1
                   : unpickler_refuse(unpickler, "changing a %.100s is not allowed",
                                      Py_TYPE(object)->tp_name);
    }
    return 0;
}

int
load_build(struct unpickler *unpickler)
{
    PyObject *state, **object;
    int r;

    if (load_need(unpickler, 2) < 0) {
        return -1;
    }
    state = load_pop_value(unpickler);
    object = unpickler->stack.top - 1;
    r = check_build(unpickler, *object);
    if (r == 0) {
        r = build(unpickler, *object, state);
    }
    Py_DECREF(state);
    if (r == 0 && unpickler->hooks && unpickler->hooks->built) {
        unpickler_leave_loop(unpickler);
        r = unpickler->hooks->built(unpickler, object);
        unpickler_enter_loop(unpickler);
    }
    return r;
}
