/* lz4 frames, any number one after the other, skippable ones among them. Those of the
 * old "legacy" format are not read: liblz4 does not know them either. */

#include <errno.h>
#include <lz4frame.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/memory.h"
#include "codec/ops.h"

/* Each part is a frame of one block, with a checksum. */
#define LZ4_BLOCK_BYTES ((size_t)256 * 1024)

struct lz4_coder {
    LZ4F_cctx *context;
    LZ4F_preferences_t preferences;
};

static LZ4F_preferences_t
lz4_preferences(int level)
{
    return (LZ4F_preferences_t){
        .frameInfo = {.blockSizeID = LZ4F_max256KB,
                      .blockMode = LZ4F_blockIndependent,
                      .contentChecksumFlag = LZ4F_contentChecksumEnabled},
        .compressionLevel = level,
        .autoFlush = 1,
    };
}

static int
lz4_error(size_t code)
{
    const char *name = LZ4F_getErrorName(code);

    return strcmp(name, "ERROR_allocation_failed") == 0 ? -ENOMEM : -EBADMSG;
}

static size_t
lz4_block_bytes(int level)
{
    (void)level;
    return LZ4_BLOCK_BYTES;
}

static size_t
lz4_part_bytes(size_t n_in)
{
    return LZ4F_compressFrameBound(n_in, NULL);
}

static int
lz4_coder_new(int level, void **ret_coder)
{
    AUTO(mem_free_p) struct lz4_coder *self = mem_alloc_zero(1, sizeof(*self));

    if (!self ||
        LZ4F_isError(LZ4F_createCompressionContext(&self->context, LZ4F_VERSION))) {
        return -ENOMEM;
    }
    self->preferences = lz4_preferences(level);
    *ret_coder = TAKE_PTR(self);
    return 0;
}

static int
lz4_encode(void *coder, struct codec_block *block)
{
    struct lz4_coder *self = coder;
    uint8_t *out = block->out;
    size_t room = block->n_out, n;

    n = LZ4F_compressBegin(self->context, out, room, &self->preferences);
    for (int i = 0; i < 2 && !LZ4F_isError(n); i++) {
        out += n;
        room -= n;
        n = i == 0 ? LZ4F_compressUpdate(self->context, out, room, block->in,
                                         block->n_in, NULL)
                   : LZ4F_compressEnd(self->context, out, room, NULL);
    }
    if (LZ4F_isError(n)) {
        return lz4_error(n);
    }
    block->n_out = (size_t)(out - block->out) + n;
    return 0;
}

static void
lz4_coder_free(void *coder)
{
    struct lz4_coder *self = coder;

    (void)LZ4F_freeCompressionContext(self->context);
    mem_free(self);
}

static const struct codec_blocks lz4_blocks = {
    .block_bytes = lz4_block_bytes,
    .part_bytes = lz4_part_bytes,
    .coder_new = lz4_coder_new,
    .encode = lz4_encode,
    .coder_free = lz4_coder_free,
};

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
    .blocks = &lz4_blocks,
    .decoder_new = lz4_decoder_new,
    .decode = lz4_decode,
    .decoder_restart = lz4_decoder_restart,
    .decoder_free = lz4_decoder_free,
};
