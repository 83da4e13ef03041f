#include "codec/ops.h"

const struct codec_ops codec_bz2 = {0};
