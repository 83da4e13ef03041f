#include "pool/worker.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/memory.h"
#include "sys/descriptor.h"
#include "sys/shared_memory.h"
#include "sys/socket_pair.h"

static void
worker_free_p(struct worker **worker)
{
    worker_free(*worker);
}

static struct worker *
worker_alloc(void)
{
    struct worker *worker = mem_alloc(sizeof(*worker));

    if (worker) {
        /* Without the inbox's buffer, which needs no zeros. */
        memset(worker, 0, offsetof(struct worker, channel));
        worker->fd = -1;
        worker->process = (struct process)PROCESS_INIT;
        list_init(&worker->link);
        list_init(&worker->load_link);
        list_init(&worker->flush_link);
        list_init(&worker->unread_link);
        channel_init(&worker->channel, -1);
    }
    return worker;
}

/* The board goes first, before any message. */
static int
worker_launch(struct worker *worker, char *const *argv, char *const *envp)
{
    AUTO(close_p) int theirs = -1;
    AUTO(close_p) int board_fd = -1;
    void *board;
    int r;

    r = socket_pair_open(&worker->fd, &theirs);
    if (r == 0) {
        r = shared_memory_new(sizeof(struct board), &board_fd, &board);
    }
    if (r < 0) {
        return r;
    }
    worker->board = board;
    channel_init(&worker->channel, worker->fd);
    r = socket_pair_pass(worker->fd, board_fd);
    return r == 0 ? process_start(argv, envp, theirs, CJ_WORKER_FD, &worker->process)
                  : r;
}

int
worker_new(char *const *argv, char *const *envp, struct message *hello,
           struct worker **ret_worker)
{
    AUTO(worker_free_p) struct worker *worker = worker_alloc();
    int r;

    if (!worker) {
        return -ENOMEM;
    }
    r = task_new(CJ_POOL_NO_TASK, NULL, NULL, &worker->obituary);
    if (r == 0) {
        r = worker_launch(worker, argv, envp);
    }
    if (r < 0) {
        return r;
    }
    outbox_push(&worker->channel.outbox, FRAME_HELLO, 0, 0, hello);
    *ret_worker = TAKE_PTR(worker);
    return 0;
}

void
worker_free(struct worker *worker)
{
    if (!worker) {
        return;
    }
    list_remove(&worker->link);
    list_remove(&worker->load_link);
    list_remove(&worker->flush_link);
    list_remove(&worker->unread_link);
    for (size_t i = 0; i < worker->n_tasks; i++) {
        task_free(worker->tasks[i]);
    }
    task_free(worker->obituary);
    message_unref(worker->context);
    channel_done(&worker->channel);
    shared_memory_unmap(worker->board, sizeof(struct board));
    process_done(&worker->process);
    descriptor_close(worker->fd);
    mem_free(worker);
}

bool
worker_move(struct worker *worker, enum worker_happening happening)
{
    enum worker_state state = worker->state;

    if (happening == WORKER_EXITED && state != WORKER_DEAD) {
        worker->state = WORKER_DEAD;
    }
    else if (happening == WORKER_FELL_OUT && state < WORKER_LEAVING) {
        worker->state = WORKER_LEAVING;
    }
    else if (happening == WORKER_CAME_READY && state == WORKER_STARTING) {
        worker->state = WORKER_IDLE;
        worker->came_ready = true;
    }
    else if (happening == WORKER_GOT_TASK && state == WORKER_IDLE) {
        worker->state = WORKER_BUSY;
    }
    else if (happening == WORKER_LOST_TASK && state == WORKER_BUSY) {
        worker->state = WORKER_IDLE;
    }
    else {
        return false;
    }
    return true;
}

bool
worker_is_open(const struct worker *worker)
{
    return worker->state == WORKER_IDLE || worker->state == WORKER_BUSY;
}

/* A place on the board that none of its tasks has. */
static uint64_t
worker_free_place(const struct worker *worker)
{
    return worker->n_tasks > 0
               ? (worker->tasks[0]->ticket + worker->n_tasks) % BOARD_N_PLACES
               : 0;
}

void
worker_give(struct worker *worker, struct task *task, uint64_t serial)
{
    struct outbox *outbox = &worker->channel.outbox;

    task->ticket = serial * BOARD_N_PLACES + worker_free_place(worker);
    if (task->context && task->context != worker->context) {
        outbox_push(outbox, FRAME_CONTEXT, task->ticket, task->number, task->context);
        message_unref(worker->context);
        worker->context = message_ref(task->context);
    }
    board_offer(worker->board, task->ticket);
    outbox_push(outbox, FRAME_RUN, task->ticket, task->number, task->message);
    worker->tasks[worker->n_tasks++] = task;
    if (worker->n_tasks == 1) {
        (void)worker_move(worker, WORKER_GOT_TASK);
    }
}

static void
worker_lost_task(struct worker *worker)
{
    worker->n_tasks--;
    if (worker->n_tasks == 0 && worker->state == WORKER_BUSY) {
        (void)worker_move(worker, WORKER_LOST_TASK);
    }
}

/* What is not sent yet of a task that was taken back need not be sent. */
static void
worker_unsend(struct worker *worker, const struct task *task)
{
    struct outbox *outbox = &worker->channel.outbox;

    if (outbox_take_back(outbox, FRAME_RUN, task->ticket) &&
        outbox_take_back(outbox, FRAME_CONTEXT, task->ticket)) {
        message_unref(worker->context);
        worker->context = NULL;
    }
}

void
worker_set_idle_ns(struct worker *worker, int64_t idle_ns)
{
    /* Relaxed: the worker looks when it goes to sleep next. */
    atomic_store_explicit(&worker->board->idle_ns, idle_ns == 0 ? 1 : idle_ns,
                          memory_order_relaxed);
}

struct task *
worker_find(const struct worker *worker, uint64_t number)
{
    for (size_t i = 0; i < worker->n_tasks; i++) {
        if (worker->tasks[i]->number == number) {
            return worker->tasks[i];
        }
    }
    return NULL;
}

int64_t
worker_deadline(struct worker *worker)
{
    const struct task *task = worker->n_tasks > 0 ? worker->tasks[0] : NULL;
    int64_t deadline;

    if (!task || task->timeout_ns < 0 ||
        !board_has_begun(worker->board, task->ticket) ||
        __builtin_add_overflow(board_began_ns(worker->board, task->ticket),
                               task->timeout_ns, &deadline)) {
        return INT64_MAX;
    }
    return deadline;
}

struct task *
worker_take_back(struct worker *worker)
{
    struct task *task = worker->tasks[worker->n_tasks - 1];

    if (!board_revoke(worker->board, task->ticket)) {
        return NULL;
    }
    worker_unsend(worker, task);
    worker_lost_task(worker);
    return task;
}

struct task *
worker_take_oldest(struct worker *worker)
{
    struct task *task = worker->tasks[0];

    memmove(worker->tasks, worker->tasks + 1, sizeof(worker->tasks) - sizeof(task));
    worker_lost_task(worker);
    return task;
}
