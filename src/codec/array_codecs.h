/* The names of what compresses shuffled bytes: ours are c-blosc's. */

#ifndef CODEC_ARRAY_CODECS_H
#define CODEC_ARRAY_CODECS_H

#include "cjoblib/array.h"

/* NULL: no such codec. */
const char *array_codec_name(enum cj_array_codec codec);

#endif
