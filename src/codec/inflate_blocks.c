/* Deflate blocks that stand alone, unpacked several at once. */

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/memory.h"
#include "codec/inflate.h"

/* The longest part that is looked for. */
#define PART_BYTES deflate_part_bytes(DEFLATE_BLOCK_BYTES)

struct part_slot {
    struct team_job job;
    const struct inflate_format *format;
    void *unpacker;
    bool is_last; /* it may be of any size */
    uint8_t *out;
    size_t n_out;
    uint32_t check;
    int result;
    size_t n_in;
    uint8_t in[]; /* and DEFLATE_LAST behind it, which makes it a whole stream */
};

enum part_outcome {
    PART_NONE = 1, /* this is no block of ours */
    PART_END,      /* there are no more */
};

static void
part_unpack(struct team_job *job)
{
    struct part_slot *slot = (struct part_slot *)job;

    memcpy(slot->in + slot->n_in, DEFLATE_LAST, DEFLATE_LAST_BYTES);
    slot->n_out = DEFLATE_BLOCK_BYTES;
    slot->result =
        deflate_unpack(slot->unpacker, slot->in, slot->n_in + DEFLATE_LAST_BYTES,
                       slot->out, &slot->n_out);
    if (slot->result == 0 && slot->n_out < DEFLATE_BLOCK_BYTES && !slot->is_last) {
        slot->result = -EBADMSG;
    }
    if (slot->result == 0) {
        slot->check =
            slot->format->check(slot->format->check_of_nothing, slot->out, slot->n_out);
    }
}

static void
part_slot_free(struct team_job *job)
{
    deflate_unpacker_free(((struct part_slot *)job)->unpacker);
    mem_free(job);
}

static int
part_slot_new(void *context, struct team_job **ret_job)
{
    const struct inflate *self = context;
    struct part_slot *slot = mem_alloc(sizeof(*slot) + PART_BYTES + DEFLATE_LAST_BYTES);
    int r;

    if (!slot) {
        return -ENOMEM;
    }
    slot->job.run = part_unpack;
    slot->format = self->format;
    r = deflate_unpacker_new(&slot->unpacker);
    if (r < 0) {
        mem_free(slot);
        return r;
    }
    *ret_job = &slot->job;
    return 0;
}

void
inflate_blocks_init(struct inflate *self, unsigned int n_threads)
{
    ring_init(&self->ring, n_threads, part_slot_new, part_slot_free, self);
}

void
inflate_blocks_done(struct inflate *self)
{
    ring_done(&self->ring);
    mem_free(self->spare);
}

/* --- cutting ---------------------------------------------------------------------- */

/* Copy input behind what the slot has, up to the end of the first mark; how much. */
static size_t
part_copy(struct part_slot *slot, const uint8_t *in, size_t n_in)
{
    size_t n = PART_BYTES - slot->n_in, before = slot->n_in;
    size_t from = before < DEFLATE_MARK_BYTES ? 0 : before - DEFLATE_MARK_BYTES + 1;
    const uint8_t *mark;

    n = n < n_in ? n : n_in;
    memcpy(slot->in + before, in, n);
    slot->n_in += n;
    mark = memmem(slot->in + from, slot->n_in - from, DEFLATE_MARK, DEFLATE_MARK_BYTES);
    if (mark) {
        slot->n_in = (size_t)(mark - slot->in) + DEFLATE_MARK_BYTES;
    }
    return slot->n_in - before;
}

static bool
part_has_mark(const struct part_slot *slot)
{
    return slot->n_in >= DEFLATE_MARK_BYTES &&
           memcmp(slot->in + slot->n_in - DEFLATE_MARK_BYTES, DEFLATE_MARK,
                  DEFLATE_MARK_BYTES) == 0;
}

static int
part_is_end(struct inflate *self, bool *ret_is_end)
{
    int r = inflate_peek(self, DEFLATE_LAST_BYTES);

    if (r == 0) {
        *ret_is_end = memcmp(self->in, DEFLATE_LAST, DEFLATE_LAST_BYTES) == 0;
    }
    return r;
}

/* Take the input of the next block into a slot. PART_NONE: the slot has some of it, and
 * there is no mark; also when the source ends, which the stream will notice. */
static int
part_collect(struct inflate *self, struct part_slot *slot)
{
    int r = 0;

    slot->n_in = 0;
    while (r == 0 && !part_has_mark(slot)) {
        if (slot->n_in == PART_BYTES || (self->n_in == 0 && self->source_ended)) {
            return PART_NONE;
        }
        if (self->n_in == 0) {
            r = inflate_refill(self);
        }
        else {
            inflate_consume(self, part_copy(slot, self->in, self->n_in));
        }
    }
    if (r == 0) {
        r = part_is_end(self, &slot->is_last);
    }
    return r == -ENODATA ? PART_NONE : r;
}

/* --- going on --------------------------------------------------------------------- */

/* Keep the end of what was unpacked. */
static void
window_add(struct inflate *self, const uint8_t *data, size_t size)
{
    size_t n_kept;

    if (size >= INFLATE_WINDOW_BYTES) {
        data += size - INFLATE_WINDOW_BYTES;
        size = INFLATE_WINDOW_BYTES;
    }
    n_kept = INFLATE_WINDOW_BYTES - size;
    n_kept = n_kept < self->n_window ? n_kept : self->n_window;
    memmove(self->window, self->window + self->n_window - n_kept, n_kept);
    memcpy(self->window + n_kept, data, size);
    self->n_window = n_kept + size;
}

/* The oldest block is part of the data, or was none: PART_NONE. */
static int
part_accept(struct inflate *self, const struct part_slot *slot)
{
    if (slot->result < 0) {
        return slot->result == -EBADMSG ? PART_NONE : slot->result;
    }
    self->check = self->format->combine(self->check, slot->check, slot->n_out);
    self->n_bytes += slot->n_out;
    window_add(self, slot->out, slot->n_out);
    return 0;
}

