/* The inside of a pool, and its two halves: pool_dispatch() gives tasks out,
 * pool_turn() takes in what workers say and learns of their deaths.
 *
 *      pool.c       the public functions
 *      dispatch.c   tasks to workers, workers for tasks
 *      turn.c       messages from workers, deaths
 */

#ifndef POOL_POOL_H
#define POOL_POOL_H

#include "cjoblib/pool.h"
#include "pool/program.h"
#include "pool/scheduler.h"

struct cj_pool {
    pid_t owner;
    size_t n_workers; /* as asked for */
    struct program program;
    struct message *hello;
    struct message *context; /* of the tasks to come; or NULL */
    int poller_fd;
    uint64_t n_given; /* tasks handed to workers so far; makes tickets */
    size_t n_pending;
    struct scheduler scheduler;
    struct list events;  /* tasks whose event has not been taken, and obituaries */
    struct list workers; /* all whose process has not ended */
    struct list dead;    /* to be freed when no event can mean them any more */
    struct list to_flush;
    struct list unread; /* workers in whose inbox memory was short */
    size_t n_alive;     /* workers not told to end */
    size_t n_starting;  /* of them */
    size_t n_stillborn; /* that died before they were ready, since one last was */
    bool has_worked;    /* a worker was ready once */
    int start_error;    /* of the last attempt to start one; 0 once one could */
};

/* Give out what can be given, start workers where they are missing, send what fits. */
void pool_dispatch(struct cj_pool *pool);

/* Why tasks wait and nothing will come of it: no worker is left and none can be
 * started. */
CJ_MUST_CHECK int pool_check(const struct cj_pool *pool);

/* Start one more worker. */
CJ_MUST_CHECK int pool_start_worker(struct cj_pool *pool);

/* No worker is left and none may be started: too many died before they were ready. */
bool pool_is_hopeless(const struct cj_pool *pool);

/* Send what fits to one worker. */
void pool_send(struct cj_pool *pool, struct worker *worker);

/* Leave unsent what has not been sent. */
void pool_stop_sending(struct cj_pool *pool, struct worker *worker);

/* Sleep until something happens or the time is up, and take it in. -EINTR, -ENOMEM. */
CJ_MUST_CHECK int pool_turn(struct cj_pool *pool, int64_t timeout_ns);

/* This worker is not to be used any more: kill it. What it leaves is dealt with when
 * its process has ended. */
void pool_drop_worker(struct cj_pool *pool, struct worker *worker, int error);

/* Free the dead. */
void pool_bury(struct cj_pool *pool);

#endif
