/* set and frozenset. */

#include "pickle/pickler.h"

#define SET_FIRST_PROTOCOL 4

/* Older protocols: a call with the list of elements. */
static int
set_save_call(struct pickler *p, PyObject *obj)
{
    PyObject *list = PySequence_List(obj);
    int r;

    if (!list) {
        return -1;
    }
    r = save_call(p, (PyObject *)Py_TYPE(obj), PyTuple_Pack(1, list), obj);
    Py_DECREF(list);
    return r;
}

/* Elements in batches of marked ADD_ITEMS, taken out of a list of our own. Sets are
 * unordered, so a plain list of what is in it now is as good a way as any to walk one
 * that may change. */
static int
add_items_step(struct pickler *p, struct work *w)
{
    const size_t depth = p->n_work;
    int r = 0;

    while (r == 0 && p->n_work == depth) {
        Py_ssize_t n = PyList_GET_SIZE(w->obj) - w->at;
        PyObject *item;

        if ((w->left == 0 || n <= 0) && batch_turn(p, w, n, OP_ADD_ITEMS, 0) < 0) {
            return -1;
        }
        if (n <= 0) {
            work_pop(p);
            return 0;
        }
        w->left--;
        item = PyList_GET_ITEM(w->obj, w->at);
        PyList_SET_ITEM(w->obj, w->at++, Py_NewRef(Py_None));
        r = save(p, item);
        Py_DECREF(item);
    }
    return r;
}

int
save_set(struct pickler *p, PyObject *obj)
{
    PyObject *list;
    struct work *w;

    if (p->protocol < SET_FIRST_PROTOCOL) {
        return set_save_call(p, obj);
    }
    if (sink_op(&p->sink, OP_EMPTY_SET) < 0 || save_memoize(p, obj) < 0) {
        return -1;
    }
    if (PySet_GET_SIZE(obj) == 0) {
        return 0;
    }
    list = PySequence_List(obj);
    if (!list) {
        return -1;
    }
    w = work_push(p, add_items_step, list, NULL);
    Py_DECREF(list);
    return w ? 0 : -1;
}

static int
frozenset_close_step(struct pickler *p, struct work *w)
{
    PyObject *obj = w->obj;
    Py_ssize_t number = memo_find(&p->memo, obj);
    int r;

    p->n_work--;
    if (number >= 0) {
        /* An element led back to it. */
        r = sink_op(&p->sink, OP_POP_MARK) < 0 ? -1 : save_get(p, number);
    }
    else {
        r = sink_op(&p->sink, OP_FROZENSET) < 0 ? -1 : save_memoize(p, obj);
    }
    Py_DECREF(obj);
    return r;
}

int
save_frozenset(struct pickler *p, PyObject *obj)
{
    PyObject *list;
    int r = -1;

    if (p->protocol < SET_FIRST_PROTOCOL) {
        return set_save_call(p, obj);
    }
    if (sink_op(&p->sink, OP_MARK) < 0) {
        return -1;
    }
    list = PySequence_List(obj);
    if (list && work_push(p, frozenset_close_step, obj, NULL)) {
        r = save_sequence(p, list);
    }
    Py_XDECREF(list);
    return r;
}
