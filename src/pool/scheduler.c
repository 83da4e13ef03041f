#include "pool/scheduler.h"

void
scheduler_init(struct scheduler *scheduler)
{
    list_init(&scheduler->waiting);
    scheduler->n_waiting = 0;
    scheduler->n_full = 0;
    for (size_t i = 0; i <= WORKER_MAX_TASKS; i++) {
        list_init(&scheduler->by_load[i]);
    }
}

void
scheduler_add(struct scheduler *scheduler, struct task *task)
{
    list_append(&scheduler->waiting, &task->link);
    scheduler->n_waiting++;
}

void
scheduler_add_first(struct scheduler *scheduler, struct task *task)
{
    list_prepend(&scheduler->waiting, &task->link);
    scheduler->n_waiting++;
}

void
scheduler_forget(struct scheduler *scheduler, struct worker *worker)
{
    scheduler->n_full -= worker->is_noted_full;
    worker->is_noted_full = false;
    list_remove(&worker->load_link);
}

void
scheduler_note(struct scheduler *scheduler, struct worker *worker)
{
    scheduler_forget(scheduler, worker);
    if (worker_is_open(worker)) {
        list_append(&scheduler->by_load[worker->n_tasks], &worker->load_link);
        worker->is_noted_full = worker->n_tasks == WORKER_MAX_TASKS;
        scheduler->n_full += worker->is_noted_full;
    }
}

static struct worker *
scheduler_first(const struct scheduler *scheduler, size_t load)
{
    struct list *link = list_first(&scheduler->by_load[load]);

    return link ? LIST_ITEM(link, struct worker, load_link) : NULL;
}

static struct worker *
scheduler_least_loaded(const struct scheduler *scheduler)
{
    struct worker *worker = NULL;

    for (size_t load = 0; load < WORKER_MAX_TASKS && !worker; load++) {
        worker = scheduler_first(scheduler, load);
    }
    return worker;
}

/* A task that waits behind another in a full worker and has not begun. */
static struct task *
scheduler_steal(struct scheduler *scheduler)
{
    struct list *full = &scheduler->by_load[WORKER_MAX_TASKS];

    for (struct list *link = full->next; link != full; link = link->next) {
        struct worker *worker = LIST_ITEM(link, struct worker, load_link);
        struct task *task = worker_take_back(worker);

        if (task) {
            scheduler_note(scheduler, worker);
            return task;
        }
    }
    return NULL;
}

bool
scheduler_next(struct scheduler *scheduler, struct task **ret_task,
               struct worker **ret_worker)
{
    struct list *link = list_first(&scheduler->waiting);
    struct worker *worker;
    struct task *task;

    worker = link ? scheduler_least_loaded(scheduler) : scheduler_first(scheduler, 0);
    if (!worker) {
        return false;
    }
    if (link) {
        task = LIST_ITEM(link, struct task, link);
        list_remove(link);
        scheduler->n_waiting--;
    }
    else {
        task = scheduler_steal(scheduler);
    }
    *ret_task = task;
    *ret_worker = worker;
    return task != NULL;
}

size_t
scheduler_n_unserved(const struct scheduler *scheduler)
{
    return scheduler->n_waiting + scheduler->n_full;
}
