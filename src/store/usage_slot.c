#include "store/usage_slot.h"

#include <string.h>

#include "base/endian.h"
#include "cjoblib/digest.h"

static const uint8_t usage_magic[8] = {'c', 'j', 'u', 's', 'a', 'g', 'e', 1};

/* Of all after itself, and of where it stands. */
static uint64_t
usage_checksum(const uint8_t bytes[USAGE_SLOT_BYTES], size_t slot)
{
    uint8_t copy[USAGE_SLOT_BYTES], digest[16];

    memcpy(copy, bytes, sizeof(copy));
    put_le64(copy, slot);
    cj_xxh128(copy, sizeof(copy), digest);
    return get_le64(digest);
}

void
usage_slot_encode(const struct usage *usage, size_t slot,
                  uint8_t ret_bytes[USAGE_SLOT_BYTES])
{
    memset(ret_bytes, 0, USAGE_SLOT_BYTES);
    put_le64(ret_bytes + 8, (uint64_t)usage->n_bytes);
    put_le64(ret_bytes + 16, (uint64_t)usage->n_entries);
    put_le64(ret_bytes + 24, usage->n_bytes_added);
    put_le64(ret_bytes + 32, usage->n_entries_added);
    put_le64(ret_bytes + 40, usage->n_hits);
    put_le64(ret_bytes + 48, usage->n_misses);
    put_le64(ret_bytes + 56, usage->n_evicted);
    put_le64(ret_bytes, usage_checksum(ret_bytes, slot));
}

bool
usage_slot_decode(const uint8_t bytes[USAGE_SLOT_BYTES], size_t slot,
                  struct usage *ret_usage)
{
    static const uint8_t empty[USAGE_SLOT_BYTES];

    if (memcmp(bytes, empty, sizeof(empty)) == 0) {
        *ret_usage = (struct usage){0};
        return true;
    }
    if (get_le64(bytes) != usage_checksum(bytes, slot)) {
        return false;
    }
    *ret_usage = (struct usage){
        .n_bytes = (int64_t)get_le64(bytes + 8),
        .n_entries = (int64_t)get_le64(bytes + 16),
        .n_bytes_added = get_le64(bytes + 24),
        .n_entries_added = get_le64(bytes + 32),
        .n_hits = get_le64(bytes + 40),
        .n_misses = get_le64(bytes + 48),
        .n_evicted = get_le64(bytes + 56),
    };
    return true;
}

void
usage_head_encode(bool is_counted, uint8_t ret_bytes[USAGE_SLOT_BYTES])
{
    memset(ret_bytes, 0, USAGE_SLOT_BYTES);
    memcpy(ret_bytes, usage_magic, sizeof(usage_magic));
    ret_bytes[USAGE_AT_COUNTED] = is_counted;
}

bool
usage_head_decode(const uint8_t bytes[USAGE_SLOT_BYTES], bool *ret_is_counted)
{
    if (memcmp(bytes, usage_magic, sizeof(usage_magic)) != 0) {
        return false;
    }
    *ret_is_counted = bytes[USAGE_AT_COUNTED] == 1;
    return true;
}

void
usage_sum(struct usage *sum, const struct usage *more)
{
    /* Of a damaged file, too: wrapping round is no worse than what is there. */
    sum->n_bytes = (int64_t)((uint64_t)sum->n_bytes + (uint64_t)more->n_bytes);
    sum->n_entries = (int64_t)((uint64_t)sum->n_entries + (uint64_t)more->n_entries);
    sum->n_bytes_added += more->n_bytes_added;
    sum->n_entries_added += more->n_entries_added;
    sum->n_hits += more->n_hits;
    sum->n_misses += more->n_misses;
    sum->n_evicted += more->n_evicted;
}
