/* What the parts of the store know of a store. */

#ifndef STORE_STORE_H
#define STORE_STORE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "cjoblib/store.h"

/* Counted by all threads, relaxed. */
struct store_counts {
    _Atomic uint64_t n_hits, n_misses, n_expired, n_corrupt, n_foreign;
    _Atomic uint64_t n_stored, n_evicted, n_waits;
};

/* Not changed after cj_store_open(), so all threads may read it, but for atomics. */
struct cj_store {
    char *location; /* absolute */
    uint32_t owner; /* whose files these are */
    bool durable;
    int64_t ttl_ns;           /* 0: none */
    uint64_t max_bytes;       /* 0: none */
    struct cj_leases *leases; /* one reference */
    /* The open root, or -1 as long as nobody needed it; kept as a shelf keeps its
     * folder (shelf.h). */
    _Atomic int root_fd;
    uint64_t usage_slot; /* where to look for a free slot first */
    struct store_counts counts;
};

/* Whether an entry that was made then is too old to be told. */
bool store_is_expired(const struct cj_store *store, int64_t created_ns);

static inline void
store_count(_Atomic uint64_t *count, uint64_t n)
{
    atomic_fetch_add_explicit(count, n, memory_order_relaxed);
}

#endif
