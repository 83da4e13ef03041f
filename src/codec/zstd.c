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

static int
zstd_encoder_new(int level, void **ret_encoder)
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
    *ret_encoder = context;
    return 0;
}

/* One call of libzstd on the flow; the number of bytes still to come, or an error. */
static size_t
zstd_call(ZSTD_CCtx *context, struct codec_flow *flow, ZSTD_EndDirective directive)
{
    ZSTD_inBuffer in = {flow->in, flow->n_in, 0};
    ZSTD_outBuffer out = {flow->out, flow->n_out, 0};
    size_t n_left = ZSTD_compressStream2(context, &out, &in, directive);

    codec_flow_advance(flow, in.pos, out.pos);
    return n_left;
}

static int
zstd_encode(void *encoder, struct codec_flow *flow)
{
    size_t n_left;

    while (flow->n_in > 0 && flow->n_out > 0) {
        n_left = zstd_call(encoder, flow, ZSTD_e_continue);
        if (ZSTD_isError(n_left)) {
            return zstd_error(n_left);
        }
    }
    return CODEC_MORE;
}

static int
zstd_finish(void *encoder, struct codec_flow *flow)
{
    size_t n_left = zstd_call(encoder, flow, ZSTD_e_end);

    if (ZSTD_isError(n_left)) {
        return zstd_error(n_left);
    }
    return n_left == 0 ? CODEC_END : CODEC_MORE;
}

static void
zstd_encoder_free(void *encoder)
{
    (void)ZSTD_freeCCtx(encoder);
}

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
    .encoder_new = zstd_encoder_new,
    .encode = zstd_encode,
    .finish = zstd_finish,
    .encoder_free = zstd_encoder_free,
    .decoder_new = zstd_decoder_new,
    .decode = zstd_decode,
    .decoder_restart = zstd_decoder_restart,
    .decoder_free = zstd_decoder_free,
};
