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

/* May the object be met again? `n_known` of its references are accounted for. Without the
 * GIL the count of another thread's object cannot be read. */
static inline int
compat_is_shared(PyObject *obj, Py_ssize_t n_known)
{
#ifdef Py_GIL_DISABLED
    (void)obj;
    (void)n_known;
    return 1;
#else
    return Py_REFCNT(obj) > n_known;
#endif
}

/* The item as a new reference, or NULL without an exception past the end. */
static inline PyObject *
compat_list_item(PyObject *list, Py_ssize_t at)
{
#if PY_VERSION_HEX >= 0x030D0000
    PyObject *item = at < PyList_GET_SIZE(list) ? PyList_GetItemRef(list, at) : NULL;

    if (!item) {
        PyErr_Clear();
    }
    return item;
#else
    return at < PyList_GET_SIZE(list) ? Py_NewRef(PyList_GET_ITEM(list, at)) : NULL;
#endif
}

/* A dict to walk with PyDict_Next(): itself under the GIL, otherwise a copy. */
static inline PyObject *
compat_dict_for_walk(PyObject *dict)
{
#ifdef Py_GIL_DISABLED
    return PyDict_Copy(dict);
#else
    return Py_NewRef(dict);
#endif
}

/* The class's own members; a new reference. */
static inline PyObject *
compat_type_dict(PyTypeObject *type)
{
#if PY_VERSION_HEX >= 0x030C0000
    return PyType_GetDict(type);
#else
    return Py_NewRef(type->tp_dict);
#endif
}

/* Old strings are laid out on first use. */
static inline int
compat_str_ready(PyObject *text)
{
#if PY_VERSION_HEX >= 0x030C0000
    (void)text;
    return 0;
#else
    return PyUnicode_READY(text);
#endif
}

/* The exception that is set, which is then no longer; a new reference. */
static inline PyObject *
compat_take_exception(void)
{
#if PY_VERSION_HEX >= 0x030C0000
    return PyErr_GetRaisedException();
#else
    PyObject *type, *value, *trace;

    PyErr_Fetch(&type, &value, &trace);
    PyErr_NormalizeException(&type, &value, &trace);
    Py_XDECREF(type);
    Py_XDECREF(trace);
    return value;
#endif
}

/* The attribute, or NULL without an exception when there is none; -1 for other errors. */
static inline int
compat_optional_attribute_of(PyObject *obj, PyObject *name, PyObject **ret_value)
{
#if PY_VERSION_HEX >= 0x030D0000
    return PyObject_GetOptionalAttr(obj, name, ret_value) < 0 ? -1 : 0;
#else
    *ret_value = PyObject_GetAttr(obj, name);
    if (*ret_value || !PyErr_ExceptionMatches(PyExc_AttributeError)) {
        return *ret_value ? 0 : -1;
    }
    PyErr_Clear();
    return 0;
#endif
}

static inline int
compat_optional_attribute(PyObject *obj, const char *name, PyObject **ret_value)
{
    PyObject *text = PyUnicode_InternFromString(name);
    int r = text ? compat_optional_attribute_of(obj, text, ret_value) : -1;

    Py_XDECREF(text);
    return r;
}

#endif
