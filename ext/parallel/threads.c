/* The threads' side: taking, making, putting. */

#include "parallel/threads.h"

#include "parallel/call.h"

/* Calls that a thread has taken. */
struct batch {
    PyObject **calls;
    PyObject **contexts; /* in which to make them */
    Py_ssize_t n;
    Py_ssize_t index; /* of the first */
};

void
threads_admit_lock_held(struct threads *self)
{
    struct waiter *first = self->waiters;
    int is_full = self->n_ahead &&
                  self->n_taken - self->n_popped >= self->n_ahead * self->n_batch;

    if (first && (self->phase != THREADS_RUNNING || (!self->is_taking && !is_full))) {
        self->waiters = first->next;
        if (!self->waiters) {
            self->last_waiter = &self->waiters;
        }
        PyThread_release_lock(first->lock);
    }
}

void
threads_stop_lock_held(struct threads *self)
{
    self->phase = THREADS_STOPPED;
    while (self->waiters) {
        threads_admit_lock_held(self);
    }
    threads_ring_lock_held(self);
}

/* Wait for this thread's turn to take: 1 it is, 0 nothing is left to take. */
static int
turn_begin(struct threads *self, struct waiter *me)
{
    int is_mine;

    threads_lock(self);
    while (self->phase == THREADS_RUNNING &&
           (self->is_taking || (self->n_ahead && self->n_taken - self->n_popped >=
                                                     self->n_ahead * self->n_batch))) {
        me->next = NULL;
        *self->last_waiter = me;
        self->last_waiter = &me->next;
        threads_unlock(self);
        Py_BEGIN_ALLOW_THREADS
        PyThread_acquire_lock(me->lock, WAIT_LOCK);
        Py_END_ALLOW_THREADS
        threads_lock(self);
    }
    is_mine = self->phase == THREADS_RUNNING;
    self->is_taking |= is_mine;
    threads_unlock(self);
    return is_mine;
}

/* Room for the results of calls that have been taken. */
static int
slots_reserve_lock_held(struct threads *self, Py_ssize_t n)
{
    Py_ssize_t room = self->n_room;
    PyObject **slots;

    if (self->first > 0 && self->first >= self->n_slots / 2) {
        self->n_slots -= self->first;
        memmove(self->slots, self->slots + self->first,
                (size_t)self->n_slots * sizeof(*self->slots));
        self->first = 0;
    }
    if (self->n_slots + n > room) {
        room = (self->n_slots + n) * 2 + 16;
        slots = PyMem_RawRealloc(self->slots, (size_t)room * sizeof(*slots));
        if (!slots) {
            return -1;
        }
        self->slots = slots;
        self->n_room = room;
    }
    if (self->is_ordered) {
        memset(self->slots + self->n_slots, 0, (size_t)n * sizeof(*self->slots));
        self->n_slots += n;
    }
    return 0;
}

/* End the turn with what it brought. */
static int
turn_end(struct threads *self, struct batch *batch, int is_exhausted)
{
    int r;

    threads_lock(self);
    /* Those that are not ordered come in any order: each may be the last of all. */
    r = slots_reserve_lock_held(
        self, batch->n + (self->is_ordered ? 0 : self->n_taken - self->n_done));
    self->is_taking = 0;
    batch->index = self->n_taken;
    if (r == 0) {
        self->n_taken += batch->n;
    }
    if (is_exhausted && self->phase == THREADS_RUNNING) {
        self->phase = THREADS_EXHAUSTED;
        while (self->waiters) {
            threads_admit_lock_held(self);
        }
        threads_ring_lock_held(self);
    }
    else {
        threads_admit_lock_held(self);
    }
    threads_unlock(self);
    if (r < 0) {
        PyErr_NoMemory();
    }
    return r;
}

/* The calls of a turn, each with the context of its moment. 0, or -1 with an
 * exception; fewer than asked for: there are no more. */
static int
batch_fill(struct threads *self, struct batch *batch)
{
    int r = PyContext_Enter(self->context);

    if (r < 0) {
        return -1;
    }
    while (r == 0 && batch->n < self->n_batch) {
        PyObject *call = PyIter_Next(self->iterator);
        PyObject *context = call ? PyContext_Copy(self->context) : NULL;

        if (!context) {
            Py_XDECREF(call);
            r = PyErr_Occurred() ? -1 : 1;
            break;
        }
        batch->calls[batch->n] = call;
        batch->contexts[batch->n++] = context;
    }
    return PyContext_Exit(self->context) < 0 || r < 0 ? -1 : 0;
}

