/* Deflate blocks by zlib itself, and blocks that are only stored. */

#define ZLIB_CONST
#include <zlib.h>

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/memory.h"
#include "codec/deflate.h"
#include "codec/zlib_stream.h"

#define STORED_MAX_BYTES ((size_t)65535)

static int
zlib_engine_new(int level, void **ret_engine)
{
    AUTO(mem_free_p) z_stream *z = zlib_stream_new();

    /* The arguments are right, so only memory can be wanting. */
    if (!z || deflateInit2(z, level, Z_DEFLATED, -MAX_WBITS, ZLIB_MEM_LEVEL,
                           Z_DEFAULT_STRATEGY) != Z_OK) {
        return -ENOMEM;
    }
    *ret_engine = TAKE_PTR(z);
    return 0;
}

static int
zlib_engine_encode(void *engine, struct codec_block *block)
{
    z_stream *z = engine;
    int code;

    (void)deflateReset(z);
    z->next_in = block->in;
    z->avail_in = (uInt)block->n_in;
    z->next_out = block->out;
    z->avail_out = (uInt)block->n_out;
    code = deflate(z, block->is_only ? Z_FINISH : Z_FULL_FLUSH);
    if (code != (block->is_only ? Z_STREAM_END : Z_OK) || z->avail_in > 0) {
        return -EIO;
    }
    block->n_out = (size_t)(z->next_out - block->out);
    return 0;
}

static void
zlib_engine_free(void *engine)
{
    (void)deflateEnd(engine);
    mem_free(engine);
}

const struct deflate_engine deflate_by_zlib = {
    .engine_new = zlib_engine_new,
    .encode = zlib_engine_encode,
    .engine_free = zlib_engine_free,
};

uint32_t
deflate_adler32_combine(uint32_t before, uint32_t check, uint64_t n_bytes)
{
    return (uint32_t)adler32_combine(before, check, (z_off_t)n_bytes);
}

uint32_t
deflate_crc32_combine(uint32_t before, uint32_t check, uint64_t n_bytes)
{
    return (uint32_t)crc32_combine(before, check, (z_off_t)n_bytes);
}

/* Five bytes of header, then the data. */
static uint8_t *
stored_put(uint8_t *out, const uint8_t *in, size_t n, bool is_last)
{
    *out++ = is_last;
    *out++ = (uint8_t)n;
    *out++ = (uint8_t)(n >> 8);
    *out++ = (uint8_t)~n;
    *out++ = (uint8_t)(~n >> 8);
    if (n > 0) {
        memcpy(out, in, n);
    }
    return out + n;
}

void
deflate_store(struct codec_block *block)
{
    uint8_t *out = block->out;
    size_t n = 0;

    for (size_t at = 0; at < block->n_in; at += n) {
        n = block->n_in - at;
        n = n < STORED_MAX_BYTES ? n : STORED_MAX_BYTES;
        out = stored_put(out, block->in + at, n, false);
    }
    block->n_out = (size_t)(stored_put(out, NULL, 0, block->is_only) - block->out);
}
