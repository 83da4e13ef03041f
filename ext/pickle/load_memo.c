#include "pickle/load_memo.h"

#include <string.h>

/* Slots that any stream may have. */
#define MEMO_FREE_SLOTS 1024
#define MEMO_FIRST_ROOM 32

size_t
load_memo_count(const struct load_memo *memo)
{
    size_t n = memo->sparse ? (size_t)PyDict_GET_SIZE(memo->sparse) : 0;

    return memo->n_values + n;
}

PyObject *
load_memo_find(const struct load_memo *memo, size_t index)
{
    PyObject *key, *value;

    if (index < memo->n_slots && memo->slots[index]) {
        return memo->slots[index];
    }
    if (!memo->sparse) {
        return NULL;
    }
    key = PyLong_FromSize_t(index);
    value = key ? PyDict_GetItemWithError(memo->sparse, key) : NULL;
    Py_XDECREF(key);
    return value;
}

static int
load_memo_put_sparse(struct load_memo *memo, size_t index, PyObject *value)
{
    PyObject *key;
    int r;

    if (!memo->sparse) {
        memo->sparse = PyDict_New();
    }
    key = memo->sparse ? PyLong_FromSize_t(index) : NULL;
    r = key ? PyDict_SetItem(memo->sparse, key, value) : -1;
    Py_XDECREF(key);
    return r;
}

static int
load_memo_reserve(struct load_memo *memo, size_t n)
{
    size_t room = memo->room ? memo->room : MEMO_FIRST_ROOM;
    PyObject **slots = memo->slots;

    if (n <= memo->room) {
        return 0;
    }
    while (room < n) {
        room *= 2;
    }
    PyMem_Resize(slots, PyObject *, room);
    if (!slots) {
        PyErr_NoMemory();
        return -1;
    }
    memo->slots = slots;
    memo->room = room;
    return 0;
}

static int
load_memo_put_slot(struct load_memo *memo, size_t index, PyObject *value)
{
    PyObject *old;

    if (load_memo_reserve(memo, index + 1) < 0) {
        return -1;
    }
    if (index >= memo->n_slots) {
        memset(memo->slots + memo->n_slots, 0,
               (index + 1 - memo->n_slots) * sizeof(*memo->slots));
        memo->n_slots = index + 1;
    }
    old = memo->slots[index];
    memo->slots[index] = Py_NewRef(value);
    memo->n_values += old == NULL;
    Py_XDECREF(old);
    return 0;
}

/* An index may have gone to the dict when fewer bytes had been read. */
static int
load_memo_is_sparse(const struct load_memo *memo, size_t index)
{
    PyObject *key;
    int r;

    if (!memo->sparse || (index < memo->n_slots && memo->slots[index])) {
        return 0;
    }
    key = PyLong_FromSize_t(index);
    r = key ? PyDict_Contains(memo->sparse, key) : -1;
    Py_XDECREF(key);
    return r;
}

int
load_memo_put(struct load_memo *memo, size_t index, PyObject *value, uint64_t offset)
{
    int r;

    if (index >= MEMO_FREE_SLOTS && index >= offset) {
        return load_memo_put_sparse(memo, index, value);
    }
    r = load_memo_is_sparse(memo, index);
    if (r) {
        return r < 0 ? -1 : load_memo_put_sparse(memo, index, value);
    }
    return load_memo_put_slot(memo, index, value);
}

static int
load_memo_slots_to_dict(const struct load_memo *memo, PyObject *dict)
{
    for (size_t i = 0; i < memo->n_slots; i++) {
        PyObject *key;
        int r;

        if (!memo->slots[i]) {
            continue;
        }
        key = PyLong_FromSize_t(i);
        r = key ? PyDict_SetItem(dict, key, memo->slots[i]) : -1;
        Py_XDECREF(key);
        if (r < 0) {
            return -1;
        }
    }
    return 0;
}

PyObject *
load_memo_as_dict(const struct load_memo *memo)
{
    PyObject *dict = memo->sparse ? PyDict_Copy(memo->sparse) : PyDict_New();

    if (dict && load_memo_slots_to_dict(memo, dict) < 0) {
        Py_CLEAR(dict);
    }
    return dict;
}

/* The index that a key says, or -1 with an exception. */
static Py_ssize_t
load_memo_index(PyObject *key)
{
    Py_ssize_t index;

    if (!PyLong_Check(key)) {
        PyErr_SetString(PyExc_TypeError, "memo key must be integers");
        return -1;
    }
    index = PyLong_AsSsize_t(key);
    if (index < 0 && !PyErr_Occurred()) {
        PyErr_SetString(PyExc_ValueError, "memo key must be positive integers.");
    }
    return index < 0 ? -1 : index;
}

int
load_memo_from_dict(struct load_memo *memo, PyObject *dict)
{
    uint64_t n = (uint64_t)PyDict_GET_SIZE(dict) * 2;
    PyObject *key, *value;
    Py_ssize_t at = 0;

    while (PyDict_Next(dict, &at, &key, &value)) {
        Py_ssize_t index = load_memo_index(key);

        if (index < 0 || load_memo_put(memo, (size_t)index, value, n) < 0) {
            return -1;
        }
    }
    return 0;
}

int
load_memo_traverse(const struct load_memo *memo, visitproc visit, void *arg)
{
    for (size_t i = 0; i < memo->n_slots; i++) {
        Py_VISIT(memo->slots[i]);
    }
    Py_VISIT(memo->sparse);
    return 0;
}

void
load_memo_done(struct load_memo *memo)
{
    struct load_memo old = *memo;

    *memo = (struct load_memo){0};
    for (size_t i = 0; i < old.n_slots; i++) {
        Py_XDECREF(old.slots[i]);
    }
    PyMem_Free(old.slots);
    Py_XDECREF(old.sparse);
}
