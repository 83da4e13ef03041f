/* The type cjoblib._core.Store: cj_store for Python. */

#ifndef EXT_MEMO_STORE_TYPE_H
#define EXT_MEMO_STORE_TYPE_H

#include "compat.h"

#include <cjoblib/store.h>

#include "memo/shelf_type.h"

extern PyType_Spec store_type_spec;

#endif
