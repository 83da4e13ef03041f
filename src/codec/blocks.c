/* An encoder that cuts the data into blocks, has them compressed at once, and puts the
 * parts together in order:
 *
 *      write ---> |block|block|block|...  given to the ring's threads
 *                    |     |
 *      sink <---- part, part, ...         the oldest first
 *
 * Blocks that lie whole in the caller's memory are not copied: blocks_write() returns
 * when nobody needs them any more. How many threads there are does not show in the
 * stream. */

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/memory.h"
#include "codec/ops.h"
#include "codec/ring.h"

struct block_slot {
    struct team_job job;
    const struct codec_blocks *ops;
    void *coder;
    struct codec_block block;
    uint8_t *copy; /* of what did not come as a whole block; NULL: not needed yet */
    uint8_t *out;
    size_t room;
    int result;
};

struct blocks {
    const struct codec_blocks *ops;
    int level;
    size_t block_bytes;
    struct cj_sink sink;
    struct ring ring;
    struct block_slot *filling; /* the next to be given; NULL: it is empty */
    size_t n_borrowed;          /* blocks in the ring that are the caller's memory */
    bool is_begun;              /* the sink has the stream's beginning */
    bool is_only;               /* there is one block */
    uint64_t n_bytes;           /* of blocks that the sink has, with their check: */
    uint32_t check;
};

static void
slot_run(struct team_job *job)
{
    struct block_slot *slot = (struct block_slot *)job;

    slot->block.out = slot->out;
    slot->block.n_out = slot->room;
    slot->result = slot->ops->encode(slot->coder, &slot->block);
}

static void
slot_free(struct team_job *job)
{
    struct block_slot *slot = (struct block_slot *)job;

    if (slot->coder) {
        slot->ops->coder_free(slot->coder);
    }
    mem_free(slot->copy);
    mem_free(slot->out);
    mem_free(slot);
}

static int
slot_new(void *context, struct team_job **ret_job)
{
    const struct blocks *blocks = context;
    struct block_slot *slot = mem_alloc_zero(1, sizeof(*slot));
    int r = -ENOMEM;

    if (!slot) {
        return -ENOMEM;
    }
    slot->job.run = slot_run;
    slot->ops = blocks->ops;
    slot->room = blocks->ops->part_bytes(blocks->block_bytes);
    slot->out = mem_alloc(slot->room);
    if (slot->out) {
        r = slot->ops->coder_new(blocks->level, &slot->coder);
    }
    if (r < 0) {
        slot_free(&slot->job);
        return r;
    }
    *ret_job = &slot->job;
    return 0;
}

int
blocks_new(const struct codec_blocks *ops, int level, unsigned int n_threads,
           struct cj_sink sink, struct blocks **ret_blocks)
{
    struct blocks *blocks = mem_alloc_zero(1, sizeof(*blocks));

    if (!blocks) {
        return -ENOMEM;
    }
    blocks->ops = ops;
    blocks->level = level;
    blocks->block_bytes = ops->block_bytes(level);
    blocks->sink = sink;
    blocks->check = ops->check_of_nothing;
    ring_init(&blocks->ring, n_threads, slot_new, slot_free, blocks);
    *ret_blocks = blocks;
    return 0;
}

void
blocks_free(struct blocks *blocks)
{
    if (blocks) {
        ring_done(&blocks->ring);
        mem_free(blocks);
    }
}

static int
blocks_emit(struct blocks *blocks, const uint8_t *data, size_t size)
{
    return size > 0 ? blocks->sink.write(blocks->sink.context, data, size) : 0;
}

/* The stream's beginning, before the first part. */
static int
blocks_begin(struct blocks *blocks)
{
    uint8_t out[CODEC_ENDS_BYTES];

    if (blocks->is_begun || !blocks->ops->begin) {
        return 0;
    }
    blocks->is_begun = true;
    return blocks_emit(blocks, out,
                       blocks->ops->begin(blocks->level, blocks->is_only, out));
}

