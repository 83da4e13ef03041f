/* The inside of a Run.
 *
 *      iterator --run_take_calls()--> batch --run_send()--> pool
 *                                      ^                     |
 *                  what is left of it, |                     v
 *                  in pieces           +----- run_collect(): events, `ready`
 *
 * A batch is one task of the pool, whose number is its place in `batches` plus `first`.
 * It keeps its calls until it is answered, so that what is left of a batch that was
 * broken off (a call failed, other workers had nothing to do, 20 ms were over) can be
 * sent again.
 *
 *      run_type.c   the type
 *      run_send.c   from the iterator to the pool
 *      run_take.c   from the pool to `ready`
 */

#ifndef EXT_PARALLEL_RUN_H
#define EXT_PARALLEL_RUN_H

#include "parallel/blocks.h"
#include "parallel/run_type.h"
#include "pickle/value.h"

struct batch {
    Py_ssize_t index; /* of its first call */
    PyObject *calls;  /* list of (function, args, kwargs); NULL: the batch is over */
    struct cj_block *spare; /* for its results: a reference, or NULL */
};

struct run_object {
    PyObject_HEAD
    struct core_state *state; /* lives while `pool` does */
    struct pool_object *pool; /* NULL: the run is over */
    int is_waited_for;        /* somebody is in next(), atomically */
    PyObject *iterator;       /* NULL: no call is left */
    PyObject *held;           /* a call that was taken and did not fit its batch */
    PyObject *shared;         /* the function that the workers hold as their context */
    struct batch *batches;    /* that have been sent, the oldest first */
    uint64_t first;           /* the number of the first of them */
    size_t n_batches, max_batches;
    size_t n_under_way;  /* of them */
    struct batch *again; /* to be sent before all else; the last one first */
    size_t n_again, max_again;
    PyObject *ready; /* list of event tuples; `n_given` of them are given */
    Py_ssize_t n_given;
    PyObject *told;        /* the function of the event given last */
    Py_ssize_t n_taken;    /* calls taken from the iterator */
    Py_ssize_t n_done;     /* calls that came to an end */
    Py_ssize_t n_free;     /* calls that no longer count as ahead */
    Py_ssize_t n_ahead;    /* batches */
    Py_ssize_t batch_size; /* of the next one */
    int is_auto;
    int hold;
    int stretch;
    size_t block_bytes; /* SIZE_MAX: arguments do not go into blocks */
    PyObject *reducer;  /* or NULL */
    enum cj_block_access access;
    PyObject *spill_folder; /* bytes, or NULL */
    struct seen_buffer seen[SEEN_MAX];
    size_t n_seen;
    int is_recalled; /* what the pool knows of such calls was looked up */
    double last_ns;  /* what a call of the last batch took */
    double call_ns;  /* what a call takes, as far as is known; < 0: not at all */
};

#define RUN_MAX_BATCH 16384

/* The calls that may be under way by now. */
Py_ssize_t run_room(const struct run_object *run);

/* Send one batch, of what is to be sent again or of new calls: 1; 0: there is none, or
 * no room; -1 with an exception. What can't be encoded becomes an event. */
int run_send_one(struct run_object *run);

/* Send these calls again later, in up to `n_pieces`. Takes over the list. */
int run_send_again(struct run_object *run, Py_ssize_t index, PyObject *calls,
                   Py_ssize_t n_pieces);

/* Turn an event of the pool into `ready` ones. */
int run_take(struct run_object *run, struct cj_pool_event *event);

/* Calls of one batch, when each takes so long. */
Py_ssize_t run_batch_for(double call_ns);

/* Append to `ready`; takes over the tuple, which may be NULL. */
int run_tell(struct run_object *run, PyObject *tuple);

#endif
