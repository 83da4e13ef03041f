#include <string.h>

#include "parallel/run.h"

/* What a batch should take. */
#define BATCH_NS 5e5

/* A batch does not grow by more than this from one to the next. */
#define BATCH_GROWTH 8

int
run_tell(struct run_object *run, PyObject *tuple)
{
    int r = tuple ? PyList_Append(run->ready, tuple) : -1;

    Py_XDECREF(tuple);
    return r;
}

static void
count_done(struct run_object *run, Py_ssize_t n)
{
    run->n_done += n;
    run->n_free += run->hold ? 0 : n;
}

Py_ssize_t
run_batch_for(double call_ns)
{
    double wanted = BATCH_NS / (call_ns + 1);

    if (wanted > RUN_MAX_BATCH) {
        return RUN_MAX_BATCH;
    }
    return wanted > 1 ? (Py_ssize_t)wanted : 1;
}

/* Learn from a batch how many calls the next one should have. */
static void
learn(struct run_object *run, Py_ssize_t n, int64_t run_ns)
{
    double each = (double)run_ns / (double)(n > 0 ? n : 1);
    Py_ssize_t wanted;
    double short_one = run->last_ns >= 0 && run->last_ns < each ? run->last_ns : each;

    /* One that took long may have had to wait for a processor; two in a row did not. */
    run->call_ns = run->call_ns < 0 || short_one > run->call_ns
                       ? short_one
                       : (run->call_ns + short_one) / 2;
    run->last_ns = each;
    if (!run->is_auto) {
        return;
    }
    wanted = run_batch_for(run->call_ns);
    if (wanted > run->batch_size * BATCH_GROWTH) {
        wanted = run->batch_size * BATCH_GROWTH;
    }
    run->batch_size = wanted;
}

/* Results of calls that follow one another are told of together. */
static int
tell_results(struct run_object *run, Py_ssize_t index, PyObject *values, int pid)
{
    Py_ssize_t n = PyList_GET_SIZE(run->ready);
    PyObject *last = n > run->n_given ? PyList_GET_ITEM(run->ready, n - 1) : NULL;
    PyObject *list;

    if (last && PyLong_AsLong(PyTuple_GET_ITEM(last, 0)) == EVENT_RESULTS) {
        list = PyTuple_GET_ITEM(last, 2);
        if (PyLong_AsSsize_t(PyTuple_GET_ITEM(last, 1)) + PyList_GET_SIZE(list) ==
            index) {
            return PyList_SetSlice(list, PyList_GET_SIZE(list), PyList_GET_SIZE(list),
                                   values);
        }
    }
    return run_tell(run, event_tuple(EVENT_RESULTS, index, Py_NewRef(values), pid, 0));
}

/* The calls of a batch that were not made, again. */
static int
send_rest(struct run_object *run, const struct batch *batch, Py_ssize_t n_made,
          Py_ssize_t n_pieces)
{
    Py_ssize_t n = PyList_GET_SIZE(batch->calls);
    PyObject *rest;

    if (n_made >= n) {
        return 0;
    }
    rest = PyList_GetSlice(batch->calls, n_made, n);
    return rest ? run_send_again(run, batch->index + n_made, rest, n_pieces) : -1;
}

static void
note_function(struct run_object *run, const struct batch *batch, Py_ssize_t at)
{
    if (at < PyList_GET_SIZE(batch->calls)) {
        PyObject *call = PyList_GET_ITEM(batch->calls, at);

        Py_XSETREF(run->told, Py_NewRef(PyTuple_GET_ITEM(call, 0)));
    }
}

/* One call of the batch has come to a bad end; the results before it are known. */
static int
tell_failure(struct run_object *run, const struct batch *batch, Py_ssize_t at,
             PyObject *tuple)
{
    count_done(run, 1);
    note_function(run, batch, at);
    if (run_tell(run, tuple) < 0) {
        return -1;
    }
    return send_rest(run, batch, at + 1, 1);
}

/* A list of results: of all calls, or of the first ones. */
static int
take_results(struct run_object *run, const struct batch *batch, PyObject *values,
             const struct cj_pool_event *event)
{
    Py_ssize_t n = PyList_GET_SIZE(values);

    learn(run, n, event->run_ns);
    count_done(run, n);
    if (n > 0 && tell_results(run, batch->index, values, (int)event->pid) < 0) {
        return -1;
    }
    return send_rest(run, batch, n, run->pool->n_workers);
}

/* (list of results, failure of the call after them) */
static int
take_failure(struct run_object *run, const struct batch *batch, PyObject *value,
             const struct cj_pool_event *event)
{
    PyObject *values = PyTuple_GET_ITEM(value, 0);
    Py_ssize_t n = PyList_GET_SIZE(values);

    count_done(run, n);
    if (n > 0 && tell_results(run, batch->index, values, (int)event->pid) < 0) {
        return -1;
    }
    return tell_failure(run, batch, n,
                        event_tuple(EVENT_FAILURE, batch->index + n,
                                    Py_NewRef(PyTuple_GET_ITEM(value, 1)),
                                    (int)event->pid, 0));
}

/* Failures of single calls, and of batches of which none was made, come bare. */
static int
is_bare(PyObject *failure, Py_ssize_t n)
{
    return !PyTuple_CheckExact(failure) || PyTuple_GET_SIZE(failure) != 2 ||
           !PyList_CheckExact(PyTuple_GET_ITEM(failure, 0)) ||
           PyList_GET_SIZE(PyTuple_GET_ITEM(failure, 0)) >= n;
}

