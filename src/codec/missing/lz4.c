#include "codec/ops.h"

const struct codec_ops codec_lz4 = {0};
