/* The type cjoblib._core.Threads. */

#include "parallel/threads.h"

#include "state.h"

/* The timeout of a method in microseconds, -1 for None; -2 with an exception. */
static long long
timeout_us_of(PyObject *timeout)
{
    double seconds;

    if (timeout == Py_None) {
        return -1;
    }
    seconds = PyFloat_AsDouble(timeout);
    if (PyErr_Occurred()) {
        return -2;
    }
    if (!(seconds < 1e9)) {
        return -1;
    }
    return seconds <= 0 ? 0 : (long long)(seconds * 1e6);
}

static int
threads_make_locks(struct threads *self)
{
    self->state = PyThread_allocate_lock();
    self->bell = PyThread_allocate_lock();
    if (!self->state || !self->bell) {
        PyErr_NoMemory();
        return -1;
    }
    PyThread_acquire_lock(self->bell, NOWAIT_LOCK);
    self->last_waiter = &self->waiters;
    return 0;
}

static PyObject *
threads_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"calls",          "batch_size", "n_ahead",  "ordered",
                            "returns_errors", "on_done",    "on_taken", NULL};
    PyObject *calls, *on_done = Py_None, *on_taken = Py_None;
    Py_ssize_t n_batch = 1, n_ahead = 0;
    int is_ordered = 1, returns_errors = 0;
    struct threads *self;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|nnppOO:Threads", names, &calls,
                                     &n_batch, &n_ahead, &is_ordered, &returns_errors,
                                     &on_done, &on_taken)) {
        return NULL;
    }
    if (n_batch < 1 || n_batch > PY_SSIZE_T_MAX / 64 || n_ahead < 0 ||
        n_ahead > PY_SSIZE_T_MAX / n_batch) {
        PyErr_Format(PyExc_ValueError, "batch_size=%zd or n_ahead=%zd is out of range",
                     n_batch, n_ahead);
        return NULL;
    }
    self = (struct threads *)type->tp_alloc(type, 0);
    if (!self) {
        return NULL;
    }
    self->n_batch = n_batch;
    self->n_ahead = n_ahead;
    self->is_ordered = is_ordered;
    self->returns_errors = returns_errors;
    self->shared_type =
        Py_NewRef(((struct core_state *)PyType_GetModuleState(type))->shared_type);
    self->on_done = Py_NewRef(on_done);
    self->on_taken = Py_NewRef(on_taken);
    self->context = PyContext_CopyCurrent();
    self->iterator = self->context ? PyObject_GetIter(calls) : NULL;
    if (!self->iterator || threads_make_locks(self) < 0) {
        Py_CLEAR(self);
    }
    return (PyObject *)self;
}

static int
threads_traverse(PyObject *op, visitproc visit, void *arg)
{
    struct threads *self = (struct threads *)op;

    Py_VISIT(Py_TYPE(op));
    Py_VISIT(self->iterator);
    Py_VISIT(self->shared_type);
    Py_VISIT(self->context);
    Py_VISIT(self->on_done);
    Py_VISIT(self->on_taken);
    Py_VISIT(self->error);
    for (Py_ssize_t i = self->first; i < self->n_slots; i++) {
        Py_VISIT(self->slots[i]);
    }
    return 0;
}

/* What is in a cycle can't be working: threads hold a reference. */
static int
threads_clear(PyObject *op)
{
    struct threads *self = (struct threads *)op;

    while (self->first < self->n_slots) {
        Py_CLEAR(self->slots[self->n_slots - 1]);
        self->n_slots--;
    }
    self->phase = THREADS_STOPPED;
    Py_CLEAR(self->on_done);
    Py_CLEAR(self->on_taken);
    Py_CLEAR(self->error);
    Py_CLEAR(self->iterator);
    Py_CLEAR(self->shared_type);
    Py_CLEAR(self->context);
    return 0;
}

static void
threads_dealloc(PyObject *op)
{
    struct threads *self = (struct threads *)op;
    PyTypeObject *type = Py_TYPE(op);

    PyObject_GC_UnTrack(op);
    (void)threads_clear(op);
    PyMem_RawFree(self->slots);
    if (self->state) {
        PyThread_free_lock(self->state);
    }
    if (self->bell) {
        PyThread_free_lock(self->bell);
    }
    type->tp_free(op);
    Py_DECREF(type);
}

PyDoc_STRVAR(threads_work_doc, "work($self, /)\n--\n\n"
                               "Make calls in this thread until there are none left.");