static int
take_single(struct run_object *run, const struct batch *batch, PyObject *value,
            const struct cj_pool_event *event)
{
    PyObject *values = PyList_New(1);
    int r;

    if (!values) {
        return -1;
    }
    PyList_SET_ITEM(values, 0, Py_NewRef(value));
    r = take_results(run, batch, values, event);
    Py_DECREF(values);
    return r;
}

static PyObject *
decode_answer(struct run_object *run, const struct batch *batch,
              struct cj_pool_event *event)
{
    struct cj_bytes body = {event->body.data, event->body.size};
    struct arrivals arrivals = {
        .state = run->state,
        .fds = event->block_fds,
        .n_fds = event->n_blocks,
        .spare = batch->spare,
        .warm = &run->pool->warm,
        .access = CJ_BLOCK_WRITE,
    };
    struct value_places places = {.context = &arrivals, .find = arrivals_find};
    PyObject *value = value_decode_apart(run->state, &event->body, body, &places);

    arrivals_done(&arrivals);
    return value;
}

static int
take_answer(struct run_object *run, const struct batch *batch,
            struct cj_pool_event *event)
{
    PyObject *value = decode_answer(run, batch, event);
    int is_failure = event->kind == CJ_POOL_FAILURE, r;
    Py_ssize_t n = PyList_GET_SIZE(batch->calls);

    if (!value) {
        if (!PyErr_ExceptionMatches(PyExc_Exception)) {
            return -1;
        }
        value = compat_take_exception();
        if (n > 1) {
            /* One of them can't be read: ask for each by itself. */
            Py_DECREF(value);
            return send_rest(run, batch, 0, n);
        }
        return tell_failure(
            run, batch, 0,
            event_tuple(EVENT_UNREADABLE, batch->index, value, (int)event->pid, 0));
    }
    if (is_failure) {
        r = is_bare(value, n)
                ? tell_failure(run, batch, 0,
                               event_tuple(EVENT_FAILURE, batch->index,
                                           Py_NewRef(value), (int)event->pid, 0))
                : take_failure(run, batch, value, event);
    }
    else if (n > 1 && (!PyList_CheckExact(value) || PyList_GET_SIZE(value) > n)) {
        PyErr_SetString(PyExc_SystemError, "a worker gave a malformed answer");
        r = -1;
    }
    else {
        r = n == 1 ? take_single(run, batch, value, event)
                   : take_results(run, batch, value, event);
    }
    Py_DECREF(value);
    return r;
}

/* The call that was being made when the worker died is told of; those before it were
 * made, and their results are lost: they go out again, as do those behind it. */
static int
take_death(struct run_object *run, const struct batch *batch,
           const struct cj_pool_event *event)
{
    Py_ssize_t n = PyList_GET_SIZE(batch->calls);
    Py_ssize_t at = event->n_done < (uint64_t)n ? (Py_ssize_t)event->n_done : n - 1;
    PyObject *before = at > 0 ? PyList_GetSlice(batch->calls, 0, at) : NULL;
    PyObject *tuple =
        event_tuple(event_kind_of_death(event), batch->index + at, event_reason(event),
                    (int)event->pid, event->wait_status);

    if (at > 0 && (!before || run_send_again(run, batch->index, before, 1) < 0)) {
        Py_XDECREF(tuple);
        return -1;
    }
    return tell_failure(run, batch, at, tuple);
}

static struct batch
take_batch(struct run_object *run, uint64_t number)
{
    struct batch *place = &run->batches[number - run->first];
    struct batch batch = *place;
    size_t n_over = 0;

    place->calls = NULL;
    place->spare = NULL;
    run->n_under_way--;
    while (n_over < run->n_batches && !run->batches[n_over].calls) {
        n_over++;
    }
    /* Moving what is left costs little only if that is seldom done. */
    if (n_over == run->n_batches || n_over > 64) {
        run->n_batches -= n_over;
        run->first += n_over;
        memmove(run->batches, run->batches + n_over,
                run->n_batches * sizeof(*run->batches));
    }
    return batch;
}

static int
take_retry(struct run_object *run, const struct cj_pool_event *event)
{
    const struct batch *batch = &run->batches[event->task - run->first];
    Py_ssize_t at = (Py_ssize_t)event->n_done;

    note_function(run, batch, at);
    return run_tell(run,
                    event_tuple(EVENT_RETRY, batch->index + at, event_reason(event),
                                (int)event->pid, event->wait_status));
}

int
run_take(struct run_object *run, struct cj_pool_event *event)
{
    struct batch batch;
    int r;

    if (event->task == CJ_POOL_NO_TASK) {
        return run_tell(run, event_tuple(EVENT_DEATH, -1, event_reason(event),
                                         (int)event->pid, event->wait_status));
    }
    if (event->task - run->first >= run->n_batches ||
        !run->batches[event->task - run->first].calls) {
        PyErr_Format(PyExc_SystemError, "task %llu is not under way",
                     (unsigned long long)event->task);
        return -1;
    }
    if (event->kind == CJ_POOL_RETRY) {
        return take_retry(run, event);
    }
    batch = take_batch(run, event->task);
    r = event->kind == CJ_POOL_DEATH ? take_death(run, &batch, event)
                                     : take_answer(run, &batch, event);
    Py_DECREF(batch.calls);
    cj_block_unref(batch.spare);
    return r;
}
