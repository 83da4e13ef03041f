/* Objects that say what stands for them: `__cjoblib_hash__` of their class, or a
 * function registered for it. The most derived class decides; registered before its own
 * method. */

#include <string.h>

#include "hash/hasher.h"

/* Most classes are known by name to nobody: their bare name says so at once. 1, 0, or
 * -1. */
static int
name_is_registered(struct core_state *state, PyTypeObject *type)
{
    const char *dot = strrchr(type->tp_name, '.');
    PyObject *name;
    int r;

    if (PyType_HasFeature(type, Py_TPFLAGS_HEAPTYPE)) {
        return PyDict_Contains(state->hasher_names,
                               ((PyHeapTypeObject *)type)->ht_name);
    }
    name = PyUnicode_FromString(dot ? dot + 1 : type->tp_name);
    r = name ? PyDict_Contains(state->hasher_names, name) : -1;
    Py_XDECREF(name);
    return r;
}

/* The function registered for this very class, or for its name when the module that has
 * the class need not be imported. Borrowed; NULL may have an exception set. */
static PyObject *
hasher_registered(struct core_state *state, PyTypeObject *type)
{
    PyObject *found = PyDict_GetItemWithError(state->hashers, (PyObject *)type), *name;

    if (found || PyErr_Occurred() || name_is_registered(state, type) <= 0) {
        return found;
    }
    name = object_name((PyObject *)type);
    if (!name) {
        return NULL;
    }
    found = PyDict_GetItemWithError(state->hashers, name);
    Py_DECREF(name);
    return found;
}

int
hasher_register(struct core_state *state, PyObject *key, PyObject *function)
{
    PyObject *names = state->hasher_names;

    if (PyTuple_Check(key) && PyTuple_GET_SIZE(key) == 2 &&
        PyDict_SetItem(names, PyTuple_GET_ITEM(key, 1), Py_None) < 0) {
        return -1;
    }
    return PyDict_SetItem(state->hashers, key, function);
}

/* 1 when the class itself defines `__cjoblib_hash__`, 0, or -1. */
static int
class_has_hook(struct core_state *state, PyTypeObject *type)
{
    PyObject *members = compat_type_dict(type);
    int r = members ? PyDict_Contains(members, state->hook_name) : -1;

    Py_XDECREF(members);
    return r;
}

/* The function to call with an object of the type, or NULL; 0 or -1. */
static int
hook_find(struct core_state *state, PyTypeObject *type, PyObject **ret_hook)
{
    PyObject *mro = type->tp_mro;

    *ret_hook = NULL;
    for (Py_ssize_t i = 0; i + 1 < PyTuple_GET_SIZE(mro); i++) {
        PyTypeObject *base = (PyTypeObject *)PyTuple_GET_ITEM(mro, i);
        PyObject *found = hasher_registered(state, base);
        int r;

        if (found) {
            *ret_hook = Py_NewRef(found);
            return 0;
        }
        r = PyErr_Occurred() ? -1 : class_has_hook(state, base);
        if (r != 0) {
            *ret_hook =
                r > 0 ? PyObject_GetAttr((PyObject *)type, state->hook_name) : NULL;
            return *ret_hook ? 0 : -1;
        }
    }
    return 0;
}

/* Objects of one type often come together: the last type's hook is kept. */
static int
hook_of(struct hasher *h, PyTypeObject *type)
{
    PyObject *hook;

    if (h->hook_type == type) {
        return 0;
    }
    if (hook_find(h->state, type, &hook) < 0) {
        return -1;
    }
    Py_XSETREF(h->hook, hook);
    Py_XSETREF(h->hook_type, (PyTypeObject *)Py_NewRef(type));
    return 0;
}

/* 1 and the parts, 0: there is no hook, or -1. */
int
hook_expand(struct hasher *h, PyObject *obj, struct parts *ret_parts)
{
    PyObject *hook, *standin;

    if (hook_of(h, Py_TYPE(obj)) < 0) {
        return -1;
    }
    if (!h->hook) {
        return 0;
    }
    if (h->hook == Py_None) {
        return unhashable(h, obj, "its class says that it has none");
    }
    if (hasher_check_stack_now(h) < 0) {
        return -1;
    }
    hook = Py_NewRef(h->hook);
    standin = PyObject_CallOneArg(hook, obj);
    Py_DECREF(hook);
    if (standin == obj) {
        Py_DECREF(standin);
        return unhashable(h, obj, "its stand-in is itself");
    }
    ret_parts->tag = TAG_STANDIN;
    ret_parts->items = standin ? PyTuple_Pack(2, Py_TYPE(obj), standin) : NULL;
    Py_XDECREF(standin);
    return ret_parts->items ? 1 : -1;
}
