/* One thread of this process at a time. */

#ifndef SYS_MUTEX_H
#define SYS_MUTEX_H

#include <pthread.h>

#include "cjoblib/base.h"

struct mutex {
    pthread_mutex_t handle;
};

void mutex_init(struct mutex *mutex);

void mutex_done(struct mutex *mutex);

void mutex_lock(struct mutex *mutex);

void mutex_unlock(struct mutex *mutex);

/* For AUTO(): unlocks what the variable points to, unless that is NULL. */
void mutex_unlock_p(struct mutex **mutex);

#endif
