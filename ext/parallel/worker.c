/* The loop is cj_worker_run(), without the GIL; for each message it comes back here:
 *
 *      hello     on_hello(bytes), once
 *      context   kept: the function that tasks without one of their own call
 *      run       decode, call, encode: worker_calls.c */

#include "parallel/worker.h"

#include <errno.h>

#include "errors.h"
#include "parallel/worker_calls.h"

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
worker_take_task(struct worker *worker, struct cj_task *task, struct cj_reply *reply)
{
    if (worker_run_task(worker, task, reply) < 0) {
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

    worker_forget_reply(worker);
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
        r = worker_take_task(worker, task, reply);
        break;
    }
    PyGILState_Release(gil);
    return r < 0 ? -ECANCELED : 0; /* the exception stays set, and ends the loop */
}

PyDoc_STRVAR(worker_run_doc,
             "worker_run($module, fd, on_hello, describe, reducer=None, /)\n--\n\n"
             "Do the tasks that come through a socket until its other end is closed.");

static PyObject *
worker_run(PyObject *module, PyObject *args)
{
    struct worker worker = {.state = core_state(module), .reply = VALUE_INIT};
    int fd, r;

    if (!PyArg_ParseTuple(args, "iOO|O:worker_run", &fd, &worker.on_hello,
                          &worker.describe, &worker.reducer)) {
        return NULL;
    }
    worker.reducer = worker.reducer == Py_None ? NULL : worker.reducer;
    Py_BEGIN_ALLOW_THREADS
    r = cj_worker_run(fd, worker_handle, &worker);
    Py_END_ALLOW_THREADS
    Py_CLEAR(worker.function);
    cj_blob_done(&worker.context);
    worker_forget_reply(&worker);
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
