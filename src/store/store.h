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
    struct cj_leases *leases; /* one reference */
    /* The lock file as it was last seen, zero before; under the household's lock. */
    struct store_file leases_file;
};

#endif
