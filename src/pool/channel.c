#include "pool/channel.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/memory.h"
#include "sys/descriptor.h"
#include "sys/socket_pair.h"

void
channel_init(struct channel *channel, int fd)
{
    channel->fd = fd;
    outbox_init(&channel->outbox);
    inbox_init(&channel->inbox);
    channel->fds = NULL;
    channel->n_fds = channel->max_fds = 0;
}

void
parcel_done(struct parcel *parcel)
{
    for (size_t i = 0; i < parcel->n_fds; i++) {
        descriptor_close(parcel->fds[i]);
    }
    parcel->n_fds = 0;
}

void
channel_done(struct channel *channel)
{
    outbox_done(&channel->outbox);
    inbox_done(&channel->inbox);
    for (size_t i = 0; i < channel->n_fds; i++) {
        descriptor_close(channel->fds[i]);
    }
    mem_free(channel->fds);
}

static int
channel_outcome(int r)
{
    switch (r) {
    case SOCKET_PAIR_FULL:
        return CHANNEL_LATER;
    case SOCKET_PAIR_ENDED:
        return CHANNEL_ENDED;
    default:
        return r;
    }
}

int
channel_flush(struct channel *channel)
{
    struct iovec parts[OUTBOX_N_PARTS];
    int fds[CJ_MAX_BLOCKS];
    size_t n, n_fds;
    int r;

    while (channel->outbox.n_entries > 0) {
        n = outbox_parts(&channel->outbox, parts, fds, &n_fds);
        r = socket_pair_send_fds(channel->fd, parts, n, fds, n_fds, false, &n);
        if (r != 0) {
            return channel_outcome(r);
        }
        outbox_sent(&channel->outbox, n);
    }
    return 0;
}

/* Room for the descriptors that may come with the next bytes. */
static int
channel_grow(struct channel *channel)
{
    size_t max = 2 * channel->max_fds + SOCKET_PAIR_MAX_FDS;
    int *fds;

    if (channel->max_fds - channel->n_fds >= SOCKET_PAIR_MAX_FDS) {
        return 0;
    }
    fds = mem_resize(channel->fds, max * sizeof(*fds));
    if (!fds) {
        return -ENOMEM;
    }
    channel->fds = fds;
    channel->max_fds = max;
    return 0;
}

static int
channel_read(struct channel *channel, bool wait)
{
    struct iovec rooms[INBOX_N_ROOMS];
    size_t n, n_fds;
    int r;

    r = channel_grow(channel);
    if (r == 0) {
        r = inbox_rooms(&channel->inbox, rooms);
    }
    if (r < 0) {
        return r;
    }
    r = socket_pair_receive_fds(channel->fd, rooms, INBOX_N_ROOMS, wait, &n,
                                channel->fds + channel->n_fds, &n_fds);
    if (r == 0) {
        inbox_arrived(&channel->inbox, n);
        channel->n_fds += n_fds;
    }
    return channel_outcome(r);
}

int
channel_fill(struct channel *channel)
{
    return channel_read(channel, false);
}

/* The descriptors of a message came with its first byte: they are there. */
static int
channel_take_fds(struct channel *channel, size_t n, struct parcel *ret_parcel)
{
    if (n > CJ_MAX_BLOCKS || n > channel->n_fds) {
        return -EPROTO;
    }
    if (n > 0) {
        memcpy(ret_parcel->fds, channel->fds, n * sizeof(int));
        channel->n_fds -= n;
        memmove(channel->fds, channel->fds + n, channel->n_fds * sizeof(int));
    }
    ret_parcel->n_fds = n;
    return 0;
}

int
channel_next(struct channel *channel, struct frame_head *ret_head,
             struct cj_blob *ret_body, struct parcel *ret_parcel)
{
    AUTO(cj_blob_done) struct cj_blob body = CJ_BLOB_INIT;
    int r = inbox_next(&channel->inbox, ret_head, &body);

    if (r == 0) {
        r = channel_take_fds(channel, ret_head->n_blocks, ret_parcel);
    }
    if (r == 0) {
        *ret_body = TAKE(body, (struct cj_blob)CJ_BLOB_INIT);
    }
    return r == INBOX_NEEDS_MORE ? CHANNEL_LATER : r;
}

int
channel_wait(struct channel *channel, int64_t idle_ns, struct frame_head *ret_head,
             struct cj_blob *ret_body, struct parcel *ret_parcel)
{
    int r;

    while ((r = channel_next(channel, ret_head, ret_body, ret_parcel)) ==
           CHANNEL_LATER) {
        if (idle_ns > 0 &&
            socket_pair_await(channel->fd, idle_ns) == SOCKET_PAIR_FULL) {
            return CHANNEL_IDLE;
        }
        r = channel_read(channel, true);
        if (r != 0) {
            return r;
        }
    }
    return r;
}

/* Send all of up to SOCKET_PAIR_MAX_PARTS pieces, which are used up, and of the
 * descriptors, which stay open. */
static int
send_all(int fd, struct iovec *parts, size_t n_parts, struct parcel *parcel)
{
    size_t n;
    int r;

    while (n_parts > 0) {
        r = socket_pair_send_fds(fd, parts, n_parts, parcel->fds, parcel->n_fds, true,
                                 &n);
        if (r != 0) {
            return channel_outcome(r);
        }
        parcel->n_fds = 0;
        while (n_parts > 0 && n >= parts->iov_len) {
            n -= parts->iov_len;
            parts++;
            n_parts--;
        }
        if (n > 0) {
            parts->iov_base = (uint8_t *)parts->iov_base + n;
            parts->iov_len -= n;
        }
    }
    return 0;
}

static int
reply_head(const struct cj_reply *reply, struct frame_head *head,
           struct parcel *ret_parcel)
{
    size_t size;
    int r;

    if (reply->n_blocks > CJ_MAX_BLOCKS) {
        return -EINVAL;
    }
    r = frame_parts_size(reply->parts, reply->n_parts, &size);
    if (r == 0) {
        r = frame_parts_hash(reply->parts, reply->n_parts, &head->body_hash);
    }
    if (r < 0) {
        return r;
    }
    head->body_bytes = size;
    head->n_blocks = (unsigned)reply->n_blocks;
    ret_parcel->n_fds = reply->n_blocks;
    for (size_t i = 0; i < reply->n_blocks; i++) {
        ret_parcel->fds[i] = block_fd(reply->blocks[i]);
    }
    return 0;
}

int
channel_reply(struct channel *channel, struct frame_head *head,
              const struct cj_reply *reply)
{
    struct iovec batch[SOCKET_PAIR_MAX_PARTS];
    uint8_t head_bytes[FRAME_HEAD_BYTES];
    struct parcel parcel;
    size_t n = 0;
    int r;

    r = reply_head(reply, head, &parcel);
    if (r < 0) {
        return r;
    }
    frame_head_encode(head, head_bytes);
    batch[n++] = (struct iovec){head_bytes, sizeof(head_bytes)};
    for (size_t i = 0; i < reply->n_parts && r == 0; i++) {
        const struct cj_bytes *part = &reply->parts[i];

        batch[n++] = (struct iovec){(void *)(uintptr_t)part->data, part->size};
        if (n == SOCKET_PAIR_MAX_PARTS && i + 1 < reply->n_parts) {
            r = send_all(channel->fd, batch, n, &parcel);
            n = 0;
        }
    }
    return r == 0 ? send_all(channel->fd, batch, n, &parcel) : r;
}
