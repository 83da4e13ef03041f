#include <string.h>

#include "errors.h"
#include "parallel/run.h"

/* A batch that fills more than this is too big, however short its calls are. */
#define BATCH_MAX_BYTES 262144

/* With `stretch`: so much work may lie ahead of each worker. */
#define STRETCH_NS 2e6
#define STRETCH_MAX_BATCHES 64

/* --- taking calls ------------------------------------------------------------------
 */

static int
is_call(PyObject *call)
{
    return PyTuple_Check(call) && PyTuple_GET_SIZE(call) == 3 &&
           PyTuple_Check(PyTuple_GET_ITEM(call, 1)) &&
           PyDict_Check(PyTuple_GET_ITEM(call, 2));
}

/* The next call, a new reference; NULL: none, perhaps with an exception. */
static PyObject *
next_call(struct run_object *run)
{
    PyObject *call;

    if (run->held) {
        call = run->held;
        run->held = NULL;
        return call;
    }
    call = run->iterator ? PyIter_Next(run->iterator) : NULL;
    if (!call) {
        if (!PyErr_Occurred()) {
            Py_CLEAR(run->iterator);
        }
        return NULL;
    }
    if (!is_call(call)) {
        PyErr_Format(
            PyExc_TypeError,
            "task %zd is not a (function, args, kwargs) as delayed() gives: %R",
            run->n_taken, call);
        Py_DECREF(call);
        return NULL;
    }
    run->n_taken++;
    return call;
}

/* Fill the list with calls of one function. The run may be closed by the iterator. */
static int
take_calls(struct run_object *run, PyObject *calls, Py_ssize_t n)
{
    PyObject *function = NULL, *call;

    while (PyList_GET_SIZE(calls) < n && (call = next_call(run))) {
        if (function && PyTuple_GET_ITEM(call, 0) != function) {
            run->held = call;
            break;
        }
        function = PyTuple_GET_ITEM(call, 0);
        if (compat_list_take(calls, call) < 0) {
            Py_DECREF(call);
            return -1;
        }
    }
    return PyErr_Occurred() ? -1 : 0;
}

/* --- encoding ------------------------------------------------------------------------
 */

/* Give the function to the workers once, if it is the first one; a call of another one
 * carries it. Returns whether it is the workers' context; -1 with an exception. */
static int
share_function(struct run_object *run, PyObject *function)
{
    struct value value = VALUE_INIT;
    PyObject *joined;
    int r;

    if (run->shared) {
        return run->shared == function;
    }
    if (value_encode(run->state, function, VALUE_SHIPPING, &value) < 0) {
        return -1;
    }
    joined = value_join(&value);
    value_done(&value);
    if (!joined) {
        return -1;
    }
    Py_CLEAR(run->pool->context); /* what earlier runs changed in it is not for us */
    r = pool_give_context(run->pool, joined);
    Py_DECREF(joined);
    if (r < 0) {
        return -1;
    }
    run->shared = Py_NewRef(function);
    return 1;
}

/* A single call: (args, kwargs), or (args, kwargs, function). */
static PyObject *
message_of_one(PyObject *call, int is_shared)
{
    PyObject *args = PyTuple_GET_ITEM(call, 1), *kwargs = PyTuple_GET_ITEM(call, 2);

    return is_shared ? PyTuple_Pack(2, args, kwargs)
                     : PyTuple_Pack(3, args, kwargs, PyTuple_GET_ITEM(call, 0));
}

/* The list of all args, or of all kwargs: None if they are all empty. */
static PyObject *
list_of_parts(PyObject *calls, Py_ssize_t part)
{
    Py_ssize_t n = PyList_GET_SIZE(calls);
    PyObject *list = PyList_New(n);
    int is_any = part == 1;

    for (Py_ssize_t i = 0; list && i < n; i++) {
        PyObject *item = PyTuple_GET_ITEM(PyList_GET_ITEM(calls, i), part);

        is_any = is_any || PyDict_GET_SIZE(item) > 0;
        PyList_SET_ITEM(list, i, Py_NewRef(item));
    }
    if (list && !is_any) {
        Py_DECREF(list);
        return Py_NewRef(Py_None);
    }
    return list;
}

