/* A pool of worker processes that take tasks and give results, both plain bytes.
 *
 * The owner:                                     A worker (another program, or this one
 * again):
 *
 *      cj_pool_open(&options, &pool);                  int
 *      cj_pool_submit(pool, 0, &part, 1);              double_it(void *context,
 *      cj_pool_submit(pool, 1, &part, 1);                        const struct cj_task
 * *task, while (cj_pool_next(pool, -1, &event) == 0) {             struct cj_reply
 * *reply) {...} use event.task, event.body; cj_pool_event_done(&event); int main(void)
 * { }                                                   return cj_worker_run(
 *      cj_pool_close(pool, 0);                                 CJ_WORKER_FD, double_it,
 * NULL);
 *                                                      }
 *
 * Workers are started with posix_spawn(3) and hold one end of an anonymous socket pair;
 * no other descriptor of the owner above 2 reaches them, and nothing in the kernel has
 * a name, so there is nothing to leak. A worker lives until its owner closes the pool
 * or dies: a thread in it waits for that and ends the process with _exit(0), also in
 * the middle of a task. Messages carry their length and checksums; half a message means
 * that the peer is dead, never a wait.
 *
 * Life of a worker, as its owner sees it:
 *
 *      STARTING --ready--> IDLE --task sent--> BUSY --last task answered--> IDLE
 *          |                 |                   |    or taken back
 *          +-----------------+-------------------+
 *                            |
 *             socket ended, damaged message, cancelled
 *                            |
 *                            v
 *                         LEAVING --process ended--> DEAD
 *
 * The socket of a worker whose process ends is ended by the kernel. One that leaves for
 * any other reason is killed; what it was doing is told or passed on once it is DEAD.
 *
 * Whether a task had begun in a worker that died is known exactly, from a page of
 * memory that both share. One that had is reported: CJ_POOL_DEATH with that task. Those
 * that had not are given to others, silently (unless three workers in a row died on the
 * point of beginning it: then it is reported too). The dead are replaced when there are
 * tasks for which they are missing. One that dies before it is ready is reported as
 * CJ_POOL_DEATH without a task, and when n_workers + 2 have done so with none becoming
 * ready in between (ten times as many if one ever was), no more are started.
 *
 * Threads: every function may be called from any thread, also while another sleeps in
 * cj_pool_next() or cj_pool_rest(), in which there may be one at a time.
 * cj_pool_close() is the last call. A pool has no threads of its own.
 *
 * Forks: in a process forked from the owner a pool can only be closed, which releases
 * the copies of its descriptors and memory and leaves the workers alone. Workers end
 * with their owner also when such copies live on.
 *
 * Signals: none is used. Children are waited for one by one, so others of this process
 * are left alone; if somebody here takes the end of ours (waitpid(-1, ...), or SIGCHLD
 * is ignored), all works but `wait_status` is not known.
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

/* Most blocks of one task or reply. */
#define CJ_MAX_BLOCKS 16

struct cj_pool_options {
    size_t n_workers; /* 1 to CJ_POOL_MAX_WORKERS */
    const char *const
        *argv; /* the worker's program (a path) and arguments, NULL at the end */
    const char *const
        *envp; /* its environment "NAME=value", NULL at the end; NULL: ours */
    struct cj_bytes hello; /* given to each worker before all else; copied */
};

/* No task: what `cj_pool_event.task` says of a death outside of any. Not a valid
 * number. */
#define CJ_POOL_NO_TASK UINT64_MAX

enum cj_pool_event_kind {
    CJ_POOL_RESULT,  /* the task returned; `body` is what it gave */
    CJ_POOL_FAILURE, /* the task failed in an orderly way; `body` says how */
    CJ_POOL_DEATH,   /* its worker died; see `pid` and `wait_status` */
    CJ_POOL_RETRY,   /* the same, and the task is under way again */
};

