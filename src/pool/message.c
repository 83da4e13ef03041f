#include "pool/message.h"

#include <errno.h>
#include <string.h>

#include "base/memory.h"
#include "pool/frame.h"

int
message_new(const struct cj_bytes *parts, size_t n_parts, struct message **ret_message)
{
    struct message *message;
    size_t size, at = 0;
    int r;

    r = frame_parts_size(parts, n_parts, &size);
    if (r < 0) {
        return r;
    }
    message =
        size <= SIZE_MAX - sizeof(*message) ? mem_alloc(sizeof(*message) + size) : NULL;
    if (!message) {
        return -ENOMEM;
    }
    for (size_t i = 0; i < n_parts; i++) {
        if (parts[i].size > 0) {
            memcpy(message->bytes + at, parts[i].data, parts[i].size);
            at += parts[i].size;
        }
    }
    message->n_refs = 1;
    message->n_blocks = 0;
    message->size = size;
    message->hash = frame_body_hash(message->bytes, size);
    *ret_message = message;
    return 0;
}

void
message_set_blocks(struct message *message, struct cj_block *const *blocks,
                   size_t n_blocks)
{
    for (size_t i = 0; i < n_blocks; i++) {
        message->blocks[i] = cj_block_ref(blocks[i]);
    }
    message->n_blocks = n_blocks;
}

struct message *
message_ref(struct message *message)
{
    if (message) {
        message->n_refs++;
    }
    return message;
}

void
message_unref(struct message *message)
{
    if (message && --message->n_refs == 0) {
        for (size_t i = 0; i < message->n_blocks; i++) {
            cj_block_unref(message->blocks[i]);
        }
        mem_free(message);
    }
}
