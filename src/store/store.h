/* What the parts of the store know of a store. */

#ifndef STORE_STORE_H
#define STORE_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "cjoblib/store.h"

/* A file, by what the kernel tells it from others. */
struct store_file {
    uint64_t device, number;
};

/* Not changed after cj_store_open(), so all threads may read it, but for the last. */
struct cj_store {
    char *location; /* absolute */
    uint32_t owner; /* whose files these are */
    bool durable;
    int64_t ttl_ns;           /* 0: none */
    struct cj_leases *leases; /* one reference */
    /* The lock file as it was last seen, zero before; under the household's lock. */
    struct store_file leases_file;
};

/* Whether an entry that was made then is too old to be told. */
bool store_is_expired(const struct cj_store *store, int64_t created_ns);

#endif
