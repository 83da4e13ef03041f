/* Which worker gets which task. It knows how many tasks each worker has and nothing of
 * how they get there.
 *
 * Tasks wait here, in the order in which they were handed in, until a worker has fewer
 * than `depth`: two, and more while tasks are short. The one with the fewest gets the
 * next. Those behind the first one spare a worker the way to the owner and back between
 * two tasks; when another worker has nothing to do meanwhile the last one is taken back
 * and goes there. */

#ifndef POOL_SCHEDULER_H
#define POOL_SCHEDULER_H

#include "pool/list.h"
#include "pool/task.h"
#include "pool/worker.h"

struct scheduler {
    struct list waiting; /* of tasks, the next one first */
    size_t n_waiting;
    struct list by_load[WORKER_MAX_TASKS + 1]; /* of open workers, by their `n_tasks` */
    size_t n_stacked;                          /* workers with two tasks or more */
    size_t depth;                              /* tasks that a worker may have now */
    int64_t mean_run_ns;                       /* of tasks that were answered of late */
};

void scheduler_init(struct scheduler *scheduler);

/* Hand in a task; or one that a dead worker did not begin, before all others. */
void scheduler_add(struct scheduler *scheduler, struct task *task);
void scheduler_add_first(struct scheduler *scheduler, struct task *task);

/* A worker has changed: note its load, or forget it if it can have no tasks. */
void scheduler_note(struct scheduler *scheduler, struct worker *worker);
void scheduler_forget(struct scheduler *scheduler, struct worker *worker);

/* The next task and who gets it, who is to be noted again then; false: nothing to do.
 */
bool scheduler_next(struct scheduler *scheduler, struct task **ret_task,
                    struct worker **ret_worker);

/* A task took so long: the depth follows. */
void scheduler_learn(struct scheduler *scheduler, int64_t run_ns);

/* Some worker has no task. */
bool scheduler_has_idle(const struct scheduler *scheduler);

/* Tasks that another worker, if there were one, could begin at once. */
size_t scheduler_n_unserved(const struct scheduler *scheduler);

#endif
