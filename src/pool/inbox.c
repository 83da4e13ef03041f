#include "pool/inbox.h"

#include <errno.h>
#include <string.h>

#include "base/memory.h"

/* A body's first memory. */
#define FIRST_BODY_BYTES 65536

void
inbox_init(struct inbox *inbox)
{
    inbox->has_head = false;
    inbox->body = (struct cj_blob)CJ_BLOB_INIT;
    inbox->n_body = 0;
    inbox->start = inbox->end = 0;
}

void
inbox_done(struct inbox *inbox)
{
    cj_blob_done(&inbox->body);
}

/* Room for at least one byte more, unless the body is whole. */
static int
body_grow(struct inbox *inbox)
{
    uint64_t size = inbox->head.body_bytes;
    void *data;

    if (inbox->n_body < inbox->body.size || inbox->n_body == size) {
        return 0;
    }
    if (size > FIRST_BODY_BYTES && size / 2 > inbox->n_body) {
        size = inbox->n_body ? 2 * (uint64_t)inbox->n_body : FIRST_BODY_BYTES;
    }
    data = size <= SIZE_MAX ? mem_resize(inbox->body.data, (size_t)size) : NULL;
    if (!data) {
        return -ENOMEM;
    }
    inbox->body.data = data;
    inbox->body.size = (size_t)size;
    return 0;
}

/* What the buffer has of the body, into the body. */
static int
body_take_buffered(struct inbox *inbox)
{
    size_t n;
    int r;

    while (inbox->start < inbox->end && inbox->n_body < inbox->head.body_bytes) {
        r = body_grow(inbox);
        if (r < 0) {
            return r;
        }
        n = inbox->body.size - inbox->n_body;
        if (n > inbox->end - inbox->start) {
            n = inbox->end - inbox->start;
        }
        memcpy((uint8_t *)inbox->body.data + inbox->n_body,
               inbox->buffer + inbox->start, n);
        inbox->n_body += n;
        inbox->start += n;
    }
    return 0;
}

int
inbox_rooms(struct inbox *inbox, struct iovec ret_rooms[INBOX_N_ROOMS])
{
    int r;

    if (inbox->has_head) {
        r = body_grow(inbox);
        if (r < 0) {
            return r;
        }
        ret_rooms[0].iov_base = (uint8_t *)inbox->body.data + inbox->n_body;
        ret_rooms[0].iov_len = inbox->body.size - inbox->n_body;
    }
    else {
        ret_rooms[0] = (struct iovec){inbox->buffer, 0};
    }
    /* What is left there is less than a head. */
    memmove(inbox->buffer, inbox->buffer + inbox->start, inbox->end - inbox->start);
    inbox->end -= inbox->start;
    inbox->start = 0;
    ret_rooms[1].iov_base = inbox->buffer + inbox->end;
    ret_rooms[1].iov_len = sizeof(inbox->buffer) - inbox->end;
    return 0;
}

void
inbox_arrived(struct inbox *inbox, size_t n)
{
    size_t n_body = 0;

    if (inbox->has_head) {
        n_body = inbox->body.size - inbox->n_body;
        n_body = n < n_body ? n : n_body;
    }
    inbox->n_body += n_body;
    inbox->end += n - n_body;
}

static int
inbox_take_head(struct inbox *inbox)
{
    int r;

    if (inbox->end - inbox->start < FRAME_HEAD_BYTES) {
        return INBOX_NEEDS_MORE;
    }
    r = frame_head_decode(inbox->buffer + inbox->start, &inbox->head);
    if (r < 0) {
        return r;
    }
    inbox->start += FRAME_HEAD_BYTES;
    inbox->has_head = true;
    inbox->n_body = 0;
    return 0;
}

int
inbox_next(struct inbox *inbox, struct frame_head *ret_head, struct cj_blob *ret_body)
{
    int r;

    r = inbox->has_head ? 0 : inbox_take_head(inbox);
    if (r == 0) {
        r = body_take_buffered(inbox);
    }
    if (r != 0) {
        return r;
    }
    if (inbox->n_body < inbox->head.body_bytes) {
        return INBOX_NEEDS_MORE;
    }
    if (frame_body_hash(inbox->body.data, inbox->n_body) != inbox->head.body_hash) {
        return -EPROTO;
    }
    *ret_head = inbox->head;
    *ret_body = inbox->body;
    inbox->body = (struct cj_blob)CJ_BLOB_INIT;
    inbox->has_head = false;
    return 0;
}
