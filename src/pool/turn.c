#include <errno.h>

#include "base/cleanup.h"
#include "pool/pool.h"
#include "sys/poller.h"

#define TURN_MAX_EVENTS 64

/* After so many workers died before they had begun it, the task itself is suspected. */
#define MAX_STRANDINGS 3

/* --- deaths
 * ------------------------------------------------------------------------------ */

static void
pool_report_death(struct cj_pool *pool, const struct worker *worker, struct task *task,
                  int wait_status)
{
    task->event.kind = CJ_POOL_DEATH;
    task->event.pid = worker->process.pid;
    task->event.wait_status = wait_status;
    task->event.error = worker->error;
    task_drop_messages(task);
    list_append(&pool->events, &task->link);
}

/* The oldest task of a dead worker is suspected to have killed it if it had begun, or
 * if workers keep dying when they get it. */
static bool
task_is_suspect(const struct worker *worker, struct task *task)
{
    if (board_has_begun(worker->board, task->ticket)) {
        return true;
    }
    return task == worker->tasks[0] && ++task->n_strandings >= MAX_STRANDINGS;
}

static void
pool_inherit(struct cj_pool *pool, struct worker *worker, int wait_status)
{
    /* The youngest first, because each goes to the front. */
    for (size_t i = worker->n_tasks; i-- > 0;) {
        struct task *task = worker->tasks[i];

        if (task_is_suspect(worker, task)) {
            pool_report_death(pool, worker, task, wait_status);
        }
        else {
            scheduler_add_first(&pool->scheduler, task);
        }
    }
    worker->n_tasks = 0;
    if (!worker->came_ready) {
        pool_report_death(pool, worker, TAKE_PTR(worker->obituary), wait_status);
    }
}

/* Its process has ended, or is about to when nothing can tell us. */
static void
pool_lose_worker(struct cj_pool *pool, struct worker *worker)
{
    bool watched = worker->process.watch_fd >= 0;
    int wait_status, r;

    r = process_wait(&worker->process, !watched, &wait_status);
    if (r == PROCESS_RUNS || !worker_move(worker, WORKER_EXITED)) {
        return;
    }
    if (watched) {
        poller_remove(pool->poller_fd, worker->process.watch_fd);
    }
    list_remove(&worker->link);
    list_append(&pool->dead, &worker->link);
    pool->start_error = 0;
    pool_inherit(pool, worker, r < 0 ? -1 : wait_status);
}

void
pool_drop_worker(struct cj_pool *pool, struct worker *worker, int error)
{
    if (!worker_move(worker, WORKER_FELL_OUT)) {
        return;
    }
    worker->error = error;
    pool->n_alive--;
    if (!worker->came_ready) {
        pool->n_starting--;
        pool->n_stillborn++;
    }
    scheduler_forget(&pool->scheduler, worker);
    list_remove(&worker->flush_link);
    list_remove(&worker->unread_link);
    poller_remove(pool->poller_fd, worker->fd);
    process_kill(&worker->process);
    if (worker->process.watch_fd < 0) {
        pool_lose_worker(pool, worker);
    }
}

void
pool_bury(struct cj_pool *pool)
{
    struct list *link;

    while ((link = list_first(&pool->dead))) {
        worker_free(LIST_ITEM(link, struct worker, link));
    }
}

/* --- messages
 * ---------------------------------------------------------------------------- */

static int
pool_take_ready(struct cj_pool *pool, struct worker *worker)
{
    if (!worker_move(worker, WORKER_CAME_READY)) {
        return -EPROTO;
    }
    pool->n_starting--;
    pool->n_stillborn = 0;
    pool->has_worked = true;
    scheduler_note(&pool->scheduler, worker);
    return 0;
}

