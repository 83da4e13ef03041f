/* Blocks of deflate (RFC 1951), by one library or another, and the checks of the
 * formats around them.
 *
 * The only block of a stream is a whole deflate stream. Others end with an empty stored
 * block, which fills up the last byte: they can stand one behind the other, and refer
 * to nothing before them. */

#ifndef CODEC_DEFLATE_H
#define CODEC_DEFLATE_H

#include "codec/ops.h"

/* What a stream of several blocks begins and ends with: a block that is empty and
 * stored, which says that ours follow, and an empty last one. */
#define DEFLATE_FIRST "\0\0\0\377\377"
#define DEFLATE_FIRST_BYTES 5
#define DEFLATE_LAST "\3\0"
#define DEFLATE_LAST_BYTES 2

/* Every block of such a stream but the last has so much data. */
#define DEFLATE_BLOCK_BYTES ((size_t)256 * 1024)

/* Where a block's part ends. */
#define DEFLATE_MARK "\0\0\377\377"
#define DEFLATE_MARK_BYTES 4

/* Room enough for each of the engines. */
static inline size_t
deflate_part_bytes(size_t n_in)
{
    return n_in + n_in / 8 + n_in / 64 + 256;
}

/* All zero: it was not built in. The levels are zlib's. */
struct deflate_engine {
    int (*engine_new)(int level, void **ret_engine);
    int (*encode)(void *engine, struct codec_block *block); /* but for the check */
    void (*engine_free)(void *engine);
};

extern const struct deflate_engine deflate_by_zlib;       /* deflate_zlib.c */
extern const struct deflate_engine deflate_by_isal;       /* isal.c */
extern const struct deflate_engine deflate_by_libdeflate; /* libdeflate.c */

uint32_t deflate_adler32(uint32_t before, const void *data, size_t size);
uint32_t deflate_crc32(uint32_t before, const void *data, size_t size);

/* Of two pieces, one behind the other: the second has `n_bytes`. */
uint32_t deflate_adler32_combine(uint32_t before, uint32_t check, uint64_t n_bytes);
uint32_t deflate_crc32_combine(uint32_t before, uint32_t check, uint64_t n_bytes);

/* Whether whole streams can be unpacked (libdeflate.c), and doing so: `n_out` is the
 * room, then what there was. -EBADMSG: no such stream, too long, or something follows
 * it. */
bool deflate_unpacks(void);
CJ_MUST_CHECK int deflate_unpacker_new(void **ret_unpacker);
CJ_MUST_CHECK int deflate_unpack(void *unpacker, const uint8_t *in, size_t n_in,
                                 uint8_t *out, size_t *n_out);
void deflate_unpacker_free(void *unpacker);

/* Write the block as it is. */
void deflate_store(struct codec_block *block);

#endif
