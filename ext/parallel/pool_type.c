#include "parallel/pool_type.h"

#include <errno.h>

#include "errors.h"
#include "parallel/pool_control.h"
#include "parallel/pump.h"
#include "parallel/run_type.h"
#include "pickle/value.h"
#include "state.h"

/* How long workers may take to leave before they are killed, in nanoseconds. They leave
 * as soon as they see their socket end, at once unless they are stopped. */
#define POOL_GRACE_NS 1000000000

/* A sequence of str or bytes as an array of C strings; `*ret_keep` holds what they
 * point into. NULL with an exception. */
static const char **
strings_of(PyObject *sequence, PyObject **ret_keep)
{
    PyObject *items = PySequence_Fast(sequence, "a sequence of strings is needed");
    Py_ssize_t n = items ? PySequence_Fast_GET_SIZE(items) : 0;
    PyObject *keep = items ? PyTuple_New(n) : NULL;
    const char **strings = keep ? PyMem_Calloc((size_t)n + 1, sizeof(*strings)) : NULL;

    if (keep && !strings) {
        PyErr_NoMemory();
    }
    for (Py_ssize_t i = 0; strings && i < n; i++) {
        PyObject *bytes;

        if (PyUnicode_FSConverter(PySequence_Fast_GET_ITEM(items, i), &bytes)) {
            PyTuple_SET_ITEM(keep, i, bytes);
            strings[i] = PyBytes_AS_STRING(bytes);
        }
        else {
            PyMem_Free(strings);
            strings = NULL;
        }
    }
    Py_XDECREF(items);
    if (!strings) {
        Py_CLEAR(keep);
    }
    *ret_keep = keep;
    return strings;
}

static int
pool_start(struct pool_object *self, PyObject *argv, PyObject *environment,
           struct cj_bytes hello)
{
    PyObject *keep_argv = NULL, *keep_environment = NULL;
    const char **arguments = strings_of(argv, &keep_argv);
    const char **variables =
        arguments ? strings_of(environment, &keep_environment) : NULL;
    int r = -1;

    if (variables) {
        struct cj_pool_options options = {
            .n_workers = (size_t)self->n_workers,
            .argv = arguments,
            .envp = variables,
            .hello = hello,
        };

        r = cj_pool_open(&options, &self->pool);
        if (r < 0) {
            error_raise(r, PySequence_Fast_GET_SIZE(argv) > 0
                               ? PySequence_Fast_GET_ITEM(argv, 0)
                               : NULL);
        }
    }
    PyMem_Free(arguments);
    PyMem_Free(variables);
    Py_XDECREF(keep_argv);
    Py_XDECREF(keep_environment);
    return r;
}

static PyObject *
pool_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"n_workers", "argv", "environment", "hello", NULL};
    PyObject *argv, *environment;
    struct pool_object *self;
    Py_ssize_t n_workers;
    Py_buffer hello;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "nO!O!y*:Pool", names, &n_workers,
                                     &PyList_Type, &argv, &PyList_Type, &environment,
                                     &hello)) {
        return NULL;
    }
    self = (struct pool_object *)type->tp_alloc(type, 0);
    if (self) {
        self->n_workers = n_workers;
        if (pool_start(self, argv, environment,
                       (struct cj_bytes){hello.buf, (size_t)hello.len}) < 0) {
            Py_CLEAR(self);
        }
    }
    PyBuffer_Release(&hello);
    return (PyObject *)self;
}

/* --- who is inside
 * --------------------------------------------------------------------- */

int
pool_enter(struct pool_object *self)
{
    int users = __atomic_load_n(&self->users, __ATOMIC_RELAXED);

    do {
        if (users == POOL_CLOSED) {
            PyErr_SetString(PyExc_RuntimeError, "the pool is closed");
            return -1;
        }
    } while (!__atomic_compare_exchange_n(&self->users, &users, users + 1, 1,
                                          __ATOMIC_ACQUIRE, __ATOMIC_RELAXED));
    return 0;
}

void
pool_leave(struct pool_object *self)
{
    (void)__atomic_fetch_sub(&self->users, 1, __ATOMIC_RELEASE);
}

