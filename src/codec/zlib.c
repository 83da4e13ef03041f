/* zlib streams (RFC 1950, one member) and gzip files (RFC 1952, several members). */

#define ZLIB_CONST
#include <zlib.h>

#include <errno.h>
#include <limits.h>

#include "base/cleanup.h"
#include "base/memory.h"
#include "codec/ops.h"

#define ZLIB_WBITS_ZLIB 15
#define ZLIB_WBITS_GZIP (16 + 15)
#define ZLIB_MEM_LEVEL 8 /* zlib's own default */

/* zlib counts in unsigned int. */
static uInt
zlib_count(size_t n)
{
    return n < UINT_MAX ? (uInt)n : UINT_MAX;
}

static voidpf
zlib_alloc(voidpf opaque, uInt n, uInt size)
{
    (void)opaque;
    return mem_alloc_zero(n, size);
}

static void
zlib_release(voidpf opaque, voidpf block)
{
    (void)opaque;
    mem_free(block);
}

static z_stream *
zlib_stream_new(void)
{
    z_stream *z = mem_alloc_zero(1, sizeof(*z));

    if (z) {
        z->zalloc = zlib_alloc;
        z->zfree = zlib_release;
    }
    return z;
}

/* Let zlib see the flow. */
static void
zlib_lend(z_stream *z, const struct codec_flow *flow)
{
    z->next_in = flow->in;
    z->avail_in = zlib_count(flow->n_in);
    z->next_out = flow->out;
    z->avail_out = zlib_count(flow->n_out);
}

/* See in the flow what zlib did with it. */
static void
zlib_return(const z_stream *z, struct codec_flow *flow)
{
    codec_flow_advance(flow, (size_t)(z->next_in - flow->in),
                       (size_t)(z->next_out - flow->out));
}

static int
zlib_error(int code)
{
    return code == Z_MEM_ERROR ? -ENOMEM : -EBADMSG;
}

static int
zlib_encoder_init(int level, int wbits, void **ret_encoder)
{
    AUTO(mem_free_p) z_stream *z = zlib_stream_new();

    if (!z) {
        return -ENOMEM;
    }
    /* The arguments are right, so only memory can be wanting. */
    if (deflateInit2(z, level, Z_DEFLATED, wbits, ZLIB_MEM_LEVEL, Z_DEFAULT_STRATEGY)) {
        return -ENOMEM;
    }
    *ret_encoder = TAKE_PTR(z);
    return 0;
}

static int
zlib_encoder_new(int level, void **ret_encoder)
{
    return zlib_encoder_init(level, ZLIB_WBITS_ZLIB, ret_encoder);
}

static int
gzip_encoder_new(int level, void **ret_encoder)
{
    return zlib_encoder_init(level, ZLIB_WBITS_GZIP, ret_encoder);
}

static int
zlib_encode(void *encoder, struct codec_flow *flow)
{
    z_stream *z = encoder;

    while (flow->n_in > 0 && flow->n_out > 0) {
        zlib_lend(z, flow);
        (void)deflate(z, Z_NO_FLUSH);
        zlib_return(z, flow);
    }
    return CODEC_MORE;
}

static int
zlib_finish(void *encoder, struct codec_flow *flow)
{
    z_stream *z = encoder;
    int code;

    zlib_lend(z, flow);
    code = deflate(z, Z_FINISH);
    zlib_return(z, flow);
    return code == Z_STREAM_END ? CODEC_END : CODEC_MORE;
}

static void
zlib_encoder_free(void *encoder)
{
    (void)deflateEnd(encoder);
    mem_free(encoder);
}

static int
zlib_decoder_init(int wbits, void **ret_decoder)
{
    AUTO(mem_free_p) z_stream *z = zlib_stream_new();

    if (!z || inflateInit2(z, wbits) != Z_OK) {
        return -ENOMEM;
    }
    *ret_decoder = TAKE_PTR(z);
    return 0;
}

static int
zlib_decoder_new(void **ret_decoder)
{
    return zlib_decoder_init(ZLIB_WBITS_ZLIB, ret_decoder);
}

static int
gzip_decoder_new(void **ret_decoder)
{
    return zlib_decoder_init(ZLIB_WBITS_GZIP, ret_decoder);
}

static int
zlib_decode(void *decoder, struct codec_flow *flow, bool is_last)
{
    z_stream *z = decoder;
    int code;

    (void)is_last;
    zlib_lend(z, flow);
    code = inflate(z, Z_NO_FLUSH);
    zlib_return(z, flow);
    switch (code) {
    case Z_STREAM_END:
        return CODEC_END;
    case Z_OK:
    case Z_BUF_ERROR: /* nothing to do yet; the driver notices */
        return CODEC_MORE;
    default:
        return zlib_error(code);
    }
}

static int
gzip_decoder_restart(void *decoder, uint8_t first)
{
    if (first != 0x1f) {
        return -EBADMSG;
    }
    return inflateReset(decoder) == Z_OK ? 0 : -EBADMSG;
}

static void
zlib_decoder_free(void *decoder)
{
    (void)inflateEnd(decoder);
    mem_free(decoder);
}

const struct codec_ops codec_zlib = {
    .encoder_new = zlib_encoder_new,
    .encode = zlib_encode,
    .finish = zlib_finish,
    .encoder_free = zlib_encoder_free,
    .decoder_new = zlib_decoder_new,
    .decode = zlib_decode,
    .decoder_free = zlib_decoder_free,
};

const struct codec_ops codec_gzip = {
    .encoder_new = gzip_encoder_new,
    .encode = zlib_encode,
    .finish = zlib_finish,
    .encoder_free = zlib_encoder_free,
    .decoder_new = gzip_decoder_new,
    .decode = zlib_decode,
    .decoder_restart = gzip_decoder_restart,
    .decoder_free = zlib_decoder_free,
};
