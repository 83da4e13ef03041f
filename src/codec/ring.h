/* Jobs that are done at once and collected in the order they were given.
 *
 *      ring_init(&ring, n_threads, slot_new, slot_free, context);
 *      while (there is more to do) {
 *          while (ring_is_full(&ring)) {
 *              slot = ring_take(&ring);          the oldest; it is done
 *          }
 *          ring_next(&ring, &slot);              set it up
 *          ring_give(&ring);
 *      }
 *      while ((slot = ring_take(&ring))) ...
 *      ring_done(&ring);
 *
 * A slot is whatever begins with a struct team_job; the ring has as many as keep its
 * threads busy, and keeps them to use them again. Threads are started only for a second
 * job: whoever has little to do pays nothing. */

#ifndef CODEC_RING_H
#define CODEC_RING_H

#include <stdbool.h>

#include "sys/team.h"

#define RING_MAX_THREADS 16
#define RING_MAX_SLOTS (RING_MAX_THREADS + 4)

struct ring {
    unsigned int n_threads; /* 0: not known yet, as many as there are processors */
    struct team *team;      /* once there is a second job */
    int (*slot_new)(void *context, struct team_job **ret_slot);
    void (*slot_free)(struct team_job *slot);
    void *context;
    unsigned int n_slots, first, n_busy;
    struct team_job *slots[RING_MAX_SLOTS];
};

void ring_init(struct ring *ring, unsigned int n_threads,
               int (*slot_new)(void *context, struct team_job **ret_slot),
               void (*slot_free)(struct team_job *slot), void *context);

/* Waits for the jobs that somebody began, drops the others. */
void ring_done(struct ring *ring);

/* Whether one must be taken before another can be given. */
bool ring_is_full(struct ring *ring);

/* The slot that ring_give() will give; the ring is not full. */
CJ_MUST_CHECK int ring_next(struct ring *ring, struct team_job **ret_slot);

void ring_give(struct ring *ring);

/* The slot of the oldest job, which is done; NULL: there is none. It is good until
 * ring_next(). */
struct team_job *ring_take(struct ring *ring);

#endif
