/* The types cjoblib._core.Encoder and Decoder: compressed streams over the write or
 * read method of any Python file. */

#ifndef EXT_PICKLE_CODEC_FILES_H
#define EXT_PICKLE_CODEC_FILES_H

#include "compat.h"

extern PyType_Spec encoder_type_spec;
extern PyType_Spec decoder_type_spec;

#endif
