/* The items of a dict, sorted as joblib sorts them.
 *
 * joblib catches TypeError around sorting *and* pickling them, and then starts again
 * with hashed keys, behind whatever has been written: so an object that cannot be
 * pickled has a hash when it lies two dicts deep, where the second attempt finds the
 * inner dict in the memo. We do the same; joblib_recover() is that `except`. */

#include "pickle/joblib_hash.h"

enum attempt { ATTEMPT_NONE, ATTEMPT_KEYS, ATTEMPT_HASHES };

/* --- by key
 * --------------------------------------------------------------------------- */

/* Keys and values in turn, of the `n` entries found at `positions`. Their memory is
 * touched here, one entry independent of the other: far faster than when each is waited
 * for. */
static PyObject *
entries_gather(PyObject *dict, const uint32_t *positions, Py_ssize_t n)
{
    PyObject *flat = PyList_New(2 * n);

    for (Py_ssize_t i = 0; flat && i < n; i++) {
        Py_ssize_t at = positions[i];
        PyObject *key, *value;

        if (!compat_dict_next(dict, &at, &key, &value)) {
            Py_CLEAR(flat);
            PyErr_SetString(PyExc_RuntimeError,
                            "dictionary changed while it was hashed");
            break;
        }
        PyList_SET_ITEM(flat, 2 * i, key);
        PyList_SET_ITEM(flat, 2 * i + 1, value);
    }
    return flat;
}

/* A batch of the entries of a dict, in the order of `next`, an array of positions. */
static int
ordered_step(struct pickler *p, struct work *w)
{
    const uint32_t *order = (const uint32_t *)PyBytes_AS_STRING(w->next);
    Py_ssize_t n = w->n - w->at < BATCH_ITEMS ? w->n - w->at : BATCH_ITEMS;
    PyObject *flat;
    int r = -1;

    if (n == 0) {
        work_pop(p);
        return 0;
    }
    if (PyDict_GET_SIZE(w->obj) != w->n) {
        PyErr_SetString(PyExc_RuntimeError,
                        "dictionary changed size while it was hashed");
        return -1;
    }
    flat = entries_gather(w->obj, order + w->at, n);
    w->at += n;
    if (flat && (n == 1 || sink_op(&p->sink, OP_MARK) == 0) &&
        work_push_op(p, n == 1 ? OP_SET_ITEM : OP_SET_ITEMS) == 0) {
        r = save_sequence(p, flat);
    }
    Py_XDECREF(flat);
    return r;
}

static int
save_ordered(struct pickler *p, PyObject *dict, PyObject *order)
{
    struct work *w = work_push(p, ordered_step, dict, order);

    Py_DECREF(order);
    if (!w) {
        return -1;
    }
    w->n = PyDict_GET_SIZE(dict);
    return 0;
}

/* sorted(items), whatever the items are. */
static int
save_sorted(struct pickler *p, PyObject *list)
{
    int r = -1;

    if (list && PyList_Sort(list) == 0) {
        r = save_pairs(p, list);
    }
    Py_XDECREF(list);
    return r;
}

static int
save_by_key(struct pickler *p, PyObject *items, bool is_exact)
{
    PyObject *order;
    int r;

    if (!is_exact) {
        return save_sorted(p, PySequence_List(items));
    }
    if (PyDict_GET_SIZE(items) < 2) {
        return save_dict_entries(p, items);
    }
    r = joblib_order(items, &order);
    if (r == 0) {
        return save_sorted(p, PyDict_Items(items));
    }
    return r < 0 ? -1 : save_ordered(p, items, order);
}

/* --- by the hash of the key
 * ----------------------------------------------------------- */

static PyObject *
pair_hash_key(struct core_state *state, PyObject *pair)
{
    PyObject *sequence =
        PySequence_Fast(pair, "cannot unpack an item into key and value");
    PyObject *hash, *hashed = NULL;

    if (sequence && PySequence_Fast_GET_SIZE(sequence) != 2) {
        PyErr_SetString(PyExc_ValueError, "an item is not a key and a value");
    }
    else if (sequence) {
        hash = joblib_hash_part(state, PySequence_Fast_GET_ITEM(sequence, 0));
        hashed =
            hash ? PyTuple_Pack(2, hash, PySequence_Fast_GET_ITEM(sequence, 1)) : NULL;
        Py_XDECREF(hash);
    }
    Py_XDECREF(sequence);
    return hashed;
}

/* An iterator that the first attempt has used up gives nothing more, as in joblib. */
static int
save_by_hash(struct pickler *p, PyObject *items, bool is_exact)
{
    PyObject *list = is_exact ? PyDict_Items(items) : PySequence_List(items);

    for (Py_ssize_t i = 0; list && i < PyList_GET_SIZE(list); i++) {
        PyObject *pair = pair_hash_key(p->state, PyList_GET_ITEM(list, i));

        if (!pair || PyList_SetItem(list, i, pair) < 0) {
            Py_CLEAR(list);
        }
    }
    return save_sorted(p, list);
}

/* --- the two attempts
 * ----------------------------------------------------------------- */

/* `at` is the attempt, `n` whether `obj` is a dict, `n_done` what had been left out of
 * the memo before. The frame stays below the items. */
static int
items_step(struct pickler *p, struct work *w)
{
    PyObject *items = w->obj;

    if (w->at != ATTEMPT_NONE) {
        work_pop(p);
        return 0;
    }
    w->at = ATTEMPT_KEYS;
    w->n_done = (Py_ssize_t)p->n_spared;
    return save_by_key(p, items, w->n);
}

int
joblib_save_items(struct pickler *p, PyObject *items, bool is_exact)
{
    struct work *w = work_push(p, items_step, items, NULL);

    if (!w) {
        return -1;
    }
    w->n = is_exact;
    return 0;
}

int
joblib_recover(struct pickler *p, size_t at)
{
    struct work *w = &p->work[at];

    if (w->step != items_step || w->at != ATTEMPT_KEYS ||
        !PyErr_ExceptionMatches(PyExc_TypeError)) {
        return 0;
    }
    work_unwind(p, at + 1);
    PyErr_Clear();
    w = &p->work[at];
    if ((size_t)w->n_done != p->n_spared && save_end_sparing(p) < 0) {
        return -1;
    }
    w->at = ATTEMPT_HASHES;
    return save_by_hash(p, w->obj, w->n) < 0 ? 0 : 1;
}
