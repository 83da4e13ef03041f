/* What the parts of the store know of a store. */

#ifndef STORE_STORE_H
#define STORE_STORE_H

#include <stdint.h>

#include "cjoblib/store.h"

/* Not changed after cj_store_open(), so all threads may read it. */
struct cj_store {
    char *location; /* absolute */
    uint32_t owner; /* whose files these are */
};

#endif
