/* The note that keeps version control from taking the cache. */

#ifndef STORE_IGNORE_H
#define STORE_IGNORE_H

#include "store/store.h"

/* Write PLACE_IGNORE into the root unless it is there. */
CJ_MUST_CHECK int ignore_write(const struct cj_store *store);

#endif
