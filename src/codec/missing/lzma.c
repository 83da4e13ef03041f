#include "codec/ops.h"

const struct codec_ops codec_lzma = {0};
const struct codec_ops codec_xz = {0};
