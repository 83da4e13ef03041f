/* tuple: memoized after its items, which may lead back to it. */

#include "pickle/pickler.h"

/* It was met inside itself: drop the items written so far and get the one in the memo.
 */
static int
tuple_drop(struct pickler *p, PyObject *obj, Py_ssize_t number)
{
    Py_ssize_t n_pops = PyTuple_GET_SIZE(obj) + 1;

    if (p->is_binary && (p->protocol < 2 || PyTuple_GET_SIZE(obj) > 3)) {
        return sink_op(&p->sink, OP_POP_MARK) < 0 ? -1 : save_get(p, number);
    }
    if (p->protocol >= 2) {
        n_pops--; /* there is no mark */
    }
    while (n_pops-- > 0) {
        if (sink_op(&p->sink, OP_POP) < 0) {
            return -1;
        }
    }
    return save_get(p, number);
}

static int
tuple_close(struct pickler *p, PyObject *obj)
{
    static const unsigned char ops[] = {OP_TUPLE1, OP_TUPLE2, OP_TUPLE3};
    Py_ssize_t n = PyTuple_GET_SIZE(obj);
    Py_ssize_t number = memo_find(&p->memo, obj);

    if (number >= 0) {
        return tuple_drop(p, obj, number);
    }
    if (sink_op(&p->sink, p->protocol >= 2 && n <= 3 ? ops[n - 1] : OP_TUPLE) < 0) {
        return -1;
    }
    return save_memoize(p, obj);
}

static int
tuple_step(struct pickler *p, struct work *w)
{
    const size_t depth = p->n_work;
    PyObject *obj = w->obj;
    int r;

    while (w->at < PyTuple_GET_SIZE(obj)) {
        PyObject *item = Py_NewRef(PyTuple_GET_ITEM(obj, w->at++));

        r = save(p, item);
        Py_DECREF(item);
        if (r < 0 || p->n_work != depth) {
            return r;
        }
    }
    r = tuple_close(p, obj);
    work_pop(p);
    return r;
}

int
save_tuple(struct pickler *p, PyObject *obj)
{
    Py_ssize_t n = PyTuple_GET_SIZE(obj);

    if (n == 0) {
        return p->is_binary ? sink_op(&p->sink, OP_EMPTY_TUPLE)
                            : sink_put(&p->sink, "(t", 2);
    }
    if ((p->protocol < 2 || n > 3) && sink_op(&p->sink, OP_MARK) < 0) {
        return -1;
    }
    return work_push(p, tuple_step, obj, NULL) ? 0 : -1;
}
