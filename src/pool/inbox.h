/* Puts messages together from bytes that arrive in pieces of any size. It reads nothing
 * by itself: it says where the next bytes should go, and is told how many came.
 *
 *      inbox_rooms() -> receive -> inbox_arrived() -> inbox_next() until
 * INBOX_NEEDS_MORE
 *
 * A body gets memory as its bytes come, at most about twice what has come: a length
 * that a peer claims costs nothing. */

#ifndef POOL_INBOX_H
#define POOL_INBOX_H

#include <stdbool.h>
#include <sys/uio.h>

#include "pool/frame.h"

#define INBOX_BUFFER_BYTES 16384
#define INBOX_N_ROOMS 2

struct inbox {
    struct frame_head head; /* of the message whose body is being put together */
    bool has_head;
    struct cj_blob body; /* `size` is the room it has */
    size_t n_body;       /* bytes of it that are there */
    size_t start, end;   /* what of the buffer has not been used */
    uint8_t buffer[INBOX_BUFFER_BYTES];
};

enum inbox_outcome {
    INBOX_NEEDS_MORE = 1,
};

void inbox_init(struct inbox *inbox);
void inbox_done(struct inbox *inbox);

/* Where the next bytes go; to be called when inbox_next() needs more. -ENOMEM: nothing
 * is lost, it may be called again. */
CJ_MUST_CHECK int inbox_rooms(struct inbox *inbox,
                              struct iovec ret_rooms[INBOX_N_ROOMS]);

/* `n` bytes were put into the rooms, the first one first. */
void inbox_arrived(struct inbox *inbox, size_t n);

/* The next message that is whole. -EPROTO: damaged, and so is all that follows;
 * -ENOMEM: nothing is lost. */
CJ_MUST_CHECK int inbox_next(struct inbox *inbox, struct frame_head *ret_head,
                             struct cj_blob *ret_body);

#endif
