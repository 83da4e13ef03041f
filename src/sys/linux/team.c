#include "sys/team.h"

#include <errno.h>
#include <pthread.h>

#include "base/memory.h"
#include "sys/thread.h"

struct team {
    pthread_mutex_t lock;
    pthread_cond_t is_given; /* for the threads: a job, or the end */
    pthread_cond_t is_done;  /* for the caller */
    /* Under the lock. */
    struct team_job *first, **last; /* what nobody began yet */
    unsigned int n_given;           /* how many */
    unsigned int n_idle;            /* threads that wait for one */
    bool is_over;
    /* The caller's alone. */
    unsigned int n_started, n_max;
    pthread_t threads[]; /* n_max */
};

static struct team_job *
team_take_locked(struct team *team)
{
    struct team_job *job = team->first;

    if (job) {
        team->first = job->next;
        team->n_given--;
        if (!team->first) {
            team->last = &team->first;
        }
    }
    return job;
}

/* Run a job that was taken, with the lock held before and after. */
static void
team_run_locked(struct team *team, struct team_job *job)
{
    (void)pthread_mutex_unlock(&team->lock);
    job->run(job);
    (void)pthread_mutex_lock(&team->lock);
    job->is_done = true;
    (void)pthread_cond_signal(&team->is_done);
}

static void *
team_thread(void *argument)
{
    struct team *team = argument;
    struct team_job *job;

    (void)pthread_mutex_lock(&team->lock);
    while (!team->is_over) {
        job = team_take_locked(team);
        if (job) {
            team_run_locked(team, job);
        }
        else {
            team->n_idle++;
            (void)pthread_cond_wait(&team->is_given, &team->lock);
            team->n_idle--;
        }
    }
    (void)pthread_mutex_unlock(&team->lock);
    return NULL;
}

int
team_new(unsigned int n_threads, struct team **ret_team)
{
    unsigned int n_max = n_threads > 1 ? n_threads - 1 : 0;
    struct team *team =
        mem_alloc_zero(1, sizeof(*team) + n_max * sizeof(team->threads[0]));

    if (!team) {
        return -ENOMEM;
    }
    team->n_max = n_max;
    team->last = &team->first;
    /* On Linux none of these can fail. */
    (void)pthread_mutex_init(&team->lock, NULL);
    (void)pthread_cond_init(&team->is_given, NULL);
    (void)pthread_cond_init(&team->is_done, NULL);
    *ret_team = team;
    return 0;
}

void
team_give(struct team *team, struct team_job *job)
{
    bool is_too_much;

    job->next = NULL;
    job->is_done = false;
    (void)pthread_mutex_lock(&team->lock);
    *team->last = job;
    team->last = &job->next;
    is_too_much = ++team->n_given > team->n_idle;
    (void)pthread_cond_signal(&team->is_given);
    (void)pthread_mutex_unlock(&team->lock);
    if (is_too_much && team->n_started < team->n_max &&
        thread_start(team_thread, team, &team->threads[team->n_started]) == 0) {
        team->n_started++;
    }
}

void
team_wait(struct team *team, struct team_job *job)
{
    struct team_job *other;

    (void)pthread_mutex_lock(&team->lock);
    while (!job->is_done) {
        other = team_take_locked(team);
        if (other) {
            team_run_locked(team, other);
        }
        else {
            (void)pthread_cond_wait(&team->is_done, &team->lock);
        }
    }
    (void)pthread_mutex_unlock(&team->lock);
}

void
team_free(struct team *team)
{
    if (!team) {
        return;
    }
    (void)pthread_mutex_lock(&team->lock);
    team->is_over = true;
    (void)pthread_cond_broadcast(&team->is_given);
    (void)pthread_mutex_unlock(&team->lock);
    while (team->n_started > 0) {
        thread_join(team->threads[--team->n_started]);
    }
    (void)pthread_cond_destroy(&team->is_done);
    (void)pthread_cond_destroy(&team->is_given);
    (void)pthread_mutex_destroy(&team->lock);
    mem_free(team);
}
