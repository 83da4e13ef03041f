#include "codec/ring.h"

#include "cjoblib/cpu.h"

/* Enough that a thread finds a job while the caller is busy with the oldest. */
#define RING_SPARE_SLOTS 4

void
ring_init(struct ring *ring, unsigned int n_threads,
          int (*slot_new)(void *context, struct team_job **ret_slot),
          void (*slot_free)(struct team_job *slot), void *context)
{
    *ring = (struct ring){.n_threads = n_threads,
                          .slot_new = slot_new,
                          .slot_free = slot_free,
                          .context = context,
                          .n_slots = 1};
}

void
ring_done(struct ring *ring)
{
    team_free(ring->team);
    for (unsigned int i = 0; i < RING_MAX_SLOTS; i++) {
        if (ring->slots[i]) {
            ring->slot_free(ring->slots[i]);
        }
    }
    *ring = (struct ring){.n_slots = 1};
}

static unsigned int
smaller(unsigned int a, unsigned int b)
{
    return a < b ? a : b;
}

/* Have others help: there is one job, which nobody began, and a second one comes. A
 * team that can't be made is done without. */
static void
ring_grow(struct ring *ring)
{
    unsigned int n =
        ring->n_threads > 0 ? ring->n_threads : (unsigned int)cj_cpu_count();

    n = smaller(n, RING_MAX_THREADS);
    ring->n_threads = n;
    if (n > 1 && team_new(n, &ring->team) == 0) {
        ring->n_slots = n + smaller(n, RING_SPARE_SLOTS);
        team_give(ring->team, ring->slots[ring->first]);
    }
    else {
        ring->n_threads = 1;
    }
}

bool
ring_is_full(struct ring *ring)
{
    if (ring->n_busy == 1 && !ring->team && ring->n_threads != 1) {
        ring_grow(ring);
    }
    return ring->n_busy == ring->n_slots;
}

int
ring_next(struct ring *ring, struct team_job **ret_slot)
{
    unsigned int at = (ring->first + ring->n_busy) % ring->n_slots;
    int r = 0;

    if (!ring->slots[at]) {
        r = ring->slot_new(ring->context, &ring->slots[at]);
    }
    if (r == 0) {
        *ret_slot = ring->slots[at];
    }
    return r;
}

void
ring_give(struct ring *ring)
{
    unsigned int at = (ring->first + ring->n_busy) % ring->n_slots;

    ring->n_busy++;
    if (ring->team) {
        team_give(ring->team, ring->slots[at]);
    }
}

struct team_job *
ring_take(struct ring *ring)
{
    struct team_job *slot = ring->slots[ring->first];

    if (ring->n_busy == 0) {
        return NULL;
    }
    if (ring->team) {
        team_wait(ring->team, slot);
    }
    else {
        slot->run(slot);
    }
    ring->first = (ring->first + 1) % ring->n_slots;
    ring->n_busy--;
    return slot;
}
