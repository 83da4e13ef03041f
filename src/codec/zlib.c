/* Writes zlib streams (RFC 1950) and gzip files (RFC 1952) of blocks; inflate.c reads
 * them. */

#include <errno.h>
#include <string.h>

#include "base/endian.h"
#include "base/memory.h"
#include "codec/deflate.h"

struct deflate_coder {
    const struct deflate_engine *engine;
    void *state;
    uint32_t (*check)(uint32_t before, const void *data, size_t size);
    uint32_t check_of_nothing;
    bool is_stored;
};

/* Whoever is as small as zlib at this level, and fastest. */
static const struct deflate_engine *
deflate_engine_choose(int level)
{
    if (level <= 1 && deflate_by_isal.engine_new) {
        return &deflate_by_isal;
    }
    if (level <= 3 && deflate_by_libdeflate.engine_new) {
        return &deflate_by_libdeflate;
    }
    return &deflate_by_zlib;
}

static int
deflate_coder_new(int level, struct deflate_coder coder, void **ret_coder)
{
    struct deflate_coder *self = mem_alloc(sizeof(*self));
    int r;

    if (!self) {
        return -ENOMEM;
    }
    *self = coder;
    self->engine = deflate_engine_choose(level);
    self->is_stored = level == 0;
    r = self->engine->engine_new(level, &self->state);
    if (r < 0) {
        mem_free(self);
        return r;
    }
    *ret_coder = self;
    return 0;
}

static int
zlib_coder_new(int level, void **ret_coder)
{
    return deflate_coder_new(
        level, (struct deflate_coder){.check = deflate_adler32, .check_of_nothing = 1},
        ret_coder);
}

static int
gzip_coder_new(int level, void **ret_coder)
{
    return deflate_coder_new(level, (struct deflate_coder){.check = deflate_crc32},
                             ret_coder);
}

static int
deflate_coder_encode(void *coder, struct codec_block *block)
{
    struct deflate_coder *self = coder;

    block->check = self->check(self->check_of_nothing, block->in, block->n_in);
    if (self->is_stored) {
        deflate_store(block);
        return 0;
    }
    return self->engine->encode(self->state, block);
}

static void
deflate_coder_free(void *coder)
{
    struct deflate_coder *self = coder;

    self->engine->engine_free(self->state);
    mem_free(self);
}

static size_t
deflate_block_bytes(int level)
{
    (void)level;
    return DEFLATE_BLOCK_BYTES;
}

/* Behind a header: whether parts follow or one deflate stream. */
static size_t
deflate_begin(bool is_only, uint8_t *out, size_t n)
{
    if (is_only) {
        return n;
    }
    memcpy(out + n, DEFLATE_FIRST, DEFLATE_FIRST_BYTES);
    return n + DEFLATE_FIRST_BYTES;
}

static size_t
deflate_end(bool is_only, uint8_t *out)
{
    if (is_only) {
        return 0;
    }
    memcpy(out, DEFLATE_LAST, DEFLATE_LAST_BYTES);
    return DEFLATE_LAST_BYTES;
}

/* The second byte tells the level, roughly, and makes the two a multiple of 31. */
static size_t
zlib_begin(int level, bool is_only, uint8_t *out)
{
    out[0] = 0x78;
    out[1] = level < 2 ? 0x01 : level < 6 ? 0x5e : level == 6 ? 0x9c : 0xda;
    return deflate_begin(is_only, out, 2);
}

static size_t
zlib_end(bool is_only, uint32_t check, uint64_t n_bytes, uint8_t *out)
{
    size_t n = deflate_end(is_only, out);

    (void)n_bytes;
    check = htobe32(check);
    memcpy(out + n, &check, sizeof(check));
    return n + sizeof(check);
}

/* No name, no time; "slowest" or "fastest"; made under Unix. */
static size_t
gzip_begin(int level, bool is_only, uint8_t *out)
{
    static const uint8_t header[10] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3};

    memcpy(out, header, sizeof(header));
    out[8] = level == 9 ? 2 : level == 1 ? 4 : 0;
    return deflate_begin(is_only, out, sizeof(header));
}

static size_t
gzip_end(bool is_only, uint32_t check, uint64_t n_bytes, uint8_t *out)
{
    size_t n = deflate_end(is_only, out);

    put_le32(out + n, check);
    put_le32(out + n + 4, (uint32_t)n_bytes);
    return n + 8;
}

static const struct codec_blocks zlib_blocks = {
    .block_bytes = deflate_block_bytes,
    .part_bytes = deflate_part_bytes,
    .coder_new = zlib_coder_new,
    .encode = deflate_coder_encode,
    .coder_free = deflate_coder_free,
    .begin = zlib_begin,
    .end = zlib_end,
    .combine = deflate_adler32_combine,
    .check_of_nothing = 1,
};

static const struct codec_blocks gzip_blocks = {
    .block_bytes = deflate_block_bytes,
    .part_bytes = deflate_part_bytes,
    .coder_new = gzip_coder_new,
    .encode = deflate_coder_encode,
    .coder_free = deflate_coder_free,
    .begin = gzip_begin,
    .end = gzip_end,
    .combine = deflate_crc32_combine,
};

const struct codec_ops codec_zlib = {.blocks = &zlib_blocks, .reader = &zlib_reader};
const struct codec_ops codec_gzip = {.blocks = &gzip_blocks, .reader = &gzip_reader};
