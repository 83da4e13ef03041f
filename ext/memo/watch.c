#include "memo/watch.h"

#define WATCH_WIDTH 3

static int
function_holds(PyObject *function, PyObject *expected)
{
    PyObject *const found[] = {PyFunction_GetCode(function),
                               PyFunction_GetDefaults(function),
                               PyFunction_GetKwDefaults(function)};

    for (Py_ssize_t i = 0; i < 3; i++) {
        if ((found[i] ? found[i] : Py_None) != PyTuple_GET_ITEM(expected, i)) {
            return 0;
        }
    }
    return 1;
}

static int
cell_holds(PyObject *cell, PyObject *expected)
{
    PyObject *found = PyCell_Get(cell);
    int same = found == expected;

    Py_XDECREF(found);
    return same;
}

static int
dict_holds(PyObject *dict, PyObject *name, PyObject *expected)
{
    PyObject *found;
    int r = compat_dict_find(dict, name, &found);

    if (r < 0) {
        return -1;
    }
    r = found == expected;
    Py_XDECREF(found);
    return r;
}

static int
place_holds(PyObject *const *place)
{
    if (PyFunction_Check(place[0])) {
        return function_holds(place[0], place[2]);
    }
    if (PyCell_Check(place[0])) {
        return cell_holds(place[0], place[2]);
    }
    return dict_holds(place[0], place[1], place[2]);
}

int
watch_holds(PyObject *watch)
{
    int r = 1;

    for (Py_ssize_t i = 0; r > 0 && i < PyTuple_GET_SIZE(watch); i += WATCH_WIDTH) {
        r = place_holds(&PyTuple_GET_ITEM(watch, i));
    }
    return r;
}

int
watch_is_whole(PyObject *watch)
{
    Py_ssize_t n = PyTuple_GET_SIZE(watch);

    for (Py_ssize_t i = 0; i + WATCH_WIDTH <= n; i += WATCH_WIDTH) {
        PyObject *place = PyTuple_GET_ITEM(watch, i);
        PyObject *expected = PyTuple_GET_ITEM(watch, i + 2);

        if (PyFunction_Check(place)
                ? !PyTuple_Check(expected) || PyTuple_GET_SIZE(expected) != 3
                : !PyCell_Check(place) && !PyDict_Check(place)) {
            return 0;
        }
    }
    return n % WATCH_WIDTH == 0;
}
