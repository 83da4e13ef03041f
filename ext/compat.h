/* Where CPython's versions differ; the only place of the extension that asks for one. */

#ifndef EXT_COMPAT_H
#define EXT_COMPAT_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#if PY_VERSION_HEX < 0x030A0000
#error "cjoblib needs CPython 3.10 or later"
#endif

/* A module slot that older interpreters do not know is left out of the table. */
#if PY_VERSION_HEX >= 0x030C0000
#define COMPAT_SLOT_SUBINTERPRETERS                                                      \
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
#else
#define COMPAT_SLOT_SUBINTERPRETERS
#endif

#if PY_VERSION_HEX >= 0x030D0000
#define COMPAT_SLOT_GIL {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#else
#define COMPAT_SLOT_GIL
#endif

/* What pickle.DEFAULT_PROTOCOL is. */
#if PY_VERSION_HEX >= 0x030E0000
#define COMPAT_PICKLE_PROTOCOL 5
#else
#define COMPAT_PICKLE_PROTOCOL 4
#endif

/* The attribute `name` of `obj`: 1 and a new reference, 0 when there is none, -1 error. */
static inline int
compat_find_attr(PyObject *obj, PyObject *name, PyObject **ret_value)
{
#if PY_VERSION_HEX >= 0x030D0000
    return PyObject_GetOptionalAttr(obj, name, ret_value);
#else
    *ret_value = PyObject_GetAttr(obj, name);
    if (*ret_value) {
        return 1;
    }
    if (!PyErr_ExceptionMatches(PyExc_AttributeError)) {
        return -1;
    }
    PyErr_Clear();
    return 0;
#endif
}

/* A new reference to the value under `key`: 1 found, 0 not there, -1 error. */
static inline int
compat_dict_find(PyObject *dict, PyObject *key, PyObject **ret_value)
{
#if PY_VERSION_HEX >= 0x030D0000
    return PyDict_GetItemRef(dict, key, ret_value);
#else
    *ret_value = PyDict_GetItemWithError(dict, key);
    Py_XINCREF(*ret_value);
    return *ret_value ? 1 : PyErr_Occurred() ? -1 : 0;
#endif
}

/* PyDict_Next() that hands out new references. */
static inline int
compat_dict_next(PyObject *dict, Py_ssize_t *at, PyObject **ret_key, PyObject **ret_value)
{
    int found;

#ifdef Py_GIL_DISABLED
    Py_BEGIN_CRITICAL_SECTION(dict);
#endif
    found = PyDict_Next(dict, at, ret_key, ret_value);
    if (found) {
        Py_INCREF(*ret_key);
        Py_INCREF(*ret_value);
    }
#ifdef Py_GIL_DISABLED
    Py_END_CRITICAL_SECTION();
#endif
    return found;
}

/* A new reference to an item; NULL, without an exception, when the list is shorter. */
static inline PyObject *
compat_list_item(PyObject *list, Py_ssize_t at)
{
#ifdef Py_GIL_DISABLED
    PyObject *item = PyList_GetItemRef(list, at);

    if (!item) {
        PyErr_Clear();
    }
    return item;
#else
    if (at >= PyList_GET_SIZE(list)) {
        return NULL;
    }
    return Py_NewRef(PyList_GET_ITEM(list, at));
#endif
}

/* Whether at most one owner holds `obj` besides the caller, who holds one reference.
 * Where counts are split between threads the answer is always no. */
static inline int
compat_has_one_owner(PyObject *obj)
{
#ifdef Py_GIL_DISABLED
    (void)obj;
    return 0;
#else
    return Py_REFCNT(obj) <= 2;
#endif
}

/* Put `value` there and hand out what was there, in one step for all threads. */
static inline PyObject *
compat_exchange(PyObject **place, PyObject *value)
{
#ifdef Py_GIL_DISABLED
    return __atomic_exchange_n(place, value, __ATOMIC_ACQ_REL);
#else
    PyObject *old = *place;

    *place = value;
    return old;
#endif
}

/* The characters of `text` can be read; older interpreters make them on demand. */
static inline int
compat_str_ready(PyObject *text)
{
#if PY_VERSION_HEX < 0x030C0000
    return PyUnicode_READY(text);
#else
    (void)text;
    return 0;
#endif
}

#endif
