/* A zlib stream whose memory comes from our heap. <zlib.h> is included before. */

#ifndef CODEC_ZLIB_STREAM_H
#define CODEC_ZLIB_STREAM_H

#include "base/memory.h"

#define ZLIB_MEM_LEVEL 8 /* zlib's own default */

static inline voidpf
zlib_alloc(voidpf opaque, uInt n, uInt size)
{
    (void)opaque;
    return mem_alloc_zero(n, size);
}

static inline void
zlib_release(voidpf opaque, voidpf block)
{
    (void)opaque;
    mem_free(block);
}

static inline z_stream *
zlib_stream_new(void)
{
    z_stream *z = mem_alloc_zero(1, sizeof(*z));

    if (z) {
        z->zalloc = zlib_alloc;
        z->zfree = zlib_release;
    }
    return z;
}

#endif
