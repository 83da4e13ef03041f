/* By c-blosc 1, whose functions *_ctx have no state of their own. */

#include <blosc.h>

#include <errno.h>

#include "codec/array_codecs.h"
#include "codec/blosc.h"

/* Levels of c-blosc also choose how much zstd looks at as one; so small at the low ones
 * that reading takes twice as long. */
#define BLOSC_ZSTD_BLOCK_BYTES ((size_t)256 * 1024)

bool
blosc_has(enum cj_array_codec codec)
{
    return blosc_compname_to_compcode(array_codec_name(codec)) >= 0;
}

int
blosc_pack(const struct cj_array_options *options, size_t item_bytes,
           struct cj_bytes in, void *out, size_t *ret_n_out)
{
    size_t block_bytes = options->codec == CJ_ARRAY_ZSTD ? BLOSC_ZSTD_BLOCK_BYTES : 0;
    int n = blosc_compress_ctx(options->level, BLOSC_SHUFFLE, item_bytes, in.size,
                               in.data, out, in.size + BLOSC_HEADER_BYTES,
                               array_codec_name(options->codec), block_bytes, 1);

    if (n <= 0) {
        return -EIO;
    }
    *ret_n_out = (size_t)n;
    return 0;
}

int
blosc_unpack(const void *chunk, void *out, size_t n_out)
{
    int n = blosc_decompress_ctx(chunk, out, n_out, 1);

    if (n == -5) {
        return -ENOTSUP;
    }
    return n < 0 || (size_t)n != n_out ? -EBADMSG : 0;
}
