#include "parallel/run_type.h"

#include "errors.h"
#include "parallel/run.h"

/* Events that are taken in one go before they are told of. */
#define COLLECT_MAX 256

/* New calls are sent for so long before it is looked whether results have come. */
#define SEND_NS 1000000

/* --- beginning and end ---------------------------------------------------------------
 */

static void
batches_clear(struct batch *batches, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        Py_XDECREF(batches[i].calls);
        cj_block_unref(batches[i].spare);
    }
}

/* What is learnt is for the next run of the same function. */
static void
run_remember(struct run_object *run)
{
    struct pool_object *pool = run->pool;
    PyObject *name = NULL;

    if (!run->shared || run->call_ns < 0) {
        return;
    }
    if (compat_optional_attribute(run->shared, "__qualname__", &name) < 0) {
        PyErr_Clear();
    }
    if (name) {
        Py_XSETREF(pool->known_name, name);
        pool->known_ns = run->call_ns;
    }
}

/* The run is over: what is under way is forgotten. */
static void
run_end(struct run_object *run)
{
    struct pool_object *pool = run->pool;
    size_t n_batches = run->n_batches, n_again = run->n_again;

    if (!pool) {
        return;
    }
    if (cj_pool_n_pending(pool->pool) > 0) {
        cj_pool_cancel(pool->pool);
    }
    run_remember(run);
    run->pool = NULL;
    run->n_batches = run->n_again = run->n_under_way = 0;
    pool_release(&pool->has_run);
    pool_leave(pool);
    batches_clear(run->batches, n_batches);
    batches_clear(run->again, n_again);
    Py_CLEAR(run->iterator);
    Py_CLEAR(run->held);
    Py_CLEAR(run->shared);
    Py_CLEAR(run->reducer);
    Py_CLEAR(run->spill_folder);
    seen_purge(run->seen, &run->n_seen, 1);
    Py_DECREF(pool);
}

static int
run_traverse(PyObject *op, visitproc visit, void *arg)
{
    struct run_object *run = (struct run_object *)op;

    Py_VISIT(Py_TYPE(op));
    Py_VISIT(run->pool);
    Py_VISIT(run->iterator);
    Py_VISIT(run->held);
    Py_VISIT(run->shared);
    Py_VISIT(run->reducer);
    for (size_t i = 0; i < run->n_seen; i++) {
        Py_VISIT(run->seen[i].owner);
    }
    Py_VISIT(run->ready);
    Py_VISIT(run->told);
    for (size_t i = 0; i < run->n_batches; i++) {
        Py_VISIT(run->batches[i].calls);
    }
    for (size_t i = 0; i < run->n_again; i++) {
        Py_VISIT(run->again[i].calls);
    }
    return 0;
}

static int
run_clear(PyObject *op)
{
    struct run_object *run = (struct run_object *)op;

    run_end(run);
    Py_CLEAR(run->ready);
    Py_CLEAR(run->told);
    return 0;
}

static void
run_dealloc(PyObject *op)
{
    struct run_object *run = (struct run_object *)op;
    PyTypeObject *type = Py_TYPE(op);

    PyObject_GC_UnTrack(op);
    (void)run_clear(op);
    PyMem_Free(run->batches);
    PyMem_Free(run->again);
    type->tp_free(op);
    Py_DECREF(type);
}

static struct run_object *
run_alloc(struct core_state *state, const struct run_options *options)
{
    PyTypeObject *type = (PyTypeObject *)state->run_type;
    struct run_object *run = (struct run_object *)type->tp_alloc(type, 0);

    if (run) {
        run->state = state;
        run->n_ahead = options->n_ahead;
        run->is_auto = options->batch_size == 0;
        run->batch_size = run->is_auto ? 1 : options->batch_size;
        run->hold = options->hold;
        run->stretch = options->stretch;
        run->call_ns = run->last_ns = -1;
        run->block_bytes =
            options->block_bytes > 0 ? (size_t)options->block_bytes : SIZE_MAX;
        run->access = options->access;
        run->reducer = options->reducer == Py_None ? NULL : Py_NewRef(options->reducer);
        run->spill_folder = Py_XNewRef(options->spill_folder);
        run->iterator = PyObject_GetIter(options->calls);
        run->ready = PyList_New(0);
        if (!run->iterator || !run->ready) {
            Py_CLEAR(run);
        }
    }
    return run;
}

