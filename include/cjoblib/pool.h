/* A pool of worker processes that take tasks and give results, both plain bytes.
 *
 * The owner:                                     A worker (another program, or this one again):
 *
 *      cj_pool_open(&options, &pool);                  int
 *      cj_pool_submit(pool, 0, &part, 1);              double_it(void *context,
 *      cj_pool_submit(pool, 1, &part, 1);                        const struct cj_task *task,
 *      while (cj_pool_next(pool, -1, &event) == 0) {             struct cj_reply *reply) {...}
 *          use event.task, event.body;
 *          cj_pool_event_done(&event);                 int main(void) {
 *      }                                                   return cj_worker_run(
 *      cj_pool_close(pool);                                    CJ_WORKER_FD, double_it, NULL);
 *                                                      }
 *
 * Workers are started with posix_spawn(3) and hold one end of an anonymous socket pair; no
 * other descriptor of the owner reaches them, and nothing in the kernel has a name, so there
 * is nothing to leak. A worker lives until its owner closes the socket or dies: a thread in
 * it waits for that and ends the process, also in the middle of a task. Messages carry their
 * length and a checksum; half a message means that the peer is dead, never a wait.
 *
 * Life of a worker, as its owner sees it:
 *
 *      STARTING --ready--> IDLE --task sent--> BUSY --last result came--> IDLE
 *          |                 |                   |
 *          +-----------------+--- socket ends ---+--> DEAD
 *
 * A worker that dies while idle is replaced, silently, when the next task needs it. One that
 * dies in a task is reported (CJ_POOL_DEATH with that task) and replaced; tasks that waited
 * behind it in its queue had not begun and are given to others. One that dies before it is
 * ready is reported (CJ_POOL_DEATH without a task) and is not replaced.
 *
 * Threads: a pool is used by one thread at a time. It has no threads of its own.
 */

#ifndef CJ_POOL_H
#define CJ_POOL_H

#include <stdbool.h>
#include <sys/types.h>

#include <cjoblib/base.h>

#ifdef __cplusplus
extern "C" {
#endif

struct cj_pool;

/* The descriptor on which a worker finds its socket. */
#define CJ_WORKER_FD 3

/* Most workers of one pool. */
#define CJ_POOL_MAX_WORKERS 4096

struct cj_pool_options {
    size_t n_workers;        /* 1 to CJ_POOL_MAX_WORKERS */
    const char *const *argv; /* the worker's program (a path) and arguments, NULL at the end */
    const char *const *envp; /* its environment "NAME=value", NULL at the end; NULL: ours */
    struct cj_bytes hello;   /* given to each worker before all else; copied */
};

/* No task: what `cj_pool_event.task` says of a death outside of any. Not a valid number. */
#define CJ_POOL_NO_TASK UINT64_MAX

enum cj_pool_event_kind {
    CJ_POOL_RESULT,  /* the task returned; `body` is what it gave */
    CJ_POOL_FAILURE, /* the task failed in an orderly way; `body` says how */
    CJ_POOL_DEATH,   /* its worker died; see `pid` and `wait_status` */
};

struct cj_pool_event {
    enum cj_pool_event_kind kind;
    uint64_t task; /* the number given to cj_pool_submit() */
    struct cj_blob body;
    pid_t pid;       /* the worker's */
    int wait_status; /* CJ_POOL_DEATH: as of waitpid(2) */
};

/* Outcomes of cj_pool_next(), beside 0 (an event came). */
enum cj_pool_outcome {
    CJ_POOL_EMPTY = 1, /* no task is under way, nothing can come */
    CJ_POOL_TIMEOUT,
};

/* Start the workers; returns without waiting until they are ready.
 * -EINVAL: n_workers out of range or no program; -ENOENT, -EACCES: the program can't be
 * found or run; -EAGAIN, -EMFILE, -ENOMEM: the system has no room. */
CJ_API CJ_MUST_CHECK int
cj_pool_open(const struct cj_pool_options *options, struct cj_pool **ret_pool);

/* End all workers and free the pool: sockets are closed, workers that have not left after
 * `grace_ns` nanoseconds are killed, all are waited for. Tasks under way are lost. In a
 * process forked from the owner only the copy's descriptors are closed. Accepts NULL. */
CJ_API void
cj_pool_close(struct cj_pool *pool, int64_t grace_ns);

/* Bytes that every worker must have seen before its next task, such as a function that many
 * tasks share. Replaces the context before it; each worker gets it once. Copied. -ENOMEM. */
CJ_API CJ_MUST_CHECK int
cj_pool_set_context(struct cj_pool *pool, struct cj_bytes context);

/* Hand in a task under a number of the caller's choice (not one that is still under way),
 * whose body is the `n_parts` pieces one after the other; copied. It goes to the worker with
 * the fewest tasks; up to two wait in each worker, the rest in the pool. Never blocks.
 * -EINVAL: CJ_POOL_NO_TASK; -ENOMEM; -ECHILD: no worker is left and none can be started. */
CJ_API CJ_MUST_CHECK int
cj_pool_submit(struct cj_pool *pool, uint64_t task, const struct cj_bytes *parts,
               size_t n_parts);

/* Tasks handed in whose event has not been taken. */
CJ_API size_t
cj_pool_n_pending(const struct cj_pool *pool);

/* Wait up to `timeout_ns` nanoseconds (< 0: for ever) for the next event, in the order of
 * arrival; it sleeps in the kernel and moves bytes both ways meanwhile. Release the event
 * with cj_pool_event_done(). -EINTR: a signal came; nothing is lost, call again. -ENOMEM. */
CJ_API CJ_MUST_CHECK int
cj_pool_next(struct cj_pool *pool, int64_t timeout_ns, struct cj_pool_event *ret_event);

CJ_API void
cj_pool_event_done(struct cj_pool_event *event);

/* Forget all tasks. Workers that are in one are killed and replaced. Never blocks. */
CJ_API void
cj_pool_cancel(struct cj_pool *pool);

/* --- the worker's side ------------------------------------------------------------------- */

enum cj_task_kind {
    CJ_TASK_HELLO,   /* once, first; no reply is sent */
    CJ_TASK_CONTEXT, /* no reply is sent */
    CJ_TASK_RUN,
};

struct cj_task {
    enum cj_task_kind kind;
    uint64_t number; /* CJ_TASK_RUN: as given to cj_pool_submit() */
    struct cj_blob body; /* taken over by whoever sets it to CJ_BLOB_INIT, else released */
};

/* What goes back for a CJ_TASK_RUN. The pieces must live until the function that was given
 * the reply is called again or cj_worker_run() returns. */
struct cj_reply {
    bool is_failure;
    const struct cj_bytes *parts;
    size_t n_parts;
};

/* Does one task. A result other than 0 ends cj_worker_run() with it. */
typedef int (*cj_worker_function)(void *context, struct cj_task *task,
                                  struct cj_reply *reply);

/* Be a worker on the socket `fd` until the owner closes it: returns 0 then (or ends the
 * process, when it happens in the middle of a task), < 0 on errors. Starts one thread, which
 * blocks all signals. -EBADF, -ENOTSOCK: not a worker's descriptor; -EPROTO: damaged
 * messages; -ENOMEM. */
CJ_API CJ_MUST_CHECK int
cj_worker_run(int fd, cj_worker_function function, void *context);

#ifdef __cplusplus
}
#endif

#endif
