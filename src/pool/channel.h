/* Messages over one socket: the only part of the pool that moves their bytes.
 *
 * The owner's side never sleeps: channel_push() queues, channel_flush() sends what
 * fits, channel_fill() takes what is there, channel_next() gives the messages that are
 * whole. The worker's side sleeps: channel_wait(), channel_reply(). Used by one thread.
 */

#ifndef POOL_CHANNEL_H
#define POOL_CHANNEL_H

#include "pool/inbox.h"
#include "pool/outbox.h"

struct channel {
    int fd;
    struct outbox outbox;
    struct inbox inbox;
    int *fds; /* that came, for messages that are not taken yet; the oldest first */
    size_t n_fds, max_fds;
};

/* The descriptors of a message. */
struct parcel {
    int fds[CJ_MAX_BLOCKS];
    size_t n_fds;
};

void parcel_done(struct parcel *parcel);

enum channel_outcome {
    CHANNEL_LATER = 1, /* no more now */
    CHANNEL_ENDED,     /* the peer is gone */
    CHANNEL_IDLE,      /* nothing came for as long as one was ready to wait */
};

/* The channel uses `fd` and does not own it. */
void channel_init(struct channel *channel, int fd);
void channel_done(struct channel *channel);

/* 0: all is sent; CHANNEL_LATER, CHANNEL_ENDED. */
CJ_MUST_CHECK int channel_flush(struct channel *channel);

/* One read: 0 when something came; CHANNEL_LATER, CHANNEL_ENDED, -ENOMEM. */
CJ_MUST_CHECK int channel_fill(struct channel *channel);

/* CHANNEL_LATER: no message is whole; -EPROTO, -ENOMEM: as inbox_next(). */
CJ_MUST_CHECK int channel_next(struct channel *channel, struct frame_head *ret_head,
                               struct cj_blob *ret_body, struct parcel *ret_parcel);

/* Sleep until a message is whole: CHANNEL_ENDED, also in the middle of one;
 * CHANNEL_IDLE: for `idle_ns` (<= 0: for ever) nothing came. */
CJ_MUST_CHECK int channel_wait(struct channel *channel, int64_t idle_ns,
                               struct frame_head *ret_head, struct cj_blob *ret_body,
                               struct parcel *ret_parcel);

/* Send a reply and sleep until it is sent; sizes, hash and number of blocks in `head`
 * are filled in here. CHANNEL_ENDED, -EINVAL (too many blocks), -ENOMEM, -EOVERFLOW. */
CJ_MUST_CHECK int channel_reply(struct channel *channel, struct frame_head *head,
                                const struct cj_reply *reply);

#endif
