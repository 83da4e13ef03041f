#include "pool/channel.h"

#include "sys/socket_pair.h"

void
channel_init(struct channel *channel, int fd)
{
    channel->fd = fd;
    outbox_init(&channel->outbox);
    inbox_init(&channel->inbox);
}

void
channel_done(struct channel *channel)
{
    outbox_done(&channel->outbox);
    inbox_done(&channel->inbox);
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
    size_t n;
    int r;

    while (channel->outbox.n_entries > 0) {
        n = outbox_parts(&channel->outbox, parts);
        r = socket_pair_send(channel->fd, parts, n, false, &n);
        if (r != 0) {
            return channel_outcome(r);
        }
        outbox_sent(&channel->outbox, n);
    }
    return 0;
}

static int
channel_read(struct channel *channel, bool wait)
{
    struct iovec rooms[INBOX_N_ROOMS];
    size_t n;
    int r;

    r = inbox_rooms(&channel->inbox, rooms);
    if (r < 0) {
        return r;
    }
    r = socket_pair_receive(channel->fd, rooms, INBOX_N_ROOMS, wait, &n);
    if (r == 0) {
        inbox_arrived(&channel->inbox, n);
    }
    return channel_outcome(r);
}

int
channel_fill(struct channel *channel)
{
    return channel_read(channel, false);
}

int
channel_next(struct channel *channel, struct frame_head *ret_head,
             struct cj_blob *ret_body)
{
    int r = inbox_next(&channel->inbox, ret_head, ret_body);

    return r == INBOX_NEEDS_MORE ? CHANNEL_LATER : r;
}

int
channel_wait(struct channel *channel, struct frame_head *ret_head,
             struct cj_blob *ret_body)
{
    int r;

    while ((r = channel_next(channel, ret_head, ret_body)) == CHANNEL_LATER) {
        r = channel_read(channel, true);
        if (r != 0) {
            return r;
        }
    }
    return r;
}

/* Send all of up to SOCKET_PAIR_MAX_PARTS pieces, which are used up. */
static int
send_all(int fd, struct iovec *parts, size_t n_parts)
{
    size_t n;
    int r;

    while (n_parts > 0) {
        r = socket_pair_send(fd, parts, n_parts, true, &n);
        if (r != 0) {
            return channel_outcome(r);
        }
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

int
channel_reply(struct channel *channel, struct frame_head *head,
              const struct cj_bytes *parts, size_t n_parts)
{
    struct iovec batch[SOCKET_PAIR_MAX_PARTS];
    uint8_t head_bytes[FRAME_HEAD_BYTES];
    size_t n = 0, size;
    int r;

    r = frame_parts_size(parts, n_parts, &size);
    if (r == 0) {
        head->body_bytes = size;
        r = frame_parts_hash(parts, n_parts, &head->body_hash);
    }
    if (r < 0) {
        return r;
    }
    frame_head_encode(head, head_bytes);
    batch[n++] = (struct iovec){head_bytes, sizeof(head_bytes)};
    for (size_t i = 0; i < n_parts && r == 0; i++) {
        batch[n++] = (struct iovec){(void *)(uintptr_t)parts[i].data, parts[i].size};
        if (n == SOCKET_PAIR_MAX_PARTS && i + 1 < n_parts) {
            r = send_all(channel->fd, batch, n);
            n = 0;
        }
    }
    return r == 0 ? send_all(channel->fd, batch, n) : r;
}
