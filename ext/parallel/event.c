/* What comes out of a pool, as Python sees it. */

#include <errno.h>
#include <math.h>

#include "errors.h"
#include "parallel/pool_type.h"

#define NS_PER_SECOND 1000000000
#define NS_PER_SECOND_FLOAT 1e9

int
nanoseconds_of(PyObject *seconds, int64_t *ret_ns)
{
    double value;

    if (seconds == Py_None) {
        *ret_ns = -1;
        return 0;
    }
    value = PyFloat_AsDouble(seconds);
    if (value == -1.0 && PyErr_Occurred()) {
        return -1;
    }
    if (isnan(value)) {
        PyErr_SetString(PyExc_ValueError, "a time of nan seconds");
        return -1;
    }
    if (value >= (double)INT64_MAX / NS_PER_SECOND_FLOAT) {
        *ret_ns = -1;
    }
    else {
        *ret_ns = value > 0 ? (int64_t)(value * NS_PER_SECOND_FLOAT) : 0;
    }
    return 0;
}

PyObject *
event_tuple(enum event_kind kind, Py_ssize_t number, PyObject *value, int pid,
            int status)
{
    PyObject *tuple;

    if (!value) {
        return NULL;
    }
    tuple = number < 0 ? Py_BuildValue("iONii", (int)kind, Py_None, value, pid, status)
                       : Py_BuildValue("inNii", (int)kind, number, value, pid, status);
    return tuple;
}

enum event_kind
event_kind_of_death(const struct cj_pool_event *event)
{
    if (event->error == -ETIMEDOUT) {
        return EVENT_TIMEOUT;
    }
    return event->kind == CJ_POOL_RETRY ? EVENT_RETRY : EVENT_DEATH;
}

PyObject *
event_reason(const struct cj_pool_event *event)
{
    if (event->out_of_memory) {
        return PyUnicode_FromString("out of memory");
    }
    if (event->error == -EPROTO) {
        return PyUnicode_FromString("it sent a damaged message");
    }
    Py_RETURN_NONE;
}

/* Time left of `timeout_ns`, which began at `begun`. */
static int64_t
time_left(int64_t timeout_ns, int64_t begun)
{
    int64_t gone;

    if (timeout_ns < 0) {
        return -1;
    }
    gone = compat_monotonic_ns() - begun;
    return gone < timeout_ns ? timeout_ns - gone : 0;
}

int
pool_await(struct pool_object *self, int64_t timeout_ns, int may_rest,
           struct cj_pool_event *ret_event)
{
    int64_t begun = timeout_ns > 0 ? compat_monotonic_ns() : 0;
    int64_t left_ns = timeout_ns;
    int r;

    for (;;) {
        Py_BEGIN_ALLOW_THREADS
        r = cj_pool_next(self->pool, left_ns, ret_event);
        if (r == CJ_POOL_EMPTY && may_rest) {
            r = cj_pool_rest(self->pool, left_ns);
            r = r == 0 ? CJ_POOL_EMPTY : r;
        }
        Py_END_ALLOW_THREADS
        if (r == 0) {
            return 1;
        }
        if (r == -EINTR && PyErr_CheckSignals() < 0) {
            return -1;
        }
        if (r < 0 && r != -EINTR) {
            error_raise(r, NULL);
            return -1;
        }
        if (r == CJ_POOL_TIMEOUT || r == CJ_POOL_WOKEN ||
            (r == CJ_POOL_EMPTY && !may_rest)) {
            return 0;
        }
        left_ns = time_left(timeout_ns, begun);
    }
}