int
pool_claim(int *flag, const char *what)
{
    int nobody = 0;

    if (!__atomic_compare_exchange_n(flag, &nobody, 1, 0, __ATOMIC_ACQUIRE,
                                     __ATOMIC_RELAXED)) {
        PyErr_SetString(PyExc_RuntimeError, what);
        return -1;
    }
    return 0;
}

void
pool_release(int *flag)
{
    __atomic_store_n(flag, 0, __ATOMIC_RELEASE);
}

/* --- end
 * ------------------------------------------------------------------------------- */

/* End the workers; waits for them without the GIL. */
static void
pool_end(struct pool_object *self)
{
    struct cj_pool *pool = self->pool;

    self->pool = NULL;
    if (pool) {
        Py_BEGIN_ALLOW_THREADS
        cj_pool_close(pool, POOL_GRACE_NS);
        Py_END_ALLOW_THREADS
    }
}

static void
pool_dealloc(PyObject *op)
{
    struct pool_object *self = (struct pool_object *)op;
    PyTypeObject *type = Py_TYPE(op);

    pool_end(self);
    warm_done(&self->warm);
    Py_XDECREF(self->context);
    Py_XDECREF(self->known_name);
    type->tp_free(op);
    Py_DECREF(type);
}

PyDoc_STRVAR(pool_close_doc,
             "close($self, /)\n--\n\n"
             "End the workers. Further use raises RuntimeError, as this does while\n"
             "another thread is in one of the other methods.");