struct cj_pool_event {
    enum cj_pool_event_kind kind;
    uint64_t task; /* the number given to cj_pool_submit() */
    struct cj_blob body;
    int block_fds[CJ_MAX_BLOCKS]; /* for cj_block_take(); cj_pool_event_done() closes
                                     those that are left */
    size_t n_blocks;
    pid_t pid;       /* the worker's */
    int wait_status; /* CJ_POOL_DEATH: as of waitpid(2), -1: not known */
    int error; /* CJ_POOL_DEATH: why the pool killed it: 0: it did not, or its socket
                  had ended; -EPROTO: it sent a damaged message; -ETIMEDOUT: the task
                  took longer than cj_pool_set_limits() lets it; or another -errno */
    bool out_of_memory; /* CJ_POOL_DEATH: the kernel killed processes for want of
                           memory meanwhile */
    uint64_t n_done;    /* CJ_POOL_DEATH: steps of the task that were done, see
                           cj_task_step() */
    int64_t run_ns;     /* CJ_POOL_RESULT, CJ_POOL_FAILURE: how long the worker took */
};

/* Outcomes of cj_pool_next(), beside 0 (an event came). */
enum cj_pool_outcome {
    CJ_POOL_EMPTY = 1, /* no task is under way, nothing can come */
    CJ_POOL_TIMEOUT,
    CJ_POOL_WOKEN, /* by cj_pool_wake() */
};

/* Start the workers; returns without waiting until they are ready. Ctrl-C does not
 * reach them: SIGINT is blocked when the program starts, until cj_worker_run().
 * -EINVAL: n_workers out of range or no program; -ENOENT, -EACCES: the program can't be
 * found or run; -EAGAIN, -EMFILE, -ENOMEM: the system has no room (a worker takes two
 * descriptors). */
CJ_API CJ_MUST_CHECK int cj_pool_open(const struct cj_pool_options *options,
                                      struct cj_pool **ret_pool);

/* End all workers and free the pool: they see the end of their sockets, those that have
 * not left after `grace_ns` nanoseconds (< 0: for ever) are killed, all are waited for.
 * Tasks under way are lost. In a process forked from the owner only the copies of
 * descriptors are closed. Accepts NULL. */
CJ_API void cj_pool_close(struct cj_pool *pool, int64_t grace_ns);

/* Bytes that a worker must have seen before it begins any of the tasks that are handed
 * in from now on, such as a function that they share. Replaces the one before it, which
 * tasks handed in before keep. A worker gets it with the first task that needs it, and
 * once, unless it had another in between. Copied. -ENOMEM; -EPERM: in a forked child.
 */
CJ_API CJ_MUST_CHECK int cj_pool_set_context(struct cj_pool *pool,
                                             struct cj_bytes context);

/* Hand in a task under a number of the caller's choice (not one that is still under
 * way), whose body is the `n_parts` pieces one after the other; copied. It goes to the
 * worker with the fewest tasks; some wait in each worker, the rest in the pool; one
 * that has not begun is given to a worker that has none. Never sleeps, but for starting
 * a worker in place of a dead one. -EINVAL: CJ_POOL_NO_TASK; -ENOMEM; -EPERM: in a
 * forked child; -ECHILD: no worker is left, and they die before they are ready. */
CJ_API CJ_MUST_CHECK int cj_pool_submit(struct cj_pool *pool, uint64_t task,
                                        const struct cj_bytes *parts, size_t n_parts);

/* Tasks handed in whose event has not been taken. */
CJ_API size_t cj_pool_n_pending(struct cj_pool *pool);

/* Wait up to `timeout_ns` nanoseconds (< 0: for ever) for the next event, in the order
 * of arrival; it sleeps in the kernel and moves bytes both ways meanwhile. Release the
 * event with cj_pool_event_done(). Nothing is lost by a result < 0, it may be called
 * again: -EINTR: a signal came; -ENOMEM; -EPERM: in a forked child; -ECHILD: as above,
 * after all events are taken; -EAGAIN, -EMFILE, -ENOENT...: no worker is left and none
 * can be started. */
