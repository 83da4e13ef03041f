#include "parallel/pool_control.h"

#include <errno.h>

#include "parallel/pool_type.h"

int
number_of(PyObject *number, uint64_t *ret_number)
{
    unsigned long long value = PyLong_AsUnsignedLongLong(number);

    if (value == (unsigned long long)-1 && PyErr_Occurred()) {
        return -1;
    }
    if (value > PY_SSIZE_T_MAX) {
        PyErr_Format(PyExc_OverflowError, "task %R: at most %zd", number,
                     PY_SSIZE_T_MAX);
        return -1;
    }
    *ret_number = value;
    return 0;
}

/* --- the one call that takes a number and says yes or no
 * ------------------------------------ */

static PyObject *
pool_ask(PyObject *op, PyObject *number, bool (*ask)(struct cj_pool *, uint64_t))
{
    struct pool_object *self = (struct pool_object *)op;
    uint64_t task;
    bool answer;

    if (number_of(number, &task) < 0 || pool_enter(self) < 0) {
        return NULL;
    }
    answer = ask(self->pool, task);
    pool_leave(self);
    return PyBool_FromLong(answer);
}

const char pool_take_back_doc[] =
    PyDoc_STR("take_back($self, task, /)\n--\n\n"
              "Forget a task if it has not begun; whether it is forgotten.");

PyObject *
pool_take_back(PyObject *op, PyObject *number)
{
    return pool_ask(op, number, cj_pool_take_back);
}

const char pool_has_begun_doc[] =
    PyDoc_STR("has_begun($self, task, /)\n--\n\n"
              "Whether a task that is under way has begun.");

PyObject *
pool_has_begun(PyObject *op, PyObject *number)
{
    return pool_ask(op, number, cj_pool_has_begun);
}

const char pool_cancel_task_doc[] =
    PyDoc_STR("cancel_task($self, task, /)\n--\n\n"
              "Forget a task, and kill its worker if it has begun; False: it is not\n"
              "under way.");

PyObject *
pool_cancel_task(PyObject *op, PyObject *number)
{
    return pool_ask(op, number, cj_pool_cancel_task);
}

/* --- the pool as a whole
 * ---------------------------------------------------------------- */

const char pool_wake_doc[] = PyDoc_STR("wake($self, /)\n--\n\n"
                                       "Make next() return None; from any thread.");

PyObject *
pool_wake(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    struct pool_object *self = (struct pool_object *)op;

    if (pool_enter(self) < 0) {
        return NULL;
    }
    cj_pool_wake(self->pool);
    pool_leave(self);
    Py_RETURN_NONE;
}

const char pool_cancel_doc[] =
    PyDoc_STR("cancel($self, /)\n--\n\n"
              "Forget all tasks; workers that are in one are killed.");

PyObject *
pool_cancel(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    struct pool_object *self = (struct pool_object *)op;

    if (pool_enter(self) < 0) {
        return NULL;
    }
    cj_pool_cancel(self->pool);
    pool_leave(self);
    Py_RETURN_NONE;
}

const char pool_resize_doc[] =
    PyDoc_STR("resize($self, n_workers, /)\n--\n\n"
              "Have so many workers: more are started when tasks wait, surplus ones\n"
              "leave when they have none.");

PyObject *
pool_resize(PyObject *op, PyObject *number)
{
    struct pool_object *self = (struct pool_object *)op;
    Py_ssize_t n = PyNumber_AsSsize_t(number, PyExc_OverflowError);
    int r;

    if ((n == -1 && PyErr_Occurred()) || pool_enter(self) < 0) {
        return NULL;
    }
    r = n < 1 ? -EINVAL : cj_pool_resize(self->pool, (size_t)n);
    pool_leave(self);
    if (r < 0) {
        PyErr_Format(PyExc_ValueError, "%zd workers: 1 to %d are possible", n,
                     CJ_POOL_MAX_WORKERS);
        return NULL;
    }
    self->n_workers = n;
    Py_RETURN_NONE;
}

const char pool_set_policy_doc[] =
    PyDoc_STR("set_policy($self, /, retries=0, task_timeout=None, idle_timeout=None)\n"
              "--\n\n"
              "How tasks that are handed in from now on are treated: how often one is\n"
              "run again whose worker died, how many seconds it may take; and after\n"
              "how many seconds without a task workers leave.");

PyObject *
pool_set_policy(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"retries", "task_timeout", "idle_timeout", NULL};
    struct pool_object *self = (struct pool_object *)op;
    PyObject *task_timeout = Py_None, *idle_timeout = Py_None;
    struct cj_pool_limits limits = CJ_POOL_LIMITS_INIT;
    int retries = 0;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|iOO:set_policy", names, &retries,
                                     &task_timeout, &idle_timeout) ||
        nanoseconds_of(task_timeout, &limits.task_timeout_ns) < 0 ||
        nanoseconds_of(idle_timeout, &limits.idle_ns) < 0) {
        return NULL;
    }
    if (retries < 0) {
        PyErr_Format(PyExc_ValueError, "retries=%d: at least 0 is needed", retries);
        return NULL;
    }
    if (pool_enter(self) < 0) {
        return NULL;
    }
    limits.n_retries = (unsigned)retries;
    cj_pool_set_limits(self->pool, &limits);
    pool_leave(self);
    Py_RETURN_NONE;
}

static PyObject *
pool_get_n_pending(PyObject *op, void *Py_UNUSED(closure))
{
    struct pool_object *self = (struct pool_object *)op;
    size_t n;

    if (pool_enter(self) < 0) {
        return NULL;
    }
    n = cj_pool_n_pending(self->pool);
    pool_leave(self);
    return PyLong_FromSize_t(n);
}

static PyObject *
pool_get_n_workers(PyObject *op, void *Py_UNUSED(closure))
{
    return PyLong_FromSsize_t(((struct pool_object *)op)->n_workers);
}

static PyObject *
list_of_pids(const pid_t *pids, size_t n)
{
    PyObject *list = PyList_New((Py_ssize_t)n);

    for (size_t i = 0; list && i < n; i++) {
        PyObject *pid = PyLong_FromLong(pids[i]);

        if (!pid) {
            Py_CLEAR(list);
            break;
        }
        PyList_SET_ITEM(list, (Py_ssize_t)i, pid);
    }
    return list;
}

static PyObject *
pool_get_pids(PyObject *op, void *Py_UNUSED(closure))
{
    struct pool_object *self = (struct pool_object *)op;
    pid_t *pids = PyMem_Calloc(CJ_POOL_MAX_WORKERS, sizeof(*pids));
    PyObject *list = NULL;
    size_t n;

    if (!pids) {
        return PyErr_NoMemory();
    }
    if (pool_enter(self) == 0) {
        n = cj_pool_pids(self->pool, pids, CJ_POOL_MAX_WORKERS);
        pool_leave(self);
        list = list_of_pids(pids, n < CJ_POOL_MAX_WORKERS ? n : CJ_POOL_MAX_WORKERS);
    }
    PyMem_Free(pids);
    return list;
}

PyGetSetDef pool_getset[] = {
    {"n_pending", pool_get_n_pending, NULL, "Tasks whose event has not come.", NULL},
    {"n_workers", pool_get_n_workers, NULL, "Workers, as asked for.", NULL},
    {"pids", pool_get_pids, NULL, "The workers' processes.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};
