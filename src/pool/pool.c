#include "pool/pool.h"

#include <errno.h>

#include "base/cleanup.h"
#include "base/memory.h"
#include "sys/clock.h"
#include "sys/descriptor.h"
#include "sys/poller.h"
#include "sys/process.h"
#include "sys/socket_pair.h"

/* --- time
 * -------------------------------------------------------------------------------- */

/* The moment `ns` from now; < 0: never. */
static int64_t
deadline_in(int64_t ns)
{
    int64_t deadline;

    if (ns < 0 || __builtin_add_overflow(clock_monotonic_ns(), ns, &deadline)) {
        return INT64_MAX;
    }
    return deadline;
}

/* Until then; < 0: for ever. */
static int64_t
deadline_left_ns(int64_t deadline)
{
    int64_t left;

    if (deadline == INT64_MAX) {
        return -1;
    }
    left = deadline - clock_monotonic_ns();
    return left > 0 ? left : 0;
}

/* --- open and close
 * ---------------------------------------------------------------------- */

/* A forked child has copies of our descriptors and memory, and no say over our workers.
 */
static bool
pool_is_ours(const struct cj_pool *pool)
{
    return pool->owner == process_self();
}

static void
pool_free(struct cj_pool *pool)
{
    list_move_all(&pool->dead, &pool->workers);
    pool_bury(pool);
    task_free_all(&pool->events);
    task_free_all(&pool->scheduler.waiting);
    message_unref(pool->hello);
    message_unref(pool->context);
    program_done(&pool->program);
    descriptor_close(pool->poller_fd);
    mem_free(pool);
}

static struct cj_pool *
pool_alloc(size_t n_workers)
{
    struct cj_pool *pool = mem_alloc_zero(1, sizeof(*pool));

    if (pool) {
        pool->owner = process_self();
        pool->n_workers = n_workers;
        pool->poller_fd = -1;
        scheduler_init(&pool->scheduler);
        list_init(&pool->events);
        list_init(&pool->workers);
        list_init(&pool->dead);
        list_init(&pool->to_flush);
        list_init(&pool->unread);
    }
    return pool;
}

static void
pool_close_p(struct cj_pool **pool)
{
    cj_pool_close(*pool, 0);
}

int
cj_pool_open(const struct cj_pool_options *options, struct cj_pool **ret_pool)
{
    AUTO(pool_close_p) struct cj_pool *pool = NULL;
    int r;

    if (options->n_workers < 1 || options->n_workers > CJ_POOL_MAX_WORKERS ||
        !options->argv || !options->argv[0]) {
        return -EINVAL;
    }
    pool = pool_alloc(options->n_workers);
    if (!pool) {
        return -ENOMEM;
    }
    r = program_init(&pool->program, options->argv, options->envp);
    if (r == 0) {
        r = message_new(&options->hello, 1, &pool->hello);
    }
    if (r == 0) {
        r = poller_open(&pool->poller_fd);
    }
    for (size_t i = 0; i < pool->n_workers && r == 0; i++) {
        r = pool_start_worker(pool);
    }
    if (r == 0) {
        *ret_pool = TAKE_PTR(pool);
    }
    return r;
}

/* Tell all workers that nothing more comes, and let them go. */
static void
pool_see_off(struct cj_pool *pool, int64_t grace_ns)
{
    int64_t deadline = deadline_in(grace_ns);
    struct list *next;
    int r = 0;

    for (struct list *link = pool->workers.next; link != &pool->workers; link = next) {
        struct worker *worker = LIST_ITEM(link, struct worker, link);

        next = link->next;
        pool_stop_sending(pool, worker);
        socket_pair_finish(worker->fd);
    }
    while (!list_is_empty(&pool->workers) && deadline_left_ns(deadline) != 0 &&
           (r == 0 || r == -EINTR)) {
        task_free_all(&pool->events);
        r = pool_turn(pool, deadline_left_ns(deadline));
    }
}

static void
pool_kill_all(struct cj_pool *pool)
{
    struct list *link;

    for (link = pool->workers.next; link != &pool->workers; link = link->next) {
        process_kill(&LIST_ITEM(link, struct worker, link)->process);
    }
    for (link = pool->workers.next; link != &pool->workers; link = link->next) {
        process_end(&LIST_ITEM(link, struct worker, link)->process);
    }
}

void
cj_pool_close(struct cj_pool *pool, int64_t grace_ns)
{
    if (!pool) {
        return;
    }
    if (pool_is_ours(pool)) {
        pool_see_off(pool, grace_ns);
        pool_kill_all(pool);
    }
    pool_free(pool);
}