static PyObject *
threads_work_method(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    if (threads_work((struct threads *)op) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

PyDoc_STRVAR(threads_stop_doc,
             "stop($self, /)\n--\n\n"
             "Begin no more calls, and let the results be forgotten.");

static PyObject *
threads_stop_method(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    struct threads *self = (struct threads *)op;

    threads_lock(self);
    threads_stop_lock_held(self);
    threads_unlock(self);
    Py_RETURN_NONE;
}

PyDoc_STRVAR(threads_fail_doc, "fail($self, error, /)\n--\n\n"
                               "End the loop with an exception.");

static PyObject *
threads_fail_method(PyObject *op, PyObject *error)
{
    struct threads *self = (struct threads *)op;
    PyObject *old;

    threads_lock(self);
    old = self->error;
    self->error = Py_NewRef(error);
    threads_stop_lock_held(self);
    threads_unlock(self);
    Py_XDECREF(old);
    Py_RETURN_NONE;
}

/* Raise what ended the loop, if something did. */
static int
threads_check(struct threads *self)
{
    PyObject *error;

    threads_lock(self);
    error = Py_XNewRef(self->error);
    threads_unlock(self);
    if (!error) {
        return 0;
    }
    PyErr_SetObject((PyObject *)Py_TYPE(error), error);
    Py_DECREF(error);
    return -1;
}

/* Take the result that is next: NULL without an exception when none is there. */
static PyObject *
threads_pop(struct threads *self)
{
    PyObject *result = NULL;

    threads_lock(self);
    if (self->first < self->n_slots) {
        result = self->slots[self->first];
        self->slots[self->first] = NULL;
    }
    if (result) {
        self->first++;
        self->n_popped++;
        threads_admit_lock_held(self);
    }
    threads_unlock(self);
    return result;
}

PyDoc_STRVAR(threads_next_doc,
             "next($self, timeout=None, /)\n--\n\n"
             "Wait for the next result: a tuple with it, an empty one when there is\n"
             "none left, None when it did not come in so many seconds.");

static PyObject *
threads_next(PyObject *op, PyObject *const *args, Py_ssize_t n_args)
{
    struct threads *self = (struct threads *)op;
    long long timeout_us = n_args > 0 ? timeout_us_of(args[0]) : -1;
    PyObject *result, *pair;
    int r;

    if (timeout_us == -2) {
        return NULL;
    }
    r = threads_wait(self, THREADS_NEXT, timeout_us);
    if (r < 0 || threads_check(self) < 0) {
        return NULL;
    }
    if (r == 0) {
        Py_RETURN_NONE;
    }
    result = threads_pop(self);
    if (!result) {
        return PyTuple_New(0);
    }
    pair = PyTuple_Pack(1, result);
    Py_DECREF(result);
    return pair;
}

/* All results as a list; they are no longer here. */
static PyObject *
threads_collect(struct threads *self)
{
    PyObject *list;

    if (self->n_done != self->n_taken) {
        PyErr_SetString(PyExc_RuntimeError, "the loop was stopped");
        return NULL;
    }
    list = PyList_New(self->n_slots - self->first);

    for (Py_ssize_t i = 0; list && i < PyList_GET_SIZE(list); i++) {
        PyList_SET_ITEM(list, i, self->slots[self->first + i]);
    }
    if (list) {
        self->n_slots = self->first = 0;
    }
    return list;
}

/* Wait for each result in turn, which may take so long. 1: all are there, or an error,
 * 0: it took too long, -1: an exception of a signal handler. */
static int
threads_wait_each(struct threads *self, long long timeout_us)
{
    int is_end = 0, r = 1;

    while (r > 0 && !is_end) {
        r = threads_wait(self, THREADS_NEXT, timeout_us);
        threads_lock(self);
        while (self->first + self->n_seen < self->n_slots &&
               self->slots[self->first + self->n_seen]) {
            self->n_seen++;
        }
        is_end = threads_is_there_lock_held(self, THREADS_END);
        threads_unlock(self);
    }
    return r;
}

PyDoc_STRVAR(threads_finish_doc,
             "finish($self, timeout=None, /)\n--\n\n"
             "Wait for all results: the list of them, None when one of them did not\n"
             "come in so many seconds.");

static PyObject *
threads_finish(PyObject *op, PyObject *const *args, Py_ssize_t n_args)
{
    struct threads *self = (struct threads *)op;
    long long timeout_us = n_args > 0 ? timeout_us_of(args[0]) : -1;
    int r;

    if (timeout_us == -2) {
        return NULL;
    }
    r = timeout_us < 0 ? threads_wait(self, THREADS_END, -1)
                       : threads_wait_each(self, timeout_us);
    if (r < 0 || threads_check(self) < 0) {
        return NULL;
    }
    if (r == 0) {
        Py_RETURN_NONE;
    }
    return threads_collect(self);
}

static PyObject *
threads_is_exhausted(PyObject *op, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(((struct threads *)op)->phase != THREADS_RUNNING);
}

static PyMemberDef threads_members[] = {
    {"n_taken", T_PYSSIZET, offsetof(struct threads, n_taken), READONLY, NULL},
    {"n_done", T_PYSSIZET, offsetof(struct threads, n_done), READONLY, NULL},
    {.name = NULL},
};

static PyGetSetDef threads_getset[] = {
    {"is_exhausted", threads_is_exhausted, NULL, "Whether no more calls are taken.",
     NULL},
    {.name = NULL},
};

static PyMethodDef threads_methods[] = {
    {"fail", threads_fail_method, METH_O, threads_fail_doc},
    {"finish", (PyCFunction)(void (*)(void))threads_finish, METH_FASTCALL,
     threads_finish_doc},
    {"next", (PyCFunction)(void (*)(void))threads_next, METH_FASTCALL,
     threads_next_doc},
    {"stop", threads_stop_method, METH_NOARGS, threads_stop_doc},
    {"work", threads_work_method, METH_NOARGS, threads_work_doc},
    {NULL, NULL, 0, NULL},
};

PyDoc_STRVAR(threads_type_doc,
             "Threads(calls, batch_size=1, n_ahead=0, ordered=True,\n"
             "        returns_errors=False, on_done=None, on_taken=None)\n--\n\n"
             "A loop whose calls are made by all threads that call work().");

static PyType_Slot threads_slots[] = {
    {Py_tp_doc, (void *)threads_type_doc},
    {Py_tp_new, threads_new},
    {Py_tp_traverse, threads_traverse},
    {Py_tp_clear, threads_clear},
    {Py_tp_dealloc, threads_dealloc},
    {Py_tp_methods, threads_methods},
    {Py_tp_members, threads_members},
    {Py_tp_getset, threads_getset},
    {0, NULL},
};

PyType_Spec threads_type_spec = {
    .name = "cjoblib._core.Threads",
    .basicsize = sizeof(struct threads),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = threads_slots,
};