static size_t
backlog_add(uint8_t *backlog, size_t at, const struct part_slot *slot)
{
    memcpy(backlog + at, slot->in, slot->n_in);
    return at + slot->n_in;
}

/* Read on as a stream: from the block in `bad`, those that were given after it, and
 * what was collected in `open`; each may be NULL. */
static int
blocks_give_up(struct inflate *self, const struct part_slot *bad,
               const struct part_slot *open)
{
    uint8_t *backlog = mem_alloc((self->ring.n_busy + 2) * PART_BYTES + self->n_in);
    const struct team_job *job;
    size_t n = 0;

    if (!backlog) {
        return -ENOMEM;
    }
    if (bad) {
        n = backlog_add(backlog, n, bad);
    }
    while ((job = ring_take(&self->ring))) {
        n = backlog_add(backlog, n, (const struct part_slot *)job);
    }
    if (open) {
        n = backlog_add(backlog, n, open);
    }
    if (self->n_in > 0) {
        memcpy(backlog + n, self->in, self->n_in);
    }
    mem_free(self->backlog);
    self->backlog = backlog;
    self->in = backlog;
    self->n_in += n;
    return inflate_begin_stream(self);
}

static void
blocks_end(struct inflate *self)
{
    inflate_consume(self, DEFLATE_LAST_BYTES);
    self->place = INFLATE_TRAILER;
}

/* --- into the caller's buffer ----------------------------------------------------- */

/* Accept the oldest block: its data is in its place already. */
static int
direct_retire(struct inflate *self, struct codec_flow *flow, struct part_slot **ret_bad)
{
    struct part_slot *slot = (struct part_slot *)ring_take(&self->ring);
    int r = part_accept(self, slot);

    if (r == 0) {
        codec_flow_advance(flow, 0, slot->n_out);
    }
    if (r == PART_NONE) {
        *ret_bad = slot;
    }
    return r;
}

/* Have the next block unpacked behind those that are on their way. */
static int
direct_give(struct inflate *self, struct codec_flow *flow, struct part_slot **ret_bad,
            struct part_slot **ret_open)
{
    struct team_job *job = NULL;
    bool is_end = false;
    int r = 0;

    while (r == 0 && ring_is_full(&self->ring)) {
        r = direct_retire(self, flow, ret_bad);
    }
    if (r == 0) {
        r = part_is_end(self, &is_end);
    }
    if (r == 0) {
        r = is_end ? PART_END : ring_next(&self->ring, &job);
    }
    if (r != 0) {
        return r;
    }
    r = part_collect(self, (struct part_slot *)job);
    if (r == PART_NONE) {
        *ret_open = (struct part_slot *)job;
    }
    if (r == 0) {
        ((struct part_slot *)job)->out =
            flow->out + self->ring.n_busy * DEFLATE_BLOCK_BYTES;
        ring_give(&self->ring);
    }
    return r;
}

/* As many blocks as surely fit. Whatever happens, nobody writes to the caller's buffer
 * afterwards. */
static int
direct_read(struct inflate *self, struct codec_flow *flow)
{
    struct part_slot *bad = NULL, *open = NULL;
    int r = 0, accepted;

    while (r == 0 && flow->n_out / DEFLATE_BLOCK_BYTES > self->ring.n_busy) {
        r = direct_give(self, flow, &bad, &open);
    }
    while (r >= 0 && !bad && self->ring.n_busy > 0) {
        accepted = direct_retire(self, flow, &bad);
        r = accepted < 0 ? accepted : r;
    }
    if (r >= 0 && (bad || open)) {
        r = blocks_give_up(self, bad, open);
    }
    if (r == PART_END) {
        blocks_end(self);
        r = 0;
    }
    while (ring_take(&self->ring)) {
        /* There is an error, and they no longer count. */
    }
    return r;
}

/* --- for callers with less room than a block -------------------------------------- */

static int
spare_fill(struct inflate *self)
{
    struct team_job *job = NULL;
    struct part_slot *slot;
    int r;

    if (!self->spare) {
        self->spare = mem_alloc(DEFLATE_BLOCK_BYTES);
    }
    r = self->spare ? ring_next(&self->ring, &job) : -ENOMEM;
    if (r < 0) {
        return r;
    }
    slot = (struct part_slot *)job;
    slot->out = self->spare;
    r = part_collect(self, slot);
    if (r == 0) {
        ring_give(&self->ring);
        (void)ring_take(&self->ring);
        r = part_accept(self, slot);
    }
    if (r == PART_NONE) {
        return blocks_give_up(self, slot, NULL);
    }
    if (r == 0) {
        self->spare_at = 0;
        self->n_spare = slot->n_out;
    }
    return r;
}

static int
spare_read(struct inflate *self, struct codec_flow *flow)
{
    size_t n = self->n_spare - self->spare_at;
    bool is_end = false;
    int r;

    if (n > 0) {
        n = n < flow->n_out ? n : flow->n_out;
        memcpy(flow->out, self->spare + self->spare_at, n);
        self->spare_at += n;
        codec_flow_advance(flow, 0, n);
        return 0;
    }
    r = part_is_end(self, &is_end);
    if (r < 0) {
        return r;
    }
    if (is_end) {
        blocks_end(self);
        return 0;
    }
    return spare_fill(self);
}

int
inflate_blocks_read(struct inflate *self, struct codec_flow *flow)
{
    return flow->n_out >= DEFLATE_BLOCK_BYTES && self->spare_at == self->n_spare
               ? direct_read(self, flow)
               : spare_read(self, flow);
}
