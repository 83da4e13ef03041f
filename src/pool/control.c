#include <errno.h>

#include "base/cleanup.h"
#include "pool/pool.h"
#include "sys/bell.h"

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
    AUTO(mutex_unlock_p) struct mutex *held = NULL;
    struct list *next;

    if (!pool_is_ours(pool)) {
        return;
    }
    held = pool_lock(pool);
    task_free_all(&pool->scheduler.waiting);
    pool->scheduler.n_waiting = 0;
    pool_forget_events(pool);
    for (struct list *link = pool->workers.next; link != &pool->workers; link = next) {
        next = link->next;
        pool_free_worker_of_tasks(pool, LIST_ITEM(link, struct worker, link));
    }
    pool->n_pending = 0;
    pool_tell(pool);
}

/* --- one task
 * ---------------------------------------------------------------------------- */

/* A task in a list, the last one handed in first. */
static struct task *
list_find_task(const struct list *tasks, uint64_t number)
{
    for (struct list *link = tasks->before; link != tasks; link = link->before) {
        struct task *task = LIST_ITEM(link, struct task, link);

        if (task->number == number) {
            return task;
        }
    }
    return NULL;
}

static struct task *
pool_find_in_workers(struct cj_pool *pool, uint64_t number, struct worker **ret_worker)
{
    struct task *task = NULL;

    for (struct list *link = pool->workers.next; link != &pool->workers && !task;
         link = link->next) {
        *ret_worker = LIST_ITEM(link, struct worker, link);
        task = worker_find(*ret_worker, number);
    }
    return task;
}

static void
pool_forget_task(struct cj_pool *pool, struct task *task)
{
    task_free(task);
    pool->n_pending--;
}

/* Take the task of a worker out if it has not begun: those behind it wait again. */
static bool
pool_take_out(struct cj_pool *pool, struct worker *worker, struct task *task)
{
    struct task *last = NULL;

    if (!worker_is_open(worker) || board_has_begun(worker->board, task->ticket)) {
        return false;
    }
    while (last != task && worker->n_tasks > 0 && (last = worker_take_back(worker))) {
        if (last != task) {
            scheduler_add_first(&pool->scheduler, last);
        }
    }
    scheduler_note(&pool->scheduler, worker);
    return last == task;
}

static bool
pool_take_back(struct cj_pool *pool, uint64_t number)
{
    struct worker *worker;
    struct task *task = list_find_task(&pool->scheduler.waiting, number);

    if (task) {
        pool->scheduler.n_waiting--;
    }
    else {
        task = pool_find_in_workers(pool, number, &worker);
        if (!task || !pool_take_out(pool, worker, task)) {
            return false;
        }
    }
    pool_forget_task(pool, task);
    return true;
}

bool
cj_pool_take_back(struct cj_pool *pool, uint64_t number)
{
    AUTO(mutex_unlock_p) struct mutex *held = NULL;
    bool is_back;

    if (number == CJ_POOL_NO_TASK || !pool_is_ours(pool)) {
        return false;
    }
    held = pool_lock(pool);
    is_back = pool_take_back(pool, number);
    pool_dispatch(pool);
    pool_tell(pool);
    return is_back;
}

/* Its worker is killed; the tasks behind it are inherited by others. */
static bool
pool_cancel_begun(struct cj_pool *pool, uint64_t number)
{
    struct worker *worker;
    struct task *task = pool_find_in_workers(pool, number, &worker);

    if (!task || task != worker->tasks[0]) {
        return false;
    }
    (void)worker_take_oldest(worker);
    pool_forget_task(pool, task);
    pool_drop_worker(pool, worker, 0);
    return true;
}

/* Also those of its retries. */
static bool
pool_cancel_event(struct cj_pool *pool, uint64_t number)
{
    struct task *task;
    bool is_any = false;

    while ((task = list_find_task(&pool->events, number))) {
        pool->n_pending -= task_is_answered(task);
        is_any |= task_is_answered(task);
        task_free(task);
    }
    return is_any;
}

