#include "codec/ops.h"

const struct codec_ops codec_zstd = {0};