/* Several calls: a list [args of each, kwargs of each or None, function or None]. */
static PyObject *
message_of_many(PyObject *calls, int is_shared)
{
    PyObject *args = list_of_parts(calls, 1);
    PyObject *kwargs = args ? list_of_parts(calls, 2) : NULL;
    PyObject *message = kwargs ? PyList_New(3) : NULL;
    PyObject *function = PyTuple_GET_ITEM(PyList_GET_ITEM(calls, 0), 0);

    if (!message) {
        Py_XDECREF(args);
        Py_XDECREF(kwargs);
        return NULL;
    }
    PyList_SET_ITEM(message, 0, args);
    PyList_SET_ITEM(message, 1, kwargs);
    PyList_SET_ITEM(message, 2, Py_NewRef(is_shared ? Py_None : function));
    return message;
}

static int
encode_batch(struct run_object *run, PyObject *calls, struct shipment *shipment,
             struct value *ret_value)
{
    struct value_places places = {
        .context = shipment,
        .put = shipment_put,
        .reducer = run->reducer,
    };
    PyObject *first = PyList_GET_ITEM(calls, 0), *message;
    int is_shared = share_function(run, PyTuple_GET_ITEM(first, 0));
    int r;

    if (is_shared < 0) {
        return -1;
    }
    message = PyList_GET_SIZE(calls) == 1 ? message_of_one(first, is_shared)
                                          : message_of_many(calls, is_shared);
    if (!message) {
        return -1;
    }
    r = value_encode_apart(run->state, message, VALUE_SHIPPING, &places, ret_value);
    Py_DECREF(message);
    return r;
}

/* --- sending -------------------------------------------------------------------------
 */

/* Room for one batch more. */
static int
grow(struct batch **batches, size_t n, size_t *max)
{
    struct batch *bigger;

    if (n < *max) {
        return 0;
    }
    bigger = PyMem_Realloc(*batches, (2 * *max + 8) * sizeof(*bigger));
    if (!bigger) {
        PyErr_NoMemory();
        return -1;
    }
    *batches = bigger;
    *max = 2 * *max + 8;
    return 0;
}

int
run_send_again(struct run_object *run, Py_ssize_t index, PyObject *calls,
               Py_ssize_t n_pieces)
{
    Py_ssize_t n = PyList_GET_SIZE(calls), at = n;
    Py_ssize_t size = n_pieces > 0 ? (n + n_pieces - 1) / n_pieces : n;

    /* The last piece first: the one that is sent next lies on top. */
    while (at > 0) {
        Py_ssize_t from = (at - 1) / size * size;
        PyObject *piece = grow(&run->again, run->n_again, &run->max_again) == 0
                              ? PyList_GetSlice(calls, from, at)
                              : NULL;

        if (!piece) {
            Py_DECREF(calls);
            return -1;
        }
        run->again[run->n_again++] = (struct batch){index + from, piece, NULL};
        at = from;
    }
    Py_DECREF(calls);
    return 0;
}

/* What of the batch can't be encoded: tell of that call, keep the others. */
static int
tell_unsent(struct run_object *run, Py_ssize_t index, PyObject *calls)
{
    PyObject *error;

    if (!PyErr_ExceptionMatches(PyExc_Exception)) {
        Py_DECREF(calls);
        return -1;
    }
    if (PyList_GET_SIZE(calls) > 1) {
        /* One by one, to find out which it is. */
        PyErr_Clear();
        return run_send_again(run, index, calls, PyList_GET_SIZE(calls)) < 0 ? -1 : 1;
    }
    error = compat_take_exception();
    run->n_done++;
    run->n_free += !run->hold;
    Py_XSETREF(run->told, Py_NewRef(PyTuple_GET_ITEM(PyList_GET_ITEM(calls, 0), 0)));
    Py_DECREF(calls);
    return run_tell(run, event_tuple(EVENT_UNSENT, index, error, 0, 0)) < 0 ? -1 : 1;
}

/* Hand the encoded batch in; the spare block, if it takes one along, is noted. */
static int
submit_batch(struct run_object *run, struct shipment *shipment, struct value *value,
             struct cj_block **ret_spare)
{
    unsigned spare = shipment_add_spare(shipment);
    int r;

    value_set_note(value, BLOCKS_NOTE(spare, run->access));
    r = cj_pool_submit_blocks(run->pool->pool, run->first + run->n_batches,
                              value->parts, value->n_parts, shipment->blocks,
                              shipment->n_blocks);
    if (r < 0) {
        error_raise(r, NULL);
        return -1;
    }
    *ret_spare =
        spare != BLOCKS_NO_SPARE ? cj_block_ref(shipment->blocks[spare]) : NULL;
    return 0;
}

