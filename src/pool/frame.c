#include "pool/frame.h"

#include <errno.h>
#include <xxhash.h>

#include "base/cleanup.h"
#include "base/endian.h"

#define FRAME_MAGIC 0x31466a63u /* "cjF1" */
#define FRAME_HASHED_BYTES 40

void
frame_head_encode(const struct frame_head *head, uint8_t ret_bytes[FRAME_HEAD_BYTES])
{
    put_le32(ret_bytes, FRAME_MAGIC);
    put_le32(ret_bytes + 4, (uint32_t)head->kind | (uint32_t)head->n_blocks << 16);
    put_le64(ret_bytes + 8, head->ticket);
    put_le64(ret_bytes + 16, head->number);
    put_le64(ret_bytes + 24, head->body_bytes);
    put_le64(ret_bytes + 32, head->body_hash);
    put_le64(ret_bytes + 40, XXH3_64bits(ret_bytes, FRAME_HASHED_BYTES));
}

int
frame_head_decode(const uint8_t bytes[FRAME_HEAD_BYTES], struct frame_head *ret_head)
{
    uint32_t word = get_le32(bytes + 4), kind = word & 0xffff;

    if (get_le32(bytes) != FRAME_MAGIC || kind < FRAME_HELLO || kind > FRAME_KEPT ||
        get_le64(bytes + 40) != XXH3_64bits(bytes, FRAME_HASHED_BYTES)) {
        return -EPROTO;
    }
    ret_head->kind = (enum frame_kind)kind;
    ret_head->n_blocks = word >> 16;
    ret_head->ticket = get_le64(bytes + 8);
    ret_head->number = get_le64(bytes + 16);
    ret_head->body_bytes = get_le64(bytes + 24);
    ret_head->body_hash = get_le64(bytes + 32);
    return 0;
}

uint64_t
frame_body_hash(const void *body, size_t size)
{
    return XXH3_64bits(size > 0 ? body : "", size);
}

static void
hash_state_free_p(XXH3_state_t **state)
{
    XXH3_freeState(*state);
}

int
frame_parts_hash(const struct cj_bytes *parts, size_t n_parts, uint64_t *ret_hash)
{
    AUTO(hash_state_free_p) XXH3_state_t *state = NULL;

    if (n_parts <= 1) {
        /* The usual case needs no state. */
        *ret_hash = n_parts ? frame_body_hash(parts[0].data, parts[0].size)
                            : frame_body_hash(NULL, 0);
        return 0;
    }
    state = XXH3_createState();
    if (!state) {
        return -ENOMEM;
    }
    XXH3_64bits_reset(state);
    for (size_t i = 0; i < n_parts; i++) {
        if (parts[i].size > 0) {
            XXH3_64bits_update(state, parts[i].data, parts[i].size);
        }
    }
    *ret_hash = XXH3_64bits_digest(state);
    return 0;
}

int
frame_parts_size(const struct cj_bytes *parts, size_t n_parts, size_t *ret_size)
{
    size_t size = 0;

    for (size_t i = 0; i < n_parts; i++) {
        if (__builtin_add_overflow(size, parts[i].size, &size)) {
            return -EOVERFLOW;
        }
    }
    *ret_size = size;
    return 0;
}
