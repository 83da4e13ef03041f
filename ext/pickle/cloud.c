/* cloudpickle's help with what cannot be found by its name. One cloudpickle.Pickler
 * serves a whole pickling, so that functions made in one place keep sharing their
 * globals. */

#include "pickle/pickle_module.h"
#include "pickle/pickler.h"

static PyObject *
cloud_module(void)
{
    return PyImport_ImportModule("cloudpickle");
}

/* The helper, made on first use. Borrowed. */
static PyObject *
cloud_pickler(struct pickler *p)
{
    PyObject *io, *stream, *cloud;

    if (p->cloud) {
        return p->cloud;
    }
    io = PyImport_ImportModule("io");
    stream = io ? PyObject_CallMethod(io, "BytesIO", NULL) : NULL;
    cloud = stream ? cloud_module() : NULL;
    if (cloud) {
        p->cloud = PyObject_CallMethod(cloud, "Pickler", "Oi", stream, p->protocol);
    }
    Py_XDECREF(io);
    Py_XDECREF(stream);
    Py_XDECREF(cloud);
    return p->cloud;
}

PyObject *
cloud_reduce(struct pickler *p, PyObject *obj)
{
    PyObject *cloud = cloud_pickler(p);
    PyObject *name = p->state->name_reducer_override;

    return cloud ? PyObject_CallMethodOneArg(cloud, name, obj) : NULL;
}

/* What cloudpickle has registered for the type of `obj`, applied; NotImplemented, NULL.
 */
static PyObject *
cloud_dispatch(struct pickler *p, PyObject *obj)
{
    PyObject *cloud = cloud_pickler(p);
    PyObject *table =
        cloud ? PyObject_GetAttr(cloud, p->state->name_dispatch_table) : NULL;
    PyObject *func = table ? PyObject_GetItem(table, (PyObject *)Py_TYPE(obj)) : NULL;
    PyObject *value = func ? PyObject_CallOneArg(func, obj) : NULL;

    if (table && !func && PyErr_ExceptionMatches(PyExc_KeyError)) {
        PyErr_Clear();
        value = Py_NewRef(Py_NotImplemented);
    }
    Py_XDECREF(table);
    Py_XDECREF(func);
    return value;
}

PyObject *
cloud_rescue(struct pickler *p, PyObject *obj)
{
    PyObject *type, *error, *traceback, *value;

    PyErr_Fetch(&type, &error, &traceback);
    value = cloud_dispatch(p, obj);
    if (value && value != Py_NotImplemented) {
        Py_XDECREF(type);
        Py_XDECREF(error);
        Py_XDECREF(traceback);
        return value;
    }
    Py_XDECREF(value);
    PyErr_Restore(type, error, traceback);
    return NULL;
}

/* Whether somebody has registered modules to go by value: only a loaded cloudpickle can
 * know of any. */
static int
cloud_has_registry(void)
{
    PyObject *name = PyUnicode_FromString("cloudpickle");
    PyObject *module = name ? PyImport_GetModule(name) : NULL;
    PyObject *registry =
        module ? PyObject_CallMethod(module, "list_registry_pickle_by_value", NULL)
               : NULL;
    int r = registry ? PyObject_IsTrue(registry) : PyErr_Occurred() ? -1 : 0;

    Py_XDECREF(name);
    Py_XDECREF(module);
    Py_XDECREF(registry);
    return r;
}

int
cloud_wants_module(struct pickler *p, PyObject *module)
{
    if (PyUnicode_Compare(module, p->state->name_main) == 0) {
        return 1;
    }
    return cloud_has_registry();
}
