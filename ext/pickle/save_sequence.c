/* list and tuple, and items that come from an iterator. */

#include "pickle/pickle_module.h"
#include "pickle/pickler.h"

int
batch_turn(struct pickler *p, struct work *w, Py_ssize_t n, int many, int one)
{
    if (w->close) {
        int op = w->close;

        w->close = 0;
        if (sink_op(&p->sink, op) < 0) {
            return -1;
        }
    }
    w->left = 0;
    if (n <= 0) {
        return 0;
    }
    if (one && (n == 1 || !p->is_binary)) {
        w->left = 1;
        w->close = one;
        return 0;
    }
    w->left = n < BATCH_ITEMS ? (int)n : BATCH_ITEMS;
    w->close = many;
    return sink_op(&p->sink, OP_MARK);
}

/* So many items ahead, memory is asked for one that lies anywhere. */
#define ITEMS_AHEAD 6

/* Next item of a list that may change at any time. 1: `*ret_item` is a new reference.
 */
static int
items_next(struct work *w, PyObject **ret_item)
{
    compat_list_prefetch(w->obj, w->at + ITEMS_AHEAD);
    *ret_item = compat_list_item(w->obj, w->at);
    w->at += *ret_item != NULL;
    return *ret_item != NULL;
}

static int
appends_step(struct pickler *p, struct work *w)
{
    const size_t depth = p->n_work;
    PyObject *item;
    int r;

    for (;;) {
        Py_ssize_t n = PyList_GET_SIZE(w->obj) - w->at;

        if ((w->left == 0 || n <= 0) &&
            batch_turn(p, w, n, OP_APPENDS, OP_APPEND) < 0) {
            return -1;
        }
        if (n <= 0) {
            work_pop(p);
            return 0;
        }
        if (!items_next(w, &item)) {
            continue; /* another thread has shortened the list */
        }
        w->left--;
        r = save(p, item);
        Py_DECREF(item);
        if (r < 0 || p->n_work != depth) {
            return r;
        }
    }
}

int
save_appends(struct pickler *p, PyObject *list)
{
    return work_push(p, appends_step, list, NULL) ? 0 : -1;
}

int
save_list(struct pickler *p, PyObject *obj)
{
    int r =
        p->is_binary ? sink_op(&p->sink, OP_EMPTY_LIST) : sink_put(&p->sink, "(l", 2);

    if (r < 0 || save_memoize(p, obj) < 0) {
        return -1;
    }
    return PyList_GET_SIZE(obj) > 0 ? save_appends(p, obj) : 0;
}

static int
sequence_step(struct pickler *p, struct work *w)
{
    const size_t depth = p->n_work;

    while (w->at < PyList_GET_SIZE(w->obj)) {
        PyObject *item = PyList_GET_ITEM(w->obj, w->at);
        int r;

        PyList_SET_ITEM(w->obj, w->at++, Py_NewRef(Py_None));
        r = save(p, item);
        Py_DECREF(item);
        if (r < 0 || p->n_work != depth) {
            return r;
        }
    }
    work_pop(p);
    return 0;
}

int
save_sequence(struct pickler *p, PyObject *list)
{
    return work_push(p, sequence_step, list, NULL) ? 0 : -1;
}

/* Up to a batch of items, as a list that may be empty; NULL: exception. */
static PyObject *
iterator_take(PyObject *iterator)
{
    PyObject *batch = PyList_New(0);

    for (int i = 0; batch && i < BATCH_ITEMS; i++) {
        PyObject *item = PyIter_Next(iterator);
        int r;

        if (!item) {
            break;
        }
        r = PyList_Append(batch, item);
        Py_DECREF(item);
        if (r < 0) {
            Py_CLEAR(batch);
        }
    }
    if (batch && PyErr_Occurred()) {
        Py_CLEAR(batch);
    }
    return batch;
}

/* Take a batch at a time and let `save_batch` push it; done at the first empty one. */
static int
iterator_step(struct pickler *p, struct work *w,
              int (*save_batch)(struct pickler *, PyObject *))
{
    PyObject *batch = iterator_take(w->obj);
    int r = 0;

    if (!batch) {
        return -1;
    }
    if (PyList_GET_SIZE(batch) == 0) {
        work_pop(p);
    }
    else {
        r = save_batch(p, batch);
    }
    Py_DECREF(batch);
    return r;
}

static int
list_items_step(struct pickler *p, struct work *w)
{
    return iterator_step(p, w, save_appends);
}

int
save_list_items(struct pickler *p, PyObject *iterator)
{
    return work_push(p, list_items_step, iterator, NULL) ? 0 : -1;
}

static int
pairs_check(PyObject *pair)
{
    if (PyTuple_Check(pair) && PyTuple_GET_SIZE(pair) == 2) {
        return 0;
    }
    PyErr_SetString(PyExc_TypeError, "dict items iterator must return 2-tuples");
    return -1;
}

/* A list of pairs, one key or value at a time: `at` counts both. */
static int
pairs_step(struct pickler *p, struct work *w)
{
    const size_t depth = p->n_work;

    for (;;) {
        Py_ssize_t i = w->at / 2;
        Py_ssize_t n = PyList_GET_SIZE(w->obj) - i;
        PyObject *half;
        int r;

        if (w->at % 2 == 0 && (w->left == 0 || n <= 0) &&
            batch_turn(p, w, n, OP_SET_ITEMS, OP_SET_ITEM) < 0) {
            return -1;
        }
        if (n <= 0) {
            work_pop(p);
            return 0;
        }
        if (pairs_check(PyList_GET_ITEM(w->obj, i)) < 0) {
            return -1;
        }
        half = Py_NewRef(PyTuple_GET_ITEM(PyList_GET_ITEM(w->obj, i), w->at % 2));
        w->left -= w->at++ % 2;
        r = save(p, half);
        Py_DECREF(half);
        if (r < 0 || p->n_work != depth) {
            return r;
        }
    }
}

int
save_pairs(struct pickler *p, PyObject *list)
{
    return work_push(p, pairs_step, list, NULL) ? 0 : -1;
}

static int
dict_items_step(struct pickler *p, struct work *w)
{
    return iterator_step(p, w, save_pairs);
}

int
save_dict_items(struct pickler *p, PyObject *iterator)
{
    return work_push(p, dict_items_step, iterator, NULL) ? 0 : -1;
}
