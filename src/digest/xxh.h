/* XXH3-128 of one buffer and of a stream, by what this kind of processor does best. */

#ifndef DIGEST_XXH_H
#define DIGEST_XXH_H

#include <stddef.h>
#include <xxhash.h>

XXH128_hash_t xxh_once(const void *data, size_t size);

void xxh_update(XXH3_state_t *state, const void *data, size_t size);

#endif