CJ_API CJ_MUST_CHECK int cj_pool_next(struct cj_pool *pool, int64_t timeout_ns,
                                      struct cj_pool_event *ret_event);

CJ_API void cj_pool_event_done(struct cj_pool_event *event);

/* The same sleep where no task is under way: 0: one is, now; CJ_POOL_TIMEOUT,
 * CJ_POOL_WOKEN; < 0 as cj_pool_next(). */
CJ_API CJ_MUST_CHECK int cj_pool_rest(struct cj_pool *pool, int64_t timeout_ns);

/* Make the cj_pool_next() or cj_pool_rest() that sleeps, or the next one that would,
 * return CJ_POOL_WOKEN. Also from a handler of signals. */
CJ_API void cj_pool_wake(struct cj_pool *pool);

/* Forget all tasks and their events. Workers that are in one are killed, and replaced
 * when they are missed. Never sleeps. */
CJ_API void cj_pool_cancel(struct cj_pool *pool);

/* Forget one task: false: it is not under way. Its worker, if it had begun, is killed
 * and replaced when it is missed; what else was to be done there is done by others. */
CJ_API bool cj_pool_cancel_task(struct cj_pool *pool, uint64_t task);

/* Forget one task if it has not begun: false: it has, or is not under way. */
CJ_API bool cj_pool_take_back(struct cj_pool *pool, uint64_t task);

/* Whether a task that is under way has begun. */
CJ_API bool cj_pool_has_begun(struct cj_pool *pool, uint64_t task);

/* Ask for what is left of tasks of several steps (see cj_task_step()) if there are
 * workers with nothing to do. */
CJ_API void cj_pool_want_back(struct cj_pool *pool);

struct cj_pool_limits {
    unsigned n_retries; /* how often a task is run again whose worker died in it; each
                           time CJ_POOL_RETRY tells of it. 0: its death is told */
    int64_t task_timeout_ns; /* how long a task may run; its worker is killed then, and
                                CJ_POOL_DEATH tells -ETIMEDOUT. < 0: for ever */
    int64_t idle_ns; /* workers without a task leave after that time, and are replaced
                        when they are missed. < 0: never */
};

#define CJ_POOL_LIMITS_INIT {0, -1, -1}

/* From now on; the first two hold for tasks that are handed in later. A pool begins
 * with CJ_POOL_LIMITS_INIT. */
CJ_API void cj_pool_set_limits(struct cj_pool *pool,
                               const struct cj_pool_limits *limits);

/* Have so many workers: more are started when there are tasks for them, surplus ones
 * leave when they have none. -EINVAL, -EPERM. */
CJ_API CJ_MUST_CHECK int cj_pool_resize(struct cj_pool *pool, size_t n_workers);

/* The processes of the workers: writes up to `max_pids`, returns how many there are. */
CJ_API size_t cj_pool_pids(struct cj_pool *pool, pid_t *pids, size_t max_pids);

/* --- blocks
 * ------------------------------------------------------------------------------ */

/* A block is memory without a name that goes from process to process by its descriptor,
 * beside a message: what lies in it is never copied. It lives while somebody holds a
 * reference or has it mapped. References may be given up from any thread. */
struct cj_block;

enum cj_block_access {
    CJ_BLOCK_READ,
    CJ_BLOCK_WRITE,   /* all who map it see it */
    CJ_BLOCK_PRIVATE, /* what is written stays here */
};

/* A new one, mapped for writing, with all its memory reserved. When memory is short it
 * lies in a file without a name in `spill_folder` (NULL: none). -EINVAL: of no bytes;
 * -ENOMEM, -ENOSPC: no room there either; -EMFILE. */
CJ_API CJ_MUST_CHECK int cj_block_new(size_t size, const char *spill_folder,
                                      struct cj_block **ret_block);

