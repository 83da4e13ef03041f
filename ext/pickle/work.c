/* The work stack: frames instead of C recursion. */

#include "pickle/pickler.h"

#include <string.h>

static int
work_grow(struct pickler *p)
{
    size_t max_work = p->max_work * 2;
    struct work *work;

    if (p->n_work >= WORK_MAX) {
        PyErr_SetString(PyExc_RecursionError,
                        "maximum nesting depth exceeded while pickling an object");
        return -1;
    }
    work = PyMem_Realloc(p->work == p->first_work ? NULL : p->work,
                         max_work * sizeof(*work));
    if (!work) {
        PyErr_NoMemory();
        return -1;
    }
    if (p->work == p->first_work) {
        memcpy(work, p->first_work, sizeof(p->first_work));
    }
    p->work = work;
    p->max_work = max_work;
    return 0;
}

struct work *
work_push(struct pickler *p, work_step step, PyObject *obj, PyObject *next)
{
    struct work *w;

    if (p->n_work == p->max_work && work_grow(p) < 0) {
        return NULL;
    }
    w = &p->work[p->n_work++];
    w->step = step;
    w->obj = Py_XNewRef(obj);
    w->next = Py_XNewRef(next);
    w->at = 0;
    w->n = 0;
    w->n_done = 0;
    w->left = 0;
    w->close = 0;
    return w;
}

void
work_pop(struct pickler *p)
{
    struct work *w = &p->work[--p->n_work];
    PyObject *obj = w->obj;
    PyObject *next = w->next;

    Py_XDECREF(obj);
    Py_XDECREF(next);
}

static int
save_step(struct pickler *p, struct work *w)
{
    PyObject *obj = w->obj;
    int r;

    p->n_work--;
    r = save(p, obj);
    Py_DECREF(obj);
    return r;
}

int
work_push_save(struct pickler *p, PyObject *obj)
{
    return work_push(p, save_step, obj, NULL) ? 0 : -1;
}

static int
op_step(struct pickler *p, struct work *w)
{
    int op = w->close;

    work_pop(p);
    return sink_op(&p->sink, op);
}

int
work_push_op(struct pickler *p, int op)
{
    struct work *w = work_push(p, op_step, NULL, NULL);

    if (!w) {
        return -1;
    }
    w->close = op;
    return 0;
}

/* An object that its own arguments led back to is in the memo by now: the copy just
 * built is thrown away (CPython's issue 12687). */
static int
memo_step(struct pickler *p, struct work *w)
{
    PyObject *obj = w->obj;
    Py_ssize_t number = memo_find(&p->memo, obj);
    int r;

    p->n_work--;
    if (number < 0) {
        r = save_memoize(p, obj);
    }
    else {
        r = sink_op(&p->sink, OP_POP) < 0 ? -1 : save_get(p, number);
    }
    Py_DECREF(obj);
    return r;
}

int
work_push_memo(struct pickler *p, PyObject *obj)
{
    return work_push(p, memo_step, obj, NULL) ? 0 : -1;
}

void
work_unwind(struct pickler *p, size_t n_work)
{
    PyObject *type, *value, *traceback;

    if (p->n_work == n_work) {
        return;
    }
    PyErr_Fetch(&type, &value, &traceback);
    while (p->n_work > n_work) {
        work_pop(p);
    }
    PyErr_Restore(type, value, traceback);
}

/* Give up frames until one of them can go on. */
static int
work_recover(struct pickler *p, size_t n_work)
{
    if (p->hooks && p->hooks->recover) {
        for (size_t at = p->n_work; at-- > n_work;) {
            int r = p->hooks->recover(p, at);

            if (r != 0) {
                return r < 0 ? -1 : 0;
            }
        }
    }
    work_unwind(p, n_work);
    return -1;
}

int
work_run(struct pickler *p, size_t n_work)
{
    while (p->n_work > n_work) {
        struct work *w = &p->work[p->n_work - 1];

        if (w->step(p, w) < 0 && work_recover(p, n_work) < 0) {
            return -1;
        }
    }
    return 0;
}
