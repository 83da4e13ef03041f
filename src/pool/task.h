/* One task, from the hand-in until its event is taken. The event has its place here
 * from the start, so that a result never fails for want of memory. */

#ifndef POOL_TASK_H
#define POOL_TASK_H

#include "cjoblib/pool.h"
#include "pool/list.h"
#include "pool/message.h"

struct task {
    struct list link; /* among those that wait, or the events */
    uint64_t number;
    unsigned n_strandings;   /* workers that died on the point of beginning it */
    unsigned n_retries;      /* how often it may be run again */
    int64_t timeout_ns;      /* how long it may run; < 0: for ever */
    uint64_t ticket;         /* while a worker has it, see board.h */
    struct message *message; /* NULL once nobody can need it */
    struct message *context; /* what the worker must have seen; or NULL */
    struct cj_pool_event event;
};

/* References of its own to both. -ENOMEM. */
CJ_MUST_CHECK int task_new(uint64_t number, struct message *message,
                           struct message *context, struct task **ret_task);

/* Accept NULL. */
void task_free(struct task *task);
void task_free_p(struct task **task);

void task_free_all(struct list *tasks);

/* Its event is the last one: not an obituary, and not under way again. */
bool task_is_answered(const struct task *task);

/* It will not be sent again. */
void task_drop_messages(struct task *task);

#endif
