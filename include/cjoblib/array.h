/* Numbers in memory, compressed by c-blosc: the first bytes of all items, then the
 * second bytes of all, and so on, which is what makes them small and the compressor
 * quick.
 *
 *      cj_array_encode(data, size, 8, &options, sink);
 *      cj_array_decode(source, buffer, size, NULL);     `size` as it was
 *
 * The stream says where it ends, so that others may follow it in one file:
 *
 *      "cjsh", version (1 byte), 3 bytes 0,
 *      bytes in a piece (le32), 4 bytes 0, bytes in all (le64)       once
 *      xxh3-64 of what follows (le64), a c-blosc chunk               for each piece
 *
 * Every piece but the last holds the same number of bytes. A chunk begins with
 * c-blosc's own header of 16 bytes, of which bytes 4 to 7 are the size of its data and
 * 12 to 15 its own size (le32).
 */

#ifndef CJ_ARRAY_H
#define CJ_ARRAY_H

#include <cjoblib/codec.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What compresses the shuffled bytes. */
enum cj_array_codec {
    CJ_ARRAY_LZ4,
    CJ_ARRAY_LZ4HC,
    CJ_ARRAY_ZLIB,
    CJ_ARRAY_ZSTD,
    CJ_ARRAY_BLOSCLZ,
};

/* All zero is the default but for the level; NULL in place of the options means lz4 at
 * its usual level. */
struct cj_array_options {
    enum cj_array_codec codec;
    int level;              /* 0 (only shuffle) to 9, or CJ_CODEC_LEVEL_DEFAULT */
    unsigned int n_threads; /* as in struct cj_codec_options */
};

/* "lz4", "lz4hc", "zlib", "zstd", "blosclz". -EINVAL: none is called so. */
CJ_API CJ_MUST_CHECK int cj_array_codec_by_name(const char *name,
                                                enum cj_array_codec *ret_codec);

/* Whether the library was built with c-blosc, and that with this codec. */
CJ_API bool cj_array_codec_is_built(enum cj_array_codec codec);

/* Write `size` bytes of items of `item_bytes` each (more than 255: they are not
 * shuffled). Beside the data it holds up to 8 MB.
 *
 * -EINVAL: no such codec or level; -ENOTSUP: built without it; -ENOMEM; or what the
 * sink returned. */
CJ_API CJ_MUST_CHECK int cj_array_encode(const void *data, size_t size,
                                         size_t item_bytes,
                                         const struct cj_array_options *options,
                                         struct cj_sink sink);

/* Read what cj_array_encode() wrote of `size` bytes into `buffer`, and not one byte
 * more from the source.
 *
 * -EBADMSG: no such stream, one of another size, or damaged; -ENODATA: it ends too
 * early; -ENOTSUP: built without c-blosc, or that without the codec; -ENOMEM; or what
 * the source returned. After an error `buffer` holds anything. */
CJ_API CJ_MUST_CHECK int cj_array_decode(struct cj_source source, void *buffer,
                                         size_t size,
                                         const struct cj_codec_options *options);

#ifdef __cplusplus
}
#endif

#endif
