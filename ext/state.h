/* All objects that the module owns, in one struct made from one list. */

#ifndef EXT_STATE_H
#define EXT_STATE_H

#include "compat.h"
#include "pickle/pickle_state.h"

/* X(name): a strong reference, made by core_exec() or on first use. */
#define STATE_OBJECTS(X)                                                                 \
    X(digest_type)                                                                       \
    PICKLE_STATE_OBJECTS(X)

struct core_state {
#define STATE_FIELD(name) PyObject *name;
    STATE_OBJECTS(STATE_FIELD)
#undef STATE_FIELD
};

/* The state behind a module object. */
struct core_state *
core_state(PyObject *module);

/* The state behind one of the module's types, or behind a type derived from one. NULL with
 * an exception set when `type` is not one of those. */
struct core_state *
core_state_of_type(PyTypeObject *type);

/* Make a type from its spec, keep it in the state and show it in the module. */
int
core_add_type(PyObject *module, PyType_Spec *spec, PyObject **ret_type);

#endif
