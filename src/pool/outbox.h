/* Messages on their way to one worker, in order, sent as the socket takes them. It
 * sends nothing by itself. */

#ifndef POOL_OUTBOX_H
#define POOL_OUTBOX_H

#include <stdbool.h>
#include <sys/uio.h>

#include "pool/board.h"
#include "pool/frame.h"
#include "pool/message.h"

/* The hello, a message that was taken back when it was half sent, and all tasks that a
 * worker may have with a context before each: there are never more. */
#define OUTBOX_MAX (2 + 2 * BOARD_N_PLACES)
#define OUTBOX_N_PARTS (2 * OUTBOX_MAX)

struct outbox_entry {
    enum frame_kind kind;
    uint64_t ticket;
    struct message *message; /* a reference */
    uint8_t head[FRAME_HEAD_BYTES];
};

struct outbox {
    struct outbox_entry entries[OUTBOX_MAX]; /* the oldest first */
    size_t n_entries;
    size_t n_sent; /* bytes of the first one */
};

void outbox_init(struct outbox *outbox);
void outbox_done(struct outbox *outbox);

/* Takes a reference of its own. */
void outbox_push(struct outbox *outbox, enum frame_kind kind, uint64_t ticket,
                 uint64_t number, struct message *message);

/* Remove the last message if it is of that kind and ticket and no byte of it is sent.
 */
bool outbox_take_back(struct outbox *outbox, enum frame_kind kind, uint64_t ticket);

/* What is to be sent in one go, with the descriptors that go beside its first byte; and
 * that so much of it was. */
size_t outbox_parts(const struct outbox *outbox, struct iovec ret_parts[OUTBOX_N_PARTS],
                    int ret_fds[CJ_MAX_BLOCKS], size_t *ret_n_fds);
void outbox_sent(struct outbox *outbox, size_t n);

#endif
