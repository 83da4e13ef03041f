#include "parallel/pump.h"

#include <errno.h>

#include "errors.h"
#include "pickle/value.h"

struct pump {
    struct core_state *state;
    struct cj_pool *pool;
    PyObject *iterator; /* NULL: no call is left */
    PyObject *function; /* what the workers hold as the context; NULL: nothing yet */
    PyObject *results;  /* list; calls under way have their function in their place */
    PyObject *on_failure;
    PyObject *on_death;
    PyObject *on_done;
    Py_ssize_t n_ahead;
    Py_ssize_t n_done;
};

/* Give the function to the workers once, if this is the first call; a later call with
 * another function carries it itself. Returns whether `function` is the workers'
 * context; -1 with an exception. */
static int
pump_share_function(struct pump *pump, PyObject *function)
{
    struct value value = VALUE_INIT;
    PyObject *joined;
    int r;

    if (pump->function) {
        return pump->function == function;
    }
    if (value_encode(pump->state, function, VALUE_SHIPPING, &value) < 0) {
        return -1;
    }
    joined = value_join(&value);
    value_done(&value);
    if (!joined) {
        return -1;
    }
    r = cj_pool_set_context(
        pump->pool,
        (struct cj_bytes){PyBytes_AS_STRING(joined), (size_t)PyBytes_GET_SIZE(joined)});
    Py_DECREF(joined);
    if (r < 0) {
        error_raise(r, NULL);
        return -1;
    }
    pump->function = Py_NewRef(function);
    return 1;
}

/* The call as it travels: (args, kwargs) when the function is the context, otherwise
 * (args, kwargs, function). */
static PyObject *
pump_message(PyObject *call, int is_shared)
{
    PyObject *function = PyTuple_GET_ITEM(call, 0);
    PyObject *args = PyTuple_GET_ITEM(call, 1), *kwargs = PyTuple_GET_ITEM(call, 2);

    return is_shared ? PyTuple_Pack(2, args, kwargs)
                     : PyTuple_Pack(3, args, kwargs, function);
}

static int
pump_submit(struct pump *pump, PyObject *call)
{
    struct value value = VALUE_INIT;
    Py_ssize_t index = PyList_GET_SIZE(pump->results);
    int is_shared = pump_share_function(pump, PyTuple_GET_ITEM(call, 0));
    PyObject *message = is_shared < 0 ? NULL : pump_message(call, is_shared);
    int r;

    if (!message || value_encode(pump->state, message, VALUE_SHIPPING, &value) < 0) {
        Py_XDECREF(message);
        return -1;
    }
    r = cj_pool_submit(pump->pool, (uint64_t)index, value.parts, value.n_parts);
    value_done(&value);
    Py_DECREF(message);
    if (r < 0) {
        error_raise(r, PyTuple_GET_ITEM(call, 0));
        return -1;
    }
    return PyList_Append(pump->results, PyTuple_GET_ITEM(call, 0));
}

static int
is_call(PyObject *call)
{
    return PyTuple_Check(call) && PyTuple_GET_SIZE(call) == 3 &&
           PyTuple_Check(PyTuple_GET_ITEM(call, 1)) &&
           PyDict_Check(PyTuple_GET_ITEM(call, 2));
}

/* Take calls from the iterator while there is room for them. */
static int
pump_fill(struct pump *pump)
{
    while (pump->iterator &&
           PyList_GET_SIZE(pump->results) - pump->n_done < pump->n_ahead) {
        PyObject *call = PyIter_Next(pump->iterator);
        int r;

        if (!call) {
            Py_CLEAR(pump->iterator);
            return PyErr_Occurred() ? -1 : 0;
        }
        if (is_call(call)) {
            r = pump_submit(pump, call);
        }
        else {
            PyErr_Format(
                PyExc_TypeError,
                "task %zd is not a (function, args, kwargs) as delayed() gives: %R",
                PyList_GET_SIZE(pump->results), call);
            r = -1;
        }
        Py_DECREF(call);
        if (r < 0) {
            return -1;
        }
    }
    return 0;
}

