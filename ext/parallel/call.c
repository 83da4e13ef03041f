#include "parallel/call.h"

#include "parallel/shared.h"
#include "state.h"

/* Call with the objects that shared ones stand for. */
static PyObject *
call_function(PyTypeObject *shared_type, PyObject *function, PyObject *args,
              PyObject *kwargs)
{
    PyObject *own_args = shared_unwrap_args(shared_type, args);
    PyObject *own_kwargs = NULL, *result = NULL;

    if (own_args && PyDict_GET_SIZE(kwargs) > 0) {
        own_kwargs = shared_unwrap_kwargs(shared_type, kwargs);
        if (own_kwargs) {
            result = PyObject_Call(function, own_args, own_kwargs);
        }
    }
    else if (own_args) {
        result = PyObject_Vectorcall(function, ((PyTupleObject *)own_args)->ob_item,
                                     (size_t)PyTuple_GET_SIZE(own_args), NULL);
    }
    Py_XDECREF(own_args);
    Py_XDECREF(own_kwargs);
    return result;
}

/* A call that is not a tuple of a function, a tuple and a dict. */
static PyObject *
call_make_unusual(PyTypeObject *shared_type, PyObject *call)
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
        result = call_function(shared_type, PySequence_Fast_GET_ITEM(parts, 0), args,
                               kwargs);
    }
    Py_XDECREF(args);
    Py_XDECREF(kwargs);
    Py_DECREF(parts);
    return result;
}

PyObject *
call_make(PyTypeObject *shared_type, PyObject *call)
{
    PyObject *args, *kwargs;

    if (!PyTuple_CheckExact(call) || PyTuple_GET_SIZE(call) != 3) {
        return call_make_unusual(shared_type, call);
    }
    args = PyTuple_GET_ITEM(call, 1);
    kwargs = PyTuple_GET_ITEM(call, 2);
    if (!PyTuple_Check(args) || !PyDict_Check(kwargs)) {
        return call_make_unusual(shared_type, call);
    }
    return call_function(shared_type, PyTuple_GET_ITEM(call, 0), args, kwargs);
}

PyDoc_STRVAR(
    call_each_doc,
    "call_each($module, calls, results, /)\n--\n\n"
    "Make every (function, args, kwargs) of an iterable, one after the other,\n"
    "and append what each returns to the list `results`.");

static PyObject *
call_each(PyObject *module, PyObject *args)
{
    PyTypeObject *shared_type = (PyTypeObject *)core_state(module)->shared_type;
    PyObject *calls, *results, *iterator, *call;
    int r = 0;

    if (!PyArg_ParseTuple(args, "OO!:call_each", &calls, &PyList_Type, &results)) {
        return NULL;
    }
    iterator = PyObject_GetIter(calls);
    while (iterator && r == 0 && (call = PyIter_Next(iterator))) {
        PyObject *result = call_make(shared_type, call);

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
