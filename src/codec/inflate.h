/* A reader of zlib streams (RFC 1950) or gzip files (RFC 1952).
 *
 *      HEADER --> STREAM ------------------------------------> TRAILER --> BETWEEN
 *         |          ^                                            ^  ^        |
 *         |          +--- one was none after all ---+             |  +--------+
 *         +-------------------------------------> BLOCKS ---------+  a member, or DONE
 *
 * STREAM (inflate.c): as zlib reads it. BLOCKS (inflate_blocks.c): a stream that begins
 * as ours do is taken for one of blocks that stand alone, each up to the next
 * DEFLATE_MARK and of DEFLATE_BLOCK_BYTES; they are unpacked at once, straight into the
 * caller's buffer. The mark may also come about by chance, and others may begin a
 * stream like ours: then a block is not sound or not of that size, and from its
 * beginning on the stream is read like any other. */

#ifndef CODEC_INFLATE_H
#define CODEC_INFLATE_H

#include "codec/deflate.h"
#include "codec/ring.h"

/* How far deflate refers back. */
#define INFLATE_WINDOW_BYTES ((size_t)32 * 1024)

enum inflate_place {
    INFLATE_HEADER,
    INFLATE_STREAM,
    INFLATE_BLOCKS,
    INFLATE_TRAILER,
    INFLATE_BETWEEN,
    INFLATE_DONE,
};

struct inflate;

struct inflate_format {
    int (*read_header)(struct inflate *self);
    int (*read_trailer)(struct inflate *self);
    uint32_t (*check)(uint32_t before, const void *data, size_t size);
    uint32_t (*combine)(uint32_t before, uint32_t check, uint64_t n_bytes);
    uint32_t check_of_nothing;
    uint8_t first; /* of each member */
    bool has_members;
};

struct inflate {
    const struct inflate_format *format;
    struct cj_source source;
    enum inflate_place place;
    uint32_t check; /* of the member, so far */
    uint64_t n_bytes;

    const uint8_t *in; /* what is not used yet, of `buffer` or of `backlog` */
    size_t n_in;
    bool source_ended;
    uint8_t *backlog; /* input that was taken for blocks; or NULL */

    struct z_stream_s *z; /* NULL: not needed yet */

    struct ring ring;
    uint8_t *spare; /* a block for callers with less room; NULL: not needed yet */
    size_t spare_at, n_spare;
    size_t n_window; /* data before the next block: what it might refer to */
    uint8_t window[INFLATE_WINDOW_BYTES];

    uint8_t buffer[CODEC_BUFFER_BYTES];
};

/* Get more input; only called when there is none left. */
CJ_MUST_CHECK int inflate_refill(struct inflate *self);

/* Have `n` bytes lie at `in`, n at most 16. -ENODATA: there are fewer. */
CJ_MUST_CHECK int inflate_peek(struct inflate *self, size_t n);

static inline void
inflate_consume(struct inflate *self, size_t n)
{
    self->in += n;
    self->n_in -= n;
}

/* Go on from here as a stream, which may refer to the window. */
CJ_MUST_CHECK int inflate_begin_stream(struct inflate *self);

void inflate_blocks_init(struct inflate *self, unsigned int n_threads);
void inflate_blocks_done(struct inflate *self);

/* Unpack blocks into the room, and move it on. */
CJ_MUST_CHECK int inflate_blocks_read(struct inflate *self, struct codec_flow *flow);

#endif