bool
cj_pool_cancel_task(struct cj_pool *pool, uint64_t number)
{
    AUTO(mutex_unlock_p) struct mutex *held = NULL;
    bool is_cancelled;

    if (number == CJ_POOL_NO_TASK || !pool_is_ours(pool)) {
        return false;
    }
    held = pool_lock(pool);
    is_cancelled = pool_cancel_event(pool, number);
    is_cancelled = pool_take_back(pool, number) || is_cancelled;
    is_cancelled = pool_cancel_begun(pool, number) || is_cancelled;
    pool_dispatch(pool);
    pool_tell(pool);
    return is_cancelled;
}

bool
cj_pool_has_begun(struct cj_pool *pool, uint64_t number)
{
    AUTO(mutex_unlock_p) struct mutex *held = NULL;
    struct worker *worker;
    struct task *task;

    if (number == CJ_POOL_NO_TASK || !pool_is_ours(pool)) {
        return false;
    }
    held = pool_lock(pool);
    task = pool_find_in_workers(pool, number, &worker);
    return task ? board_has_begun(worker->board, task->ticket)
                : list_find_task(&pool->events, number) != NULL;
}

void
cj_pool_want_back(struct cj_pool *pool)
{
    AUTO(mutex_unlock_p) struct mutex *held = NULL;

    if (!pool_is_ours(pool)) {
        return;
    }
    held = pool_lock(pool);
    if (!scheduler_has_idle(&pool->scheduler)) {
        return;
    }
    for (struct list *link = pool->workers.next; link != &pool->workers;
         link = link->next) {
        struct worker *worker = LIST_ITEM(link, struct worker, link);

        if (worker->n_tasks > 0) {
            board_want_back(worker->board, worker->tasks[0]->ticket);
        }
    }
}

/* --- the pool itself
 * --------------------------------------------------------------------- */

void
cj_pool_set_limits(struct cj_pool *pool, const struct cj_pool_limits *limits)
{
    AUTO(mutex_unlock_p) struct mutex *held = NULL;

    if (!pool_is_ours(pool)) {
        return;
    }
    held = pool_lock(pool);
    pool->n_retries = limits->n_retries;
    pool->task_timeout_ns = limits->task_timeout_ns;
    pool->idle_ns = limits->idle_ns;
    for (struct list *link = pool->workers.next; link != &pool->workers;
         link = link->next) {
        worker_set_idle_ns(LIST_ITEM(link, struct worker, link), limits->idle_ns);
    }
    if (pool->is_asleep) {
        bell_ring(pool->bell_fd); /* its sleep may be too long now */
    }
}

void
pool_shrink(struct cj_pool *pool)
{
    struct list *next;

    for (struct list *link = pool->workers.next;
         link != &pool->workers && pool->n_alive > pool->n_workers; link = next) {
        struct worker *worker = LIST_ITEM(link, struct worker, link);

        next = link->next;
        if (worker->state < WORKER_LEAVING && worker->n_tasks == 0) {
            pool_dismiss_worker(pool, worker);
        }
    }
}

int
cj_pool_resize(struct cj_pool *pool, size_t n_workers)
{
    AUTO(mutex_unlock_p) struct mutex *held = NULL;

    if (n_workers < 1 || n_workers > CJ_POOL_MAX_WORKERS) {
        return -EINVAL;
    }
    if (!pool_is_ours(pool)) {
        return -EPERM;
    }
    held = pool_lock(pool);
    pool->n_workers = n_workers;
    pool_shrink(pool);
    pool_dispatch(pool);
    pool_tell(pool);
    return 0;
}

size_t
cj_pool_pids(struct cj_pool *pool, pid_t *pids, size_t max_pids)
{
    AUTO(mutex_unlock_p) struct mutex *held = NULL;
    size_t n = 0;

    if (!pool_is_ours(pool)) {
        return 0;
    }
    held = pool_lock(pool);
    for (struct list *link = pool->workers.next; link != &pool->workers;
         link = link->next) {
        const struct worker *worker = LIST_ITEM(link, struct worker, link);

        if (worker->state < WORKER_LEAVING) {
            if (n < max_pids) {
                pids[n] = worker->process.pid;
            }
            n++;
        }
    }
    return n;
}
