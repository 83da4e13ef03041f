/* xz files (any number of streams, and the padding between them) and the older
 * lzma-alone container, by liblzma. */

#include <errno.h>
#include <lzma.h>

#include "base/cleanup.h"
#include "base/memory.h"
#include "cjoblib/cpu.h"
#include "codec/ops.h"

/* No encoder makes a dictionary above 1.5 GiB; a header that asks for more than this is
 * damaged or hostile. */
#define LZMA_LIMIT_BYTES ((uint64_t)2 << 30)

#define XZ_MIN_BLOCK_BYTES ((uint64_t)1 << 20)
#define XZ_MAX_THREADS 16
#define XZ_THREADS_LIMIT_BYTES ((uint64_t)1 << 30)

/* The byte lzma-alone starts with unless its maker turned odd knobs. */
#define LZMA_ALONE_USUAL_FIRST 0x5d

static void *
lzma_block_alloc(void *opaque, size_t n, size_t size)
{
    (void)opaque;
    return mem_alloc_zero(n, size);
}

static void
lzma_block_release(void *opaque, void *block)
{
    (void)opaque;
    mem_free(block);
}

static const lzma_allocator lzma_blocks = {lzma_block_alloc, lzma_block_release, NULL};

static lzma_stream *
lzma_stream_new(void)
{
    lzma_stream *lz = mem_alloc(sizeof(*lz));

    if (lz) {
        *lz = (lzma_stream)LZMA_STREAM_INIT;
        lz->allocator = &lzma_blocks;
    }
    return lz;
}

static void
lzma_stream_free(void *lz)
{
    lzma_end(lz);
    mem_free(lz);
}

static void
lzma_stream_free_p(lzma_stream **lz)
{
    if (*lz) {
        lzma_stream_free(*lz);
    }
}

static int
lzma_result(lzma_ret code)
{
    switch (code) {
    case LZMA_OK:
    case LZMA_BUF_ERROR: /* nothing to do yet; the driver notices */
        return CODEC_MORE;
    case LZMA_STREAM_END:
        return CODEC_END;
    case LZMA_MEM_ERROR:
    case LZMA_MEMLIMIT_ERROR:
        return -ENOMEM;
    default:
        return -EBADMSG;
    }
}

/* One call of liblzma on the flow. */
static int
lzma_call(lzma_stream *lz, struct codec_flow *flow, lzma_action action)
{
    lzma_ret code;

    lz->next_in = flow->in;
    lz->avail_in = flow->n_in;
    lz->next_out = flow->out;
    lz->avail_out = flow->n_out;
    code = lzma_code(lz, action);
    codec_flow_advance(flow, flow->n_in - lz->avail_in, flow->n_out - lz->avail_out);
    return lzma_result(code);
}

static int
alone_encoder_new(int level, unsigned int n_threads, void **ret_encoder)
{
    AUTO(lzma_stream_free_p) lzma_stream *lz = lzma_stream_new();
    lzma_options_lzma options;

    (void)n_threads;
    if (!lz) {
        return -ENOMEM;
    }
    if (lzma_lzma_preset(&options, (uint32_t)level)) {
        return -EINVAL;
    }
    if (lzma_alone_encoder(lz, &options) != LZMA_OK) {
        return -ENOMEM;
    }
    *ret_encoder = TAKE_PTR(lz);
    return 0;
}

/* Blocks as large as what they refer back to: half the work of two threads on twice
 * that, at nearly the size of one block. Threads are left out, as for a small machine,
 * where they would take too much memory. */
static unsigned int
xz_plan(int level, unsigned int n_threads, lzma_mt *ret_plan)
{
    lzma_options_lzma options;
    lzma_mt plan = {.preset = (uint32_t)level, .check = LZMA_CHECK_CRC64};

    if (lzma_lzma_preset(&options, plan.preset)) {
        return 1;
    }
    plan.block_size =
        options.dict_size < XZ_MIN_BLOCK_BYTES ? XZ_MIN_BLOCK_BYTES : options.dict_size;
    plan.threads = n_threads > 0 ? n_threads : (uint32_t)cj_cpu_count();
    plan.threads = plan.threads < XZ_MAX_THREADS ? plan.threads : XZ_MAX_THREADS;
    while (plan.threads > 1 &&
           lzma_stream_encoder_mt_memusage(&plan) > XZ_THREADS_LIMIT_BYTES) {
        plan.threads--;
    }
    *ret_plan = plan;
    return plan.threads;
}

static int
xz_encoder_new(int level, unsigned int n_threads, void **ret_encoder)
{
    AUTO(lzma_stream_free_p) lzma_stream *lz = lzma_stream_new();
    lzma_mt plan;
    lzma_ret code;

    if (!lz) {
        return -ENOMEM;
    }
    code = n_threads != 1 && xz_plan(level, n_threads, &plan) > 1
               ? lzma_stream_encoder_mt(lz, &plan)
               : lzma_easy_encoder(lz, (uint32_t)level, LZMA_CHECK_CRC64);
    if (code != LZMA_OK) {
        return -ENOMEM;
    }
    *ret_encoder = TAKE_PTR(lz);
    return 0;
}

static int
lzma_encode(void *encoder, struct codec_flow *flow)
{
    return lzma_call(encoder, flow, LZMA_RUN);
}

static int
lzma_finish(void *encoder, struct codec_flow *flow)
{
    return lzma_call(encoder, flow, LZMA_FINISH);
}

static int
alone_decoder_new(void **ret_decoder)
{
    AUTO(lzma_stream_free_p) lzma_stream *lz = lzma_stream_new();

    if (!lz || lzma_alone_decoder(lz, LZMA_LIMIT_BYTES) != LZMA_OK) {
        return -ENOMEM;
    }
    *ret_decoder = TAKE_PTR(lz);
    return 0;
}

static int
xz_decoder_new(void **ret_decoder)
{
    AUTO(lzma_stream_free_p) lzma_stream *lz = lzma_stream_new();

    if (!lz ||
        lzma_stream_decoder(lz, LZMA_LIMIT_BYTES, LZMA_CONCATENATED) != LZMA_OK) {
        return -ENOMEM;
    }
    *ret_decoder = TAKE_PTR(lz);
    return 0;
}

static int
lzma_decode(void *decoder, struct codec_flow *flow, bool is_last)
{
    return lzma_call(decoder, flow, is_last ? LZMA_FINISH : LZMA_RUN);
}

static int
alone_decoder_restart(void *decoder, uint8_t first)
{
    if (first != LZMA_ALONE_USUAL_FIRST) {
        return -EBADMSG;
    }
    return lzma_alone_decoder(decoder, LZMA_LIMIT_BYTES) == LZMA_OK ? 0 : -ENOMEM;
}

const struct codec_ops codec_lzma = {
    .encoder_new = alone_encoder_new,
    .encode = lzma_encode,
    .finish = lzma_finish,
    .encoder_free = lzma_stream_free,
    .decoder_new = alone_decoder_new,
    .decode = lzma_decode,
    .decoder_restart = alone_decoder_restart,
    .decoder_free = lzma_stream_free,
};

const struct codec_ops codec_xz = {
    .encoder_new = xz_encoder_new,
    .encode = lzma_encode,
    .finish = lzma_finish,
    .encoder_free = lzma_stream_free,
    .decoder_new = xz_decoder_new,
    .decode = lzma_decode,
    .decoder_free = lzma_stream_free,
};