static void
batch_clear(struct batch *batch)
{
    while (batch->n > 0) {
        batch->n--;
        Py_CLEAR(batch->calls[batch->n]);
        Py_CLEAR(batch->contexts[batch->n]);
    }
}

/* 1: calls have been taken, 0: none are left, -1: an exception. */
static int
threads_take(struct threads *self, struct waiter *me, struct batch *batch)
{
    PyObject *type, *value, *traceback;
    int is_exhausted, r;

    if (!turn_begin(self, me)) {
        return 0;
    }
    r = batch_fill(self, batch);
    PyErr_Fetch(&type, &value, &traceback);
    is_exhausted = batch->n < self->n_batch;
    if (turn_end(self, batch, is_exhausted) < 0) {
        r = -1;
    }
    if (type) {
        PyErr_Restore(type, value, traceback);
    }
    return r < 0 ? -1 : batch->n > 0;
}

/* The exception that is set ends the loop: the consumer is to raise it. */
static void
threads_fail(struct threads *self)
{
    PyObject *error = compat_take_exception();

    threads_lock(self);
    if (!self->error && self->phase != THREADS_STOPPED) {
        self->error = error;
        error = NULL;
    }
    threads_stop_lock_held(self);
    threads_unlock(self);
    Py_XDECREF(error);
}

/* Put a result into its place; takes the reference. */
static void
threads_put(struct threads *self, Py_ssize_t index, PyObject *result)
{
    threads_lock(self);
    if (self->is_ordered) {
        self->slots[self->first + index - self->n_popped] = result;
    }
    else {
        self->slots[self->n_slots++] = result;
    }
    self->n_done++;
    threads_ring_lock_held(self);
    threads_unlock(self);
}

/* Make a call in its context; NULL with an exception that ends the loop. */
static PyObject *
make_in_context(struct threads *self, PyObject *call, PyObject *context)
{
    PyObject *result;

    if (PyContext_Enter(context) < 0) {
        return NULL;
    }
    result = call_make((PyTypeObject *)self->shared_type, call);
    if (!result && self->returns_errors && PyErr_ExceptionMatches(PyExc_Exception)) {
        result = compat_take_exception();
    }
    if (PyContext_Exit(context) < 0) {
        Py_CLEAR(result);
    }
    return result;
}

static int
threads_is_stopped(struct threads *self)
{
    int is_stopped;

    threads_lock(self);
    is_stopped = self->phase == THREADS_STOPPED;
    threads_unlock(self);
    return is_stopped;
}

static int
threads_make(struct threads *self, struct batch *batch)
{
    Py_ssize_t n = batch->n;
    PyObject *said;

    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *result;

        if (i > 0 && threads_is_stopped(self)) {
            return 0;
        }
        result = make_in_context(self, batch->calls[i], batch->contexts[i]);
        if (!result) {
            return -1;
        }
        Py_CLEAR(batch->calls[i]); /* before the consumer may see the result */
        threads_put(self, batch->index + i, result);
    }
    if (self->on_done == Py_None) {
        return 0;
    }
    said = PyObject_CallFunction(self->on_done, "n", n);
    Py_XDECREF(said);
    return said ? 0 : -1;
}

static int
threads_loop(struct threads *self, struct waiter *me, struct batch *batch)
{
    int has_told = self->on_taken == Py_None;
    int r;

    while ((r = threads_take(self, me, batch)) > 0) {
        if (!has_told) {
            PyObject *said = PyObject_CallNoArgs(self->on_taken);

            Py_XDECREF(said);
            r = said ? r : -1;
            has_told = 1;
        }
        if (r < 0 || threads_make(self, batch) < 0) {
            r = -1;
            break;
        }
        batch_clear(batch);
    }
    if (r < 0) {
        threads_fail(self);
    }
    batch_clear(batch);
    return 0;
}

int
threads_work(struct threads *self)
{
    struct waiter me = {PyThread_allocate_lock(), NULL};
    struct batch batch = {.calls = NULL};
    int r = -1;

    batch.calls = PyMem_Calloc((size_t)self->n_batch * 2, sizeof(*batch.calls));
    if (me.lock && batch.calls) {
        batch.contexts = batch.calls + self->n_batch;
        PyThread_acquire_lock(me.lock, NOWAIT_LOCK);
        r = threads_loop(self, &me, &batch);
        PyThread_release_lock(me.lock);
    }
    else {
        PyErr_NoMemory();
        threads_fail(self);
    }
    PyMem_Free(batch.calls);
    if (me.lock) {
        PyThread_free_lock(me.lock);
    }
    return r;
}
