#include "sys/mutex.h"

/* None of these can fail for a mutex of the usual kind. */

void
mutex_init(struct mutex *mutex)
{
    (void)pthread_mutex_init(&mutex->handle, NULL);
}

void
mutex_done(struct mutex *mutex)
{
    (void)pthread_mutex_destroy(&mutex->handle);
}

void
mutex_lock(struct mutex *mutex)
{
    (void)pthread_mutex_lock(&mutex->handle);
}

void
mutex_unlock(struct mutex *mutex)
{
    (void)pthread_mutex_unlock(&mutex->handle);
}

void
mutex_unlock_p(struct mutex **mutex)
{
    if (*mutex) {
        mutex_unlock(*mutex);
    }
}
