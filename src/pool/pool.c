#include "pool/pool.h"

#include <errno.h>

#include "base/cleanup.h"
#include "base/memory.h"
#include "sys/bell.h"
#include "sys/clock.h"
#include "sys/descriptor.h"
#include "sys/oom.h"
#include "sys/poller.h"
#include "sys/process.h"
#include "sys/socket_pair.h"

enum {
    NEXT_NOTHING = -1000000, /* beside outcomes and -errno */
};

/* --- time
 * -------------------------------------------------------------------------------- */

int64_t
deadline_in(int64_t ns)
{
    int64_t deadline;

    if (ns < 0 || __builtin_add_overflow(clock_monotonic_ns(), ns, &deadline)) {
        return INT64_MAX;
    }
    return deadline;
}

int64_t
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

bool
pool_is_ours(const struct cj_pool *pool)
{
    return pool->owner == process_self();
}

struct mutex *
pool_lock(struct cj_pool *pool)
{
    mutex_lock(&pool->lock);
    return &pool->lock;
}

void
pool_tell(struct cj_pool *pool)
{
    if (pool->is_asleep && !list_is_empty(&pool->events)) {
        bell_ring(pool->bell_fd);
    }
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
    descriptor_close(pool->bell_fd);
    descriptor_close(pool->oom_fd);
    mutex_done(&pool->lock);
    mem_free(pool);
}

