/* Removing what was used least recently. */

#ifndef STORE_REDUCE_H
#define STORE_REDUCE_H

#include "store/store.h"

/* Keep the store below its bound, if the kept sum says that it is above. What fails is
 * tried again at the next put. */
void reduce_to_bound(struct cj_store *store);

#endif