static void
note_size(struct run_object *run, PyObject *calls, const struct value *value)
{
    if (run->is_auto && PyList_GET_SIZE(calls) > 1 &&
        value_size(value) > BATCH_MAX_BYTES) {
        run->batch_size = PyList_GET_SIZE(calls) / 2;
    }
}

/* Takes over the calls. */
static int
send_batch(struct run_object *run, Py_ssize_t index, PyObject *calls)
{
    struct shipment shipment = {
        .warm = &run->pool->warm,
        .seen = run->seen,
        .n_seen = &run->n_seen,
        .min_bytes = run->block_bytes,
        .spill_folder = run->spill_folder ? PyBytes_AS_STRING(run->spill_folder) : NULL,
    };
    struct value value = VALUE_INIT;
    struct batch batch = {index, calls, NULL};
    int r;

    if (grow(&run->batches, run->n_batches, &run->max_batches) < 0) {
        Py_DECREF(calls);
        return -1;
    }
    if (encode_batch(run, calls, &shipment, &value) < 0) {
        shipment_done(&shipment);
        return tell_unsent(run, index, calls);
    }
    note_size(run, calls, &value);
    r = submit_batch(run, &shipment, &value, &batch.spare);
    value_done(&value);
    shipment_done(&shipment);
    if (r < 0) {
        Py_DECREF(calls);
        return -1;
    }
    run->batches[run->n_batches++] = batch;
    run->n_under_way++;
    return 1;
}

/* Batches that may lie ahead. */
static Py_ssize_t
run_ahead(const struct run_object *run)
{
    double wanted;

    if (!run->stretch || run->call_ns < 0) {
        return run->n_ahead;
    }
    wanted = STRETCH_NS / (run->call_ns * (double)run->batch_size + 1000);
    if (wanted > STRETCH_MAX_BATCHES) {
        wanted = STRETCH_MAX_BATCHES;
    }
    wanted *= (double)run->pool->n_workers;
    return wanted > (double)run->n_ahead ? (Py_ssize_t)wanted : run->n_ahead;
}

Py_ssize_t
run_room(const struct run_object *run)
{
    Py_ssize_t ahead = run_ahead(run), most;

    if (__builtin_mul_overflow(ahead, run->batch_size, &most)) {
        most = PY_SSIZE_T_MAX;
    }
    return most - (run->n_taken - (run->held != NULL) - run->n_free);
}

/* Begin with batches that suited this function's calls the last time. */
static int
run_recall(struct run_object *run)
{
    PyObject *call, *name = NULL;

    run->is_recalled = 1;
    if (!run->is_auto || !run->stretch || !run->pool->known_name) {
        return 0;
    }
    call = run->held = next_call(run);
    if (!call) {
        return PyErr_Occurred() ? -1 : 0;
    }
    if (compat_optional_attribute(PyTuple_GET_ITEM(call, 0), "__qualname__", &name) <
        0) {
        PyErr_Clear();
    }
    if (name && PyUnicode_Check(name) && PyUnicode_Check(run->pool->known_name) &&
        PyUnicode_Compare(name, run->pool->known_name) == 0) {
        run->call_ns = run->pool->known_ns;
        run->batch_size = run_batch_for(run->call_ns);
    }
    Py_XDECREF(name);
    return 0;
}

int
run_send_one(struct run_object *run)
{
    Py_ssize_t room, index;
    PyObject *calls;

    if (!run->is_recalled && run_recall(run) < 0) {
        return -1;
    }
    room = run_room(run);
    if (run->n_again > 0) {
        struct batch next = run->again[--run->n_again];

        return send_batch(run, next.index, next.calls);
    }
    if (room < 1 || (!run->iterator && !run->held)) {
        return 0;
    }
    calls = PyList_New(0);
    if (!calls) {
        return -1;
    }
    index = run->n_taken - (run->held != NULL);
    if (take_calls(run, calls, room < run->batch_size ? room : run->batch_size) < 0) {
        Py_DECREF(calls);
        return -1;
    }
    if (PyList_GET_SIZE(calls) == 0) {
        Py_DECREF(calls);
        return 0;
    }
    return send_batch(run, index, calls);
}
