/* The loop is cj_worker_run(), without the GIL; for each message it comes back here:
 *
 *      hello     on_hello(bytes), once
 *      context   kept: the function that tasks without one of their own call
 *      run       decode, call, encode; what is raised goes to describe(exception),
 * whose result is sent as the failure */

#include "parallel/worker.h"

#include <errno.h>

#include <cjoblib/pool.h>

#include "errors.h"
#include "pickle/value.h"
#include "state.h"

struct worker {
    struct core_state *state;
    PyObject *on_hello;
    PyObject *describe;
    struct cj_blob context; /* the encoded function, until a task needs it */
    PyObject *function;     /* the function, once one did */
    struct value reply;     /* lives until the next message */
};

/* The function that tasks share, decoded when the first of them comes, so that what
 * goes wrong there is that task's failure. */
static PyObject *
worker_function(struct worker *worker)
{
    if (!worker->function) {
        struct cj_bytes bytes = {worker->context.data, worker->context.size};

        if (!bytes.data) {
            PyErr_SetString(PyExc_RuntimeError,
                            "the tasks' function could not be decoded in this worker");
            return NULL;
        }
        worker->function = value_decode(worker->state, &worker->context, bytes);
    }
    return worker->function;
}

/* Decode a task and call it. */
static PyObject *
worker_call(struct worker *worker, struct cj_task *task)
{
    struct cj_bytes bytes = {task->body.data, task->body.size};
    PyObject *message = value_decode(worker->state, &task->body, bytes);
    PyObject *function = NULL, *result = NULL;

    if (!message) {
        return NULL;
    }
    if (PyTuple_Check(message) && PyTuple_GET_SIZE(message) >= 2) {
        function = PyTuple_GET_SIZE(message) > 2 ? PyTuple_GET_ITEM(message, 2)
                                                 : worker_function(worker);
    }
    else {
        PyErr_SetString(PyExc_RuntimeError, "a task is not a tuple of args and kwargs");
    }
    if (function) {
        result = PyObject_Call(function, PyTuple_GET_ITEM(message, 0),
                               PyTuple_GET_ITEM(message, 1));
    }
    Py_DECREF(message);
    return result;
}

/* What tasks printed is seen at once: a worker may end without any further notice. */
static void
flush_stream(const char *name)
{
    PyObject *stream = PySys_GetObject(name);
    PyObject *done;

    if (stream && stream != Py_None) {
        done = PyObject_CallMethod(stream, "flush", NULL);
        if (!done) {
            PyErr_Clear(); /* a closed or full stream is no reason to fail the task */
        }
        Py_XDECREF(done);
    }
}

static int
worker_encode_failure(struct worker *worker)
{
    PyObject *error = compat_take_exception();
    PyObject *failure = PyObject_CallFunctionObjArgs(worker->describe, error, NULL);
    int r = -1;

    if (failure) {
        r = value_encode(worker->state, failure, VALUE_SHIPPING, &worker->reply);
    }
    Py_XDECREF(failure);
    Py_XDECREF(error);
    return r;
}

/* Sets the reply; -1 with an exception when not even the failure can be told. */
static int
worker_run_task(struct worker *worker, struct cj_task *task, struct cj_reply *reply)
{
    PyObject *result = worker_call(worker, task);
    int r = -1;

    if (result) {
        r = value_encode(worker->state, result, VALUE_SHIPPING, &worker->reply);
        Py_DECREF(result);
    }
    if (r < 0) {
        reply->is_failure = true;
        r = worker_encode_failure(worker);
    }
    if (r < 0) {
        return -1;
    }
    flush_stream("stdout");
    flush_stream("stderr");
    reply->parts = worker->reply.parts;
    reply->n_parts = worker->reply.n_parts;
    return 0;
}

static int
worker_hello(struct worker *worker, struct cj_task *task)
{
    PyObject *said = PyObject_CallFunction(worker->on_hello, "y#", task->body.data,
                                           (Py_ssize_t)task->body.size);

    Py_XDECREF(said);
    return said ? 0 : -1;
}

static int
worker_handle(void *context, struct cj_task *task, struct cj_reply *reply)
{
    struct worker *worker = context;
    PyGILState_STATE gil = PyGILState_Ensure();
    int r = 0;

    value_done(&worker->reply);
    switch (task->kind) {
    case CJ_TASK_HELLO:
        r = worker_hello(worker, task);
        break;
    case CJ_TASK_CONTEXT:
        Py_CLEAR(worker->function);
        cj_blob_done(&worker->context);
        worker->context = task->body;
        task->body = (struct cj_blob)CJ_BLOB_INIT;
        break;
    case CJ_TASK_RUN:
        r = worker_run_task(worker, task, reply);
        break;
    }
    PyGILState_Release(gil);
    return r < 0 ? -ECANCELED : 0; /* the exception stays set, and ends the loop */
}

PyDoc_STRVAR(worker_run_doc,
             "worker_run($module, fd, on_hello, describe, /)\n--\n\n"
             "Do the tasks that come through a socket until its other end is closed.");

static PyObject *
worker_run(PyObject *module, PyObject *args)
{
    struct worker worker = {.state = core_state(module), .reply = VALUE_INIT};
    int fd, r;

    if (!PyArg_ParseTuple(args, "iOO:worker_run", &fd, &worker.on_hello,
                          &worker.describe)) {
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS
    r = cj_worker_run(fd, worker_handle, &worker);
    Py_END_ALLOW_THREADS
    Py_CLEAR(worker.function);
    cj_blob_done(&worker.context);
    value_done(&worker.reply);
    if (PyErr_Occurred()) {
        return NULL;
    }
    if (r < 0) {
        return error_raise(r, NULL);
    }
    Py_RETURN_NONE;
}

PyMethodDef worker_methods[] = {
    {"worker_run", worker_run, METH_VARARGS, worker_run_doc},
    {NULL, NULL, 0, NULL},
};
