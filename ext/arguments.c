#include "arguments.h"

static int
name_index(const struct arguments_spec *spec, PyObject *name)
{
    for (int i = 0; spec->names[i]; i++) {
        if (PyUnicode_CompareWithASCIIString(name, spec->names[i]) == 0) {
            return i;
        }
    }
    PyErr_Format(PyExc_TypeError, "%s() got an unexpected keyword argument '%U'",
                 spec->function, name);
    return -1;
}

static int
named_sort(const struct arguments_spec *spec, PyObject *const *values, PyObject *names,
           PyObject **ret_slots)
{
    Py_ssize_t n = names ? PyTuple_GET_SIZE(names) : 0;

    for (Py_ssize_t i = 0; i < n; i++) {
        int at = name_index(spec, PyTuple_GET_ITEM(names, i));

        if (at < 0) {
            return -1;
        }
        if (ret_slots[at]) {
            PyErr_Format(PyExc_TypeError, "%s() got multiple values for argument '%s'",
                         spec->function, spec->names[at]);
            return -1;
        }
        ret_slots[at] = values[i];
    }
    return 0;
}

int
arguments_sort(const struct arguments_spec *spec, PyObject *const *args,
               Py_ssize_t n_args, PyObject *names, PyObject **ret_slots)
{
    for (int i = 0; spec->names[i]; i++) {
        ret_slots[i] = i < n_args ? args[i] : NULL;
    }
    if (n_args > spec->n_positional) {
        PyErr_Format(PyExc_TypeError,
                     "%s() takes at most %d positional arguments (%zd given)",
                     spec->function, spec->n_positional, n_args);
        return -1;
    }
    if (named_sort(spec, args + n_args, names, ret_slots) < 0) {
        return -1;
    }
    for (int i = 0; i < spec->n_required; i++) {
        if (!ret_slots[i]) {
            PyErr_Format(PyExc_TypeError, "%s() missing required argument '%s'",
                         spec->function, spec->names[i]);
            return -1;
        }
    }
    return 0;
}
