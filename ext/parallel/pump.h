/* The pump: takes calls from an iterator, hands them to a pool, and puts the results
 * into a list in the order of the calls; all in the caller's thread. */

#ifndef EXT_PARALLEL_PUMP_H
#define EXT_PARALLEL_PUMP_H

#include "compat.h"

#include "parallel/pool_type.h"
#include "state.h"

/* Run every (function, args, kwargs) of `calls` and return the list of results. At most
 * `n_ahead` calls are taken from the iterator beyond those that are done.
 *
 * A call that raises ends the run: `on_failure(index, function, failure)` must raise
 * what the caller shall see. So does a worker's death, by `on_death(index or None,
 * function or None, pid, wait status)`. After each result `on_done(n_done, n_taken)` is
 * called, unless it is None. After any exception the pool has forgotten its tasks. */
PyObject *pump_run(struct core_state *state, struct pool_object *pool, PyObject *calls,
                   Py_ssize_t n_ahead, PyObject *on_failure, PyObject *on_death,
                   PyObject *on_done);

#endif
