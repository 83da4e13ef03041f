/* What a compression library must be able to do for encoder.c and decoder.c.
 *
 * All of them are driven by the same two hands: bytes lie in front of them, room lies
 * behind them, and a step moves both on.
 *
 *      in ->|######......|        encode, decode        |####........|<- out
 *            taken  n_in           -------->             made   n_out
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

/* A step returns an enum codec_step or -errno; after -errno only the free function is
 * called. `void *` is the library's own state, which its *_new makes. */
struct codec_ops {
    int (*encoder_new)(int level, void **ret_encoder);
    /* Take all of `in`, or as much as fits into `out`; always CODEC_MORE. */
    int (*encode)(void *encoder, struct codec_flow *flow);
    /* `in` is empty; CODEC_MORE means that `out` was too small. */
    int (*finish)(void *encoder, struct codec_flow *flow);
    void (*encoder_free)(void *encoder);

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
    return ops->encoder_new != NULL;
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
