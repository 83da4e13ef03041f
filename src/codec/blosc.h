/* The one library that array.c needs: shuffles and compresses a piece at a time. */

#ifndef CODEC_BLOSC_H
#define CODEC_BLOSC_H

#include "cjoblib/array.h"

/* What a chunk begins with, and by how much it may be larger than its data. */
#define BLOSC_HEADER_BYTES ((size_t)16)

bool blosc_has(enum cj_array_codec codec);

/* Make a chunk of `in`; there is room for it and its header. -EIO, -ENOMEM. */
CJ_MUST_CHECK int blosc_pack(const struct cj_array_options *options, size_t item_bytes,
                             struct cj_bytes in, void *out, size_t *ret_n_out);

/* Unpack a whole chunk into exactly `n_out` bytes. -EBADMSG; -ENOTSUP: a codec that the
 * library does not have. */
CJ_MUST_CHECK int blosc_unpack(const void *chunk, void *out, size_t n_out);

#endif
