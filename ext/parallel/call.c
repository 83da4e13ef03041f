#include "parallel/call.h"

/* A call that is not a tuple of a function, a tuple and a dict. */
static PyObject *
call_make_unusual(PyObject *call)
{
    PyObject *parts =
        PySequence_Fast(call, "a task is not a (function, args, kwargs) as delayed() "
                              "gives");
    PyObject *args = NULL, *kwargs = NULL, *result = NULL;

    if (!parts) {
        return NULL;
    }
    if (PySequence_Fast_GET_SIZE(parts) != 3) {
        PyErr_Format(PyExc_TypeError,
                     "a task is not a (function, args, kwargs) as delayed() gives: %R",
                     call);
        Py_DECREF(parts);
        return NULL;
    }
    args = PySequence_Tuple(PySequence_Fast_GET_ITEM(parts, 1));
    kwargs = args ? PyDict_New() : NULL;
    if (kwargs && PyDict_Update(kwargs, PySequence_Fast_GET_ITEM(parts, 2)) == 0) {
        result = PyObject_Call(PySequence_Fast_GET_ITEM(parts, 0), args, kwargs);
    }
    Py_XDECREF(args);
    Py_XDECREF(kwargs);
    Py_DECREF(parts);
    return result;
}

PyObject *
call_make(PyObject *call)
{
    PyObject *args, *kwargs;

    if (!PyTuple_CheckExact(call) || PyTuple_GET_SIZE(call) != 3) {
        return call_make_unusual(call);
    }
    args = PyTuple_GET_ITEM(call, 1);
    kwargs = PyTuple_GET_ITEM(call, 2);
    if (!PyTuple_Check(args) || !PyDict_Check(kwargs)) {
        return call_make_unusual(call);
    }
    if (PyDict_GET_SIZE(kwargs) > 0) {
        return PyObject_Call(PyTuple_GET_ITEM(call, 0), args, kwargs);
    }
    return PyObject_Vectorcall(PyTuple_GET_ITEM(call, 0),
                               ((PyTupleObject *)args)->ob_item,
                               (size_t)PyTuple_GET_SIZE(args), NULL);
}

PyDoc_STRVAR(
    call_each_doc,
    "call_each($module, calls, results, /)\n--\n\n"
    "Make every (function, args, kwargs) of an iterable, one after the other,\n"
    "and append what each returns to the list `results`.");

static PyObject *
call_each(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *calls, *results, *iterator, *call;
    int r = 0;

    if (!PyArg_ParseTuple(args, "OO!:call_each", &calls, &PyList_Type, &results)) {
        return NULL;
    }
    iterator = PyObject_GetIter(calls);
    while (iterator && r == 0 && (call = PyIter_Next(iterator))) {
        PyObject *result = call_make(call);

        Py_DECREF(call);
        r = result ? PyList_Append(results, result) : -1;
        Py_XDECREF(result);
        if (r == 0) {
            r = PyErr_CheckSignals(); /* functions in C don't look */
        }
    }
    Py_XDECREF(iterator);
    if (PyErr_Occurred()) {
        return NULL;
    }
    Py_RETURN_NONE;
}

PyMethodDef call_methods[] = {
    {"call_each", call_each, METH_VARARGS, call_each_doc},
    {NULL, NULL, 0, NULL},
};
