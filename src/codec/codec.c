/* The table of kinds; what is done with one is in encoder.c and decoder.c. */

#include "cjoblib/codec.h"

#include <errno.h>
#include <string.h>

#include "codec/ops.h"

static const struct codec_kind codec_kinds[CJ_CODEC_COUNT] = {
    [CJ_CODEC_ZLIB] = {"zlib", 0, 9, 6, &codec_zlib},
    [CJ_CODEC_GZIP] = {"gzip", 0, 9, 6, &codec_gzip},
    [CJ_CODEC_BZ2] = {"bz2", 1, 9, 9, &codec_bz2},
    [CJ_CODEC_LZMA] = {"lzma", 0, 9, 6, &codec_lzma},
    [CJ_CODEC_XZ] = {"xz", 0, 9, 6, &codec_xz},
    [CJ_CODEC_LZ4] = {"lz4", 0, 16, 0, &codec_lz4},
    [CJ_CODEC_ZSTD] = {"zstd", 1, 22, 3, &codec_zstd},
};

const struct codec_kind *
codec_kind_find(enum cj_codec_kind kind)
{
    return (size_t)kind < CJ_CODEC_COUNT ? &codec_kinds[kind] : NULL;
}

int
cj_codec_by_name(const char *name, enum cj_codec_kind *ret_kind)
{
    for (size_t i = 0; i < CJ_CODEC_COUNT; i++) {
        if (strcmp(name, codec_kinds[i].name) == 0) {
            *ret_kind = (enum cj_codec_kind)i;
            return 0;
        }
    }
    return -EINVAL;
}

const char *
cj_codec_name(enum cj_codec_kind kind)
{
    const struct codec_kind *found = codec_kind_find(kind);

    return found ? found->name : NULL;
}

int
cj_codec_levels(enum cj_codec_kind kind, int *ret_min, int *ret_max)
{
    const struct codec_kind *found = codec_kind_find(kind);

    if (!found) {
        return -EINVAL;
    }
    *ret_min = found->level_min;
    *ret_max = found->level_max;
    return 0;
}

bool
cj_codec_is_built(enum cj_codec_kind kind)
{
    const struct codec_kind *found = codec_kind_find(kind);

    return found && codec_ops_are_there(found->ops);
}
