/* The type cjoblib._core.Digest: cj_digest for Python, with hashlib's methods. */

#ifndef EXT_HASH_DIGEST_TYPE_H
#define EXT_HASH_DIGEST_TYPE_H

#include "compat.h"

extern PyType_Spec digest_type_spec;

#endif
