/* Which range of the lock file means what; lease.h has the drawing. */

#ifndef STORE_RANGES_H
#define STORE_RANGES_H

#include "sys/range_lock.h"

#define RANGES_TOKEN_BITS 20
#define RANGES_SLOT_BITS 40

/* One less than fits, so that no two ranges touch: the kernel would join them. */
#define RANGES_N_TOKENS (((uint64_t)1 << RANGES_TOKEN_BITS) - 1)
#define RANGES_N_SLOTS (((uint64_t)1 << RANGES_SLOT_BITS) - 1)

#define RANGES_AT_WAITS ((uint64_t)1 << (RANGES_TOKEN_BITS + RANGES_SLOT_BITS))
#define RANGES_AT_TOKENS ((uint64_t)2 << (RANGES_TOKEN_BITS + RANGES_SLOT_BITS))

static inline struct range
range_of_lease(uint64_t slot, uint64_t token)
{
    return (struct range){slot << RANGES_TOKEN_BITS, token + 1};
}

static inline struct range
range_of_wait(uint64_t token, uint64_t slot)
{
    return (struct range){RANGES_AT_WAITS | token << RANGES_SLOT_BITS, slot + 1};
}

static inline struct range
range_of_token(uint64_t token)
{
    return (struct range){RANGES_AT_TOKENS | token << 1, 1};
}

/* What the length of a lease or a wait says. */
static inline uint64_t
range_meaning(struct range found)
{
    return found.size - 1;
}

#endif
