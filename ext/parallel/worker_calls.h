/* The calls that a worker makes. */

#ifndef EXT_PARALLEL_WORKER_CALLS_H
#define EXT_PARALLEL_WORKER_CALLS_H

#include "compat.h"

#include <cjoblib/pool.h>

#include "parallel/blocks.h"
#include "pickle/value.h"
#include "state.h"

struct worker {
    struct core_state *state;
    PyObject *on_hello;
    PyObject *describe;
    struct cj_blob context;     /* the encoded function, until a task needs it */
    PyObject *function;         /* the function, once one did */
    PyObject *reducer;          /* how results are pickled; or NULL */
    struct arrivals arrivals;   /* of the task */
    struct value reply;         /* lives until the next message, */
    struct answer_block answer; /* and so does its block */
};

/* Let go of the last reply. */
void worker_forget_reply(struct worker *worker);

/* Decode a task, make its calls, encode what comes of them into the worker's reply:
 *
 *      (args, kwargs[, function])                  result, or the failure
 *      [list of args, list of kwargs or None, function or None]
 *                                                  list of results, fewer when the rest
 *                                                  is to go back; or (list of results,
 *                                                  failure) of the first calls
 *
 * A failure is what describe(exception) gives. -1 with an exception when not even that
 * can be told. */
int worker_run_task(struct worker *worker, struct cj_task *task,
                    struct cj_reply *reply);

#endif
