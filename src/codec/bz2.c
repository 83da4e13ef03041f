/* bzip2 streams, any number one after the other. */

#include <bzlib.h>
#include <errno.h>
#include <limits.h>

#include "base/cleanup.h"
#include "base/memory.h"
#include "codec/ops.h"

struct bz2_coder {
    int level;
};

static void *
bz2_alloc(void *opaque, int n, int size)
{
    (void)opaque;
    return n < 0 || size < 0 ? NULL : mem_alloc_zero((size_t)n, (size_t)size);
}

static void
bz2_release(void *opaque, void *block)
{
    (void)opaque;
    mem_free(block);
}

static bz_stream *
bz2_stream_new(void)
{
    bz_stream *bz = mem_alloc_zero(1, sizeof(*bz));

    if (bz) {
        bz->bzalloc = bz2_alloc;
        bz->bzfree = bz2_release;
    }
    return bz;
}

static unsigned int
bz2_count(size_t n)
{
    return n < UINT_MAX ? (unsigned int)n : UINT_MAX;
}

/* One call of libbz2 on the flow. Its input pointer is not const; it only reads. */
static int
bz2_call(bz_stream *bz, struct codec_flow *flow, int (*call)(bz_stream *, int),
         int action)
{
    unsigned int n_in = bz2_count(flow->n_in), n_out = bz2_count(flow->n_out);
    int code;

    bz->next_in = (char *)(uintptr_t)flow->in;
    bz->avail_in = n_in;
    bz->next_out = (char *)flow->out;
    bz->avail_out = n_out;
    code = call(bz, action);
    codec_flow_advance(flow, n_in - bz->avail_in, n_out - bz->avail_out);
    return code;
}

static int
bz2_call_decompress(bz_stream *bz, int action)
{
    (void)action;
    return BZ2_bzDecompress(bz);
}

/* Each part is a stream of its own. As much data as nine blocks of 100 kB, less what
 * libbz2 keeps of each for itself. */
static size_t
bz2_block_bytes(int level)
{
    size_t n_inner = 9 / (size_t)level;

    return n_inner * ((size_t)level * 100000 - 32);
}

static size_t
bz2_part_bytes(size_t n_in)
{
    return n_in + n_in / 100 + 600;
}

static int
bz2_coder_new(int level, void **ret_coder)
{
    struct bz2_coder *self = mem_alloc(sizeof(*self));

    if (!self) {
        return -ENOMEM;
    }
    self->level = level;
    *ret_coder = self;
    return 0;
}

static int
bz2_encode(void *coder, struct codec_block *block)
{
    struct bz2_coder *self = coder;
    bz_stream bz = {.bzalloc = bz2_alloc, .bzfree = bz2_release};
    struct codec_flow flow = {block->in, block->n_in, block->out, block->n_out};
    int code;

    if (BZ2_bzCompressInit(&bz, self->level, 0, 0) != BZ_OK) {
        return -ENOMEM;
    }
    do {
        code = bz2_call(&bz, &flow, BZ2_bzCompress, BZ_FINISH);
    } while (code == BZ_FINISH_OK && flow.n_out > 0);
    (void)BZ2_bzCompressEnd(&bz);
    block->n_out -= flow.n_out;
    return code == BZ_STREAM_END ? 0 : -EIO;
}

static const struct codec_blocks bz2_blocks = {
    .block_bytes = bz2_block_bytes,
    .part_bytes = bz2_part_bytes,
    .coder_new = bz2_coder_new,
    .encode = bz2_encode,
    .coder_free = mem_free,
};

static int
bz2_decoder_new(void **ret_decoder)
{
    AUTO(mem_free_p) bz_stream *bz = bz2_stream_new();

    if (!bz || BZ2_bzDecompressInit(bz, 0, 0) != BZ_OK) {
        return -ENOMEM;
    }
    *ret_decoder = TAKE_PTR(bz);
    return 0;
}

static int
bz2_decode(void *decoder, struct codec_flow *flow, bool is_last)
{
    (void)is_last;
    switch (bz2_call(decoder, flow, bz2_call_decompress, 0)) {
    case BZ_STREAM_END:
        return CODEC_END;
    case BZ_OK:
        return CODEC_MORE;
    case BZ_MEM_ERROR:
        return -ENOMEM;
    default:
        return -EBADMSG;
    }
}

static int
bz2_decoder_restart(void *decoder, uint8_t first)
{
    if (first != 'B') {
        return -EBADMSG;
    }
    (void)BZ2_bzDecompressEnd(decoder);
    return BZ2_bzDecompressInit(decoder, 0, 0) == BZ_OK ? 0 : -ENOMEM;
}

static void
bz2_decoder_free(void *decoder)
{
    /* Nothing to end when a restart failed: libbz2 says so and does nothing. */
    (void)BZ2_bzDecompressEnd(decoder);
    mem_free(decoder);
}

const struct codec_ops codec_bz2 = {
    .blocks = &bz2_blocks,
    .decoder_new = bz2_decoder_new,
    .decode = bz2_decode,
    .decoder_restart = bz2_decoder_restart,
    .decoder_free = bz2_decoder_free,
};
