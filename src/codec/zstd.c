/* zstd frames (RFC 8878), any number one after the other, skippable ones among them. */

#include <errno.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "codec/ops.h"

/* The largest window the format's library makes, not only the 128 MB its tool reads
 * without being asked: every legal stream is read. */
#define ZSTD_WINDOW_LOG_MAX 31

static int
zstd_error(size_t code)
{
    return ZSTD_getErrorCode(code) == ZSTD_error_memory_allocation ? -ENOMEM : -EBADMSG;
}

/* Each part is a frame of its own, that refers to nothing before it: the higher the
 * level, the more that costs, and the larger the blocks. */
static size_t
zstd_block_bytes(int level)
{
    return (size_t)1 << (level < 6 ? 20 : level < 13 ? 22 : level < 20 ? 23 : 25);
}

static int
zstd_coder_new(int level, void **ret_coder)
{
    ZSTD_CCtx *context = ZSTD_createCCtx();

    if (!context) {
        return -ENOMEM;
    }
    if (ZSTD_isError(ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, level)) ||
        ZSTD_isError(ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1))) {
        (void)ZSTD_freeCCtx(context);
        return -EINVAL;
    }
    *ret_coder = context;
    return 0;
}

static int
zstd_encode(void *coder, struct codec_block *block)
{
    size_t n = ZSTD_compress2(coder, block->out, block->n_out, block->in, block->n_in);

    if (ZSTD_isError(n)) {
        return zstd_error(n);
    }
    block->n_out = n;
    return 0;
}

static void
zstd_coder_free(void *coder)
{
    (void)ZSTD_freeCCtx(coder);
}

static const struct codec_blocks zstd_blocks = {
    .block_bytes = zstd_block_bytes,
    .part_bytes = ZSTD_compressBound,
    .coder_new = zstd_coder_new,
    .encode = zstd_encode,
    .coder_free = zstd_coder_free,
};

static int
zstd_decoder_new(void **ret_decoder)
{
    ZSTD_DCtx *context = ZSTD_createDCtx();

    if (!context) {
        return -ENOMEM;
    }
    if (ZSTD_isError(ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax,
                                            ZSTD_WINDOW_LOG_MAX))) {
        (void)ZSTD_freeDCtx(context);
        return -EINVAL;
    }
    *ret_decoder = context;
    return 0;
}

static int
zstd_decode(void *decoder, struct codec_flow *flow, bool is_last)
{
    ZSTD_inBuffer in = {flow->in, flow->n_in, 0};
    ZSTD_outBuffer out = {flow->out, flow->n_out, 0};
    size_t n_wanted = ZSTD_decompressStream(decoder, &out, &in);

    (void)is_last;
    if (ZSTD_isError(n_wanted)) {
        return zstd_error(n_wanted);
    }
    codec_flow_advance(flow, in.pos, out.pos);
    return n_wanted == 0 ? CODEC_END : CODEC_MORE;
}

/* The context is ready for another frame by itself: 28 b5 2f fd, or 5x 2a 4d 18. */
static int
zstd_decoder_restart(void *decoder, uint8_t first)
{
    (void)decoder;
    return first == 0x28 || (first & 0xf0) == 0x50 ? 0 : -EBADMSG;
}

static void
zstd_decoder_free(void *decoder)
{
    (void)ZSTD_freeDCtx(decoder);
}

const struct codec_ops codec_zstd = {
    .blocks = &zstd_blocks,
    .decoder_new = zstd_decoder_new,
    .decode = zstd_decode,
    .decoder_restart = zstd_decoder_restart,
    .decoder_free = zstd_decoder_free,
};
