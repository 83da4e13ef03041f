/* The bytes of PLACE_USAGE; usage.h describes them. Nothing here touches a file. */

#ifndef STORE_USAGE_SLOT_H
#define STORE_USAGE_SLOT_H

#include "store/usage.h"

#define USAGE_SLOT_BYTES 64
#define USAGE_SLOTS 256

/* Zeros that tell that nothing was cut off. */
#define USAGE_TAIL_BYTES 8

#define USAGE_FILE_BYTES ((size_t)USAGE_SLOTS * USAGE_SLOT_BYTES + USAGE_TAIL_BYTES)

/* Where the head says whether the sum is known. */
#define USAGE_AT_COUNTED 8

void usage_slot_encode(const struct usage *usage, size_t slot,
                       uint8_t ret_bytes[USAGE_SLOT_BYTES]);

/* A slot that was never written is empty. False: damaged, or half written. */
bool usage_slot_decode(const uint8_t bytes[USAGE_SLOT_BYTES], size_t slot,
                       struct usage *ret_usage);

void usage_head_encode(bool is_counted, uint8_t ret_bytes[USAGE_SLOT_BYTES]);

/* False: it is none. */
bool usage_head_decode(const uint8_t bytes[USAGE_SLOT_BYTES], bool *ret_is_counted);

/* Add one to the other. */
void usage_sum(struct usage *sum, const struct usage *more);

#endif
