#include "memo/bind.h"

#include <string.h>

/* The parameter called `name` that may be given by keyword: its index, -1 when there is
 * none, -2 with an exception. Names are interned, so the first pass nearly always
 * finds. */
static Py_ssize_t
bind_find(const struct bind_table *table, PyObject *name)
{
    Py_ssize_t n = PyTuple_GET_SIZE(table->names);

    for (Py_ssize_t i = table->n_positional_only; i < n; i++) {
        if (PyTuple_GET_ITEM(table->names, i) == name) {
            return i;
        }
    }
    for (Py_ssize_t i = table->n_positional_only; i < n; i++) {
        int same =
            PyObject_RichCompareBool(PyTuple_GET_ITEM(table->names, i), name, Py_EQ);

        if (same != 0) {
            return same > 0 ? i : -2;
        }
    }
    return -1;
}

static int
bind_positional(const struct bind_table *table, PyObject *const *args,
                Py_ssize_t n_args, PyObject **slots, struct bind_result *result)
{
    Py_ssize_t n_own = n_args < table->n_positional ? n_args : table->n_positional;

    if (n_args > n_own && !table->takes_varargs) {
        return BIND_MISMATCH;
    }
    for (Py_ssize_t i = 0; i < n_own; i++) {
        slots[i] = args[i];
    }
    if (table->takes_varargs) {
        result->varargs = PyTuple_New(n_args - n_own);
        if (!result->varargs) {
            return -1;
        }
        for (Py_ssize_t i = n_own; i < n_args; i++) {
            PyTuple_SET_ITEM(result->varargs, i - n_own, Py_NewRef(args[i]));
        }
    }
    return 0;
}

static int
bind_keyword(const struct bind_table *table, PyObject *name, PyObject *value,
             PyObject **slots, struct bind_result *result)
{
    Py_ssize_t at = bind_find(table, name);

    if (at == -2) {
        return -1;
    }
    if (at >= 0) {
        if (slots[at]) {
            return BIND_MISMATCH;
        }
        slots[at] = value;
        return 0;
    }
    return result->keywords ? PyDict_SetItem(result->keywords, name, value)
                            : BIND_MISMATCH;
}

static int
bind_keywords(const struct bind_table *table, PyObject *const *values,
              PyObject *kwnames, PyObject **slots, struct bind_result *result)
{
    Py_ssize_t n = kwnames ? PyTuple_GET_SIZE(kwnames) : 0;
    int r = 0;

    if (table->takes_keywords) {
        result->keywords = PyDict_New();
        if (!result->keywords) {
            return -1;
        }
    }
    for (Py_ssize_t i = 0; i < n && r == 0; i++) {
        r = bind_keyword(table, PyTuple_GET_ITEM(kwnames, i), values[i], slots, result);
    }
    return r;
}

static int
bind_add(const struct bind_table *table, PyObject *name, PyObject *value,
         struct bind_result *result)
{
    if (PySet_GET_SIZE(table->ignored) > 0) {
        int ignored = PySet_Contains(table->ignored, name);

        if (ignored != 0) {
            return ignored > 0 ? 0 : -1;
        }
    }
    result->names[result->n] = name;
    result->values[result->n++] = value;
    return 0;
}

/* Fill in defaults and drop what is ignored. `slots` and `result->values` are the same
 * room: what is read is never behind what is written. */
static int
bind_collect(const struct bind_table *table, PyObject **slots,
             struct bind_result *result)
{
    Py_ssize_t n = PyTuple_GET_SIZE(table->names);

    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *value = slots[i] ? slots[i] : PyTuple_GET_ITEM(table->defaults, i);

        if (value == table->missing) {
            return BIND_MISMATCH;
        }
        if (bind_add(table, PyTuple_GET_ITEM(table->names, i), value, result) < 0) {
            return -1;
        }
    }
    return 0;
}

static int
bind_extras(const struct bind_table *table, PyObject *star, PyObject *star_star,
            struct bind_result *result)
{
    if (result->varargs && bind_add(table, star, result->varargs, result) < 0) {
        return -1;
    }
    if (result->keywords && bind_add(table, star_star, result->keywords, result) < 0) {
        return -1;
    }
    if (table->bound_name == Py_None) {
        return 0;
    }
    return bind_add(table, table->bound_name, table->bound_value, result);
}

/* Room for every parameter and the three extras, twice: names and values. */
static int
bind_room(const struct bind_table *table, struct bind_result *result)
{
    size_t n = (size_t)PyTuple_GET_SIZE(table->names) + 3;
    PyObject **room = result->room;

    if (2 * n > sizeof(result->room) / sizeof(result->room[0])) {
        room = result->heap = PyMem_Malloc(2 * n * sizeof(*room));
        if (!room) {
            PyErr_NoMemory();
            return -1;
        }
    }
    memset(room, 0, 2 * n * sizeof(*room));
    result->names = room;
    result->values = room + n;
    return 0;
}

int
bind_call(const struct bind_table *table, PyObject *star, PyObject *star_star,
          PyObject *const *args, Py_ssize_t n_args, PyObject *kwnames,
          struct bind_result *ret_result)
{
    struct bind_result *result = ret_result;
    int r;

    result->varargs = result->keywords = NULL;
    result->heap = NULL;
    result->n = 0;
    r = bind_room(table, result);
    if (r == 0) {
        r = bind_positional(table, args, n_args, result->values, result);
    }
    if (r == 0) {
        r = bind_keywords(table, args + n_args, kwnames, result->values, result);
    }
    if (r == 0) {
        r = bind_collect(table, result->values, result);
    }
    if (r == 0) {
        r = bind_extras(table, star, star_star, result);
    }
    if (r != 0) {
        bind_done(result);
    }
    return r;
}

void
bind_done(struct bind_result *result)
{
    Py_CLEAR(result->varargs);
    Py_CLEAR(result->keywords);
    PyMem_Free(result->heap);
    result->heap = NULL;
}