/* The block behind a descriptor that came with a task or an event; `*fd` is -1 then.
 * -EPROTO: it is not one; -EBADF: it was taken before; -ENOMEM. */
CJ_API CJ_MUST_CHECK int cj_block_take(int *fd, struct cj_block **ret_block);

/* Where it lies here; `access` matters the first time. -ENOMEM. */
CJ_API CJ_MUST_CHECK int cj_block_map(struct cj_block *block,
                                      enum cj_block_access access, void **ret_data);

CJ_API size_t cj_block_size(const struct cj_block *block);

CJ_API struct cj_block *cj_block_ref(struct cj_block *block);

/* Accepts NULL. */
CJ_API void cj_block_unref(struct cj_block *block);

/* The caller's reference is the only one, no task has it, and no worker said that it
 * keeps on using it: it may be filled anew. Pages that were used before cost a tenth of
 * new ones. */
CJ_API bool cj_block_is_free(struct cj_block *block);

/* References in this process, those of tasks among them. */
CJ_API size_t cj_block_n_refs(struct cj_block *block);

/* cj_pool_submit() with blocks, of which the task keeps references until it is over.
 * -EINVAL: more than CJ_MAX_BLOCKS. */
CJ_API CJ_MUST_CHECK int
cj_pool_submit_blocks(struct cj_pool *pool, uint64_t task, const struct cj_bytes *parts,
                      size_t n_parts, struct cj_block *const *blocks, size_t n_blocks);

/* --- the worker's side
 * ------------------------------------------------------------------- */

enum cj_task_kind {
    CJ_TASK_HELLO,   /* once, first; no reply is sent */
    CJ_TASK_CONTEXT, /* no reply is sent */
    CJ_TASK_RUN,
};

struct cj_task {
    enum cj_task_kind kind;
    uint64_t number; /* CJ_TASK_RUN: as given to cj_pool_submit() */
    struct cj_blob
        body; /* taken over by whoever sets it to CJ_BLOB_INIT, else released */
    int block_fds[CJ_MAX_BLOCKS]; /* for cj_block_take(); those left are closed */
    size_t n_blocks;
    void *place; /* the library's */
};

/* For tasks of several steps: say that so many are done. Should the worker die, its
 * owner is told. Returns whether the rest should go back, because other workers have
 * nothing to do or 20 ms are over: to be answered with what there is. Costs next to
 * nothing. */
CJ_API bool cj_task_step(struct cj_task *task, uint64_t n_done);

/* What goes back for a CJ_TASK_RUN. The pieces must live until the function that was
 * given the reply is called again or cj_worker_run() returns; they may lie in the
 * task's body. */
struct cj_reply {
    bool is_failure;
    const struct cj_bytes *parts;
    size_t n_parts;
    struct cj_block *const *blocks; /* as the pieces: they live until the next call */
    size_t n_blocks;
    uint32_t kept_blocks; /* bit i: the worker goes on using the task's block i */
};

/* Does one task. A result other than 0 ends cj_worker_run() with it. */
typedef int (*cj_worker_function)(void *context, struct cj_task *task,
                                  struct cj_reply *reply);

/* Be a worker on the socket `fd` until the owner closes it or is gone: returns 0 then,
 * or ends the process with _exit(0) if `function` is running. The descriptor stays
 * open, and is closed in programs that this one starts. While it runs there is one
 * thread more, which blocks all signals. SIGINT, which a Ctrl-C sends to the workers as
 * well as to their owner, has no effect from here on: what is to be done is the owner's
 * decision. -EBADF, -ENOTSOCK: not a worker's descriptor; -EPROTO: damaged messages;
 * -ENOMEM, -EAGAIN, -EMFILE. */
CJ_API CJ_MUST_CHECK int cj_worker_run(int fd, cj_worker_function function,
                                       void *context);

#ifdef __cplusplus
}
#endif

#endif
