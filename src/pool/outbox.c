#include "pool/outbox.h"

#include <string.h>

void
outbox_init(struct outbox *outbox)
{
    outbox->n_entries = 0;
    outbox->n_sent = 0;
}

void
outbox_done(struct outbox *outbox)
{
    for (size_t i = 0; i < outbox->n_entries; i++) {
        message_unref(outbox->entries[i].message);
    }
    outbox_init(outbox);
}

void
outbox_push(struct outbox *outbox, enum frame_kind kind, uint64_t ticket,
            uint64_t number, struct message *message)
{
    struct outbox_entry *entry = &outbox->entries[outbox->n_entries++];
    struct frame_head head = {
        .kind = kind,
        .ticket = ticket,
        .number = number,
        .n_blocks = (unsigned)message->n_blocks,
        .body_bytes = message->size,
        .body_hash = message->hash,
    };

    entry->kind = kind;
    entry->ticket = ticket;
    entry->message = message_ref(message);
    frame_head_encode(&head, entry->head);
}

bool
outbox_take_back(struct outbox *outbox, enum frame_kind kind, uint64_t ticket)
{
    struct outbox_entry *last;

    if (outbox->n_entries == 0 || (outbox->n_entries == 1 && outbox->n_sent > 0)) {
        return false;
    }
    last = &outbox->entries[outbox->n_entries - 1];
    if (last->kind != kind || last->ticket != ticket) {
        return false;
    }
    message_unref(last->message);
    outbox->n_entries--;
    return true;
}

/* What is left of a message of which `skip` bytes are sent: up to two parts. */
static size_t
entry_parts(const struct outbox_entry *entry, size_t skip, struct iovec *ret_parts)
{
    size_t skip_head = skip < FRAME_HEAD_BYTES ? skip : FRAME_HEAD_BYTES;
    size_t skip_body = skip - skip_head, n = 0;

    if (skip_head < FRAME_HEAD_BYTES) {
        ret_parts[n].iov_base = (void *)(uintptr_t)(entry->head + skip_head);
        ret_parts[n++].iov_len = FRAME_HEAD_BYTES - skip_head;
    }
    if (skip_body < entry->message->size) {
        ret_parts[n].iov_base = entry->message->bytes + skip_body;
        ret_parts[n++].iov_len = entry->message->size - skip_body;
    }
    return n;
}

size_t
outbox_parts(const struct outbox *outbox, struct iovec ret_parts[OUTBOX_N_PARTS],
             int ret_fds[CJ_MAX_BLOCKS], size_t *ret_n_fds)
{
    const struct message *first = outbox->entries[0].message;
    size_t n = 0, skip = outbox->n_sent;

    *ret_n_fds = skip == 0 ? first->n_blocks : 0;
    for (size_t i = 0; i < *ret_n_fds; i++) {
        ret_fds[i] = block_fd(first->blocks[i]);
    }
    for (size_t i = 0; i < outbox->n_entries; i++) {
        const struct outbox_entry *entry = &outbox->entries[i];

        /* Descriptors belong to the first byte of what is sent. */
        if (i > 0 && entry->message->n_blocks > 0) {
            break;
        }
        n += entry_parts(entry, skip, ret_parts + n);
        skip = 0;
    }
    return n;
}

void
outbox_sent(struct outbox *outbox, size_t n)
{
    size_t n_whole = 0;

    n += outbox->n_sent;
    while (n_whole < outbox->n_entries) {
        struct message *message = outbox->entries[n_whole].message;

        if (n < FRAME_HEAD_BYTES + message->size) {
            break;
        }
        n -= FRAME_HEAD_BYTES + message->size;
        message_unref(message);
        n_whole++;
    }
    outbox->n_entries -= n_whole;
    outbox->n_sent = n;
    memmove(outbox->entries, outbox->entries + n_whole,
            outbox->n_entries * sizeof(outbox->entries[0]));
}
