/* The type cjoblib._core.Region: bytes that the C library handed over, as a writable
 * buffer that Python objects (arrays, for one) can stand on without a copy. */

#ifndef EXT_PICKLE_REGION_H
#define EXT_PICKLE_REGION_H

#include "compat.h"

#include <cjoblib/base.h>

#include "state.h"

extern PyType_Spec region_type_spec;

/* A region that owns the blob's bytes; the blob is left empty, also on failure. */
PyObject *region_take(struct core_state *state, struct cj_blob *blob);

/* A region of bytes inside `owner`, which it keeps alive. */
PyObject *region_within(struct core_state *state, PyObject *owner, void *data,
                        size_t size, int readonly);

#endif