PyObject *
run_new(struct core_state *state, struct pool_object *pool,
        const struct run_options *options)
{
    struct run_object *run = run_alloc(state, options);

    if (!run) {
        return NULL;
    }
    if (pool_enter(pool) < 0) {
        Py_DECREF(run);
        return NULL;
    }
    if (pool_claim(&pool->has_run, "the pool is running other tasks") < 0) {
        pool_leave(pool);
        Py_DECREF(run);
        return NULL;
    }
    run->pool = (struct pool_object *)Py_NewRef(pool);
    return (PyObject *)run;
}

/* --- next
 * ------------------------------------------------------------------------------
 */

/* Take in what has come, without waiting. */
static int
run_collect(struct run_object *run)
{
    struct cj_pool_event event;

    for (int n = 0; n < COLLECT_MAX; n++) {
        int r = cj_pool_next(run->pool->pool, 0, &event);

        if (r != 0) {
            return 0; /* also errors, which the wait will tell of */
        }
        r = run_take(run, &event);
        cj_pool_event_done(&event);
        if (r < 0) {
            return -1;
        }
    }
    return 0;
}

static int
has_ready(const struct run_object *run)
{
    return PyList_GET_SIZE(run->ready) > run->n_given;
}

static PyObject *
run_pop(struct run_object *run)
{
    PyObject *tuple = Py_NewRef(PyList_GET_ITEM(run->ready, run->n_given++));

    if (run->n_given == PyList_GET_SIZE(run->ready)) {
        run->n_given = 0;
        if (PyList_SetSlice(run->ready, 0, PY_SSIZE_T_MAX, NULL) < 0) {
            Py_CLEAR(tuple);
        }
    }
    return tuple;
}

/* Send what may be sent; stops when something has come meanwhile. 1: something has
 * come. */
static int
run_fill(struct run_object *run)
{
    int64_t begun = compat_monotonic_ns();
    int r;

    while ((r = run_send_one(run)) > 0) {
        if (has_ready(run)) {
            return 1;
        }
        if (compat_monotonic_ns() - begun > SEND_NS) {
            if (run_collect(run) < 0) {
                return -1;
            }
            if (has_ready(run)) {
                return 1;
            }
            begun = compat_monotonic_ns();
        }
    }
    return r;
}

static int
run_is_done(const struct run_object *run)
{
    return !run->iterator && !run->held && run->n_again == 0 && run->n_under_way == 0;
}

/* Wait for one event at least. 1: it came; 0: time is up, or woken. */
static int
run_wait(struct run_object *run, int64_t timeout_ns)
{
    struct cj_pool_event event;
    int r;

    cj_pool_want_back(run->pool->pool);
    r = pool_await(run->pool, timeout_ns, run->n_under_way == 0, &event);
    if (r > 0) {
        int taken = run_take(run, &event);

        cj_pool_event_done(&event);
        r = taken < 0 || run_collect(run) < 0 ? -1 : 1;
    }
    return r;
}

static PyObject *
run_next_ready(struct run_object *run, int64_t timeout_ns)
{
    int64_t begun = timeout_ns > 0 ? compat_monotonic_ns() : 0, left = timeout_ns;
    int r = has_ready(run) ? 0 : run_collect(run);

    while (r >= 0 && !has_ready(run)) {
        r = run_fill(run);
        if (r < 0 || has_ready(run)) {
            break;
        }
        if (run_is_done(run)) {
            return event_tuple(EVENT_END, run->n_taken, Py_NewRef(Py_None), 0, 0);
        }
        if (timeout_ns > 0) {
            left = timeout_ns - (compat_monotonic_ns() - begun);
        }
        r = run_wait(run, timeout_ns > 0 && left < 0 ? 0 : left);
        if (r == 0) {
            Py_RETURN_NONE;
        }
    }
    return r < 0 ? NULL : run_pop(run);
}

static int
run_enter(struct run_object *run)
{
    if (pool_claim(&run->is_waited_for, "another thread waits for the run") < 0) {
        return -1;
    }
    if (!run->pool) {
        pool_release(&run->is_waited_for);
        PyErr_SetString(PyExc_RuntimeError, "the run is over");
        return -1;
    }
    return 0;
}

PyDoc_STRVAR(run_next_doc,
             "next($self, timeout=None, /)\n--\n\n"
             "The next (kind, index, value, pid, status); None: the time (in seconds)\n"
             "is up, or the pool was woken. Calls are taken from the iterable here.");

