/* The body of a message that goes to workers: it may be on its way to several at once,
 * and is kept until nobody can need it again. Used by one thread. */

#ifndef POOL_MESSAGE_H
#define POOL_MESSAGE_H

#include <stdint.h>

#include "pool/block.h"

struct message {
    size_t n_refs;
    struct cj_block *blocks[CJ_MAX_BLOCKS]; /* references */
    size_t n_blocks;
    uint64_t hash;
    size_t size;
    uint8_t bytes[];
};

/* The parts one after the other, copied. -ENOMEM, -EOVERFLOW. */
CJ_MUST_CHECK int message_new(const struct cj_bytes *parts, size_t n_parts,
                              struct message **ret_message);

/* Takes references of its own: at most CJ_MAX_BLOCKS, once. */
void message_set_blocks(struct message *message, struct cj_block *const *blocks,
                        size_t n_blocks);

/* Accept NULL. */
struct message *message_ref(struct message *message);
void message_unref(struct message *message);

#endif
