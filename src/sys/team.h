/* Threads that do jobs in the order they are given, the caller's among them.
 *
 *      team_new(n_threads, &team);      none is started yet
 *      team_give(team, &job);           maybe one is now
 *      team_wait(team, &job);           does other jobs meanwhile; the job is done
 *      team_free(team);                 what nobody began is dropped; all are joined
 *
 * Only one thread gives, waits and frees. A job belongs to the team from team_give()
 * until team_wait() returns. Where no thread can be started the caller does it all. */

#ifndef SYS_TEAM_H
#define SYS_TEAM_H

#include <stdbool.h>

#include "cjoblib/base.h"

struct team;

struct team_job {
    void (*run)(struct team_job *job);
    struct team_job *next; /* the team's, as is what follows */
    bool is_done;
};

/* For `n_threads` in all, of which the caller is one. */
CJ_MUST_CHECK int team_new(unsigned int n_threads, struct team **ret_team);

void team_give(struct team *team, struct team_job *job);

void team_wait(struct team *team, struct team_job *job);

/* Accepts NULL. */
void team_free(struct team *team);

#endif
