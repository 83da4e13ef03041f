#include "codec/blosc.h"

#include <errno.h>

bool
blosc_has(enum cj_array_codec codec)
{
    (void)codec;
    return false;
}

int
blosc_pack(const struct cj_array_options *options, size_t item_bytes,
           struct cj_bytes in, void *out, size_t *ret_n_out)
{
    (void)options;
    (void)item_bytes;
    (void)in;
    (void)out;
    (void)ret_n_out;
    return -ENOTSUP;
}

int
blosc_unpack(const void *chunk, void *out, size_t n_out)
{
    (void)chunk;
    (void)out;
    (void)n_out;
    return -ENOTSUP;
}