static int
pool_take_answer(struct cj_pool *pool, struct worker *worker,
                 const struct frame_head *head, struct cj_blob *body)
{
    struct task *task;

    if (worker->n_tasks == 0 || worker->tasks[0]->ticket != head->ticket ||
        !board_has_begun(worker->board, head->ticket)) {
        return -EPROTO;
    }
    task = worker_take_oldest(worker);
    scheduler_note(&pool->scheduler, worker);
    task_drop_messages(task);
    task->event.kind = head->kind == FRAME_RESULT ? CJ_POOL_RESULT : CJ_POOL_FAILURE;
    task->event.pid = worker->process.pid;
    task->event.body = TAKE(*body, (struct cj_blob)CJ_BLOB_INIT);
    list_append(&pool->events, &task->link);
    return 0;
}

static int
pool_take_message(struct cj_pool *pool, struct worker *worker)
{
    AUTO(cj_blob_done) struct cj_blob body = CJ_BLOB_INIT;
    struct frame_head head;
    int r;

    r = channel_next(&worker->channel, &head, &body);
    if (r != 0) {
        return r;
    }
    switch (head.kind) {
    case FRAME_READY:
        return pool_take_ready(pool, worker);
    case FRAME_RESULT:
    case FRAME_FAILURE:
        return pool_take_answer(pool, worker, &head, &body);
    default:
        return -EPROTO;
    }
}

/* All that are whole. -ENOMEM: to be called again before anything else is read. */
static int
pool_take_messages(struct cj_pool *pool, struct worker *worker)
{
    int r;

    list_remove(&worker->unread_link);
    while ((r = pool_take_message(pool, worker)) == 0) {
    }
    if (r == -ENOMEM) {
        list_append(&pool->unread, &worker->unread_link);
        return r;
    }
    if (r < 0) {
        pool_drop_worker(pool, worker, r);
    }
    return 0;
}

/* One read and what it brings. CHANNEL_LATER: there was nothing. */
static int
pool_read(struct cj_pool *pool, struct worker *worker)
{
    int r = channel_fill(&worker->channel);

    if (r == 0) {
        return pool_take_messages(pool, worker);
    }
    if (r != CHANNEL_LATER && r != -ENOMEM) {
        pool_drop_worker(pool, worker, r < 0 ? r : 0);
        return 0;
    }
    return r;
}

/* Its process has ended: take what it sent before. The end of the socket may never
 * come, when a program that it started has a copy. */
static int
pool_read_last(struct cj_pool *pool, struct worker *worker)
{
    int r = 0;

    while (r == 0 && worker->state < WORKER_LEAVING) {
        r = pool_read(pool, worker);
    }
    if (r == CHANNEL_LATER) {
        pool_drop_worker(pool, worker, 0);
    }
    return r < 0 ? r : 0;
}

static int
pool_take_event(struct cj_pool *pool, const struct poller_event *event)
{
    struct worker *worker = (struct worker *)(uintptr_t)(event->tag & ~(uint64_t)1);
    bool has_ended = event->tag & 1;
    int r = 0;

    if (has_ended) {
        r = pool_read_last(pool, worker);
        if (worker->state == WORKER_LEAVING) {
            pool_lose_worker(pool, worker);
        }
        return r;
    }
    if (event->can_read && worker->state < WORKER_LEAVING) {
        r = pool_read(pool, worker);
    }
    if (event->can_write && worker->state < WORKER_LEAVING) {
        pool_send(pool, worker);
    }
    return r < 0 ? r : 0;
}

static int
pool_take_unread(struct cj_pool *pool)
{
    struct list *link;
    int r = 0;

    while (r == 0 && (link = list_first(&pool->unread))) {
        r = pool_take_messages(pool, LIST_ITEM(link, struct worker, unread_link));
    }
    return r;
}

int
pool_turn(struct cj_pool *pool, int64_t timeout_ns)
{
    struct poller_event events[TURN_MAX_EVENTS];
    size_t n;
    int r, first_r = 0;

    pool_bury(pool);
    r = pool_take_unread(pool);
    if (r < 0) {
        return r;
    }
    r = poller_wait(pool->poller_fd, list_is_empty(&pool->events) ? timeout_ns : 0,
                    events, TURN_MAX_EVENTS, &n);
    if (r < 0) {
        return r;
    }
    for (size_t i = 0; i < n; i++) {
        r = pool_take_event(pool, &events[i]);
        first_r = first_r < 0 ? first_r : r;
    }
    return first_r;
}
