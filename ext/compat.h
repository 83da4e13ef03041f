/* Where CPython's versions differ; the only place of the extension that asks for one.
 */

#ifndef EXT_COMPAT_H
#define EXT_COMPAT_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <structmember.h>
#include <time.h>

#if PY_VERSION_HEX < 0x030A0000
#error "cjoblib needs CPython 3.10 or later"
#endif

/* A module slot that older interpreters do not know is left out of the table. */
#if PY_VERSION_HEX >= 0x030C0000
#define COMPAT_SLOT_SUBINTERPRETERS \
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
#else
#define COMPAT_SLOT_SUBINTERPRETERS
#endif

#if PY_VERSION_HEX >= 0x030D0000
#define COMPAT_SLOT_GIL {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#else
#define COMPAT_SLOT_GIL
#endif

/* May the object be met again? `n_known` of its references are accounted for. Without
 * the GIL the count of another thread's object cannot be read. */
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

/* Begin to bring an item into the cache, whose count will be changed. */
static inline void
compat_list_prefetch(PyObject *list, Py_ssize_t at)
{
#ifndef Py_GIL_DISABLED
    if (at < PyList_GET_SIZE(list)) {
        __builtin_prefetch(PyList_GET_ITEM(list, at), 1);
    }
#else
    (void)list;
    (void)at;
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

/* Let a dict of str keep the hashes of its keys from here on. From 3.11 on it does not,
 * which spares 8 bytes an item, but putting an item in then looks into the keys that it
 * collides with, wherever they lie: once the cache does not hold them, that is half of
 * the time. A dict that has had another kind of key keeps all hashes. */
static inline int
compat_dict_keep_hashes(PyObject *dict)
{
#if PY_VERSION_HEX >= 0x030B0000
    PyObject *other = Py_None;
    int found = PyDict_Contains(dict, other);

    if (found != 0) {
        return found < 0 ? -1 : 0;
    }
    return PyDict_SetItem(dict, other, other) < 0 ? -1 : PyDict_DelItem(dict, other);
#else
    (void)dict;
    return 0;
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

/* Until 3.11 the collector runs inside the allocation of a container, and making many
 * of them makes it run often; from 3.12 on it waits for bytecode. Returns what
 * compat_gc_resume() is to be given. Nobody else may run in between. */
static inline int
compat_gc_pause(void)
{
#if PY_VERSION_HEX < 0x030C0000
    return PyGC_Disable();
#else
    return 0;
#endif
}

static inline void
compat_gc_resume(int was_enabled)
{
    if (was_enabled) {
        (void)PyGC_Enable();
    }
}

/* Collect if that is due: until 3.11 the allocation of a container does it. */
static inline void
compat_gc_offer(void)
{
    PyObject *container = PyList_New(0);

    if (!container) {
        PyErr_Clear();
    }
    Py_XDECREF(container);
}

/* PyList_Append() to an exact list that takes the reference, unless it fails. */
static inline int
compat_list_take(PyObject *list, PyObject *item)
{
#ifndef Py_GIL_DISABLED
    Py_ssize_t n = PyList_GET_SIZE(list);

    if (n < ((PyListObject *)list)->allocated) {
        PyList_SET_ITEM(list, n, item);
        Py_SET_SIZE((PyVarObject *)list, n + 1);
        return 0;
    }
#endif
    if (PyList_Append(list, item) < 0) {
        return -1;
    }
    Py_DECREF(item);
    return 0;
}

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

/* The int whose two's complement is the n > 0 little-endian bytes at p. The public
 * function is new in 3.13, where the older one changes. */
static inline PyObject *
compat_long_from_le(const unsigned char *p, size_t n)
{
#if PY_VERSION_HEX >= 0x030D0000
    return PyLong_FromNativeBytes(p, n, Py_ASNATIVEBYTES_LITTLE_ENDIAN);
#else
    return _PyLong_FromByteArray(p, n, 1, 1);
#endif
}

/* At least as many bytes as the int's two's complement takes, or -1. */
static inline Py_ssize_t
compat_long_n_bytes(PyObject *value)
{
#if PY_VERSION_HEX >= 0x030D0000
    return PyLong_AsNativeBytes(value, NULL, 0, Py_ASNATIVEBYTES_LITTLE_ENDIAN);
#else
    size_t n_bits = _PyLong_NumBits(value);

    return n_bits == (size_t)-1 ? -1 : (Py_ssize_t)(n_bits / 8 + 1);
#endif
}

/* The int as n such bytes, little-endian. */
static inline int
compat_long_to_le(PyObject *value, unsigned char *p, Py_ssize_t n)
{
#if PY_VERSION_HEX >= 0x030D0000
    return PyLong_AsNativeBytes(value, p, n, Py_ASNATIVEBYTES_LITTLE_ENDIAN) < 0 ? -1
                                                                                 : 0;
#else
    return _PyLong_AsByteArray((PyLongObject *)value, p, (size_t)n, 1, 1);
#endif
}

/* An object of the module's state that is made on first use, perhaps by two threads at
 * once where there is no GIL: the first one stays. compat_slot_set() takes the
 * reference. */
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

/* The attribute, or NULL without an exception when there is none: 0; -1 for errors. */
static inline int
compat_optional_attribute_of(PyObject *obj, PyObject *name, PyObject **ret_value)
{
    return compat_find_attr(obj, name, ret_value) < 0 ? -1 : 0;
}

static inline int
compat_optional_attribute(PyObject *obj, const char *name, PyObject **ret_value)
{
    PyObject *text = PyUnicode_InternFromString(name);
    int r = text ? compat_optional_attribute_of(obj, text, ret_value) : -1;

    Py_XDECREF(text);
    return r;
}

/* What pickle.DEFAULT_PROTOCOL is. */
#if PY_VERSION_HEX >= 0x030E0000
#define COMPAT_PICKLE_PROTOCOL 5
#else
#define COMPAT_PICKLE_PROTOCOL 4
#endif

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
compat_dict_next(PyObject *dict, Py_ssize_t *at, PyObject **ret_key,
                 PyObject **ret_value)
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

/* Nanoseconds of a clock that never steps back; CPython's own is public from 3.13 on.
 */
static inline int64_t
compat_monotonic_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

#endif
