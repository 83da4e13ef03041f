/* How one message looks on the socket.
 *
 *      0   4  magic "cjF1"
 *      4   2  kind
 *      6   2  blocks whose descriptors come beside the first byte
 *      8   8  ticket: which handing-out of a task this is, see board.h
 *     16   8  number of the task, as its owner calls it; in an answer: nanoseconds that
 *             it took
 *     24   8  bytes of the body
 *     32   8  xxh3 (64 bits) of the body
 *     40   8  xxh3 (64 bits) of the 40 bytes before
 *     48      the body
 *
 * Numbers are little-endian. The head has a checksum of its own, so that a damaged
 * length is noticed at once and is not waited for.
 */

#ifndef POOL_FRAME_H
#define POOL_FRAME_H

#include <stdint.h>

#include "cjoblib/base.h"

#define FRAME_HEAD_BYTES 48

enum frame_kind {
    FRAME_HELLO = 1, /* owner to worker, first of all */
    FRAME_CONTEXT,
    FRAME_RUN,
    FRAME_READY, /* worker to owner, after the hello has been dealt with */
    FRAME_RESULT,
    FRAME_FAILURE,
    FRAME_KEPT, /* worker to owner, before an answer: the block of this number, counted
                   from 0 in that task, is still used there */
};

struct frame_head {
    enum frame_kind kind;
    unsigned n_blocks;
    uint64_t ticket;
    uint64_t number;
    uint64_t body_bytes;
    uint64_t body_hash;
};

void frame_head_encode(const struct frame_head *head,
                       uint8_t ret_bytes[FRAME_HEAD_BYTES]);

/* -EPROTO: not a head, or a damaged one. */
CJ_MUST_CHECK int frame_head_decode(const uint8_t bytes[FRAME_HEAD_BYTES],
                                    struct frame_head *ret_head);

uint64_t frame_body_hash(const void *body, size_t size);

/* The same of a body in pieces; -ENOMEM. */
CJ_MUST_CHECK int frame_parts_hash(const struct cj_bytes *parts, size_t n_parts,
                                   uint64_t *ret_hash);

/* -EOVERFLOW. */
CJ_MUST_CHECK int frame_parts_size(const struct cj_bytes *parts, size_t n_parts,
                                   size_t *ret_size);

#endif