static PyObject *
pool_close(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    struct pool_object *self = (struct pool_object *)op;
    int users = 0;

    if (__atomic_compare_exchange_n(&self->users, &users, POOL_CLOSED, 0,
                                    __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
        pool_end(self);
        warm_done(&self->warm);
    }
    else if (users != POOL_CLOSED) {
        PyErr_SetString(PyExc_RuntimeError, "the pool is running other tasks");
        return NULL;
    }
    Py_RETURN_NONE;
}

/* --- tasks
 * ----------------------------------------------------------------------------- */

int
pool_give_context(struct pool_object *self, PyObject *context)
{
    struct cj_bytes bytes = {PyBytes_AS_STRING(context),
                             (size_t)PyBytes_GET_SIZE(context)};
    int r;

    if (self->context && PyBytes_GET_SIZE(self->context) == (Py_ssize_t)bytes.size &&
        memcmp(PyBytes_AS_STRING(self->context), bytes.data, bytes.size) == 0) {
        return 0;
    }
    r = cj_pool_set_context(self->pool, bytes);
    if (r < 0) {
        error_raise(r, NULL);
        return -1;
    }
    Py_XSETREF(self->context, Py_NewRef(context));
    return 0;
}

/* Encode a task and hand it in. */
static int
pool_send_task(struct pool_object *self, struct core_state *state, uint64_t number,
               PyObject *message)
{
    struct value value = VALUE_INIT;
    int r;

    if (value_encode(state, message, VALUE_SHIPPING, &value) < 0) {
        return -1;
    }
    r = cj_pool_submit(self->pool, number, value.parts, value.n_parts);
    value_done(&value);
    if (r < 0) {
        error_raise(r, NULL);
        return -1;
    }
    return 0;
}

PyDoc_STRVAR(pool_submit_doc,
             "submit($self, task, function, args, kwargs, /)\n--\n\n"
             "Hand in the call function(*args, **kwargs) under the number `task`.\n\n"
             "It is encoded now: what that raises comes out of here.");

static PyObject *
pool_submit(PyObject *op, PyObject *args)
{
    struct pool_object *self = (struct pool_object *)op;
    PyObject *number, *function, *call_args, *call_kwargs, *message;
    uint64_t task;
    int r;

    if (!PyArg_ParseTuple(args, "OOO!O!:submit", &number, &function, &PyTuple_Type,
                          &call_args, &PyDict_Type, &call_kwargs) ||
        number_of(number, &task) < 0 || pool_enter(self) < 0) {
        return NULL;
    }
    message = PyTuple_Pack(3, call_args, call_kwargs, function);
    r = message
            ? pool_send_task(self, PyType_GetModuleState(Py_TYPE(op)), task, message)
            : -1;
    Py_XDECREF(message);
    pool_leave(self);
    if (r < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
pool_event(struct core_state *state, struct cj_pool_event *event)
{
    Py_ssize_t number = event->task == CJ_POOL_NO_TASK ? -1 : (Py_ssize_t)event->task;
    struct cj_bytes body = {event->body.data, event->body.size};
    enum event_kind kind;
    PyObject *value;

    if (event->kind == CJ_POOL_DEATH || event->kind == CJ_POOL_RETRY) {
        return event_tuple(event_kind_of_death(event), number, event_reason(event),
                           (int)event->pid, event->wait_status);
    }
    kind = event->kind == CJ_POOL_RESULT ? EVENT_RESULT : EVENT_FAILURE;
    value = value_decode(state, &event->body, body);
    if (!value && PyErr_ExceptionMatches(PyExc_Exception)) {
        kind = EVENT_UNREADABLE;
        value = compat_take_exception();
    }
    return event_tuple(kind, number, value, (int)event->pid, 0);
}

PyDoc_STRVAR(pool_next_doc,
             "next($self, timeout=None, /)\n--\n\n"
             "Wait for the next (kind, task, value, pid, status); None: the time (in\n"
             "seconds) is up, or wake() was called. Also while nothing is under way.");

static PyObject *
pool_next(PyObject *op, PyObject *const *args, Py_ssize_t n_args)
{
    struct pool_object *self = (struct pool_object *)op;
    struct cj_pool_event event;
    PyObject *result = NULL;
    int64_t timeout_ns;
    int r;

    if (n_args > 1) {
        PyErr_SetString(PyExc_TypeError, "next() takes at most 1 argument");
        return NULL;
    }
    if (nanoseconds_of(n_args > 0 ? args[0] : Py_None, &timeout_ns) < 0 ||
        pool_enter(self) < 0) {
        return NULL;
    }
    if (pool_claim(&self->is_waited_for, "another thread waits for the pool") == 0) {
        r = pool_await(self, timeout_ns, 1, &event);
        pool_release(&self->is_waited_for);
        if (r > 0) {
            result = pool_event(PyType_GetModuleState(Py_TYPE(op)), &event);
            cj_pool_event_done(&event);
        }
        else if (r == 0) {
            result = Py_NewRef(Py_None);
        }
    }
    pool_leave(self);
    return result;
}

/* --- runs
 * ------------------------------------------------------------------------------ */

PyDoc_STRVAR(
    pool_start_doc,
    "start($self, /, calls, n_ahead, batch_size=0, hold=False, stretch=False,\n"
    "      block_bytes=0, reducer=None, mmap_mode='r', spill_folder=None)\n--\n\n"
    "Begin to run every (function, args, kwargs) of an iterable: a Run.\n\n"
    "Calls travel in batches of `batch_size` (0: by measured time). At most\n"
    "`n_ahead` batches are taken beyond those that are done, or, with `hold`,\n"
    "whose results were given back by release(); with `stretch` more while\n"
    "calls are short. Buffers of arguments from `block_bytes` on (0: none) go\n"
    "into shared memory once, and arrive as `mmap_mode` says: 'r', 'r+', 'c'.\n"
    "`reducer(object)` is asked first how an object is pickled.");

static int
access_of(const char *mode, enum cj_block_access *ret_access)
{
    if (strcmp(mode, "r") == 0) {
        *ret_access = CJ_BLOCK_READ;
    }
    else if (strcmp(mode, "r+") == 0 || strcmp(mode, "w+") == 0) {
        *ret_access = CJ_BLOCK_WRITE;
    }
    else if (strcmp(mode, "c") == 0) {
        *ret_access = CJ_BLOCK_PRIVATE;
    }
    else {
        PyErr_Format(PyExc_ValueError, "mmap_mode '%s': 'r', 'r+', 'w+' or 'c'", mode);
        return -1;
    }
    return 0;
}

static int
check_run_options(const struct run_options *options)
{
    if (options->n_ahead < 1 || options->batch_size < 0 || options->block_bytes < 0) {
        PyErr_Format(PyExc_ValueError,
                     "n_ahead is %zd, batch_size %zd, block_bytes %zd: at least 1, 0 "
                     "and 0 are needed",
                     options->n_ahead, options->batch_size, options->block_bytes);
        return -1;
    }
    return 0;
}

static PyObject *
pool_start_run(PyObject *op, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"calls",        "n_ahead",     "batch_size", "hold",
                            "stretch",      "block_bytes", "reducer",    "mmap_mode",
                            "spill_folder", NULL};
    struct run_options options = {.reducer = Py_None};
    PyObject *folder = Py_None, *run;
    const char *mode = "r";

    if (!PyArg_ParseTupleAndKeywords(
            args, kwargs, "On|nppnOsO:start", names, &options.calls, &options.n_ahead,
            &options.batch_size, &options.hold, &options.stretch, &options.block_bytes,
            &options.reducer, &mode, &folder) ||
        check_run_options(&options) < 0 || access_of(mode, &options.access) < 0 ||
        (folder != Py_None && !PyUnicode_FSConverter(folder, &options.spill_folder))) {
        return NULL;
    }
    run =
        run_new(PyType_GetModuleState(Py_TYPE(op)), (struct pool_object *)op, &options);
    Py_XDECREF(options.spill_folder);
    return run;
}

PyDoc_STRVAR(
    pool_run_doc,
    "run($self, calls, n_ahead, on_failure, on_death, on_done, /)\n--\n\n"
    "Run every (function, args, kwargs) of an iterable; the list of results.\n\n"
    "At most n_ahead calls are taken beyond those that are done. What the\n"
    "handlers raise ends the run:\n"
    "on_failure(index, function, failure), on_death(index, function, pid, status).");

static PyObject *
pool_run(PyObject *op, PyObject *args)
{
    struct pool_object *self = (struct pool_object *)op;
    PyObject *calls, *on_failure, *on_death, *on_done, *results = NULL;
    Py_ssize_t n_ahead;

    if (!PyArg_ParseTuple(args, "OnOOO:run", &calls, &n_ahead, &on_failure, &on_death,
                          &on_done)) {
        return NULL;
    }
    if (n_ahead < 1) {
        PyErr_Format(PyExc_ValueError, "n_ahead is %zd: at least 1 is needed", n_ahead);
        return NULL;
    }
    if (pool_enter(self) < 0) {
        return NULL;
    }
    if (pool_claim(&self->has_run, "the pool is running other tasks") == 0) {
        results = pump_run(PyType_GetModuleState(Py_TYPE(op)), self, calls, n_ahead,
                           on_failure, on_death, on_done);
        Py_CLEAR(self->context); /* the pump's own */
        pool_release(&self->has_run);
    }
    pool_leave(self);
    return results;
}

/* --- the type
 * -------------------------------------------------------------------------- */

static PyMethodDef pool_methods[] = {
    {"cancel", pool_cancel, METH_NOARGS, pool_cancel_doc},
    {"cancel_task", pool_cancel_task, METH_O, pool_cancel_task_doc},
    {"close", pool_close, METH_NOARGS, pool_close_doc},
    {"has_begun", pool_has_begun, METH_O, pool_has_begun_doc},
    {"next", (PyCFunction)(void (*)(void))pool_next, METH_FASTCALL, pool_next_doc},
    {"resize", pool_resize, METH_O, pool_resize_doc},
    {"run", pool_run, METH_VARARGS, pool_run_doc},
    {"set_policy", (PyCFunction)(void (*)(void))pool_set_policy,
     METH_VARARGS | METH_KEYWORDS, pool_set_policy_doc},
    {"start", (PyCFunction)(void (*)(void))pool_start_run, METH_VARARGS | METH_KEYWORDS,
     pool_start_doc},
    {"submit", pool_submit, METH_VARARGS, pool_submit_doc},
    {"take_back", pool_take_back, METH_O, pool_take_back_doc},
    {"wake", pool_wake, METH_NOARGS, pool_wake_doc},
    {NULL, NULL, 0, NULL},
};

PyDoc_STRVAR(pool_type_doc,
             "Pool(n_workers, argv, environment, hello)\n--\n\n"
             "Worker processes: `argv` is their program, `environment` a list of\n"
             "'NAME=value', `hello` bytes that each is given first.");

static PyType_Slot pool_slots[] = {
    {Py_tp_doc, (void *)pool_type_doc}, {Py_tp_new, pool_new},
    {Py_tp_dealloc, pool_dealloc},      {Py_tp_methods, pool_methods},
    {Py_tp_getset, pool_getset},        {0, NULL},
};

PyType_Spec pool_type_spec = {
    .name = "cjoblib._core.Pool",
    .basicsize = sizeof(struct pool_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = pool_slots,
};
