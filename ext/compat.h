/* Where CPython's versions differ; the only place of the extension that asks for one. */

#ifndef EXT_COMPAT_H
#define EXT_COMPAT_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <structmember.h>

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

/* Look an attribute up that may be missing: 1 and a new reference, 0, or -1. */
static inline int
compat_find_attr(PyObject *object, PyObject *name, PyObject **ret_value)
{
#if PY_VERSION_HEX >= 0x030D0000
    return PyObject_GetOptionalAttr(object, name, ret_value);
#else
    *ret_value = PyObject_GetAttr(object, name);
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

/* A new reference of the dict of a class, or NULL. */
static inline PyObject *
compat_type_dict(PyTypeObject *type)
{
#if PY_VERSION_HEX >= 0x030C0000
    return PyType_GetDict(type);
#else
    return Py_XNewRef(type->tp_dict);
#endif
}

/* The int whose two's complement is the n little-endian bytes at p. */
static inline PyObject *
compat_long_from_le(const void *p, size_t n)
{
#if PY_VERSION_HEX >= 0x030D0000
    return PyLong_FromNativeBytes(p, n, Py_ASNATIVEBYTES_LITTLE_ENDIAN);
#else
    PyObject *method = PyObject_GetAttrString((PyObject *)&PyLong_Type, "from_bytes");
    PyObject *args = Py_BuildValue("(y#s)", (const char *)p, (Py_ssize_t)n, "little");
    PyObject *kwargs = Py_BuildValue("{sO}", "signed", Py_True);
    PyObject *value = method && args && kwargs ? PyObject_Call(method, args, kwargs) : NULL;

    Py_XDECREF(kwargs);
    Py_XDECREF(args);
    Py_XDECREF(method);
    return value;
#endif
}

/* An object of the module's state that is made on first use, perhaps by two threads at once
 * where there is no GIL: the first one stays. compat_slot_set() takes the reference. */
static inline PyObject *
compat_slot_get(PyObject **slot)
{
    return __atomic_load_n(slot, __ATOMIC_ACQUIRE);
}

static inline void
compat_slot_set(PyObject **slot, PyObject *value)
{
    PyObject *none = NULL;

    if (!__atomic_compare_exchange_n(slot, &none, value, 0, __ATOMIC_ACQ_REL,
                                     __ATOMIC_ACQUIRE)) {
        Py_DECREF(value);
    }
}

#endif
