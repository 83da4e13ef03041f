/* The consumer's side: waiting, and being woken. */

#include <time.h>

#include "parallel/threads.h"

/* Most microseconds of one wait of a lock. */
#define LONGEST_US (1000LL * 1000 * 1000)

void
threads_lock(struct threads *self)
{
    if (PyThread_acquire_lock(self->state, NOWAIT_LOCK)) {
        return;
    }
    Py_BEGIN_ALLOW_THREADS
    PyThread_acquire_lock(self->state, WAIT_LOCK);
    Py_END_ALLOW_THREADS
}

void
threads_unlock(struct threads *self)
{
    PyThread_release_lock(self->state);
}

int
threads_is_there_lock_held(const struct threads *self, enum threads_event event)
{
    int is_end = self->phase == THREADS_STOPPED ||
                 (self->phase == THREADS_EXHAUSTED && self->n_done == self->n_taken);
    Py_ssize_t at = self->first + self->n_seen;

    if (event == THREADS_NEXT && at < self->n_slots && self->slots[at]) {
        return 1;
    }
    return self->error != NULL || is_end;
}

void
threads_ring_lock_held(struct threads *self)
{
    if (self->waits_for != THREADS_NONE &&
        threads_is_there_lock_held(self, self->waits_for)) {
        self->waits_for = THREADS_NONE;
        PyThread_release_lock(self->bell);
    }
}

static long long
now_us(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* Sleep until the bell rings or the time is up; the state is not locked. */
static PyLockStatus
bell_wait(struct threads *self, long long left_us)
{
    PyLockStatus status;

    if (left_us < 0 || left_us > LONGEST_US) {
        left_us = LONGEST_US;
    }
    Py_BEGIN_ALLOW_THREADS
    status = PyThread_acquire_lock_timed(self->bell, left_us, 1);
    Py_END_ALLOW_THREADS
    return status;
}

/* Stop waiting. A bell that was rung all the same is silenced. */
static void
bell_leave_lock_held(struct threads *self, PyLockStatus status)
{
    if (status != PY_LOCK_ACQUIRED && self->waits_for == THREADS_NONE) {
        (void)PyThread_acquire_lock(self->bell, NOWAIT_LOCK);
    }
    self->waits_for = THREADS_NONE;
}

int
threads_wait(struct threads *self, enum threads_event event, long long timeout_us)
{
    long long end_us = timeout_us < 0 ? 0 : now_us() + timeout_us;
    int is_there;

    threads_lock(self);
    while (!(is_there = threads_is_there_lock_held(self, event))) {
        long long left_us = timeout_us < 0 ? -1 : end_us - now_us();
        PyLockStatus status;

        if (timeout_us >= 0 && left_us <= 0) {
            break;
        }
        self->waits_for = event;
        threads_unlock(self);
        status = bell_wait(self, left_us);
        threads_lock(self);
        bell_leave_lock_held(self, status);
        if (status == PY_LOCK_INTR) {
            threads_unlock(self);
            if (PyErr_CheckSignals() < 0) {
                return -1;
            }
            threads_lock(self);
        }
    }
    threads_unlock(self);
    return is_there;
}