static struct cj_pool *
pool_alloc(size_t n_workers)
{
    struct cj_pool *pool = mem_alloc_zero(1, sizeof(*pool));

    if (pool) {
        pool->owner = process_self();
        pool->n_workers = n_workers;
        pool->poller_fd = pool->bell_fd = pool->oom_fd = -1;
        pool->task_timeout_ns = pool->idle_ns = -1;
        mutex_init(&pool->lock);
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

static int
pool_open_descriptors(struct cj_pool *pool)
{
    int r;

    r = poller_open(&pool->poller_fd);
    if (r == 0) {
        r = bell_open(&pool->bell_fd);
    }
    if (r == 0) {
        r = poller_add(pool->poller_fd, pool->bell_fd, TAG_BELL);
    }
    if (r == 0 && oom_open(&pool->oom_fd) < 0) {
        pool->oom_fd = -1; /* then nobody can say */
    }
    return r;
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
        r = pool_open_descriptors(pool);
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
           (r >= 0 || r == -EINTR)) {
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
        mutex_lock(&pool->lock);
        pool_see_off(pool, grace_ns);
        pool_kill_all(pool);
        mutex_unlock(&pool->lock);
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
    AUTO(mutex_unlock_p) struct mutex *held = NULL;
    struct message *message;
    int r;

    if (!pool_is_ours(pool)) {
        return -EPERM;
    }
    held = pool_lock(pool);
    r = message_new(&context, 1, &message);
    if (r == 0) {
        message_unref(pool->context);
        pool->context = message;
    }
    return r;
}

/* Also of a worker that died a moment ago we want to know whether memory was short. */
static void
pool_begin_work(struct cj_pool *pool)
{
    if (pool->n_pending == 0) {
        pool->n_oom_kills = oom_count(pool->oom_fd);
    }
}

static int
pool_add_task(struct cj_pool *pool, uint64_t number, struct message *message)
{
    struct task *task;
    int r;

    r = task_new(number, message, pool->context, &task);
    if (r < 0) {
        return r;
    }
    task->n_retries = pool->n_retries;
    task->timeout_ns = pool->task_timeout_ns;
    pool_begin_work(pool);
    scheduler_add(&pool->scheduler, task);
    pool->n_pending++;
    return 0;
}

/* Whoever rests has something to wait for now. */
static void
pool_end_rest(struct cj_pool *pool)
{
    if (pool->is_resting) {
        pool->is_resting = false;
        bell_ring(pool->bell_fd);
    }
}

int
cj_pool_submit(struct cj_pool *pool, uint64_t number, const struct cj_bytes *parts,
               size_t n_parts)
{
    return cj_pool_submit_blocks(pool, number, parts, n_parts, NULL, 0);
}

int
cj_pool_submit_blocks(struct cj_pool *pool, uint64_t number,
                      const struct cj_bytes *parts, size_t n_parts,
                      struct cj_block *const *blocks, size_t n_blocks)
{
    AUTO(message_unref_p) struct message *message = NULL;
    AUTO(mutex_unlock_p) struct mutex *held = NULL;
    int r;

    if (!pool_is_ours(pool)) {
        return -EPERM;
    }
    if (number == CJ_POOL_NO_TASK || n_blocks > CJ_MAX_BLOCKS) {
        return -EINVAL;
    }
    held = pool_lock(pool);
    if (pool_is_hopeless(pool)) {
        return -ECHILD;
    }
    r = message_new(parts, n_parts, &message);
    if (r == 0) {
        message_set_blocks(message, blocks, n_blocks);
        r = pool_add_task(pool, number, message);
    }
    if (r < 0) {
        return r;
    }
    /* If no worker can be started, cj_pool_next() says so: the task is ours. */
    pool_dispatch(pool);
    pool_end_rest(pool);
    pool_tell(pool);
    return 0;
}

size_t
cj_pool_n_pending(struct cj_pool *pool)
{
    AUTO(mutex_unlock_p) struct mutex *held = NULL;

    if (pool_is_ours(pool)) {
        held = pool_lock(pool);
    }
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
    pool->n_pending -= task_is_answered(task);
    *ret_event = TAKE(task->event, (struct cj_pool_event){0});
    task_free(task);
    return true;
}

/* What cj_pool_next() is to say without sleeping; NEXT_NOTHING: nothing. */
static int
pool_look(struct cj_pool *pool, struct cj_pool_event *ret_event)
{
    int r;

    pool_dispatch(pool);
    if (pool_pop_event(pool, ret_event)) {
        return 0;
    }
    r = pool_check(pool);
    if (r < 0) {
        return r;
    }
    return pool->n_pending == 0 ? CJ_POOL_EMPTY : NEXT_NOTHING;
}

int
cj_pool_next(struct cj_pool *pool, int64_t timeout_ns, struct cj_pool_event *ret_event)
{
    AUTO(mutex_unlock_p) struct mutex *held = NULL;
    int64_t deadline = deadline_in(timeout_ns), left_ns = -1;
    int r;

    if (!pool_is_ours(pool)) {
        return -EPERM;
    }
    held = pool_lock(pool);
    while ((r = pool_look(pool, ret_event)) == NEXT_NOTHING) {
        if (left_ns == 0) {
            return CJ_POOL_TIMEOUT;
        }
        left_ns = deadline_left_ns(deadline);
        r = pool_turn(pool, left_ns);
        if (r != 0) {
            return r;
        }
    }
    return r;
}

int
cj_pool_rest(struct cj_pool *pool, int64_t timeout_ns)
{
    AUTO(mutex_unlock_p) struct mutex *held = NULL;
    int64_t deadline = deadline_in(timeout_ns), left_ns = -1;
    int r = 0;

    if (!pool_is_ours(pool)) {
        return -EPERM;
    }
    held = pool_lock(pool);
    while (r == 0 && pool->n_pending == 0) {
        if (left_ns == 0) {
            r = CJ_POOL_TIMEOUT;
            break;
        }
        left_ns = deadline_left_ns(deadline);
        pool->is_resting = true;
        r = pool_turn(pool, left_ns);
    }
    pool->is_resting = false;
    return r;
}

void
cj_pool_wake(struct cj_pool *pool)
{
    atomic_store(&pool->is_woken, true);
    bell_ring(pool->bell_fd);
}

void
cj_pool_event_done(struct cj_pool_event *event)
{
    cj_blob_done(&event->body);
    for (size_t i = 0; i < event->n_blocks; i++) {
        descriptor_close(event->block_fds[i]);
    }
    event->n_blocks = 0;
}
