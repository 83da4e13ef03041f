/* Deflate blocks by libdeflate: at the same size several times faster than zlib.
 *
 * It makes whole streams only. One becomes a block by taking away the bit that says
 * "last" from the last of its inner blocks, which must be found first, and by adding
 * the empty stored block. */

#include <errno.h>
#include <libdeflate.h>
#include <string.h>

#define ZLIB_CONST
#include <zlib.h>

#include "base/cleanup.h"
#include "base/memory.h"
#include "codec/deflate.h"
#include "codec/zlib_stream.h"

/* As small as zlib at level 3, give or take a few percent. */
#define LIBDEFLATE_LEVEL 1

#define UNUSED_BITS 7    /* of data_type after inflate(): the low three */
#define IN_LAST_BLOCK 64 /* and what the others say */
#define AT_BOUNDARY 128

struct libdeflate_engine {
    struct libdeflate_compressor *compressor;
    z_stream *scanner;
    uint8_t scanned[DEFLATE_BLOCK_BYTES];
};

static void
libdeflate_engine_free(void *engine)
{
    struct libdeflate_engine *self = engine;

    libdeflate_free_compressor(self->compressor);
    if (self->scanner) {
        (void)inflateEnd(self->scanner);
        mem_free(self->scanner);
    }
    mem_free(self);
}

static int
libdeflate_engine_new(int level, void **ret_engine)
{
    struct libdeflate_engine *self = mem_alloc(sizeof(*self));

    (void)level;
    if (!self) {
        return -ENOMEM;
    }
    self->compressor = libdeflate_alloc_compressor(LIBDEFLATE_LEVEL);
    self->scanner = zlib_stream_new();
    if (!self->compressor || !self->scanner ||
        inflateInit2(self->scanner, -MAX_WBITS) != Z_OK) {
        libdeflate_engine_free(self);
        return -ENOMEM;
    }
    *ret_engine = self;
    return 0;
}

/* Where, in bits, the last inner block begins and ends. */
static int
stream_find_last(struct libdeflate_engine *self, const struct codec_block *block,
                 size_t *ret_begin, size_t *ret_end)
{
    z_stream *z = self->scanner;
    size_t begin = 0, at;
    int code = inflateReset(z), kind = 0;

    z->next_in = block->out;
    z->avail_in = (uInt)block->n_out;
    z->next_out = self->scanned;
    z->avail_out = sizeof(self->scanned);
    while (code == Z_OK) {
        code = inflate(z, Z_BLOCK);
        kind = z->data_type;
        at = 8 * (size_t)(z->next_in - block->out) - (size_t)(kind & UNUSED_BITS);
        if (code != Z_OK || !(kind & AT_BOUNDARY)) {
            return -EIO;
        }
        if (kind & IN_LAST_BLOCK) {
            *ret_begin = begin;
            *ret_end = at;
            return 0;
        }
        begin = at;
    }
    return -EIO;
}

static int
libdeflate_engine_encode(void *engine, struct codec_block *block)
{
    struct libdeflate_engine *self = engine;
    size_t begin, end, n;
    int r;

    block->n_out = libdeflate_deflate_compress(self->compressor, block->in, block->n_in,
                                               block->out, block->n_out);
    if (block->n_out == 0) {
        deflate_store(block);
        return 0;
    }
    if (block->is_only) {
        return 0;
    }
    r = stream_find_last(self, block, &begin, &end);
    if (r < 0) {
        return r;
    }
    block->out[begin / 8] &= (uint8_t)~(1u << begin % 8);
    /* Three bits 0, which are there already unless a new byte begins among them. */
    n = (end + 3 + 7) / 8;
    block->out[n - 1] = end % 8 == 0 || end % 8 > 5 ? 0 : block->out[n - 1];
    memcpy(block->out + n, DEFLATE_MARK, DEFLATE_MARK_BYTES);
    block->n_out = n + DEFLATE_MARK_BYTES;
    return 0;
}

const struct deflate_engine deflate_by_libdeflate = {
    .engine_new = libdeflate_engine_new,
    .encode = libdeflate_engine_encode,
    .engine_free = libdeflate_engine_free,
};

uint32_t
deflate_adler32(uint32_t before, const void *data, size_t size)
{
    return libdeflate_adler32(before, data, size);
}

uint32_t
deflate_crc32(uint32_t before, const void *data, size_t size)
{
    return libdeflate_crc32(before, data, size);
}

bool
deflate_unpacks(void)
{
    return true;
}

int
deflate_unpacker_new(void **ret_unpacker)
{
    *ret_unpacker = libdeflate_alloc_decompressor();
    return *ret_unpacker ? 0 : -ENOMEM;
}

int
deflate_unpack(void *unpacker, const uint8_t *in, size_t n_in, uint8_t *out,
               size_t *n_out)
{
    size_t n_taken, n_made;

    if (libdeflate_deflate_decompress_ex(unpacker, in, n_in, out, *n_out, &n_taken,
                                         &n_made) != LIBDEFLATE_SUCCESS ||
        n_taken != n_in) {
        return -EBADMSG;
    }
    *n_out = n_made;
    return 0;
}

void
deflate_unpacker_free(void *unpacker)
{
    libdeflate_free_decompressor(unpacker);
}