static PyObject *
run_next(PyObject *op, PyObject *const *args, Py_ssize_t n_args)
{
    struct run_object *run = (struct run_object *)op;
    PyObject *result;
    int64_t timeout_ns;

    if (n_args > 1) {
        PyErr_SetString(PyExc_TypeError, "next() takes at most 1 argument");
        return NULL;
    }
    if (nanoseconds_of(n_args > 0 ? args[0] : Py_None, &timeout_ns) < 0 ||
        run_enter(run) < 0) {
        return NULL;
    }
    result = run_next_ready(run, timeout_ns);
    pool_release(&run->is_waited_for);
    return result;
}

/* --- the other methods
 * ------------------------------------------------------------------ */

PyDoc_STRVAR(run_cancel_doc,
             "cancel($self, /)\n--\n\n"
             "End the run: forget what is under way. Workers in a task are killed.");

static PyObject *
run_cancel(PyObject *op, PyObject *Py_UNUSED(ignored))
{
    struct run_object *run = (struct run_object *)op;

    if (pool_claim(&run->is_waited_for, "another thread waits for the run") < 0) {
        return NULL;
    }
    run_end(run);
    pool_release(&run->is_waited_for);
    Py_RETURN_NONE;
}

PyDoc_STRVAR(run_release_doc, "release($self, n, /)\n--\n\n"
                              "So many results were given back to the user.");

static PyObject *
run_release(PyObject *op, PyObject *number)
{
    struct run_object *run = (struct run_object *)op;
    Py_ssize_t n = PyNumber_AsSsize_t(number, PyExc_OverflowError);

    if (n == -1 && PyErr_Occurred()) {
        return NULL;
    }
    if (!run->hold || n < 0 || n > run->n_done - run->n_free) {
        PyErr_Format(PyExc_ValueError, "%zd results cannot be released: %zd are held",
                     n, run->hold ? run->n_done - run->n_free : 0);
        return NULL;
    }
    run->n_free += n;
    Py_RETURN_NONE;
}

PyDoc_STRVAR(run_function_doc,
             "function($self, index, /)\n--\n\n"
             "The function of a call that is under way or was told of last.");

static PyObject *
run_function(PyObject *op, PyObject *number)
{
    struct run_object *run = (struct run_object *)op;
    Py_ssize_t index = PyNumber_AsSsize_t(number, PyExc_OverflowError);

    if (index == -1 && PyErr_Occurred()) {
        return NULL;
    }
    for (size_t i = 0; i < run->n_batches; i++) {
        const struct batch *batch = &run->batches[i];

        if (batch->calls && index >= batch->index &&
            index - batch->index < PyList_GET_SIZE(batch->calls)) {
            return Py_NewRef(PyTuple_GET_ITEM(
                PyList_GET_ITEM(batch->calls, index - batch->index), 0));
        }
    }
    return Py_NewRef(run->told ? run->told : Py_None);
}

/* --- the type
 * -------------------------------------------------------------------------- */

static PyMemberDef run_members[] = {
    {"n_taken", T_PYSSIZET, offsetof(struct run_object, n_taken), READONLY,
     "Calls taken from the iterable."},
    {"n_done", T_PYSSIZET, offsetof(struct run_object, n_done), READONLY,
     "Calls that came to an end."},
    {"batch_size", T_PYSSIZET, offsetof(struct run_object, batch_size), READONLY,
     "Calls of the next batch."},
    {NULL, 0, 0, 0, NULL},
};

static PyMethodDef run_methods[] = {
    {"cancel", run_cancel, METH_NOARGS, run_cancel_doc},
    {"function", run_function, METH_O, run_function_doc},
    {"next", (PyCFunction)(void (*)(void))run_next, METH_FASTCALL, run_next_doc},
    {"release", run_release, METH_O, run_release_doc},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot run_slots[] = {
    {Py_tp_doc, "The calls of one loop on their way through a pool."},
    {Py_tp_dealloc, run_dealloc},
    {Py_tp_traverse, run_traverse},
    {Py_tp_clear, run_clear},
    {Py_tp_methods, run_methods},
    {Py_tp_members, run_members},
    {0, NULL},
};

PyType_Spec run_type_spec = {
    .name = "cjoblib._core.Run",
    .basicsize = sizeof(struct run_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE |
             Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = run_slots,
};
