/* The type cjoblib._core.Memo: a function whose results are looked up in a store. */

#ifndef EXT_MEMO_MEMO_TYPE_H
#define EXT_MEMO_MEMO_TYPE_H

#include "compat.h"

extern PyType_Spec memo_type_spec;

#endif