/* Hand the oldest part to the sink. */
static int
blocks_retire(struct blocks *blocks)
{
    struct block_slot *slot = (struct block_slot *)ring_take(&blocks->ring);
    int r = slot->result;

    if (slot->block.in != slot->copy) {
        blocks->n_borrowed--;
    }
    if (r == 0) {
        r = blocks_begin(blocks);
    }
    if (r == 0) {
        r = blocks_emit(blocks, slot->out, slot->block.n_out);
    }
    blocks->n_bytes += slot->block.n_in;
    if (r == 0 && blocks->ops->combine) {
        blocks->check =
            blocks->ops->combine(blocks->check, slot->block.check, slot->block.n_in);
    }
    return r;
}

/* An empty slot; the parts before it may have to go. */
static int
blocks_next(struct blocks *blocks, struct block_slot **ret_slot)
{
    struct team_job *job;
    int r = 0;

    while (r == 0 && ring_is_full(&blocks->ring)) {
        r = blocks_retire(blocks);
    }
    if (r == 0) {
        r = ring_next(&blocks->ring, &job);
    }
    if (r == 0) {
        *ret_slot = (struct block_slot *)job;
    }
    return r;
}

static int
blocks_borrow(struct blocks *blocks, const uint8_t *data)
{
    struct block_slot *slot = NULL;
    int r = blocks_next(blocks, &slot);

    if (r == 0) {
        slot->block = (struct codec_block){.in = data, .n_in = blocks->block_bytes};
        blocks->n_borrowed++;
        ring_give(&blocks->ring);
    }
    return r;
}

/* Have a slot that is filled piece by piece. */
static int
blocks_open(struct blocks *blocks)
{
    struct block_slot *slot = blocks->filling;
    int r = slot ? 0 : blocks_next(blocks, &slot);

    if (r < 0 || blocks->filling) {
        return r;
    }
    if (!slot->copy) {
        slot->copy = mem_alloc(blocks->block_bytes);
    }
    if (!slot->copy) {
        return -ENOMEM;
    }
    slot->block = (struct codec_block){.in = slot->copy};
    blocks->filling = slot;
    return 0;
}

/* Take in as much as the slot has room for; how much that was. */
static int
blocks_fill(struct blocks *blocks, const uint8_t *data, size_t size, size_t *ret_n)
{
    struct block_slot *slot;
    int r = blocks_open(blocks);
    size_t n;

    if (r < 0) {
        return r;
    }
    slot = blocks->filling;
    n = blocks->block_bytes - slot->block.n_in;
    n = n < size ? n : size;
    memcpy(slot->copy + slot->block.n_in, data, n);
    slot->block.n_in += n;
    if (slot->block.n_in == blocks->block_bytes) {
        blocks->filling = NULL;
        ring_give(&blocks->ring);
    }
    *ret_n = n;
    return 0;
}

int
blocks_write(struct blocks *blocks, const void *data, size_t size)
{
    const uint8_t *bytes = data;
    size_t n;
    int r = 0;

    for (size_t at = 0; r == 0 && at < size; at += n) {
        n = blocks->block_bytes;
        if (!blocks->filling && size - at >= n) {
            r = blocks_borrow(blocks, bytes + at);
        }
        else {
            r = blocks_fill(blocks, bytes + at, size - at, &n);
        }
    }
    while (r == 0 && blocks->n_borrowed > 0) {
        r = blocks_retire(blocks);
    }
    return r;
}

/* Give the last block; an empty one when there was nothing at all. */
static int
blocks_give_last(struct blocks *blocks)
{
    bool is_only = blocks->n_bytes == 0 && blocks->ring.n_busy == 0;
    int r = 0;

    if (is_only && !blocks->filling) {
        r = blocks_open(blocks);
    }
    if (r == 0 && blocks->filling) {
        blocks->is_only = is_only;
        blocks->filling->block.is_only = is_only;
        blocks->filling = NULL;
        ring_give(&blocks->ring);
    }
    return r;
}

int
blocks_finish(struct blocks *blocks)
{
    uint8_t out[CODEC_ENDS_BYTES];
    int r = blocks_give_last(blocks);

    while (r == 0 && blocks->ring.n_busy > 0) {
        r = blocks_retire(blocks);
    }
    if (r < 0 || !blocks->ops->end) {
        return r;
    }
    return blocks_emit(
        blocks, out,
        blocks->ops->end(blocks->is_only, blocks->check, blocks->n_bytes, out));
}
