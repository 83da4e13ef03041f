#include <errno.h>
#include <zlib.h>

#include "codec/deflate.h"

const struct deflate_engine deflate_by_libdeflate = {0};

uint32_t
deflate_adler32(uint32_t before, const void *data, size_t size)
{
    return (uint32_t)adler32_z(before, data, size);
}

uint32_t
deflate_crc32(uint32_t before, const void *data, size_t size)
{
    return (uint32_t)crc32_z(before, data, size);
}

bool
deflate_unpacks(void)
{
    return false;
}

int
deflate_unpacker_new(void **ret_unpacker)
{
    (void)ret_unpacker;
    return -ENOTSUP;
}

int
deflate_unpack(void *unpacker, const uint8_t *in, size_t n_in, uint8_t *out,
               size_t *n_out)
{
    (void)unpacker;
    (void)in;
    (void)n_in;
    (void)out;
    (void)n_out;
    return -ENOTSUP;
}

void
deflate_unpacker_free(void *unpacker)
{
    (void)unpacker;
}
