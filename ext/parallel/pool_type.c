#include "parallel/pool_type.h"

#include <errno.h>

#include "errors.h"
#include "parallel/pump.h"
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
    PyTypeObject *type = Py_TYPE(op);

    pool_end((struct pool_object *)op);
    type->tp_free(op);
    Py_DECREF(type);
}

/* Begin to use the pool; one thread at a time may. */
static int
pool_take(struct pool_object *self)
{
    if (!self->pool || self->is_running) {
        PyErr_SetString(PyExc_RuntimeError, self->pool
                                                ? "the pool is running other tasks"
                                                : "the pool is closed");
        return -1;
    }
    self->is_running = 1;
    return 0;
}

PyDoc_STRVAR(pool_close_doc, "close($self, /)\n--\n\n"
                             "End the workers. Further use raises RuntimeError.");

static PyObject *
pool_close(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    struct pool_object *self = (struct pool_object *)op;

    if (self->pool && pool_take(self) < 0) {
        return NULL;
    }
    pool_end(self);
    self->is_running = 0;
    Py_RETURN_NONE;
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
    PyObject *calls, *on_failure, *on_death, *on_done, *results;
    Py_ssize_t n_ahead;

    if (!PyArg_ParseTuple(args, "OnOOO:run", &calls, &n_ahead, &on_failure, &on_death,
                          &on_done)) {
        return NULL;
    }
    if (n_ahead < 1) {
        PyErr_Format(PyExc_ValueError, "n_ahead is %zd: at least 1 is needed", n_ahead);
        return NULL;
    }
    if (pool_take(self) < 0) {
        return NULL;
    }
    results = pump_run(PyType_GetModuleState(Py_TYPE(op)), self, calls, n_ahead,
                       on_failure, on_death, on_done);
    self->is_running = 0;
    return results;
}

static PyMethodDef pool_methods[] = {
    {"close", pool_close, METH_NOARGS, pool_close_doc},
    {"run", pool_run, METH_VARARGS, pool_run_doc},
    {NULL, NULL, 0, NULL},
};

PyDoc_STRVAR(pool_type_doc,
             "Pool(n_workers, argv, environment, hello)\n--\n\n"
             "Worker processes: `argv` is their program, `environment` a list of\n"
             "'NAME=value', `hello` bytes that each is given first.");

static PyType_Slot pool_slots[] = {
    {Py_tp_doc, (void *)pool_type_doc},
    {Py_tp_new, pool_new},
    {Py_tp_dealloc, pool_dealloc},
    {Py_tp_methods, pool_methods},
    {0, NULL},
};

PyType_Spec pool_type_spec = {
    .name = "cjoblib._core.Pool",
    .basicsize = sizeof(struct pool_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = pool_slots,
};
