#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "pool/pool.h"
#include "sys/bell.h"
#include "sys/clock.h"
#include "sys/oom.h"
#include "sys/poller.h"
#include "sys/socket_pair.h"

#define TURN_MAX_EVENTS 64

/* After so many workers died before they had begun it, the task itself is suspected. */
#define MAX_STRANDINGS 3

/* --- deaths
 * ------------------------------------------------------------------------------ */

static bool
pool_was_out_of_memory(const struct cj_pool *pool)
{
    return pool->n_oom_kills >= 0 && oom_count(pool->oom_fd) > pool->n_oom_kills;
}

/* The event lies in `task`: the one that died, or the worker's obituary. */
static void
pool_report_death(struct cj_pool *pool, const struct worker *worker, struct task *task,
                  int wait_status)
{
    task->event.kind = CJ_POOL_DEATH;
    task->event.pid = worker->process.pid;
    task->event.wait_status = wait_status;
    task->event.error = worker->error;
    task->event.out_of_memory = pool_was_out_of_memory(pool);
    task_drop_messages(task);
    list_append(&pool->events, &task->link);
}

/* It is to be run again, of which the worker's obituary tells. */
static void
pool_retry(struct cj_pool *pool, struct worker *worker, struct task *task,
           int wait_status)
{
    struct task *obituary = TAKE_PTR(worker->obituary);

    task->n_retries--;
    obituary->event.task = obituary->number = task->number;
    obituary->event.n_done = board_n_done(worker->board, task->ticket);
    pool_report_death(pool, worker, obituary, wait_status);
    obituary->event.kind = CJ_POOL_RETRY;
    scheduler_add_first(&pool->scheduler, task);
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
pool_inherit_task(struct cj_pool *pool, struct worker *worker, struct task *task,
                  int wait_status)
{
    if (!task_is_suspect(worker, task)) {
        scheduler_add_first(&pool->scheduler, task);
    }
    else if (task->n_retries > 0 && worker->error != -ETIMEDOUT && worker->obituary) {
        pool_retry(pool, worker, task, wait_status);
    }
    else {
        task->event.n_done = board_n_done(worker->board, task->ticket);
        pool_report_death(pool, worker, task, wait_status);
    }
}

static void
pool_inherit(struct cj_pool *pool, struct worker *worker, int wait_status)
{
    /* The youngest first, because each goes to the front. */
    for (size_t i = worker->n_tasks; i-- > 0;) {
        pool_inherit_task(pool, worker, worker->tasks[i], wait_status);
    }
    worker->n_tasks = 0;
    if (!worker->came_ready && worker->obituary && !worker->is_surplus) {
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

/* Nothing more comes from it or goes to it; its process has not ended yet. */
static bool
pool_let_go(struct cj_pool *pool, struct worker *worker)
{
    if (!worker_move(worker, WORKER_FELL_OUT)) {
        return false;
    }
    pool->n_alive--;
    pool->n_starting -= !worker->came_ready;
    scheduler_forget(&pool->scheduler, worker);
    list_remove(&worker->flush_link);
    list_remove(&worker->unread_link);
    poller_remove(pool->poller_fd, worker->fd);
    return true;
}

void
pool_drop_worker(struct cj_pool *pool, struct worker *worker, int error)
{
    if (!pool_let_go(pool, worker)) {
        return;
    }
    worker->error = error;
    pool->n_stillborn += !worker->came_ready;
    process_kill(&worker->process);
    if (worker->process.watch_fd < 0) {
        pool_lose_worker(pool, worker);
    }
}

void
pool_dismiss_worker(struct cj_pool *pool, struct worker *worker)
{
    worker->is_surplus = true;
    if (!pool_let_go(pool, worker)) {
        return;
    }
    socket_pair_finish(worker->fd);
    if (worker->process.watch_fd < 0) {
        process_kill(&worker->process);
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

/* There are more workers than are wanted, and this one has come to the end of a task:
 * the others do what it has not begun. */
static void
pool_thin_out(struct cj_pool *pool, struct worker *worker)
{
    struct task *task;

    while (worker->n_tasks > 0 && (task = worker_take_back(worker))) {
        scheduler_add_first(&pool->scheduler, task);
    }
    if (worker->n_tasks == 0) {
        pool_dismiss_worker(pool, worker);
    }
    else {
        scheduler_note(&pool->scheduler, worker);
    }
}

static int
pool_take_answer(struct cj_pool *pool, struct worker *worker,
                 const struct frame_head *head, struct cj_blob *body,
                 struct parcel *parcel)
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
    task->event.run_ns = (int64_t)head->number;
    scheduler_learn(&pool->scheduler, task->event.run_ns);
    task->event.n_blocks = parcel->n_fds;
    memcpy(task->event.block_fds, parcel->fds, parcel->n_fds * sizeof(int));
    parcel->n_fds = 0;
    task->event.body = TAKE(*body, (struct cj_blob)CJ_BLOB_INIT);
    list_append(&pool->events, &task->link);
    if (pool->n_alive > pool->n_workers) {
        pool_thin_out(pool, worker);
    }
    return 0;
}

static int
worker_take_kept(const struct worker *worker, const struct frame_head *head)
{
    const struct task *task = worker->n_tasks > 0 ? worker->tasks[0] : NULL;

    if (!task || task->ticket != head->ticket ||
        head->number >= task->message->n_blocks) {
        return -EPROTO;
    }
    block_set_kept(task->message->blocks[head->number]);
    return 0;
}

static int
pool_take_message(struct cj_pool *pool, struct worker *worker)
{
    AUTO(cj_blob_done) struct cj_blob body = CJ_BLOB_INIT;
    AUTO(parcel_done) struct parcel parcel = {.n_fds = 0};
    struct frame_head head;
    int r;

    r = channel_next(&worker->channel, &head, &body, &parcel);
    if (r != 0) {
        return r;
    }
    switch (head.kind) {
    case FRAME_READY:
        return pool_take_ready(pool, worker);
    case FRAME_RESULT:
    case FRAME_FAILURE:
        return pool_take_answer(pool, worker, &head, &body, &parcel);
    case FRAME_KEPT:
        return worker_take_kept(worker, &head);
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
    do {
        r = pool_take_message(pool, worker);
    } while (r == 0 && worker->state < WORKER_LEAVING);
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

/* Kill the workers whose task has taken too long. Returns when the next one will have.
 */
static int64_t
pool_check_deadlines(struct cj_pool *pool)
{
    int64_t now = clock_monotonic_ns(), first = INT64_MAX;
    struct list *next;

    for (struct list *link = pool->workers.next; link != &pool->workers; link = next) {
        struct worker *worker = LIST_ITEM(link, struct worker, link);
        int64_t deadline = worker_is_open(worker) ? worker_deadline(worker) : INT64_MAX;

        next = link->next;
        if (deadline <= now) {
            pool_drop_worker(pool, worker, -ETIMEDOUT);
        }
        else if (deadline < first) {
            first = deadline;
        }
    }
    return first;
}

/* How long to sleep at most. A task that begins meanwhile has its whole time before it.
 */
static int64_t
pool_sleep_ns(struct cj_pool *pool, int64_t timeout_ns)
{
    int64_t left_ns;

    if (pool->task_timeout_ns >= 0 || pool->has_deadlines) {
        pool->has_deadlines = true;
        left_ns = deadline_left_ns(pool_check_deadlines(pool));
        if (left_ns < 0 ||
            (pool->task_timeout_ns >= 0 && left_ns > pool->task_timeout_ns)) {
            left_ns = pool->task_timeout_ns;
        }
        if (left_ns >= 0 && (timeout_ns < 0 || left_ns < timeout_ns)) {
            timeout_ns = left_ns;
        }
    }
    return list_is_empty(&pool->events) ? timeout_ns : 0;
}

static int
pool_wait(struct cj_pool *pool, int64_t timeout_ns, struct poller_event *events,
          size_t *ret_n)
{
    int r;

    pool->is_asleep = true;
    mutex_unlock(&pool->lock);
    r = poller_wait(pool->poller_fd, timeout_ns, events, TURN_MAX_EVENTS, ret_n);
    mutex_lock(&pool->lock);
    pool->is_asleep = false;
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
    if (r == 0) {
        r = pool_wait(pool, pool_sleep_ns(pool, timeout_ns), events, &n);
    }
    if (r < 0) {
        return r;
    }
    for (size_t i = 0; i < n; i++) {
        if (events[i].tag == TAG_BELL) {
            (void)bell_take(pool->bell_fd);
            r = atomic_exchange(&pool->is_woken, false) ? CJ_POOL_WOKEN : 0;
        }
        else {
            r = pool_take_event(pool, &events[i]);
        }
        first_r = first_r != 0 ? first_r : r;
    }
    return first_r;
}
