#include "parallel/worker_calls.h"

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

/* --- failures
 * -------------------------------------------------------------------------
 */

/* What describe() says of the exception that is set, which is then no longer. */
static PyObject *
describe_exception(struct worker *worker)
{
    PyObject *error = compat_take_exception();
    PyObject *failure = PyObject_CallFunctionObjArgs(worker->describe, error, NULL);

    Py_XDECREF(error);
    return failure;
}

static int
reply_encode(struct worker *worker, PyObject *object)
{
    struct value_places places = {
        .context = &worker->answer,
        .put = answer_put,
        .reducer = worker->reducer,
    };

    return value_encode_apart(worker->state, object, VALUE_SHIPPING, &places,
                              &worker->reply);
}

void
worker_forget_reply(struct worker *worker)
{
    value_done(&worker->reply);
    answer_done(&worker->answer);
}

/* The exception that is set, as the failure of a single call. */
static int
reply_failure(struct worker *worker)
{
    PyObject *failure = describe_exception(worker);
    int r = failure ? reply_encode(worker, failure) : -1;

    Py_XDECREF(failure);
    return r;
}

/* The same of a call whose predecessors gave these results. */
static int
reply_failure_after(struct worker *worker, PyObject *results)
{
    PyObject *failure = describe_exception(worker);
    PyObject *both = failure ? PyTuple_Pack(2, results, failure) : NULL;
    int r = both ? reply_encode(worker, both) : -1;

    Py_XDECREF(both);
    Py_XDECREF(failure);
    return r;
}

/* --- a single call
 * ---------------------------------------------------------------------
 */

static PyObject *
call_one(struct worker *worker, PyObject *message)
{
    PyObject *function = PyTuple_GET_SIZE(message) > 2 ? PyTuple_GET_ITEM(message, 2)
                                                       : worker_function(worker);
    PyObject *kwargs = PyTuple_GET_ITEM(message, 1);

    return function ? PyObject_Call(function, PyTuple_GET_ITEM(message, 0),
                                    PyDict_GET_SIZE(kwargs) > 0 ? kwargs : NULL)
                    : NULL;
}

/* Takes over the message: arguments end with the call. */
static int
run_one(struct worker *worker, PyObject *message, struct cj_reply *reply)
{
    PyObject *result = call_one(worker, message);
    int r = result ? reply_encode(worker, result) : -1;

    Py_DECREF(message);
    Py_XDECREF(result);
    if (r < 0) {
        reply->is_failure = true;
        r = reply_failure(worker);
    }
    return r;
}

/* --- many calls
 * ------------------------------------------------------------------------
 */

static PyObject *
call_nth(PyObject *function, PyObject *message, Py_ssize_t i)
{
    PyObject *all_kwargs = PyList_GET_ITEM(message, 1);
    PyObject *args = PyList_GET_ITEM(PyList_GET_ITEM(message, 0), i);
    PyObject *kwargs = all_kwargs == Py_None ? NULL : PyList_GET_ITEM(all_kwargs, i);

    return PyObject_Call(function, args,
                         kwargs && PyDict_GET_SIZE(kwargs) > 0 ? kwargs : NULL);
}

/* Make the calls until one fails (with its exception set) or the rest is to go back. */
static void
call_many(struct worker *worker, PyObject *message, struct cj_task *task,
          PyObject *results)
{
    PyObject *function = PyList_GET_ITEM(message, 2);
    Py_ssize_t n = PyList_GET_SIZE(PyList_GET_ITEM(message, 0));

    if (function == Py_None) {
        function = worker_function(worker);
    }
    for (Py_ssize_t i = 0; function && i < n; i++) {
        PyObject *result = call_nth(function, message, i);

        if (!result || compat_list_take(results, result) < 0) {
            Py_XDECREF(result);
            return;
        }
        if (cj_task_step(task, (uint64_t)i + 1)) {
            return;
        }
    }
}

/* Encoding the results raised: find the first that can't be, and tell of that. */
static int
reply_unsendable(struct worker *worker, PyObject *results)
{
    Py_ssize_t n = PyList_GET_SIZE(results), at = 0;
    PyObject *before;
    int r = 0;

    PyErr_Clear();
    while (at < n) {
        value_done(&worker->reply);
        r = reply_encode(worker, PyList_GET_ITEM(results, at));
        if (r < 0) {
            break;
        }
        at++;
    }
    value_done(&worker->reply);
    if (r == 0) {
        /* Each by itself can be sent, together they can't: the last one is the excess.
         */
        PyErr_SetString(PyExc_RuntimeError,
                        "results of several calls can't be encoded");
        at = n - 1;
    }
    before = PyList_GetSlice(results, 0, at);
    r = before ? reply_failure_after(worker, before) : -1;
    Py_XDECREF(before);
    return r;
}

static int
run_many(struct worker *worker, PyObject *message, struct cj_task *task,
         struct cj_reply *reply)
{
    PyObject *results = PyList_New(0);
    int r;

    if (!results) {
        Py_DECREF(message);
        return -1;
    }
    call_many(worker, message, task, results);
    Py_DECREF(message);
    if (PyErr_Occurred()) {
        reply->is_failure = true;
        r = reply_failure_after(worker, results);
    }
    else {
        r = reply_encode(worker, results);
    }
    if (r < 0 && PyErr_Occurred()) {
        reply->is_failure = true;
        r = reply_unsendable(worker, results);
    }
    Py_DECREF(results);
    return r;
}

/* --- a task
 * ------------------------------------------------------------------------------
 */

static int
is_task(PyObject *message)
{
    if (PyTuple_CheckExact(message)) {
        return PyTuple_GET_SIZE(message) >= 2;
    }
    return PyList_CheckExact(message) && PyList_GET_SIZE(message) == 3;
}

static PyObject *
decode_task(struct worker *worker, struct cj_task *task)
{
    struct cj_bytes bytes = {task->body.data, task->body.size};
    struct value_places places = {.context = &worker->arrivals, .find = arrivals_find};
    uint32_t note = value_note(bytes), spare = note & 0xff;

    worker->arrivals = (struct arrivals){
        .state = worker->state,
        .fds = task->block_fds,
        .n_fds = task->n_blocks,
        .access = (enum cj_block_access)(note >> 8 & 3),
    };
    if (spare < task->n_blocks &&
        cj_block_take(&task->block_fds[spare], &worker->answer.spare) < 0) {
        worker->answer.spare = NULL;
    }
    return value_decode_apart(worker->state, &task->body, bytes, &places);
}

static int
run_message(struct worker *worker, PyObject *message, struct cj_task *task,
            struct cj_reply *reply)
{
    if (message && !is_task(message)) {
        Py_CLEAR(message);
        PyErr_SetString(PyExc_RuntimeError, "a task is not a tuple of args and kwargs");
    }
    if (!message) {
        reply->is_failure = true;
        return reply_failure(worker);
    }
    return PyList_CheckExact(message) ? run_many(worker, message, task, reply)
                                      : run_one(worker, message, reply);
}

int
worker_run_task(struct worker *worker, struct cj_task *task, struct cj_reply *reply)
{
    int r = run_message(worker, decode_task(worker, task), task, reply);

    reply->kept_blocks = arrivals_kept(&worker->arrivals);
    arrivals_done(&worker->arrivals);
    if (worker->answer.block) {
        reply->blocks = &worker->answer.block;
        reply->n_blocks = 1;
    }
    return r;
}