/* Call one of the handlers that are to raise. */
static int
pump_raise(PyObject *result, const char *handler)
{
    if (result) {
        PyErr_Format(PyExc_SystemError, "%s did not raise", handler);
        Py_DECREF(result);
    }
    return -1;
}

static int
pump_failed(struct pump *pump, Py_ssize_t index, PyObject *failure)
{
    return pump_raise(PyObject_CallFunction(pump->on_failure, "nOO", index,
                                            PyList_GET_ITEM(pump->results, index),
                                            failure),
                      "on_failure");
}

static int
pump_died(struct pump *pump, const struct cj_pool_event *event)
{
    PyObject *result;

    if (event->task == CJ_POOL_NO_TASK) {
        result = PyObject_CallFunction(pump->on_death, "OOii", Py_None, Py_None,
                                       (int)event->pid, event->wait_status);
    }
    else {
        Py_ssize_t index = (Py_ssize_t)event->task;

        result = PyObject_CallFunction(pump->on_death, "nOii", index,
                                       PyList_GET_ITEM(pump->results, index),
                                       (int)event->pid, event->wait_status);
    }
    return pump_raise(result, "on_death");
}

static int
pump_done(struct pump *pump, Py_ssize_t index, PyObject *value)
{
    PyObject *said;

    if (PyList_SetItem(pump->results, index, Py_NewRef(value)) < 0) {
        return -1;
    }
    pump->n_done++;
    if (pump->on_done == Py_None) {
        return 0;
    }
    said = PyObject_CallFunction(pump->on_done, "nn", pump->n_done,
                                 PyList_GET_SIZE(pump->results));
    Py_XDECREF(said);
    return said ? 0 : -1;
}

static int
pump_take(struct pump *pump, struct cj_pool_event *event)
{
    Py_ssize_t index = (Py_ssize_t)event->task;
    struct cj_bytes body = {event->body.data, event->body.size};
    PyObject *value;
    int r;

    if (event->kind == CJ_POOL_DEATH) {
        return pump_died(pump, event);
    }
    value = value_decode(pump->state, &event->body, body);
    if (!value) {
        return -1;
    }
    r = event->kind == CJ_POOL_FAILURE ? pump_failed(pump, index, value)
                                       : pump_done(pump, index, value);
    Py_DECREF(value);
    return r;
}

/* Wait for one event, without the GIL; signals are looked at when they come. */
static int
pump_wait(struct pump *pump)
{
    struct cj_pool_event event;
    int r;

    Py_BEGIN_ALLOW_THREADS
    r = cj_pool_next(pump->pool, -1, &event);
    Py_END_ALLOW_THREADS
    if (r == -EINTR) {
        return PyErr_CheckSignals();
    }
    if (r < 0) {
        error_raise(r, NULL);
        return -1;
    }
    if (r > 0) {
        PyErr_SetString(PyExc_SystemError, "the pool lost a task");
        return -1;
    }
    r = pump_take(pump, &event);
    cj_pool_event_done(&event);
    return r;
}

static int
pump_loop(struct pump *pump)
{
    int r = pump_fill(pump);

    while (r == 0 && pump->n_done < PyList_GET_SIZE(pump->results)) {
        r = pump_wait(pump);
        if (r == 0) {
            r = pump_fill(pump);
        }
    }
    return r;
}

PyObject *
pump_run(struct core_state *state, struct pool_object *pool, PyObject *calls,
         Py_ssize_t n_ahead, PyObject *on_failure, PyObject *on_death,
         PyObject *on_done)
{
    struct pump pump = {
        .state = state,
        .pool = pool->pool,
        .iterator = PyObject_GetIter(calls),
        .results = PyList_New(0),
        .on_failure = on_failure,
        .on_death = on_death,
        .on_done = on_done,
        .n_ahead = n_ahead,
    };

    if (!pump.iterator || !pump.results || pump_loop(&pump) < 0) {
        cj_pool_cancel(pump.pool);
        Py_CLEAR(pump.results);
    }
    Py_XDECREF(pump.function);
    Py_XDECREF(pump.iterator);
    return pump.results;
}
