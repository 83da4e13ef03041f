/* What a compression library must be able to do for encoder.c and decoder.c.
 *
 * Streams: bytes lie in front of it, room lies behind it, and a step moves both on.
 *
 *      in ->|######......|        encode, decode        |####........|<- out
 *            taken  n_in           -------->             made   n_out
 *
 * Blocks, of formats that can be put together from parts: each becomes its part alone,
 * so that many can be made at once; see blocks.c.
 *
 *      begin | part of block 1 | part of block 2 | ... | end
 *
 * A library that was not built in is a table of zeros, from the file of its name under
 * missing/. */

#ifndef CODEC_OPS_H
#define CODEC_OPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cjoblib/codec.h"

/* The room behind an encoder and before a decoder. An encoder that is called with all
 * of it free makes progress: this is enough for the largest piece any library insists
 * on. */
#define CODEC_BUFFER_BYTES ((size_t)256 * 1024)

struct codec_flow {
    const uint8_t *in;
    size_t n_in;
    uint8_t *out;
    size_t n_out;
};

enum codec_step {
    CODEC_MORE, /* call again, with more input or more room */
    CODEC_END,  /* the stream, or this member of it, is complete */
};

struct codec_block {
    const uint8_t *in;
    size_t n_in;
    bool is_only; /* no block came before it and none will come */
    uint8_t *out;
    size_t n_out;   /* the room there, then what was made */
    uint32_t check; /* of `in`, for formats with one checksum of all */
};

/* What comes before the first part and behind the last one. */
#define CODEC_ENDS_BYTES 32

struct codec_blocks {
    /* How many bytes a block has, unless it is the last; what its part can't exceed. */
    size_t (*block_bytes)(int level);
    size_t (*part_bytes)(size_t n_in);

    /* What makes one part at a time. */
    int (*coder_new)(int level, void **ret_coder);
    int (*encode)(void *coder, struct codec_block *block);
    void (*coder_free)(void *coder);

    /* Write what stands at the stream's ends, and say how much; NULL: nothing. */
    size_t (*begin)(int level, bool is_only, uint8_t *out);
    size_t (*end)(bool is_only, uint32_t check, uint64_t n_bytes, uint8_t *out);
    /* The check of one block that follows others. NULL: the format has none. */
    uint32_t (*combine)(uint32_t before, uint32_t check, uint64_t n_bytes);
    uint32_t check_of_nothing;
};

/* A decoder that does all itself: finds its input and what follows a member. */
struct codec_reader {
    int (*reader_new)(unsigned int n_threads, struct cj_source source,
                      void **ret_reader);
    /* Fill the room behind `flow`, which has no input, as far as there is data. 0 or
     * an error of cj_decoder_read(). */
    int (*read)(void *reader, struct codec_flow *flow);
    void (*reader_free)(void *reader);
};

extern const struct codec_reader zlib_reader, gzip_reader; /* inflate.c */

/* A step returns an enum codec_step or -errno; after -errno only the free function is
 * called. `void *` is the library's own state, which its *_new makes. */
struct codec_ops {
    const struct codec_blocks *blocks; /* or the next four */

    int (*encoder_new)(int level, unsigned int n_threads, void **ret_encoder);
    /* Take all of `in`, or as much as fits into `out`; always CODEC_MORE. */
    int (*encode)(void *encoder, struct codec_flow *flow);
    /* `in` is empty; CODEC_MORE means that `out` was too small. */
    int (*finish)(void *encoder, struct codec_flow *flow);
    void (*encoder_free)(void *encoder);

    const struct codec_reader *reader; /* or all that follows */

    int (*decoder_new)(void **ret_decoder);
    /* `is_last`: nothing follows `in`. No progress on the last input is a stream cut
     * off. */
    int (*decode)(void *decoder, struct codec_flow *flow, bool is_last);
    /* Make ready for another member, whose first byte is `first`; -EBADMSG: no member
     * starts so. NULL: members never follow each other, or decode() sees to it. */
    int (*decoder_restart)(void *decoder, uint8_t first);
    void (*decoder_free)(void *decoder);
};

/* Whether the library behind it was built in. */
static inline bool
codec_ops_are_there(const struct codec_ops *ops)
{
    return ops->decoder_new || ops->reader;
}

extern const struct codec_ops codec_zlib, codec_gzip; /* zlib.c */
extern const struct codec_ops codec_bz2;              /* bz2.c */
extern const struct codec_ops codec_lzma, codec_xz;   /* lzma.c */
extern const struct codec_ops codec_lz4;              /* lz4.c */
extern const struct codec_ops codec_zstd;             /* zstd.c */

/* What a kind is, for the two drivers. NULL: no such kind. */
struct codec_kind {
    const char *name;
    int level_min, level_max, level_default;
    const struct codec_ops *ops;
};

const struct codec_kind *codec_kind_find(enum cj_codec_kind kind);

/* An encoder that works in blocks. `n_threads` as in struct cj_codec_options. */
struct blocks;

CJ_MUST_CHECK int blocks_new(const struct codec_blocks *ops, int level,
                             unsigned int n_threads, struct cj_sink sink,
                             struct blocks **ret_blocks);
CJ_MUST_CHECK int blocks_write(struct blocks *blocks, const void *data, size_t size);
CJ_MUST_CHECK int blocks_finish(struct blocks *blocks);
void blocks_free(struct blocks *blocks);

/* Move the front of a flow on. */
static inline void
codec_flow_advance(struct codec_flow *flow, size_t n_taken, size_t n_made)
{
    flow->in += n_taken;
    flow->n_in -= n_taken;
    flow->out += n_made;
    flow->n_out -= n_made;
}

#endif
