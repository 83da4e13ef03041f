/* The type cjoblib._core.Lease: cj_lease for Python, and what this interpreter's stores
 * share of it. */

#ifndef EXT_MEMO_LEASE_TYPE_H
#define EXT_MEMO_LEASE_TYPE_H

#include "compat.h"

#include <cjoblib/store.h>

#include "state.h"

extern PyType_Spec lease_type_spec;

/* A Lease that takes `lease`, also when it fails; None for NULL. */
PyObject *lease_object(struct core_state *state, struct cj_lease *lease);

/* Make what the interpreter's stores share, and have forked children let go of it. */
int lease_exec(struct core_state *state);

/* That. Lives as long as the module's state. */
struct cj_leases *lease_shared(struct core_state *state);

#endif
