/* dict, walked in place. */

#include "pickle/pickler.h"

/* 1: the next entry, new references; 0: the end; -1: the dict has changed. */
static int
entries_next(struct work *w, PyObject **ret_key, PyObject **ret_value)
{
    if (PyDict_GET_SIZE(w->obj) != w->n) {
        PyErr_SetString(PyExc_RuntimeError, "dictionary changed size during iteration");
        return -1;
    }
    return compat_dict_next(w->obj, &w->at, ret_key, ret_value);
}

/* The value whose key has been saved. */
static int
entry_value(struct pickler *p, struct work *w)
{
    PyObject *value = w->next;
    int r;

    w->next = NULL;
    r = save(p, value);
    Py_DECREF(value);
    return r;
}

/* Save the key, in the batch that is open or in a new one; the value follows. */
static int
entry_key(struct pickler *p, struct work *w, PyObject *key, PyObject *value)
{
    int r = 0;

    w->next = value;
    if (w->left == 0) {
        r = batch_turn(p, w, w->n - w->n_done, OP_SET_ITEMS, OP_SET_ITEM);
    }
    if (r == 0) {
        w->left--;
        w->n_done++;
        r = save(p, key);
    }
    Py_DECREF(key);
    return r;
}

static int
entries_step(struct pickler *p, struct work *w)
{
    const size_t depth = p->n_work;
    int r = w->next ? entry_value(p, w) : 0;

    while (r == 0 && p->n_work == depth) {
        PyObject *key, *value;
        int found = entries_next(w, &key, &value);

        if (found < 0) {
            return -1;
        }
        if (found == 0) {
            r = batch_turn(p, w, 0, 0, 0);
            work_pop(p);
            return r;
        }
        r = entry_key(p, w, key, value);
        if (r == 0 && p->n_work == depth) {
            r = entry_value(p, w);
        }
    }
    return r;
}

int
save_dict_entries(struct pickler *p, PyObject *dict)
{
    struct work *w = work_push(p, entries_step, dict, NULL);

    if (!w) {
        return -1;
    }
    w->n = PyDict_GET_SIZE(dict);
    return 0;
}

int
save_dict(struct pickler *p, PyObject *obj)
{
    int r =
        p->is_binary ? sink_op(&p->sink, OP_EMPTY_DICT) : sink_put(&p->sink, "(d", 2);

    if (r < 0 || save_memoize(p, obj) < 0) {
        return -1;
    }
    if (PyDict_GET_SIZE(obj) == 0) {
        return 0;
    }
    if (p->hooks && p->hooks->save_items) {
        return p->hooks->save_items(p, obj, true);
    }
    return save_dict_entries(p, obj);
}
