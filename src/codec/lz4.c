/* lz4 frames, any number one after the other, skippable ones among them. Those of the
 * old "legacy" format are not read: liblz4 does not know them either. */

#include <errno.h>
#include <lz4frame.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/memory.h"
#include "codec/ops.h"

/* A block, and what the library is given at once: two of them, whatever they become,
 * fit into CODEC_BUFFER_BYTES. */
#define LZ4_PIECE_BYTES ((size_t)64 * 1024)

struct lz4_encoder {
    LZ4F_cctx *context;
    LZ4F_preferences_t preferences;
    bool is_begun;
};

static int
lz4_error(size_t code)
{
    const char *name = LZ4F_getErrorName(code);

    return strcmp(name, "ERROR_allocation_failed") == 0 ? -ENOMEM : -EBADMSG;
}

static int
lz4_encoder_new(int level, void **ret_encoder)
{
    AUTO(mem_free_p) struct lz4_encoder *self = mem_alloc_zero(1, sizeof(*self));

    if (!self ||
        LZ4F_isError(LZ4F_createCompressionContext(&self->context, LZ4F_VERSION))) {
        return -ENOMEM;
    }
    self->preferences.compressionLevel = level;
    self->preferences.frameInfo.blockSizeID = LZ4F_max64KB;
    self->preferences.frameInfo.contentChecksumFlag = LZ4F_contentChecksumEnabled;
    *ret_encoder = TAKE_PTR(self);
    return 0;
}

/* Write the frame's header, once. */
static int
lz4_encoder_begin(struct lz4_encoder *self, struct codec_flow *flow)
{
    size_t n_made;

    if (self->is_begun || flow->n_out < LZ4F_HEADER_SIZE_MAX) {
        return 0;
    }
    n_made =
        LZ4F_compressBegin(self->context, flow->out, flow->n_out, &self->preferences);
    if (LZ4F_isError(n_made)) {
        return lz4_error(n_made);
    }
    self->is_begun = true;
    codec_flow_advance(flow, 0, n_made);
    return 0;
}

static int
lz4_encode(void *encoder, struct codec_flow *flow)
{
    struct lz4_encoder *self = encoder;
    size_t n_piece, n_made;
    int r = lz4_encoder_begin(self, flow);

    while (r == 0 && flow->n_in > 0) {
        n_piece = flow->n_in < LZ4_PIECE_BYTES ? flow->n_in : LZ4_PIECE_BYTES;
        if (flow->n_out < LZ4F_compressBound(n_piece, &self->preferences)) {
            break;
        }
        n_made = LZ4F_compressUpdate(self->context, flow->out, flow->n_out, flow->in,
                                     n_piece, NULL);
        if (LZ4F_isError(n_made)) {
            return lz4_error(n_made);
        }
        codec_flow_advance(flow, n_piece, n_made);
    }
    return r;
}

static int
lz4_finish(void *encoder, struct codec_flow *flow)
{
    struct lz4_encoder *self = encoder;
    size_t n_made;
    int r = lz4_encoder_begin(self, flow);

    if (r < 0) {
        return r;
    }
    if (flow->n_out < LZ4F_compressBound(0, &self->preferences)) {
        return CODEC_MORE;
    }
    n_made = LZ4F_compressEnd(self->context, flow->out, flow->n_out, NULL);
    if (LZ4F_isError(n_made)) {
        return lz4_error(n_made);
    }
    codec_flow_advance(flow, 0, n_made);
    return CODEC_END;
}

static void
lz4_encoder_free(void *encoder)
{
    struct lz4_encoder *self = encoder;

    (void)LZ4F_freeCompressionContext(self->context);
    mem_free(self);
}

static int
lz4_decoder_new(void **ret_decoder)
{
    LZ4F_dctx *context;

    if (LZ4F_isError(LZ4F_createDecompressionContext(&context, LZ4F_VERSION))) {
        return -ENOMEM;
    }
    *ret_decoder = context;
    return 0;
}

static int
lz4_decode(void *decoder, struct codec_flow *flow, bool is_last)
{
    size_t n_in = flow->n_in, n_out = flow->n_out;
    size_t n_wanted =
        LZ4F_decompress(decoder, flow->out, &n_out, flow->in, &n_in, NULL);

    (void)is_last;
    if (LZ4F_isError(n_wanted)) {
        return lz4_error(n_wanted);
    }
    codec_flow_advance(flow, n_in, n_out);
    return n_wanted == 0 ? CODEC_END : CODEC_MORE;
}

/* The context is ready for another frame by itself: 04 22 4d 18, or 5x 2a 4d 18. */
static int
lz4_decoder_restart(void *decoder, uint8_t first)
{
    (void)decoder;
    return first == 0x04 || (first & 0xf0) == 0x50 ? 0 : -EBADMSG;
}

static void
lz4_decoder_free(void *decoder)
{
    (void)LZ4F_freeDecompressionContext(decoder);
}

const struct codec_ops codec_lz4 = {
    .encoder_new = lz4_encoder_new,
    .encode = lz4_encode,
    .finish = lz4_finish,
    .encoder_free = lz4_encoder_free,
    .decoder_new = lz4_decoder_new,
    .decode = lz4_decode,
    .decoder_restart = lz4_decoder_restart,
    .decoder_free = lz4_decoder_free,
};
