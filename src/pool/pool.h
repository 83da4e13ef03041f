/* The inside of a pool, and its two halves: pool_dispatch() gives tasks out,
 * pool_turn() takes in what workers say and learns of their deaths.
 *
 *      pool.c       open, submit, next, close
 *      control.c    what else may be asked of it: cancel, resize, limits
 *      dispatch.c   tasks to workers, workers for tasks
 *      turn.c       messages from workers, deaths
 */

#ifndef POOL_POOL_H
#define POOL_POOL_H

#include <stdatomic.h>

#include "cjoblib/pool.h"
#include "pool/program.h"
#include "pool/scheduler.h"
#include "sys/mutex.h"

/* What the poller says of a descriptor: a worker's socket has the worker's address for
 * its tag, its process one more. */
#define TAG_BELL 2

struct cj_pool {
    pid_t owner;
    int bell_fd;       /* rung by cj_pool_wake(), and when somebody else made events */
    int oom_fd;        /* or -1 */
    struct mutex lock; /* over all that follows; not held while cj_pool_next() sleeps */
    _Atomic bool is_woken;   /* by cj_pool_wake(), which has no lock: sequentially
                                consistent, as it goes with the bell */
    bool is_asleep;          /* somebody sleeps in cj_pool_next() or cj_pool_rest() */
    bool is_resting;         /* in cj_pool_rest() */
    int64_t n_oom_kills;     /* when tasks were last handed in to an idle pool */
    unsigned n_retries;      /* of the tasks to come */
    int64_t task_timeout_ns; /* of the tasks to come; < 0: none */
    bool has_deadlines;      /* there may be tasks with one */
    int64_t idle_ns;         /* < 0: workers never leave by themselves */
    size_t n_workers;        /* as asked for */
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

/* Sleep until something happens or the time is up, and take it in; unlocked while it
 * sleeps. CJ_POOL_WOKEN, -EINTR, -ENOMEM. */
CJ_MUST_CHECK int pool_turn(struct cj_pool *pool, int64_t timeout_ns);

/* This worker is not to be used any more: kill it. What it leaves is dealt with when
 * its process has ended. */
void pool_drop_worker(struct cj_pool *pool, struct worker *worker, int error);

/* The same for one that has nothing to do and is not wanted: it leaves by itself. */
void pool_dismiss_worker(struct cj_pool *pool, struct worker *worker);

/* Send off the workers without a task that are more than were asked for. */
void pool_shrink(struct cj_pool *pool);

/* Free the dead. */
void pool_bury(struct cj_pool *pool);

/* A forked child has copies of our descriptors and memory, and no say over our workers.
 */
bool pool_is_ours(const struct cj_pool *pool);

/* Begin to use the pool, for AUTO(mutex_unlock_p). */
struct mutex *pool_lock(struct cj_pool *pool);

/* To be called before unlocking by who may have made events: whoever sleeps looks. */
void pool_tell(struct cj_pool *pool);

/* The moment `ns` from now (< 0: never), and how long until then (< 0: for ever). */
int64_t deadline_in(int64_t ns);
int64_t deadline_left_ns(int64_t deadline);

#endif
