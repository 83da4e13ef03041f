#include <errno.h>

#include "pool/pool.h"
#include "sys/poller.h"

/* Workers that may die before they are ready, beyond the number of all, before the pool
 * gives up: the program does not work. When it has worked before, it is rather that
 * somebody kills its processes, and that may pass. */
#define SPARE_STARTS 2
#define PATIENCE 10

/* The tag of its process is one more: see turn.c. */
static uint64_t
worker_tag(const struct worker *worker)
{
    return (uint64_t)(uintptr_t)worker;
}

void
pool_send(struct cj_pool *pool, struct worker *worker)
{
    int r = channel_flush(&worker->channel);
    bool writing = r == CHANNEL_LATER;

    list_remove(&worker->flush_link);
    if (r == CHANNEL_LATER) {
        r = 0;
    }
    if (r == 0 && writing != worker->is_writing) {
        r = poller_set_writing(pool->poller_fd, worker->fd, worker_tag(worker),
                               writing);
        worker->is_writing = writing;
    }
    if (r != 0) {
        pool_drop_worker(pool, worker, r < 0 ? r : 0);
    }
}

void
pool_stop_sending(struct cj_pool *pool, struct worker *worker)
{
    int r = 0;

    if (worker->is_writing && worker->state < WORKER_LEAVING) {
        worker->is_writing = false;
        r = poller_set_writing(pool->poller_fd, worker->fd, worker_tag(worker), false);
    }
    if (r < 0) {
        pool_drop_worker(pool, worker, r);
    }
}

static int
pool_watch_worker(struct cj_pool *pool, struct worker *worker)
{
    int r = poller_add(pool->poller_fd, worker->fd, worker_tag(worker));

    if (r == 0 && worker->process.watch_fd >= 0) {
        r = poller_add(pool->poller_fd, worker->process.watch_fd,
                       worker_tag(worker) + 1);
    }
    return r;
}

int
pool_start_worker(struct cj_pool *pool)
{
    struct worker *worker;
    int r;

    r = worker_new(pool->program.argv, pool->program.envp, pool->hello, &worker);
    if (r < 0) {
        return r;
    }
    r = pool_watch_worker(pool, worker);
    if (r < 0) {
        process_end(&worker->process);
        worker_free(worker);
        return r;
    }
    worker_set_idle_ns(worker, pool->idle_ns);
    list_append(&pool->workers, &worker->link);
    pool->n_alive++;
    pool->n_starting++;
    pool_send(pool, worker);
    return 0;
}

static bool
pool_may_start(const struct cj_pool *pool)
{
    size_t limit = pool->n_workers + SPARE_STARTS;

    if (pool->has_worked) {
        limit *= PATIENCE;
    }
    return pool->n_stillborn + pool->n_starting < limit;
}

bool
pool_is_hopeless(const struct cj_pool *pool)
{
    return list_is_empty(&pool->workers) && !pool_may_start(pool);
}

int
pool_check(const struct cj_pool *pool)
{
    if (!list_is_empty(&pool->workers) || pool->scheduler.n_waiting == 0) {
        return 0;
    }
    return pool->start_error < 0 ? pool->start_error : -ECHILD;
}

static bool
pool_needs_worker(const struct cj_pool *pool)
{
    return pool->n_alive < pool->n_workers &&
           scheduler_n_unserved(&pool->scheduler) > pool->n_starting &&
           (pool->start_error == 0 || pool->n_alive == 0) && pool_may_start(pool);
}

/* Those that died are replaced when there is something for them to do. */
static void
pool_replace_workers(struct cj_pool *pool)
{
    while (pool_needs_worker(pool)) {
        pool->start_error = pool_start_worker(pool);
        if (pool->start_error < 0) {
            return;
        }
    }
}

static bool
pool_give_tasks(struct cj_pool *pool)
{
    struct worker *worker;
    struct task *task;
    bool any = false;

    while (scheduler_next(&pool->scheduler, &task, &worker)) {
        worker_give(worker, task, ++pool->n_given);
        scheduler_note(&pool->scheduler, worker);
        list_remove(&worker->flush_link);
        list_append(&pool->to_flush, &worker->flush_link);
        any = true;
    }
    return any;
}

void
pool_dispatch(struct cj_pool *pool)
{
    struct list *link;

    /* A worker that turns out to be dead gives its tasks back. */
    while (pool_give_tasks(pool)) {
        while ((link = list_first(&pool->to_flush))) {
            pool_send(pool, LIST_ITEM(link, struct worker, flush_link));
        }
    }
    pool_replace_workers(pool);
}
