/* The type cjoblib._core.Pool: worker processes that run Python functions. */

#ifndef EXT_PARALLEL_POOL_TYPE_H
#define EXT_PARALLEL_POOL_TYPE_H

#include "compat.h"

#include <cjoblib/pool.h>

#include "parallel/blocks.h"
#include "state.h"

extern PyType_Spec pool_type_spec;

/* Kinds of what Pool.next() and Run.next() tell of; the names are the module's. */
#define EVENT_KINDS(X) \
    X(RESULT)          \
    X(FAILURE)         \
    X(DEATH)           \
    X(RETRY)           \
    X(TIMEOUT)         \
    X(UNREADABLE)      \
    X(UNSENT)          \
    X(RESULTS)         \
    X(END)

enum event_kind {
#define EVENT_KIND(name) EVENT_##name,
    EVENT_KINDS(EVENT_KIND)
#undef EVENT_KIND
};

struct pool_object {
    PyObject_HEAD
    struct cj_pool *pool; /* constant until `users` is POOL_CLOSED */
    Py_ssize_t n_workers; /* as asked for */
    int users;            /* calls that are inside, atomically; or POOL_CLOSED */
    int is_waited_for;    /* somebody is in next(), atomically */
    int has_run;          /* a Run is under way, atomically */
    /* The context that the workers were last given, as bytes, and who gave it. */
    PyObject *context;
    /* What is known of the calls of the last Run: their function's name, and
     * nanoseconds that one took. */
    PyObject *known_name;
    double known_ns;
    struct warm_blocks warm; /* the Run's that is under way */
};

#define POOL_CLOSED (-1)

/* Begin to use the pool, unless it is closed: 0, or -1 with an exception. */
int pool_enter(struct pool_object *self);
void pool_leave(struct pool_object *self);

/* Only one at a time may: 0, or -1 with an exception. */
int pool_claim(int *flag, const char *what);
void pool_release(int *flag);

/* Seconds (a number or None) as nanoseconds, -1 for None: 0, or -1 with an exception.
 */
int nanoseconds_of(PyObject *seconds, int64_t *ret_ns);

/* (kind, number or None, value, pid, status), which takes over the value. */
PyObject *event_tuple(enum event_kind kind, Py_ssize_t number, PyObject *value, int pid,
                      int status);

/* The kind of a death, and what is known of its reason: a new reference. */
enum event_kind event_kind_of_death(const struct cj_pool_event *event);
PyObject *event_reason(const struct cj_pool_event *event);

/* Give bytes to the workers before the tasks to come, unless they are what was given
 * last. */
int pool_give_context(struct pool_object *self, PyObject *context);

/* The events of any pool event loop: sleep until one comes. 1: `*ret_event` did; 0: the
 * time is up, or the pool was woken; -1 with an exception. Signals are looked at. */
int pool_await(struct pool_object *self, int64_t timeout_ns, int may_rest,
               struct cj_pool_event *ret_event);

#endif
