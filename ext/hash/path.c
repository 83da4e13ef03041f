/* Where in the object an error is. An object that has no value is noted in `h->path`
 * and nothing is raised yet: each level on the way out adds its step, and the call from
 * outside raises the error when the path is whole. */

#include <string.h>

#include "hash/hasher.h"

#define PATH_REPR_MAX 80

/* Steps are worth less than the error: one that cannot be made is left out. */
static void
path_append(struct hasher *h, PyObject *step)
{
    if (!step || PyList_Append(h->path, step) < 0) {
        PyErr_Clear();
    }
    Py_XDECREF(step);
}

/* A key as text: only of types whose repr runs no code of others. */
static PyObject *
key_text(PyObject *key)
{
    PyObject *text, *shorter;

    if (!PyUnicode_CheckExact(key) && !PyLong_CheckExact(key) &&
        !PyBytes_CheckExact(key) && !PyFloat_CheckExact(key)) {
        return PyUnicode_FromFormat("<%s>", Py_TYPE(key)->tp_name);
    }
    text = PyObject_Repr(key);
    if (!text || PyUnicode_GET_LENGTH(text) <= PATH_REPR_MAX) {
        return text;
    }
    shorter = PyUnicode_Substring(text, 0, PATH_REPR_MAX);
    Py_DECREF(text);
    return shorter;
}

void
path_add(struct hasher *h, const char *step)
{
    if (h->path) {
        path_append(h, PyUnicode_FromString(step));
    }
}

void
path_add_key(struct hasher *h, const char *before, PyObject *key, const char *after)
{
    PyObject *text;

    if (!h->path) {
        return;
    }
    text = key_text(key);
    path_append(h, text ? PyUnicode_FromFormat("%s%U%s", before, text, after) : NULL);
    Py_XDECREF(text);
}

void
path_add_index(struct hasher *h, size_t at)
{
    if (h->path) {
        path_append(h, PyUnicode_FromFormat("[%zu]", at));
    }
}

/* A step, borrowed, if it starts and ends with these; 0 is the last, 1 before it. */
static PyObject *
last_step(struct hasher *h, int back, const char *start, const char *end)
{
    Py_ssize_t n =
        PyList_GET_SIZE(h->path) - 1 - back; /* the first item is the message */
    PyObject *step = n > 0 ? PyList_GET_ITEM(h->path, n) : NULL;
    const char *text = step ? PyUnicode_AsUTF8(step) : NULL;
    size_t size = text ? strlen(text) : 0;

    if (!text || size < strlen(start) + strlen(end)) {
        PyErr_Clear();
        return NULL;
    }
    return strncmp(text, start, strlen(start)) == 0 &&
                   strcmp(text + size - strlen(end), end) == 0
               ? step
               : NULL;
}

static void
path_drop_last(struct hasher *h)
{
    Py_ssize_t n = PyList_GET_SIZE(h->path);

    if (PyList_SetSlice(h->path, n - 1, n, NULL) < 0) {
        PyErr_Clear();
    }
}

/* The items of a state are attributes: ['name'] becomes .name. A state of two dicts,
 * for
 * __dict__ and __slots__, is a tuple: its index goes. */
static void
path_to_attribute(struct hasher *h)
{
    PyObject *step, *name;

    if (last_step(h, 1, "['", "']") &&
        (last_step(h, 0, "[1]", "") || last_step(h, 0, "[0]", ""))) {
        path_drop_last(h);
    }
    step = last_step(h, 0, "['", "']");
    if (!step) {
        return;
    }
    name = PyUnicode_Substring(step, 2, PyUnicode_GET_LENGTH(step) - 2);
    if (!name) {
        PyErr_Clear();
        return;
    }
    path_drop_last(h);
    path_append(h, PyUnicode_FromFormat(".%U", name));
    Py_DECREF(name);
}

static void
path_add_name(struct hasher *h, const char *const *names, size_t n, size_t at)
{
    if (at < n && names[at][0]) {
        path_add(h, names[at]);
    }
}

#define N_ITEMS(array) (sizeof(array) / sizeof((array)[0]))

void
path_add_part(struct hasher *h, enum tag tag, size_t at)
{
    static const char *const function_parts[] = {
        "", "", ".__code__", ".__defaults__", ".__kwdefaults__", ".__closure__"};
    static const char *const method_parts[] = {".__func__", ".__self__"};

    if (!h->path) {
        return;
    }
    if (tag == TAG_TUPLE) {
        path_add_index(h, at);
    }
    else if (tag == TAG_FUNCTION) {
        path_add_name(h, function_parts, N_ITEMS(function_parts), at);
    }
    else if (tag == TAG_METHOD) {
        path_add_name(h, method_parts, N_ITEMS(method_parts), at);
    }
    else if (tag == TAG_CELL) {
        path_add(h, ".cell_contents");
    }
    else if ((tag == TAG_CLASS && at == 3) || (tag == TAG_STANDIN && at == 1) ||
             ((tag == TAG_NEW || tag == TAG_NEW_EX || tag == TAG_REDUCE) && at == 2)) {
        path_to_attribute(h);
    }
}

int
unhashable(struct hasher *h, PyObject *obj, const char *why)
{
    PyObject *text =
        PyUnicode_FromFormat("a '%s' object has no stable hash%s%s",
                             Py_TYPE(obj)->tp_name, why[0] ? ": " : "", why);

    if (!text) {
        return -1;
    }
    h->path = PyList_New(0);
    if (h->path && PyList_Append(h->path, text) < 0) {
        Py_CLEAR(h->path);
    }
    Py_DECREF(text);
    return -1;
}

/* Steps from the outermost in, without the message that is the first item. */
static PyObject *
path_text(PyObject *path)
{
    PyObject *empty, *text = NULL, *steps;

    steps = PyList_GetSlice(path, 1, PyList_GET_SIZE(path));
    empty = PyUnicode_FromString("");
    if (steps && empty && PyList_Reverse(steps) == 0) {
        text = PyUnicode_Join(empty, steps);
    }
    Py_XDECREF(steps);
    Py_XDECREF(empty);
    return text;
}

void
path_finish(struct hasher *h)
{
    PyObject *steps;

    if (!h->path) {
        return;
    }
    steps = path_text(h->path);
    if (steps) {
        PyErr_Format(h->state->unhashable_error, "%s%U: %U", h->root_name, steps,
                     PyList_GET_ITEM(h->path, 0));
    }
    Py_XDECREF(steps);
    Py_CLEAR(h->path);
}
