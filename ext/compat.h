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

/* The exception that is set, as one owned object, no longer set. NULL when none is. */
static inline PyObject *
compat_take_exception(void)
{
#if PY_VERSION_HEX >= 0x030C0000
    return PyErr_GetRaisedException();
#else
    PyObject *type, *value, *traceback;

    PyErr_Fetch(&type, &value, &traceback);
    PyErr_NormalizeException(&type, &value, &traceback);
    if (value && traceback) {
        (void)PyException_SetTraceback(value, traceback);
    }
    Py_XDECREF(type);
    Py_XDECREF(traceback);
    return value;
#endif
}

#endif
