#include "pool/scheduler.h"

/* The second task spares a worker the way to the owner and back; of short ones so much
 * work should wait that the owner can do something else meanwhile. */
#define MIN_DEPTH 2
#define DEPTH_NS 500000

void
scheduler_init(struct scheduler *scheduler)
{
    list_init(&scheduler->waiting);
    scheduler->n_waiting = 0;
    scheduler->n_stacked = 0;
    scheduler->depth = MIN_DEPTH;
    scheduler->mean_run_ns = DEPTH_NS;
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
    scheduler->n_stacked -= worker->is_noted_stacked;
    worker->is_noted_stacked = false;
    list_remove(&worker->load_link);
}

void
scheduler_note(struct scheduler *scheduler, struct worker *worker)
{
    scheduler_forget(scheduler, worker);
    if (worker_is_open(worker)) {
        list_append(&scheduler->by_load[worker->n_tasks], &worker->load_link);
        worker->is_noted_stacked = worker->n_tasks > 1;
        scheduler->n_stacked += worker->is_noted_stacked;
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

    for (size_t load = 0; load < scheduler->depth && !worker; load++) {
        worker = scheduler_first(scheduler, load);
    }
    return worker;
}

static struct task *
scheduler_steal_from(struct scheduler *scheduler, struct list *workers)
{
    for (struct list *link = workers->next; link != workers; link = link->next) {
        struct worker *worker = LIST_ITEM(link, struct worker, load_link);
        struct task *task = worker_take_back(worker);

        if (task) {
            scheduler_note(scheduler, worker);
            return task;
        }
    }
    return NULL;
}

/* A task that waits behind another and has not begun, from who has the most. */
static struct task *
scheduler_steal(struct scheduler *scheduler)
{
    struct task *task = NULL;

    for (size_t load = scheduler->n_stacked ? WORKER_MAX_TASKS : 0; load > 1 && !task;
         load--) {
        task = scheduler_steal_from(scheduler, &scheduler->by_load[load]);
    }
    return task;
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

void
scheduler_learn(struct scheduler *scheduler, int64_t run_ns)
{
    size_t depth;

    /* What got longer counts at once: tasks should not wait behind it. */
    scheduler->mean_run_ns = run_ns > scheduler->mean_run_ns
                                 ? run_ns
                                 : (7 * scheduler->mean_run_ns + run_ns) / 8;
    depth = (size_t)(DEPTH_NS / (scheduler->mean_run_ns + 1)) + MIN_DEPTH;
    scheduler->depth = depth < WORKER_MAX_TASKS ? depth : WORKER_MAX_TASKS;
}

bool
scheduler_has_idle(const struct scheduler *scheduler)
{
    return !list_is_empty(&scheduler->by_load[0]);
}

size_t
scheduler_n_unserved(const struct scheduler *scheduler)
{
    return scheduler->n_waiting + scheduler->n_stacked;
}
