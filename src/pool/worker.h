/* What an owner knows of one worker, and its life; the drawing is in cjoblib/pool.h.
 *
 * The life is `state`, which nothing but worker_move() changes. A worker is given
 * tasks, answers, and is looked at here; which task it gets is the scheduler's
 * business, and what follows from its death the pool's. */

#ifndef POOL_WORKER_H
#define POOL_WORKER_H

#include "pool/board.h"
#include "pool/channel.h"
#include "pool/task.h"
#include "sys/process.h"

enum worker_state {
    WORKER_STARTING,
    WORKER_IDLE,
    WORKER_BUSY,
    WORKER_LEAVING, /* told to end; its process has not ended yet */
    WORKER_DEAD,
};

enum worker_happening {
    WORKER_CAME_READY,
    WORKER_GOT_TASK,  /* its first */
    WORKER_LOST_TASK, /* its last: answered, or taken back */
    WORKER_FELL_OUT,  /* the socket ended, or nothing more is wanted of it */
    WORKER_EXITED,
};

#define WORKER_MAX_TASKS BOARD_N_PLACES

struct worker {
    enum worker_state state;
    bool came_ready;         /* once */
    bool is_writing;         /* the poller watches for room in the socket */
    bool is_noted_stacked;   /* the scheduler's: counted in its `n_stacked` */
    bool is_surplus;         /* leaves when it has no task */
    int error;               /* why it was made to fall out: 0, -EPROTO */
    struct list link;        /* among all workers of the pool, or its dead ones */
    struct list load_link;   /* the scheduler's */
    struct list flush_link;  /* has something to send */
    struct list unread_link; /* memory was short: messages may be whole in its inbox */
    int fd;
    struct process process;
    struct board *board;
    struct message *context;              /* the last one it was sent */
    struct task *tasks[WORKER_MAX_TASKS]; /* the oldest first */
    size_t n_tasks;
    struct task *obituary; /* for the event of a death before it was ready */
    struct channel channel;
};

/* Start the program with a socket and a board; the hello is queued.
 * -ENOENT, -EACCES, -EAGAIN, -EMFILE, -ENOMEM. */
CJ_MUST_CHECK int worker_new(char *const *argv, char *const *envp,
                             struct message *hello, struct worker **ret_worker);

/* Closes what the owner has of it and frees its tasks; a process that still runs is
 * left alone. Accepts NULL. */
void worker_free(struct worker *worker);

/* The one place where a life takes a turn; false: it can't take this one. */
bool worker_move(struct worker *worker, enum worker_happening happening);

/* It can be given tasks. */
bool worker_is_open(const struct worker *worker);

/* After how long without a task it leaves; < 0: never. */
void worker_set_idle_ns(struct worker *worker, int64_t idle_ns);

/* One of its tasks, or NULL. */
struct task *worker_find(const struct worker *worker, uint64_t number);

/* Queue a task, and its context where needed, under a ticket made from `serial`
 * (counted by the pool, from 1). Takes the task over. */
void worker_give(struct worker *worker, struct task *task, uint64_t serial);

/* Take the youngest task back, unless it has begun: NULL then. */
struct task *worker_take_back(struct worker *worker);

/* Take the oldest one out, because it was answered or the worker is dead. */
struct task *worker_take_oldest(struct worker *worker);

/* When its task, if it has begun one, is to be stopped; INT64_MAX: never. */
int64_t worker_deadline(struct worker *worker);

#endif
