/* Threads that take calls from one iterator, make them, and leave the results for one
 * consumer. There is no queue and no thread beside those that make calls:
 *
 *      each thread                                 the consumer
 *      threads_work()                              threads_wait()
 *        take: the next call of the iterator         until a result, an error,
 *        make it                                      or the end is there
 *        put: the result into its place            threads_pop()
 *
 * One thread at a time takes, and others that want to sleep in a list. Whoever stops
 * taking wakes the first of them, which then looks anew: it does not own anything while
 * it waits for the interpreter, or else each call would cost two switches of threads.
 *
 * `state` is locked around the fields below it, never while Python code can run. */

#ifndef EXT_PARALLEL_THREADS_H
#define EXT_PARALLEL_THREADS_H

#include "compat.h"

#include "pythread.h"

/* A thread that sleeps until it is its turn; lives on that thread's stack. */
struct waiter {
    PyThread_type_lock lock; /* held, but for waking it */
    struct waiter *next;
};

/* What the consumer may wait for. */
enum threads_event {
    THREADS_NONE,
    THREADS_NEXT, /* a result can be popped, or none will come */
    THREADS_END,  /* all results are there */
};

/* The state of a loop goes one way: RUNNING -> EXHAUSTED -> STOPPED. */
enum threads_phase {
    THREADS_RUNNING,
    THREADS_EXHAUSTED, /* the iterator has no more calls */
    THREADS_STOPPED,   /* no call is begun any more */
};

struct threads {
    PyObject_HEAD
    PyObject *iterator;
    PyObject *shared_type; /* of arguments that stand for others */
    PyObject *context;     /* contextvars.Context in which calls are taken */
    PyObject *on_done;  /* called with the number of calls after each batch, or None */
    PyObject *on_taken; /* called once by each thread that has work, or None */
    Py_ssize_t n_batch; /* calls taken at a time */
    Py_ssize_t n_ahead; /* batches taken beyond those popped; 0: any number */
    int is_ordered;
    int returns_errors; /* exceptions of calls are results */

    PyThread_type_lock state;
    enum threads_phase phase;
    int is_taking;
    struct waiter *waiters, **last_waiter; /* threads that want to take */
    PyObject **slots; /* results; ordered: in their places, NULL: not there yet */
    Py_ssize_t n_slots, n_room, first; /* slots[first] is popped next */
    Py_ssize_t n_seen; /* results from there on that the consumer knows of */
    Py_ssize_t n_taken, n_done, n_popped;
    PyObject *error;              /* what ended the loop */
    PyThread_type_lock bell;      /* held, but for waking the consumer */
    enum threads_event waits_for; /* the consumer */
};

extern PyType_Spec threads_type_spec;

/* Lock and unlock `state`. */
void threads_lock(struct threads *self);
void threads_unlock(struct threads *self);

/* Take and make calls until there are none: 0. What goes wrong ends the loop, and is
 * for the consumer; -1: there was no memory for this thread. */
int threads_work(struct threads *self);

/* Begin no more calls; wakes all who wait. */
void threads_stop_lock_held(struct threads *self);

/* Wake the consumer if what it waits for has come. */
void threads_ring_lock_held(struct threads *self);

/* Wake the first of those who want to take, if it can. */
void threads_admit_lock_held(struct threads *self);

/* Is what the consumer may wait for there? */
int threads_is_there_lock_held(const struct threads *self, enum threads_event event);

/* Wait, without the GIL, up to `timeout_us` microseconds (< 0: for ever) from now: 1 it
 * is there, 0 the time is up, -1 an exception of a signal handler. */
int threads_wait(struct threads *self, enum threads_event event, long long timeout_us);

#endif
