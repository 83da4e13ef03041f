/* The library's plain functions are built for any x86-64, so for SSE2; these look for
 * AVX2 and AVX-512 at run time. */

#include "digest/xxh.h"

#define XXH_DISPATCH_DISABLE_REPLACE /* of the plain names */
#include <xxh_x86dispatch.h>

/* Short inputs use no vectors, and the look would cost as much as they do. */
#define XXH_SHORT_BYTES 240

XXH128_hash_t
xxh_once(const void *data, size_t size)
{
    return size <= XXH_SHORT_BYTES ? XXH3_128bits(data, size)
                                   : XXH3_128bits_dispatch(data, size);
}

void
xxh_update(XXH3_state_t *state, const void *data, size_t size)
{
    (void)XXH3_128bits_update_dispatch(state, data, size);
}
