#include "pool/task.h"

#include <errno.h>

#include "base/memory.h"

int
task_new(uint64_t number, struct message *message, struct message *context,
         struct task **ret_task)
{
    struct task *task = mem_alloc_zero(1, sizeof(*task));

    if (!task) {
        return -ENOMEM;
    }
    list_init(&task->link);
    task->number = task->event.task = number;
    task->timeout_ns = -1;
    task->message = message_ref(message);
    task->context = message_ref(context);
    *ret_task = task;
    return 0;
}

bool
task_is_answered(const struct task *task)
{
    return task->number != CJ_POOL_NO_TASK && task->event.kind != CJ_POOL_RETRY;
}

void
task_drop_messages(struct task *task)
{
    message_unref(task->message);
    message_unref(task->context);
    task->message = task->context = NULL;
}

void
task_free(struct task *task)
{
    if (task) {
        list_remove(&task->link);
        task_drop_messages(task);
        cj_pool_event_done(&task->event);
        mem_free(task);
    }
}

void
task_free_p(struct task **task)
{
    task_free(*task);
}

void
task_free_all(struct list *tasks)
{
    struct list *link;

    while ((link = list_first(tasks))) {
        task_free(LIST_ITEM(link, struct task, link));
    }
}
