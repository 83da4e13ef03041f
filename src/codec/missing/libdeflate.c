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