/* --- tasks
 * ------------------------------------------------------------------------------- */

static void
message_unref_p(struct message **message)
{
    message_unref(*message);
}

int
cj_pool_set_context(struct cj_pool *pool, struct cj_bytes context)
{
    struct message *message;
    int r;

    if (!pool_is_ours(pool)) {
        return -EPERM;
    }
    r = message_new(&context, 1, &message);
    if (r == 0) {
        message_unref(pool->context);
        pool->context = message;
    }
    return r;
}

int
cj_pool_submit(struct cj_pool *pool, uint64_t number, const struct cj_bytes *parts,
               size_t n_parts)
{
    AUTO(message_unref_p) struct message *message = NULL;
    struct task *task;
    int r;

    if (!pool_is_ours(pool)) {
        return -EPERM;
    }
    if (number == CJ_POOL_NO_TASK) {
        return -EINVAL;
    }
    if (pool_is_hopeless(pool)) {
        return -ECHILD;
    }
    r = message_new(parts, n_parts, &message);
    if (r == 0) {
        r = task_new(number, message, pool->context, &task);
    }
    if (r < 0) {
        return r;
    }
    scheduler_add(&pool->scheduler, task);
    pool->n_pending++;
    /* If no worker can be started, cj_pool_next() says so: the task is ours. */
    pool_dispatch(pool);
    return 0;
}

size_t
cj_pool_n_pending(const struct cj_pool *pool)
{
    return pool->n_pending;
}

static bool
pool_pop_event(struct cj_pool *pool, struct cj_pool_event *ret_event)
{
    struct list *link = list_first(&pool->events);
    struct task *task;

    if (!link) {
        return false;
    }
    task = LIST_ITEM(link, struct task, link);
    pool->n_pending -= task->number != CJ_POOL_NO_TASK;
    *ret_event = TAKE(task->event, (struct cj_pool_event){0});
    task_free(task);
    return true;
}

int
cj_pool_next(struct cj_pool *pool, int64_t timeout_ns, struct cj_pool_event *ret_event)
{
    int64_t deadline = deadline_in(timeout_ns), left_ns = -1;
    int r;

    if (!pool_is_ours(pool)) {
        return -EPERM;
    }
    for (;;) {
        pool_dispatch(pool);
        if (pool_pop_event(pool, ret_event)) {
            return 0;
        }
        r = pool_check(pool);
        if (r < 0) {
            return r;
        }
        if (pool->n_pending == 0) {
            return CJ_POOL_EMPTY;
        }
        if (left_ns == 0) {
            return CJ_POOL_TIMEOUT;
        }
        left_ns = deadline_left_ns(deadline);
        r = pool_turn(pool, left_ns);
        if (r < 0) {
            return r;
        }
    }
}

void
cj_pool_event_done(struct cj_pool_event *event)
{
    cj_blob_done(&event->body);
}

/* --- cancel
 * ------------------------------------------------------------------------------ */

static void
pool_forget_events(struct cj_pool *pool)
{
    struct list *next;

    for (struct list *link = pool->events.next; link != &pool->events; link = next) {
        struct task *task = LIST_ITEM(link, struct task, link);

        next = link->next;
        if (task->number != CJ_POOL_NO_TASK) {
            task_free(task);
        }
    }
}

/* Take back what has not begun; if that is not all, only a kill gets the worker out. */
static void
pool_free_worker_of_tasks(struct cj_pool *pool, struct worker *worker)
{
    struct task *task;

    while (worker_is_open(worker) && worker->n_tasks > 0 &&
           (task = worker_take_back(worker))) {
        task_free(task);
    }
    if (worker->n_tasks == 0) {
        scheduler_note(&pool->scheduler, worker);
        return;
    }
    while (worker->n_tasks > 0) {
        task_free(worker_take_oldest(worker));
    }
    pool_drop_worker(pool, worker, 0);
}

void
cj_pool_cancel(struct cj_pool *pool)
{
    struct list *next;

    if (!pool_is_ours(pool)) {
        return;
    }
    task_free_all(&pool->scheduler.waiting);
    pool->scheduler.n_waiting = 0;
    pool_forget_events(pool);
    for (struct list *link = pool->workers.next; link != &pool->workers; link = next) {
        next = link->next;
        pool_free_worker_of_tasks(pool, LIST_ITEM(link, struct worker, link));
    }
    pool->n_pending = 0;
}
